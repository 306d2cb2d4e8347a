"""scikit-learn's digits, which need no download."""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from tfdgm.data.splits import SPLITS, parts

LEVELS = 17


def load(split: str):
    """The 1,797 digits of 8x8 pixels with 17 grey levels, shuffled once: 1,197, 300 and 300 pairs (event, label)."""
    wanted = parts(split, 'digits')
    digits = load_digits()
    of_splits = np.split(np.random.RandomState(0).permutation(len(digits.target)), [1197, 1497])
    chosen = np.concatenate([of_splits[SPLITS.index(part)] for part in wanted])
    images = digits.images[chosen, :, :, None].astype('float32')
    return tf.data.Dataset.from_tensor_slices((images, digits.target[chosen].astype('int32')))
