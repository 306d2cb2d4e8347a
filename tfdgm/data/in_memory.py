"""A whole dataset in memory."""

import numpy as np
import tensorflow as tf


def as_arrays(dataset: tf.data.Dataset):
    """Reads a whole dataset into memory: an array of events, or a pair of arrays (events, labels).

    >>> import tfdgm
    >>> tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test')).shape
    (300, 8, 8, 1)
    """
    batches = list(dataset.batch(1000).as_numpy_iterator())
    if isinstance(dataset.element_spec, tuple):
        return tuple(np.concatenate(part) for part in zip(*batches))
    return np.concatenate(batches)
