"""What it costs that a distribution scores many events in pieces, as a table from one run.

    python benchmarks/pieces.py [--events 1000] [--repeats 3]

Models of the zoo score binary images of 28x28 drawn at random: in pieces, as `dist.log_prob` does, and by turns
all at once, as it does where a tape might watch (this one watches nothing, and keeps nothing). The ratio is of medians.
"""

import argparse
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
from measure import seconds, show_rows

import zoo

NAMES = ('nade_binarized_mnist', 'made_binarized_mnist', 'gated_pixelcnn_binarized_mnist',
         'realnvp_mnist', 'glow_mnist')


def row(name, images, repeats):
    """One model's row of the table."""
    model = zoo.load(name)
    dist = model.distribution()

    def at_once():
        with tf.GradientTape(watch_accessed_variables=False):
            return dist.log_prob(images)

    in_pieces, whole = (len(images) / time for time in seconds(
        lambda: dist.log_prob(images), at_once, repeats=repeats))
    return name, str(model.scoring_batch), f'{in_pieces:.0f}', f'{whole:.0f}', f'{in_pieces / whole:.2f}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--events', type=int, default=1000)
    parser.add_argument('--repeats', type=int, default=3)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).integers(2, size=(arguments.events, 28, 28, 1)).astype('float32')
    show_rows(('model', 'pieces of', 'images/s in pieces', 'at once', 'in pieces / at once'), (
        row(name, images, arguments.repeats) for name in NAMES))


if __name__ == '__main__':
    main()
