"""Events in files: .npy for all kinds, .csv for rows of tables, .wav for sound, .png to look at."""

import csv
import io
import pathlib

import numpy as np
import psutil

from tfdgm import atomic, data
from tfdgm.data import parquet, sound, tables
from tfdgm.evaluation import pictures

PAUSE = 0.25  # Seconds of silence between sounds in one file.

# About how many bytes each number of an event takes until it is in a file of a kind, and each pixel of a picture.
BYTES = {'.npy': 12, '.csv': 64, '.wav': 64}
PIXEL_BYTES = 110


def read(path: pathlib.Path, model, config: dict) -> np.ndarray:
    """Reads events for a model: an array in a .npy file, rows of a table's file, or one sound in a .wav file.

    Args:
        path: of the file.
        model: the model that they are for.
        config: its configuration.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not what it should be, or its sound is none for the model.
    """
    suffix = path.suffix.lower()
    if suffix in tables.SUFFIXES:
        return tables.read(path, columns_of(config))
    if suffix in parquet.SUFFIXES:
        return parquet.read(path, columns_of(config), str(path))[0]
    if suffix == '.wav':
        rate, levels = sound_of(config, path)
        return sound.fitted(sound.encode(sound.read(path, rate), levels), model, path)[None]
    if suffix != '.npy':
        taken = '.npy', '.wav', *tables.SUFFIXES, *parquet.SUFFIXES
        raise ValueError(f'{path} should end in one of {", ".join(taken)}.')
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        events = np.load(path)
    except Exception as error:  # NumPy raises what its readers of archives and of Python's syntax raise.
        raise ValueError(f'{path} is not a .npy file of numbers, as numpy.save writes it.') from error
    if not isinstance(events, np.ndarray):
        raise ValueError(f'{path} is not a .npy file of numbers: it holds several arrays; numpy.save writes one.')
    return events


def check_kind(path: pathlib.Path, model, config: dict):
    """Raises, before any work is done, unless events of a model can be written into a file of that kind."""
    suffix = path.suffix.lower()
    if suffix == '.wav':
        sound_of(config, path)
    images = len(model.event_shape) == 3 and model.event_shape[-1] in (1, 3)
    if (suffix == '.png' and not images) or (suffix == '.csv' and len(model.event_shape) != 1):
        raise ValueError(f'{path} is for {"images" if suffix == ".png" else "rows of a table"}, and the events of this '
                         f'model have the shape {model.event_shape}; a .npy file takes any.')


def check_memory(number: int, model, path: pathlib.Path):
    """Raises, before any work is done, if so many events of a model need more memory than there is.

    Raises:
        ValueError: with a number that fits.
    """
    suffix = path.suffix.lower()
    if suffix == '.png':
        height, width, _ = model.event_shape
        each = PIXEL_BYTES * height * width * pictures.default_zoom(height, width)**2
    else:
        each = BYTES[suffix] * model.num_sites
    free = psutil.virtual_memory().available
    if number * each > free:
        fitting = free // (2 * each)
        fitting -= fitting % 10**(len(str(fitting)) - 1)
        raise ValueError(f'{number:,} samples of shape {model.event_shape} in {path} need about '
                         f'{number * each / 2**30:,.1f} GiB of memory, and {free / 2**30:.1f} GiB are free. Draw fewer '
                         f'at once, such as -n {max(1, fitting)}, with another --seed each time.')


def write(path: pathlib.Path, events: np.ndarray, config: dict):
    """Writes events: as an array, a grid of images, rows of a table, or sounds with a pause between them.

    Raises:
        ValueError: if the events are not of the kind that the file is for.
    """
    suffix = path.suffix.lower()
    if suffix == '.npy':
        with atomic.writing(path) as file:
            np.save(file, events)
    elif suffix == '.csv':
        write_rows(path, [columns_of(config) or range(events.shape[1]), *events.tolist()])
    elif suffix == '.wav':
        rate, levels = sound_of(config, path)
        pause = np.zeros(round(rate * PAUSE), 'float32')
        waveforms = [part for event in events for part in (pause, sound.decode(event[~np.isnan(event)], levels))]
        sound.write(path, np.concatenate(waveforms[1:]), rate)
    else:
        pictures.save_grid(path, events)


def write_rows(path, rows):
    """Writes rows as a .csv file."""
    text = io.StringIO(newline='')
    csv.writer(text, lineterminator='\n').writerows(rows)
    atomic.write(path, text.getvalue())


def columns_of(config: dict) -> list | None:
    """The names of the columns that a model was trained on, or None."""
    return config.get('record', {}).get('columns') or config['dataset'].get('columns')


def rate_of(config: dict) -> int | None:
    """The sample rate of the sound that a model was trained on, in Hz; None of models of something else."""
    return data.SAMPLE_RATES.get(config['dataset']['name']) or config.get('record', {}).get('rate')


def sound_of(config: dict, path: pathlib.Path) -> tuple:
    """The sample rate and the levels of the sound that a model was trained on.

    Raises:
        ValueError: if it was trained on something else.
    """
    rate = rate_of(config)
    if rate is None:
        raise ValueError(f'{path} is for sound, and this model was trained on {config["dataset"]["name"]}.')
    return rate, config['dataset'].get('levels') or data.SOUND_LEVELS
