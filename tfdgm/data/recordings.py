"""Folders of WAV files as data.

They are read as by `tfdgm.sound.read`: `keras.utils.audio_dataset_from_directory` takes files of different sample rates
for the same, and ends at the first that is damaged.
"""

import collections
import functools
import wave

import numpy as np
import psutil
import tensorflow as tf

from tfdgm import checks
from tfdgm.data import folders, sound

REMEDY = 'Remove them, or convert them to 16 bits, one channel and one sample rate.'


def load(folder: folders.Folder, split: str, levels: int, length: int | None, classes) -> tf.data.Dataset:
    """The sounds of one split as float32 events `[length]`, integers 0 … levels-1, filled up with NaN.

    Args:
        folder: of WAV files.
        split: one of its splits.
        levels: of μ-law companding.
        length: how many samples an event has; None for as many as the longest sound of the folder.
        classes: the names of the classes; None for no labels.

    Returns:
        Events, or pairs with int32 labels.

    Raises:
        ValueError: if files cannot be used. They are named.
    """
    chosen = folder.chosen(split)
    waveforms, _ = read(folder)
    length = max(map(len, waveforms)) if length is None else checks.integer(length, f'length of {folder.name}')
    events = empty_events(len(chosen), length, folder)
    for event, place in zip(events, chosen):
        waveform = waveforms[place][:length]
        event[:len(waveform)] = sound.encode(waveform, levels)
    if classes is None:
        return tf.data.Dataset.from_tensor_slices(events)
    labels, _ = folder.labels(classes)
    return tf.data.Dataset.from_tensor_slices((events, np.array(labels, 'int32')[chosen]))


def empty_events(count: int, length: int, folder: folders.Folder) -> np.ndarray:
    """Events of NaN, if there is memory for them and for TensorFlow's copy.

    Raises:
        ValueError: if there is not.
    """
    needed, free = 8 * count * length, psutil.virtual_memory().available
    if needed > free:
        raise ValueError(f'{count:,} sounds of {length:,} samples from {folder.name} need {needed / 2**30:,.1f} GiB of '
                         f'memory, and {free / 2**30:,.1f} GiB are free. Give a smaller length.')
    return np.full((count, length), np.nan, 'float32')


@functools.lru_cache(maxsize=1)
def read(folder: folders.Folder) -> tuple[list, int]:
    """All sounds of a folder, each float32 from -1 to 1, and their sample rate in Hz."""
    rates, problems = folders.each(rate_of, folder, 'Looking at')
    usual = collections.Counter(filter(None, rates)).most_common(1)
    rate = usual[0][0] if usual else 1
    for file, found in zip(folder.files, rates):
        if found not in (None, rate):
            problems[file.name] = f'has {found:,} samples a second, and most have {rate:,}'

    def waveform(file):
        if file.name in problems:
            raise ValueError(problems[file.name])
        try:
            return sound.read(file.path, rate)
        except ValueError as error:
            raise ValueError(str(error).removeprefix(f'{file.path} ')) from error

    waveforms, problems = folders.each(waveform, folder, 'Reading')
    folders.report(problems, folder.name, REMEDY)
    return waveforms, rate


def rate_of(file: folders.File) -> int:
    """The sample rate of a WAV file."""
    try:
        with wave.open(str(file.path)) as opened:
            return opened.getframerate()
    except (wave.Error, EOFError, RuntimeError) as error:
        raise ValueError(f'is not a WAV file of integers, or damaged. {error}'.strip()) from error


def describe(folder: folders.Folder) -> str:
    """What a card says of them."""
    waveforms, rate = read(folder)
    return f'{len(waveforms):,} sounds, {sum(map(len, waveforms)) / rate / 60:,.1f} minutes'
