"""Named datasets as `tf.data` pipelines of events in the library's common space.

An event is a float32 tensor: integers 0 … levels-1 for quantised data, {0, 1} for binary data, real numbers for
tables; NaN fills up sounds that are shorter than others. `digits` comes with scikit-learn and needs nothing, nor do
the densities of `tfdgm.planes`; a name that ends in .csv or .tsv is a file; every other name is one of TensorFlow
Datasets.
"""

import os
import pathlib

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from tfdgm import checks, planes, random, sound, tables

BINARIZATIONS = 'fixed', 'threshold', 'dynamic'
SPLITS = tables.SPLITS
# Short names of tables that TensorFlow Datasets has.
TABLES = {'wine_red': 'wine_quality/red', 'wine_white': 'wine_quality/white'}

# Of the sets of sound, in Hz.
SAMPLE_RATES = {'spoken_digit': 8000}
SOUND_LEVELS, LONGEST_SOUND = 256, 8000

# How many training examples at the end become the validation split where the publisher has none.
VALIDATION_EXAMPLES = {'mnist': 10_000, 'fashion_mnist': 10_000}
VALIDATION_SHARE = 0.1


class DatasetUnavailableError(RuntimeError):
    """A dataset is neither prepared on this machine nor can it be downloaded."""


def load(name: str, split: str = 'train', *, binarization: str | None = None, levels: int | None = None,
         size: int | None = None, labels: bool = False, columns=None, length: int | None = None, seed: int = 0):
    """Opens a dataset as single events.

    Args:
        name: 'digits', 'mnist', 'binarized_mnist', 'fashion_mnist', 'usps' or any other image set that TensorFlow
            Datasets knows by name; 'wine_red', 'wine_white' or any other table of numbers that it knows; or the path
            of a CSV file, .csv or .tsv, as `tfdgm.tables.read` takes it; or 50,000 points of 'moons',
            'eight_gaussians', 'pinwheel' or 'checkerboard', see `tfdgm.planes`. The rows of a table are shuffled once,
            and 10 % of them each are for validation and for the test. Or 'spoken_digit', sound: see below.
        split: 'train', 'validation' or 'test'; of images, any expression that TensorFlow Datasets understands. A set
            without a validation split lends the end of its training split (10,000 for the MNISTs, else a tenth).
        binarization: None for the values as they are; 'threshold' for 1 where a value is above the middle; 'fixed'
            for one random draw, with the scaled value as the probability of 1; 'dynamic' for a new draw each epoch.
        levels: how many levels to keep of a set's own: with 16 of 256, each run of 16 values becomes one.
        size: how many pixels the sides of square images keep, a divisor of their own number: squares of pixels become
            their mean, rounded.
        labels: whether to give pairs (event, label): what `fit` takes for a conditional model.
        length: of sound, how many samples an event has; what is longer is cut off.
        columns: of a table, which to keep, by name or by number from 0; None for all.
        seed: of the random binarizations.

    The events of 'spoken_digit' are `[length]` samples at 8,000 Hz, after μ-law companding to `levels`, 256 by default,
    and filled up with NaN where a recording is shorter than `length`, 8,000 by default: for models of sequences with
    `variable_length=True`. Its labels are `[2]`, the digit and the speaker. As its authors propose, recordings 0 to 4
    of each digit and speaker are the test split; 5 to 9 are the validation split.

    Returns:
        A `tf.data.Dataset` of float32 events, or of pairs with int32 labels.

    Raises:
        ValueError: if the name, the split or the binarization is unknown, the set has no labels, not so many levels or
            no images of a multiple of the size, or both levels and a binarization are asked for; or a table holds what
            is no number.
        FileNotFoundError: if there is no such CSV file.
        DatasetUnavailableError: if the set is neither prepared nor downloadable.

    >>> import tfdgm
    >>> tfdgm.data.load('digits', 'test', binarization='threshold').element_spec.shape
    TensorShape([8, 8, 1])
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else checks.instance(name, str, 'name', 'digits')
    if not isinstance(split, str):
        raise ValueError(f"split must be a text such as 'train', 'validation' or 'test', got {split!r}.")
    checks.integer(seed, 'seed of a dataset', 0)
    if binarization not in (None, *BINARIZATIONS):
        raise ValueError(f'Unknown binarization {binarization!r}: expected None or one of {", ".join(BINARIZATIONS)}.')
    if levels is not None and binarization is not None:
        raise ValueError(f'Either levels or a binarization, got {levels} and {binarization!r}.')
    if name == 'spoken_digit':
        if binarization is not None or columns is not None or size is not None:
            raise ValueError(f'{name} is sound: it takes no binarization, no size and no columns.')
        return _spoken_digit(split, labels, SOUND_LEVELS if levels is None else levels, length)
    if length is not None:
        raise ValueError(f'{name} is no sound: it takes no length, got {length!r}.')
    table = _table(name, columns)
    if table is not None:
        if labels or levels is not None or binarization is not None or size is not None:
            raise ValueError(f'{name} is a table: it takes no labels, no levels, no size and no binarization.')
        values, _ = table
        return tf.data.Dataset.from_tensor_slices(tables.split_of(values, split, name))
    if columns is not None:
        raise ValueError(f'{name} is no table: it takes no columns, got {columns!r}.')
    dataset, own_levels = _digits(split) if name == 'digits' else _from_tfds(name, split, labels)
    if not labels:
        dataset = dataset.map(lambda image, label: image, tf.data.AUTOTUNE)
    if size is not None:
        dataset = _smaller(dataset, own_levels, size, name)
    if levels is not None:
        if checks.integer(levels, f'levels of {name}', 2) > own_levels:
            raise ValueError(f'levels of {name} can be at most its own {own_levels}, got {levels}.')
        dataset = dataset.map(lambda *example: _coarser(example, own_levels, levels), tf.data.AUTOTUNE)
    if binarization is not None and own_levels > 2:
        dataset = _binarize(dataset, own_levels, binarization, seed)
    return dataset


def columns_of(name: str, columns=None) -> list | None:
    """The names of a table's columns, in the order in which `load` gives them; None of a set that is no table.

    Raises:
        As `load`.

    >>> import tfdgm
    >>> tfdgm.data.columns_of('digits') is None
    True
    """
    name = os.fspath(name)
    table = None if name in SAMPLE_RATES else _table(name, columns)
    return table and table[1]


def as_arrays(dataset):
    """Reads a whole dataset into memory: an array of events, or a pair of arrays (events, labels).

    >>> import tfdgm
    >>> tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test')).shape
    (300, 8, 8, 1)
    """
    batches = list(dataset.batch(1000).as_numpy_iterator())
    if isinstance(dataset.element_spec, tuple):
        return tuple(np.concatenate(part) for part in zip(*batches))
    return np.concatenate(batches)


def _digits(split):
    """scikit-learn's 1,797 digits of 8x8 pixels with 17 grey levels, shuffled once: 1,197, 300 and 300."""
    if split not in SPLITS:
        raise ValueError(f'digits has the splits {", ".join(SPLITS)}; got {split!r}.')
    digits = load_digits()
    chosen = np.split(np.random.RandomState(0).permutation(len(digits.target)), [1197, 1497])[SPLITS.index(split)]
    images = digits.images[chosen, :, :, None].astype('float32')
    return tf.data.Dataset.from_tensor_slices((images, digits.target[chosen].astype('int32'))), 17


