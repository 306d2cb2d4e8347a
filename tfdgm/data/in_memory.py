"""A whole dataset in memory."""

import numpy as np
import tensorflow as tf


def as_arrays(dataset: tf.data.Dataset):
    """Reads a whole dataset into memory: an array of events, or a pair of arrays (events, labels).

    Raises:
        ValueError: if the events are not all of one shape, or the dataset is of batches that are not alike.

    >>> import tfdgm
    >>> tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test')).shape
    (300, 8, 8, 1)
    """
    try:
        batches = list(dataset.batch(1000).as_numpy_iterator())
    except tf.errors.InvalidArgumentError as error:
        raise ValueError('Expected a dataset of single events of one shape. Is it batched already? Then '
                         f'dataset.unbatch() gives them. {error}') from error
    if isinstance(dataset.element_spec, tuple):
        return tuple(np.concatenate(part) for part in zip(*batches))
    return np.concatenate(batches)
