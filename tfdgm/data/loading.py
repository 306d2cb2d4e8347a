"""`load`: data by name or by path, as `tf.data` pipelines."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfdgm import checks
from tfdgm.data import (
    arrays,
    digits,
    folders,
    images,
    parquet,
    paths,
    pixels,
    planes,
    published,
    recordings,
    tables,
    translation,
)

OF_IMAGES = 'binarization', 'levels', 'size', 'labels', 'coarse', 'grey', 'mutation'
# What each kind is called, and which arguments it takes.
KINDS = {
    'images': ('a folder of images', (*OF_IMAGES, 'color_mode', 'classes')),
    'sounds': ('a folder of sounds', ('levels', 'labels', 'classes', 'length')),
    'arrays': ('a file of arrays', OF_IMAGES),
    'table': ('a table', ('columns',)),
    'published sound': ('sound', ('levels', 'labels', 'length')),
    'published images': ('a set of images', OF_IMAGES),
}


def load(name: str, split: str = 'train', *, binarization: str | None = None, levels: int | None = None,
         size: int | None = None, color_mode: str | None = None, labels: bool = False,
         classes: Sequence[str] | None = None, columns: Sequence[int | str] | None = None,
         length: int | None = None, coarse: int | None = None, grey: bool = False,
         mutation: float | None = None, seed: int = 0) -> tf.data.Dataset:
    """Opens data as single events.

    Args:
        name: 'digits', 'mnist', 'binarized_mnist', 'fashion_mnist', 'usps' or any other image set that TensorFlow
            Datasets knows by name; 'wine_red', 'wine_white' or any other table of numbers that it knows;
            'spoken_digit'; 50,000 points of 'moons', 'eight_gaussians', 'pinwheel' or 'checkerboard', see
            `tfdgm.planes`; or the path of data of one's own: see below.
        split: 'train', 'validation' or 'test'; of a path, a table or 'digits', also several, as in 'train+validation';
            of other images by name, any expression that TensorFlow Datasets understands. A set without a validation
            split lends the end of its training split (10,000 for the MNISTs, else a tenth). The rows of a table are
            shuffled once, and 10 % of them each are for validation and for the test.
        binarization: None for the values as they are; 'threshold' for 1 where a value is above the middle; 'fixed'
            for one random draw, with the scaled value as the probability of 1; 'dynamic' for a new draw each epoch.
        levels: how many levels to keep of a set's own: with 16 of 256, each run of 16 values becomes one.
        size: how many pixels the sides of square images keep: each becomes the mean of the square that it covers,
            rounded. Of images in a folder, the largest square in the middle of each is kept.
        color_mode: of images in a folder, 'grayscale' or 'rgb', as Keras calls them; None for grey if all images are.
        labels: whether to give pairs (event, label): what `fit` takes for a conditional model.
        classes: of a folder, the names of the subfolders in the order of their labels 0, 1, …; None for all, in
            alphabetical order.
        columns: of a table, which to keep, by name or by number from 0; None for all.
        length: of sound, how many samples an event has; what is longer is cut off.
        coarse: of square images, whether to give pairs (event, coarse event): how many pixels its sides have. A model
            conditioned on `tfdgm.conditions.Image((coarse, coarse, channels), levels)` learns super-resolution from
            them.
        grey: of images in colour, whether to give pairs (event, grey event), for colourisation.
        mutation: the probability with which a site is replaced by a uniformly drawn level, anew in each epoch: the
            background model of a likelihood ratio, see `tfdgm.applications.OutlierDetector`, learns from such images.
        seed: of the random binarizations and mutations.

    A path is one of

    - a folder of images (.bmp, .gif, .jpeg, .jpg, .png, .webp), `[height, width, 1 or 3]`, integers 0 … 255;
    - a folder of WAV files of one sample rate, `[length]`, by default as long as the longest;
    - a .npy file of events, `[n, *event_shape]`, or a .npz file with such an array `x`, and perhaps labels `y`;
    - a table: a .csv or .tsv file, as `tfdgm.tables.read` takes it, or a .parquet file.

    The files of a folder and the examples of other files are split by a hash, of their names or their numbers: 80 %,
    10 % and 10 % on average, and none ever moves to another split; a .csv file is shuffled once. A folder that has
    subfolders called train, validation and test is taken at its word. Labels are the names of subfolders.

    Sounds are events `[length]`, after μ-law companding to `levels`, 256 by default, and filled up with NaN where a
    recording is shorter than `length`: for models of sequences with `variable_length=True`. Those of 'spoken_digit'
    have 8,000 Hz and by default 8,000 samples; their labels are `[2]`, the digit and the speaker. As its authors
    propose, recordings 0 to 4 of each digit and speaker are the test split; 5 to 9 are the validation split.

    Returns:
        A `tf.data.Dataset` of float32 events, or of pairs with int32 labels.

    Raises:
        ValueError: if the name, the split or an argument is unknown or none for such data; or files cannot be used, all
            of which are named.
        EmptySplitError: a ValueError, if no example is in the split.
        FileNotFoundError: if there is no such file or folder.
        DatasetUnavailableError: if a set is neither prepared nor downloadable.

    >>> import tfdgm
    >>> tfdgm.data.load('digits', 'test', binarization='threshold').element_spec.shape
    TensorShape([8, 8, 1])
    """
    path, name = paths.path_of(name), checked_name(name)
    if not isinstance(split, str):
        raise ValueError(f"split must be a text such as 'train', 'validation' or 'test', got {split!r}.")
    checks.integer(seed, 'seed of a dataset', 0)
    labels = labels is not None and checks.flag(labels, f'labels of {name}')  # A recipe may say null.
    if binarization not in (None, *pixels.BINARIZATIONS):
        raise ValueError(f'Unknown binarization {binarization!r}: expected None or one of '
                         f'{", ".join(pixels.BINARIZATIONS)}.')
    grey = grey is not None and checks.flag(grey, f'grey of {name}')
    if sum((labels, coarse is not None, grey)) > 1:
        raise ValueError(f'An event of {name} comes with one thing that it depends on: take one of labels, coarse and '
                         'grey.')
    if levels is not None and binarization is not None:
        raise ValueError(f'Either levels or a binarization, got {levels} and {binarization!r}.')
    if classes is not None and not labels:
        raise ValueError(f'classes of {name} are for labels=True.')
    halves = translation.halves_of(name, split) if path is None else None
    if halves is not None:
        if labels or coarse or grey or mutation:
            raise ValueError(f'{name} is two sets, whose pairs are for translation: it takes no labels, no coarse, '
                             'no grey and no mutation.')
        return translation.pairs(name, split, [
            load(part, own, binarization=binarization, levels=levels, size=size, color_mode=color_mode,
                 classes=classes, columns=columns, length=length, seed=seed) for part, own in halves], seed)
    kind, folder = (kind_of(name), None) if path is None else paths.look(path, name)
    check_arguments(name, kind, {
        'binarization': binarization, 'levels': levels, 'size': size, 'color_mode': color_mode,
        'labels': labels or None, 'coarse': coarse, 'grey': grey or None, 'classes': classes, 'columns': columns,
        'length': length, 'mutation': mutation})
    if mutation is not None and checks.rate(mutation, f'mutation of {name}') == 0:
        raise ValueError(f'mutation of {name} must be above 0; None leaves images as they are.')
    if kind == 'table':
        return tf.data.Dataset.from_tensor_slices(rows(path, name, split, columns))
    if kind == 'published sound':
        return published.spoken_digit(split, labels, published.SOUND_LEVELS if levels is None else levels, length)
    if kind == 'sounds':
        levels = published.SOUND_LEVELS if levels is None else levels
        return recordings.load(folder, split, levels, length, classes_in(folder, labels, classes))
    if kind == 'images':
        own_levels = images.LEVELS
        dataset = images.load(folder, split, size, color_mode, classes_in(folder, labels, classes))
    elif kind == 'arrays':
        dataset, own_levels = arrays.load(path, split, labels, name)
        of_levels = levels, binarization, size, coarse, grey or None, mutation
        if own_levels is None and any(value is not None for value in of_levels):
            raise ValueError(f'It is not known how many levels the numbers in {name} have: it takes no levels, no '
                             'size, no coarse, no grey, no mutation and no binarization. uint8 that goes beyond 127 '
                             'has 256 levels, zeros and ones have 2.')
    else:
        dataset, own_levels = (digits.load(split), digits.LEVELS) if name == 'digits' else published.images(
            name, split, labels)
        if not labels:
            dataset = dataset.map(lambda image, label: image, tf.data.AUTOTUNE)
    if size is not None and kind != 'images':
        dataset = pixels.smaller(dataset, own_levels, size, name)
    if levels is not None:
        dataset = pixels.coarser(dataset, own_levels, levels, name)
    if binarization is not None and own_levels > 2:
        dataset = pixels.binarize(dataset, own_levels, binarization, seed)
    if mutation is not None:
        dataset = pixels.mutate(dataset, 2 if binarization else levels or own_levels, mutation, seed)
    if coarse is not None:
        return pixels.with_coarse(dataset, 2 if binarization else levels or own_levels, coarse, name)
    return pixels.with_grey(dataset, name) if grey else dataset


def is_here(name: str) -> bool:
    """Whether data are on this machine, so that `load` opens them without a network.

    >>> import tfdgm
    >>> tfdgm.data.is_here('digits'), tfdgm.data.is_here('no_such_file.csv')
    (True, False)
    """
    path, name = paths.path_of(name), checked_name(name)
    if path is not None:
        return path.exists()
    return all(part in ('digits', *planes.PLANES) or published.is_prepared(part)
               for part in map(str.strip, name.split(translation.BOTH)))


def columns_of(name: str, columns: Sequence[int | str] | None = None) -> list | None:
    """The names of a table's columns, in the order in which `load` gives them; None of a set that is no table.

    Raises:
        As `load`.

    >>> import tfdgm
    >>> tfdgm.data.columns_of('digits') is None
    True
    """
    path, name = paths.path_of(name), checked_name(name)
    kind = kind_of(name) if path is None else paths.look(path, name)[0]
    return table(path, name, columns)[1] if kind == 'table' else None


def details_of(name: str, **arguments) -> dict:
    """What there is to know of data beside the events: what a training records, and a card says.

    Args:
        name: as `load` takes it.
        **arguments: those of `load` but for the split.

    Returns:
        `columns`, the names of a table's columns; `data`, a description of files of one's own; `classes`, the names of
        the labels of a folder; `rate`, the sample rate of a folder of sounds, in Hz; each where it applies.

    Raises:
        As `load`.

    >>> import tfdgm
    >>> tfdgm.data.details_of('moons')
    {'columns': ['x', 'y']}
    """
    path, shown = paths.path_of(name), checked_name(name)
    kind, folder = (kind_of(shown), None) if path is None else paths.look(path, shown)
    if kind == 'table':
        return {'columns': table(path, shown, arguments.get('columns'))[1]}
    if kind == 'arrays':
        return {'data': arrays.describe(path, shown)}
    if kind not in ('images', 'sounds'):
        return {}
    classes = classes_in(folder, arguments.get('labels'), arguments.get('classes'))
    details = {} if classes is None else {'classes': classes}
    if kind == 'images':
        return {'data': images.describe(folder, arguments.get('size'), arguments.get('color_mode')), **details}
    return {'data': recordings.describe(folder), 'rate': recordings.read(folder)[1], **details}


def checked_name(name) -> str:
    """A name or a path as a text."""
    if not isinstance(name, str | os.PathLike) or not str(name):
        raise ValueError(f"data have a name such as 'digits', or a path; got {name!r}.")
    return os.fspath(name)


def kind_of(name: str) -> str:
    """The kind of data that are known by name."""
    if name in published.SAMPLE_RATES:
        return 'published sound'
    if name == 'digits' or translation.BOTH in name:
        return 'published images'
    return 'table' if name in planes.PLANES or published.is_table(name) else 'published images'


def check_arguments(name: str, kind: str, given: dict):
    """Raises if arguments are given that data of that kind don't take."""
    called, taken = KINDS[kind]
    refused = [argument for argument, value in given.items() if value is not None and argument not in taken]
    if refused:
        raise ValueError(f'{name} is {called}: it takes no {" and no ".join(refused)}, got '
                         f'{", ".join(repr(given[argument]) for argument in refused)}.')


def classes_in(folder: folders.Folder, labels, classes) -> list | None:
    """The names of a folder's classes; None where no labels are asked for."""
    return folder.labels(classes)[1] if labels else None


def rows(path: pathlib.Path | None, name: str, split: str, columns) -> np.ndarray:
    """The rows of one split of a table."""
    if path is not None and path.suffix.lower() in parquet.SUFFIXES:
        return parquet.load(path, split, columns, name)
    return tables.split_of(table(path, name, columns)[0], split, name)


def table(path: pathlib.Path | None, name: str, columns) -> tuple:
    """The rows of a table, `[rows, columns]`, and the columns' names."""
    if path is None and name in planes.PLANES:
        names = ['x', 'y']
        return planes.PLANES[name](planes.POINTS)[:, tables.places(columns, names, name)], names
    if path is None:
        return published.table(name, columns)
    if path.suffix.lower() in parquet.SUFFIXES:
        values, names, _ = parquet.read(path, columns, name)
    else:
        values, names = tables.read_with_names(path, columns)
    tables.check_density(values, name)
    return values, names
