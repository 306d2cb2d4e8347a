"""Sound: waveforms as integers, and WAV files.

A waveform is an array of real numbers from -1 to 1. Models of sound see it after μ-law companding, as integers
0 … levels-1: levels lie closer together where the wave is small, as the ear hears.
"""

import io
import os
import pathlib
import wave

import numpy as np
from numpy.typing import ArrayLike

from tfdgm import atomic, checks

LARGEST = 2**15  # Of the 16-bit numbers in a WAV file.
LARGEST_RATE = 1_000_000


def encode(waveform: ArrayLike, levels: int = 256) -> np.ndarray:
    """μ-law companding, ITU-T G.711's curve with μ = levels - 1, and rounding to the nearest level.

    Args:
        waveform: real numbers from -1 to 1.
        levels: how many.

    Returns:
        Integers 0 … levels-1, float32, of the same shape.

    Raises:
        ValueError: if it is no waveform, or `levels` no integer of at least 2.

    >>> import numpy as np, tfdgm
    >>> tfdgm.sound.encode(np.array([-1, -0.01, 0, 0.01, 1]))
    array([  0.,  98., 128., 157., 255.], dtype=float32)
    """
    mu = checks.integer(levels, 'levels of sound', 2) - 1
    waveform = checked_waveform(waveform)
    companded = np.sign(waveform) * np.log1p(mu * abs(waveform)) / np.log1p(mu)
    return np.floor((companded + 1) / 2 * mu + 0.5).astype('float32')


def decode(values: ArrayLike, levels: int = 256) -> np.ndarray:
    """The inverse of `encode`: the middle of each level, float32. NaN, which fills short events up, is silence.

    Raises:
        ValueError: if values are not of those levels.

    >>> import numpy as np, tfdgm
    >>> waveform = tfdgm.sound.decode(np.arange(256))
    >>> bool(np.all(tfdgm.sound.encode(waveform) == np.arange(256)))
    True
    """
    mu = checks.integer(levels, 'levels of sound', 2) - 1
    values = np.asarray(values)
    if values.dtype.kind not in 'biuf' or not np.all(np.isnan(values) | np.isin(values, np.arange(levels))):
        raise ValueError(f'Expected integers from 0 to {mu}, levels of sound, or NaN; got {example(values)}.')
    companded = 2 * np.nan_to_num(values.astype('float64'), nan=mu / 2) / mu - 1
    return (np.sign(companded) * np.expm1(abs(companded) * np.log1p(mu)) / mu).astype('float32')


def read(path: str | os.PathLike, rate: int) -> np.ndarray:
    """Reads a WAV file of 16-bit numbers.

    Args:
        path: of the file.
        rate: the sample rate that it must have, in Hz: a model knows the one that it was trained at.

    Returns:
        `[steps]`, float32, from -1 to 1.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no WAV file of 16-bit numbers, is damaged, has several channels or another rate, or is
            empty or silent.
    """
    path = pathlib.Path(path)
    checks.integer(rate, 'rate of sound')
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        with wave.open(str(path)) as file:
            parameters, data = file.getparams(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # What the module raises for files that are cut or damaged.
        raise ValueError(f'{path} is not a WAV file of integers, or damaged. {error}'.strip()) from error
    whole = parameters.nframes * parameters.nchannels * parameters.sampwidth
    if len(data) != whole:
        raise ValueError(f'{path} is damaged: it should hold {whole} bytes of sound and holds {len(data)}.')
    if parameters.sampwidth != 2:
        raise ValueError(f'{path} has {8 * parameters.sampwidth}-bit numbers; convert it to 16 bits.')
    if parameters.nchannels != 1:
        raise ValueError(f'{path} has {parameters.nchannels} channels; mix it down to one.')
    if parameters.framerate != rate:
        raise ValueError(f'{path} has {parameters.framerate} samples a second, and the model takes {rate}; resample '
                         'it.')
    waveform = np.frombuffer(data, '<i2').astype('float32') / LARGEST
    if not np.any(waveform):
        raise ValueError(f'{path} is {"silent" if len(waveform) else "empty"}.')
    return waveform


def fitted(values: np.ndarray, model, name) -> np.ndarray:
    """Fills companded sound `[steps]` up with NaN to the length of a model's events.

    Raises:
        ValueError: if it is longer, or shorter and the model's events have one length.
    """
    steps, = model.event_shape
    if len(values) > steps:
        raise ValueError(f'{name} has {len(values)} samples, and the model takes at most {steps}; cut it.')
    if len(values) < steps and not model.variable_length:
        raise ValueError(f'{name} has {len(values)} samples, and the events of this model have {steps} each.')
    return np.pad(values, (0, steps - len(values)), constant_values=np.nan)


def write(path: str | os.PathLike, waveform: ArrayLike, rate: int):
    """Writes a waveform `[steps]`, real numbers from -1 to 1, as a WAV file of 16-bit numbers.

    Raises:
        ValueError: if it is no waveform, or `rate` is no integer up to 1,000,000. A file that is there stays as
            it is then.
    """
    if checks.integer(rate, 'rate of sound') > LARGEST_RATE:
        raise ValueError(f'rate of sound can be at most {LARGEST_RATE:,}, got {rate}.')
    waveform = checked_waveform(waveform)
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(f'Expected a waveform, [steps], got an array of shape {waveform.shape}.')
    content = io.BytesIO()
    with wave.open(content, 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.minimum(np.round(waveform * LARGEST), LARGEST - 1).astype('<i2').tobytes())
    atomic.write(path, content.getvalue())


def checked_waveform(values) -> np.ndarray:
    """Values as float64, if they are a waveform."""
    values = np.asarray(values)
    if values.dtype.kind not in 'biuf' or not np.all(abs(values.astype('float64')) <= 1):
        raise ValueError('Expected a waveform, real numbers from -1 to 1; got an array of type '
                         f'{values.dtype}, such as {example(values)}. Divide 16-bit numbers by {LARGEST}, and decode '
                         'levels.')
    return values.astype('float64')


def example(values):
    """The value in an array that is largest, to show what it holds."""
    return values.flat[np.argmax(abs(values))] if values.size and values.dtype.kind in 'biuf' else values
