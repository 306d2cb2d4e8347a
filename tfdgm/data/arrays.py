"""Arrays of NumPy in files as data: events in a .npy file, or events `x` and labels `y` in a .npz file."""

import pathlib

import numpy as np
import tensorflow as tf

from tfdgm.data import folders, splits

SUFFIXES = '.npy', '.npz'
LEVELS = 256  # Of uint8.


def load(path: pathlib.Path, split: str, labels: bool, name: str) -> tuple[tf.data.Dataset, int | None]:
    """The events of one split, float32, or pairs with their labels, int32 if they are integers, else float32.

    And how many levels their values have, None where that is not sure: see `levels_of`.

    An event is in a split by a hash of its values: where others are added, it stays there, and equal ones are together.

    Args:
        path: of the file.
        split: one of the splits.
        labels: whether to give pairs.
        name: what errors call the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no arrays of finite numbers of the same length.
    """
    wanted = splits.parts(split, name)
    events, targets = read(path, labels, name)
    levels = levels_of(events)
    events = as_float(events, 'x', name)
    places = np.array([splits.place_of(event.tobytes()) for event in events])
    chosen = [place for place in np.argsort(places, kind='stable') if splits.split_at(places[place]) in wanted]
    splits.check_not_empty(chosen, len(events), split, name)
    if not labels:
        return tf.data.Dataset.from_tensor_slices(events[chosen]), levels
    if targets.dtype.kind == 'f':
        targets = as_float(targets, 'y', name)
    elif np.any(targets != targets.astype('int32')):
        raise ValueError(f'The labels y in {name} should be smaller than {2**31:,}, got {targets.max()}.')
    else:
        targets = targets.astype('int32')
    return tf.data.Dataset.from_tensor_slices((events[chosen], targets[chosen])), levels


def read(path: pathlib.Path, labels: bool, name: str) -> tuple:
    """The arrays in a file as they are: the events, and the labels or None."""
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {name}.')
    expected = 'numpy.save' if path.suffix.lower() == '.npy' else 'numpy.savez'
    try:
        with path.open('rb') as file:
            content = np.load(file)
            arrays = {'x': content} if isinstance(content, np.ndarray) else {
                key: content[key] for key in 'xy' if key in content}
            keys = list(arrays) if isinstance(content, np.ndarray) else list(content)
    except Exception as error:  # NumPy raises what its readers of archives and of Python's syntax raise.
        raise ValueError(f'{name} is not a file of numbers, as {expected} writes it: {error}') from error
    if 'x' not in arrays:
        raise ValueError(f"{name} should hold the events as an array 'x'; it holds {folders.listed(keys) or 'none'}. "
                         'Write it by numpy.savez(file, x=events, y=labels).')
    events, targets = arrays['x'], arrays.get('y')
    for key, values in arrays.items():
        if values.dtype.kind not in 'biuf':
            raise ValueError(f'{key} in {name} should hold numbers, and is of the type {values.dtype}.')
    if events.ndim < 2 or not events.size:
        raise ValueError(f'{name} should hold events, [n, *event_shape], and its shape is {events.shape}.'
                         + (' Numbers one by one are x[:, None].' if events.ndim == 1 else ''))
    if labels and targets is None:
        raise ValueError(f'{name} has no labels' + (
            f"; a .npz file has them as an array 'y', and this one holds {', '.join(keys)}."
            if path.suffix.lower() == '.npz' else ': a .npz file may, as an array y beside x.'))
    if targets is not None and (not targets.ndim or len(targets) != len(events)):
        raise ValueError(f'{name} has {len(events)} events x, and labels y of shape {targets.shape}; expected one '
                         'for each.')
    return events, targets


def levels_of(events: np.ndarray) -> int | None:
    """How many levels values have: 256 of uint8 that reach the upper half, 2 of zeros and ones; None of others."""
    if events.dtype == bool or (events.dtype.kind in 'iu' and events.min() >= 0 and events.max() <= 1):
        return 2
    return LEVELS if events.dtype == 'uint8' and events.max() >= LEVELS // 2 else None


def as_float(values: np.ndarray, key: str, name: str) -> np.ndarray:
    """An array as float32, if that holds its values."""
    with np.errstate(over='ignore'):
        # Zero has two signs, and one hash.
        converted = values.astype('float32') + np.float32(0)
    kept = np.isfinite(converted) if values.dtype.kind == 'f' else converted.astype('float64') == values
    if not np.all(kept):
        bad = np.flatnonzero(~np.all(kept.reshape(len(values), -1), axis=1))
        first = values[bad[0]][~kept[bad[0]]].flat[0] if values.ndim > 1 else values[bad[0]]
        what = ('numbers that are not finite in float32' if values.dtype.kind == 'f' else
                'an integer that float32 has to round')
        raise ValueError(f'{key} in {name} holds {what}, such as {first}, at '
                         f'{folders.listed([str(place) for place in bad])} of its {len(values):,} places. Remove them '
                         'or fill them in.')
    return converted


def describe(path: pathlib.Path, name: str) -> str:
    """What a card says of them."""
    events, _ = read(path, False, name)
    return f'{len(events):,} events of shape {events.shape[1:]}'