def _table(name, columns):
    """The rows of a CSV file or of a TFDS set whose examples are numbers, `[rows, columns]`, and the columns' names.

    None of other sets.
    """
    if name == 'digits':
        return None
    if name in planes.PLANES:
        names = ['x', 'y']
        return planes.PLANES[name](planes.POINTS)[:, tables.places(columns, names, name)], names
    if pathlib.PurePath(name).suffix.lower() in tables.SUFFIXES:
        values, names = tables.read_with_names(name, columns)
        tables.check_density(values, name)
        return values, names
    import tensorflow_datasets as tfds

    builder = _builder(TABLES.get(name, name))
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict) or 'features' not in features:
        return None
    examples = tfds.as_numpy(builder.as_dataset(split='train', batch_size=-1))['features']
    names = sorted(examples)
    chosen = tables.places(columns, names, name)
    values = np.stack([np.asarray(examples[names[place]], 'float32') for place in chosen], axis=1)
    return values, [names[place] for place in chosen]


def _spoken_digit(split, labels, levels, length):
    """The recordings of one split, companded, cut off or filled up with NaN to one length."""
    import tensorflow_datasets as tfds

    if split not in SPLITS:
        raise ValueError(f'spoken_digit has the splits {", ".join(SPLITS)}; got {split!r}.')
    length = LONGEST_SOUND if length is None else checks.integer(length, 'length of spoken_digit')
    builder = _builder('spoken_digit')
    # A file is called 7_jackson_32.wav: the digit, the speaker, and the number of the recording.
    recordings = [(*example['audio/filename'].decode().removesuffix('.wav').split('_'), example['audio'])
                  for example in tfds.as_numpy(builder.as_dataset(split='train'))]
    speakers = sorted({speaker for _, speaker, _, _ in recordings})
    numbers = {'test': range(5), 'validation': range(5, 10), 'train': range(10, len(recordings))}[split]
    chosen = sorted(((int(digit), speakers.index(speaker), int(number)), samples)
                    for digit, speaker, number, samples in recordings if int(number) in numbers)
    events = np.full((len(chosen), length), np.nan, 'float32')
    for event, (_, samples) in zip(events, chosen):
        event[:len(samples)] = sound.encode(samples[:length] / sound.LARGEST, levels)
    classes = np.array([(digit, speaker) for (digit, speaker, _), _ in chosen], 'int32')
    return tf.data.Dataset.from_tensor_slices((events, classes) if labels else events)


