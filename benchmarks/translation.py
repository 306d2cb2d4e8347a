"""Whether translations by CycleGANs of the zoo are what they should be.

    python benchmarks/translation.py

MNIST and USPS at 16x16 pixels: the share of the test digits that a classifier of the other set's digits reads as what
they are, once they are translated; and beside it as they are, untranslated, and the share of that set's own test digits
that it reads. The classifiers are the zoo's and have seen their own training set alone.

Emoji: the mean squared error, of values from 0 to 1, of translations of the test images beside the same emoji in the
other style; and beside it that of the images as they are.
"""

import numpy as np
from measure import show_rows

import tfdgm
import zoo


def digits():
    """Rows of the accuracies in both directions."""
    model = zoo.load('cyclegan_mnist_usps')
    sets = {name: tfdgm.data.as_arrays(tfdgm.data.load(name, 'test', labels=True, size=16))
            for name in ('mnist', 'usps')}
    classifiers = {'mnist': zoo.load('features_mnist_16'), 'usps': zoo.load('features_usps')}
    for (source, target), domains in (('mnist', 'usps'), 'AB'), (('usps', 'mnist'), 'BA'):
        (images, labels), classifier = sets[source], classifiers[target]
        shares = [np.mean(classifier.classify(x) == y) for x, y in (
            (model.translate(images, *domains), labels), (images, labels), sets[target])]
        yield f'{source} to {target}', *(f'{100 * share:.2f} %' for share in shares)


def emoji():
    """Rows of the errors in both directions."""
    model = zoo.load('cyclegan_emoji')
    a, b = tfdgm.data.as_arrays(tfdgm.data.load('emoji_styles', 'test'))
    for images, truth, domains in (a, b, 'AB'), (b, a, 'BA'):
        errors = [np.mean((np.asarray(x) / 255 - truth / 255)**2) for x in (model.translate(images, *domains), images)]
        yield ' to '.join(domains), *(f'{error:.4f}' for error in errors)


if __name__ == '__main__':
    show_rows(['digits', 'read, translated', 'as they are', "the other set's own"], digits())
    show_rows(['emoji', 'error, translated', 'as they are'], emoji())
