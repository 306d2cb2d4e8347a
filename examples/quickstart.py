"""The library's main job on real digits, in under a minute: load, score, sample, fine-tune, use in TFP.

    python examples/quickstart.py
"""

import os
import pathlib
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import numpy as np
import tensorflow_probability as tfp

import tfdgm
import zoo


def main():
    keras.utils.set_random_seed(0)
    model = zoo.load('nade_digits')
    dist = model.distribution()
    test, labels = tfdgm.data.as_arrays(
        tfdgm.data.load('digits', 'test', binarization='threshold', labels=True))
    print(f'{model.name}: {model.count_params():,} parameters, events {dist.event_shape}')

    log_probs = dist.log_prob(test)
    noise = np.random.default_rng(0).integers(2, size=test.shape)
    print(f'score: {np.mean(log_probs):.2f} nats for held-out digits, {np.mean(dist.log_prob(noise)):.2f} for noise')

    picture = pathlib.Path(tempfile.gettempdir()) / 'tfdgm_digits.png'
    tfdgm.pictures.save_grid(picture, dist.sample(64, seed=0))
    print(f'sample: 64 new digits in {picture}')

    # Fine-tuning: a model of all digits becomes one of threes.
    train, train_labels = tfdgm.data.as_arrays(
        tfdgm.data.load('digits', 'train', binarization='threshold', labels=True))
    threes, held_out_threes = train[train_labels == 3], test[labels == 3]
    before = model.evaluate(held_out_threes, verbose=0, return_dict=True)['nll']
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(threes, epochs=20, batch_size=32, verbose=0)
    after = model.evaluate(held_out_threes, verbose=0, return_dict=True)['nll']
    print(f'fine-tune: held-out threes went from {-before:.2f} to {-after:.2f} nats')
    assert after < before, 'fine-tuning should raise the held-out likelihood'

    # TFP: a mixture of the fine-tuned model and a uniform distribution finds what is not a three.
    uniform = tfdgm.Independent(event_shape=(8, 8, 1)).distribution()
    mixture = tfp.distributions.Mixture(
        tfp.distributions.Categorical(probs=[0.99, 0.01]), [dist, uniform])
    print(f'mixture: {np.mean(mixture.log_prob(held_out_threes)):.2f} nats')


if __name__ == '__main__':
    main()