def _from_tfds(name, split, labels):
    """A TFDS set of images as pairs (event, label), and how many levels a value has."""
    import tensorflow_datasets as tfds  # It takes seconds to import, and `digits` does without.

    builder = _builder(name)
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict) or 'image' not in features:
        raise ValueError(f'{name} has no images: its features are {features}.')
    if labels and 'label' not in features:
        raise ValueError(f'{name} has no labels: its features are {", ".join(features)}.')
    try:
        dataset = builder.as_dataset(split=_tfds_split(builder.name, split, builder.info.splits))
    except (KeyError, ValueError) as error:
        raise ValueError(f'{name} has the splits {", ".join(builder.info.splits)}; got {split!r}.') from error

    def event(example):
        label = tf.cast(example['label'], tf.int32) if 'label' in features else tf.constant(-1)
        return tf.cast(example['image'], tf.float32), label

    binary = builder.name.startswith('binarized') or np.issubdtype(features['image'].np_dtype, np.bool_)
    return dataset.map(event, tf.data.AUTOTUNE), 2 if binary else 256


def _builder(name):
    """A set of TFDS, which takes seconds to import, and `digits` does without."""
    from tfdgm import downloads

    return downloads.builder(name, ['digits', *planes.PLANES])


def _tfds_split(name, split, available):
    """Takes the validation split from the end of the training split where there is none."""
    if 'validation' in available or split not in ('train', 'validation'):
        return split
    total = available['train'].num_examples
    kept = total - VALIDATION_EXAMPLES.get(name, round(total * VALIDATION_SHARE))
    return f'train[:{kept}]' if split == 'train' else f'train[{kept}:]'


def _smaller(dataset, levels, size, name):
    """Images whose sides have `size` pixels, each the rounded mean of a square of their own."""
    image, *_ = dataset.element_spec if isinstance(dataset.element_spec, tuple) else (dataset.element_spec,)
    height, width, channels = image.shape
    checks.integer(size, f'size of {name}')
    if width is None or height != width or width % size:
        raise ValueError(f'size of {name} should divide the sides of its images, and these are {height}x{width}; got '
                         f'{size}.')
    if levels == 2:
        raise ValueError(f'The images of {name} are binary: squares of pixels have no mean that is; leave out size.')
    square = width // size

    def mean(image):
        squares = tf.reshape(image, (size, square, size, square, channels))
        return tf.round(tf.reduce_mean(squares, axis=(1, 3)))

    return dataset.map(lambda image, *label: (mean(image), *label) if label else mean(image), tf.data.AUTOTUNE)


def _coarser(example, own_levels, levels):
    """An example, with or without a label, whose events have fewer levels."""
    image, *label = example
    image = tf.floor(image * levels / own_levels)
    return (image, *label) if label else image


def _binarize(dataset, levels, binarization, seed):
    """Turns grey values into {0, 1}, with a seed for each example and, if dynamic, each epoch."""
    def binarize(image, uniform):
        threshold = 0.5 if binarization == 'threshold' else uniform
        return tf.cast(image / (levels - 1) > threshold, tf.float32)

    if binarization == 'dynamic':
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    else:  # `Dataset.random` would depend on TensorFlow's global seed, too.
        seeds = tf.data.Dataset.counter().map(lambda index: tf.stack([tf.constant(seed, tf.int64), index]))

    def both(example, draw):
        image, *label = example if isinstance(example, tuple) else (example,)
        binary = binarize(image, random.uniforms(tf.shape(image), tf.cast(draw, tf.int32)))
        return (binary, *label) if label else binary

    return tf.data.Dataset.zip((dataset, seeds)).map(both, tf.data.AUTOTUNE)
