"""How well logistic regression reads digits from the hidden units of an RBM: `python benchmarks/features.py`.

scikit-learn's `LogisticRegression` on the probabilities of the hidden units of `rbm_binarized_mnist`, given images of
MNIST that are 1 where a pixel is above the middle; and on the pixels themselves. How much its weights are held down is
chosen on the validation split; the figure is of the test split.
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tfdgm
import zoo

STRENGTHS = 0.003, 0.03, 0.3


def features(model, split):
    """The hidden units of a split's images, the pixels, and the labels."""
    images, labels = tfdgm.data.as_arrays(
        tfdgm.data.load('mnist', split, binarization='threshold', labels=True))
    batches = np.array_split(images, max(1, len(images) // 1000))
    hidden = np.concatenate([np.asarray(model.encode(batch)) for batch in batches])
    return {'hidden units': hidden, 'pixels': images.reshape(len(images), -1)}, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--entry', default='rbm_binarized_mnist')
    model = zoo.load(parser.parse_args().entry)
    (train, train_labels), (validation, validation_labels), (test, test_labels) = (
        features(model, split) for split in ('train', 'validation', 'test'))
    for kind in train:
        readers = [make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200)).fit(
            train[kind], train_labels) for strength in STRENGTHS]
        reader = max(readers, key=lambda reader: reader.score(validation[kind], validation_labels))
        print(f'{kind}: {reader.score(test[kind], test_labels):.2%} of the test images', flush=True)


if __name__ == '__main__':
    main()
