"""How well logistic regression reads digits from the hidden units of an RBM: `python benchmarks/features.py`.

An RBM of 1,024 hidden units learns MNIST, binarized anew in each epoch, by contrastive divergence with a target of
sparsity. scikit-learn's `LogisticRegression` reads the probabilities of its hidden units, given images that are 1
where a pixel is above the middle; and, beside them, the pixels themselves. How much its weights are held down is chosen
on the validation split; the figure is of the test split.
"""

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

import tfdgm

STRENGTHS, BATCH = (0.3, 3.), 100


def trained(name='mnist', hidden_units=1024, sparsity_target=0.1, learning_rate=0.1, epochs=25):
    """The RBM."""
    keras.utils.set_random_seed(0)
    model = tfdgm.RBM((28, 28, 1), hidden_units=hidden_units, persistent=False, sparsity_target=sparsity_target, seed=0)
    images = tfdgm.data.load(name, 'train', binarization='dynamic').shuffle(60_000, seed=0).batch(BATCH)
    rate = keras.optimizers.schedules.PolynomialDecay(learning_rate, epochs * len(images), 0.)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5, weight_decay=1e-4), steps_per_execution=50)
    model.fit(images, epochs=epochs, verbose=2)
    return model


def features(model, split):
    """The hidden units of a split's images, the pixels, and the labels."""
    images, labels = tfdgm.data.as_arrays(
        tfdgm.data.load('mnist', split, binarization='threshold', labels=True))
    batches = np.array_split(images, max(1, len(images) // 1000))
    hidden = np.concatenate([np.asarray(model.encode(batch)) for batch in batches])
    return {'hidden units': hidden, 'pixels': images.reshape(len(images), -1)}, labels


def main():
    """Trains, reads, and prints what share of the test images was read."""
    model = trained()
    (train, train_labels), (validation, validation_labels), (test, test_labels) = (
        features(model, split) for split in ('train', 'validation', 'test'))
    for kind in train:
        readers = [LogisticRegression(C=strength, max_iter=300).fit(train[kind], train_labels)
                   for strength in STRENGTHS]
        reader = max(readers, key=lambda reader: reader.score(validation[kind], validation_labels))
        print(f'{kind}: {reader.score(test[kind], test_labels):.2%} of the test images', flush=True)


if __name__ == '__main__':
    main()
