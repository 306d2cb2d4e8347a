"""Two sets of which no pairs are known, for translation: those of one name, or two names with a plus between them."""

import numpy as np
import tensorflow as tf

from tfdgm import checks
from tfdgm.data import published
from tfdgm.data.in_memory import as_arrays
from tfdgm.data.splits import SPLITS

# What stands between the names of two sets.
BOTH = '+'


def unpaired(first, second, seed: int = 0) -> tf.data.Dataset:
    """Pairs of events of two sets, which a model such as `tfdgm.CycleGAN` learns from; what is a pair says nothing.

    Args:
        first: events, an array `[n, …]` or a `tf.data.Dataset` of single ones.
        second: others, `[m, …]`.
        seed: of the order of the second; events of the smaller set come again.

    Raises:
        ValueError: if events of both are of different shapes, no numbers, with labels, or there are none.

    >>> import numpy as np, tfdgm
    >>> len(tfdgm.data.unpaired(np.zeros([3, 8, 8, 1]), np.ones([5, 8, 8, 1])))
    5
    """
    arrays = [as_arrays(one) if isinstance(one, tf.data.Dataset) else checks.as_array(one) for one in (first, second)]
    for array in arrays:
        if isinstance(array, tuple):
            raise ValueError('Expected two sets of events alone; one has pairs, such as of events and labels.')
        if not checks.is_real(array.dtype) or not array.ndim:
            raise ValueError(f'Expected two sets of events, numbers of shape [n, …]; got an array of shape '
                             f'{array.shape} and type {array.dtype}.')
    shapes = [array.shape[1:] for array in arrays]
    if shapes[0] != shapes[1] or not all(map(len, arrays)):
        raise ValueError(f'Expected two sets of events of one shape, at least one of each; got {len(arrays[0])} of '
                         f'shape {shapes[0]} and {len(arrays[1])} of shape {shapes[1]}.')
    generator, count = np.random.default_rng(checks.seed(seed)), max(map(len, arrays))
    places = [np.arange(count) % len(arrays[0]), generator.permutation(count) % len(arrays[1])]
    return tf.data.Dataset.from_tensor_slices(tuple(array[chosen] for array, chosen in zip(arrays, places)))


def halves_of(name: str, split: str) -> list | None:
    """The names and splits of the two sets that a name stands for; None if it is one set."""
    if BOTH in name:
        parts = [part.strip() for part in name.split(BOTH)]
        if len(parts) != 2 or not all(parts):
            raise ValueError(f'Two sets have names with one plus between them, such as mnist+usps; got {name!r}.')
        return [(part, split) for part in parts]
    if split not in SPLITS or not published.is_unpaired(name):
        return None
    kept = round(100 * (1 - published.VALIDATION_SHARE))
    part = {'train': f'[:{kept}%]', 'validation': f'[{kept}%:]', 'test': ''}[split]
    return [(name, f'{"test" if split == "test" else "train"}{domain}{part}') for domain in 'AB']


def are_matched(name: str, split: str) -> bool:
    """Whether the pairs of a split belong together: both halves have the same files."""
    return order_of_files(name, split) is not None


def order_of_files(name: str, split: str) -> list | None:
    """The places of the images of both kinds in the order of their files' names, if these are the same; else None."""
    import tensorflow_datasets as tfds

    if BOTH in name or split != 'test' or not published.is_unpaired(name):
        return None
    builder = published.builder(name)
    if 'filename' not in builder.info.features:
        return None
    files = [[example['filename'] for example in tfds.as_numpy(builder.as_dataset(split=f'test{domain}'))]
             for domain in 'AB']
    return [np.argsort(names) for names in files] if sorted(files[0]) == sorted(files[1]) else None


def pairs(name: str, split: str, halves: list, seed: int) -> tf.data.Dataset:
    """The pairs of a split: those that belong together, in the order of their files, where that is known."""
    orders = order_of_files(name, split)
    if orders is None:
        return unpaired(*halves, seed=seed)
    return tf.data.Dataset.from_tensor_slices(tuple(as_arrays(half)[order] for half, order in zip(halves, orders)))
