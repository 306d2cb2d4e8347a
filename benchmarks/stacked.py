"""How many of the thousand modes of stacked digits the samples of an adversarial model have.

    python benchmarks/stacked.py [--system wgan] [--steps 20000] [--filters 32] [--seed 0]

Events are three digits of MNIST, chosen independently, as the channels of one image; a mode is a triple of classes. A
model learns in batches of 64 new triples; then 26,000 samples are drawn, as in arXiv:1712.04086, section 4.2, and the
zoo's classifier of MNIST reads each channel. Steps are those of the critic. The reverse KL divergence is that from the
samples' modes to equal shares, in nats.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf
from measure import show_rows

import tfdgm
import zoo

SYSTEMS = {
    'gan': lambda **kwargs: tfdgm.GAN((28, 28, 3), levels=256, spectral_normalization=True, **kwargs),
    'packed_gan': lambda **kwargs: tfdgm.GAN((28, 28, 3), levels=256, pack=2, **kwargs),
    'wgan': lambda **kwargs: tfdgm.WGAN((28, 28, 3), levels=256, **kwargs),
}
SAMPLES, BATCH, EPOCH = 26_000, 64, 1_000


def triples(images, seed):
    """An endless pipeline of batches of stacked digits."""
    images = tf.constant(images[..., 0])

    def stack(seed):
        chosen = tf.random.stateless_uniform((BATCH, 3), seed, maxval=len(images), dtype=tf.int32)
        return tf.transpose(tf.gather(images, chosen), (0, 2, 3, 1))

    return tf.data.Dataset.random(seed).batch(2, drop_remainder=True).map(stack).prefetch(2)


def found(system, steps, filters, seed):
    """The modes that a trained model's samples have."""
    keras.utils.set_random_seed(seed)
    model = SYSTEMS[system](num_latents=100, filters=filters, seed=seed)
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    model.compile(optimizers[0], critic_optimizer=optimizers[1], steps_per_execution=20)
    images = tfdgm.data.as_arrays(tfdgm.data.load('mnist', 'train'))
    model.fit(triples(images, seed), epochs=steps // EPOCH, steps_per_epoch=EPOCH, verbose=2)
    samples, classifier = model.distribution().sample(SAMPLES, seed=seed).numpy(), zoo.load('features_mnist')
    digits = [np.asarray(classifier.classify(samples[..., channel:channel + 1])) for channel in range(3)]
    return tfdgm.evaluation.modes_of(digits[0] * 100 + digits[1] * 10 + digits[2], 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--system', choices=SYSTEMS, default='wgan')
    parser.add_argument('--steps', type=int, default=20_000, help='of the critic')
    parser.add_argument('--filters', type=int, default=32, help='of the critic and of the generator')
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    modes = found(arguments.system, arguments.steps, arguments.filters, arguments.seed)
    show_rows(['system', 'steps of the critic', 'modes of 1,000', 'reverse KL'], [
        (arguments.system, arguments.steps, modes.hit, f'{modes.reverse_kl:.2f}')])


if __name__ == '__main__':
    main()
