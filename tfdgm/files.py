"""Events in files: .npy for all kinds, .csv for rows of tables, .wav for sound, .png to look at."""

import pathlib

import numpy as np

from tfdgm import data, pictures, sound, tables

PAUSE = 0.25  # Seconds of silence between sounds in one file.


def read(path: pathlib.Path, model, dataset: dict) -> np.ndarray:
    """Reads events for a model: an array in a .npy file, rows of a .csv file, or one sound in a .wav file.

    Args:
        path: of the file.
        model: the model that they are for.
        dataset: what it was trained on, the arguments of `tfdgm.data.load`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not what it should be, or a sound is too long for the model.
    """
    if path.suffix == '.csv':
        return tables.read(path, dataset.get('columns'))
    if path.suffix == '.wav':
        rate, levels = sound_of(dataset, path)
        return sound.fitted(sound.encode(sound.read(path, rate), levels), model, path)[None]
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        events = np.load(path)
    except (ValueError, EOFError) as error:
        raise ValueError(f'{path} is not a .npy file of numbers, as numpy.save writes it: {error}') from error
    if not isinstance(events, np.ndarray):
        raise ValueError(f'{path} is not a .npy file of numbers: it holds several arrays; numpy.save writes one.')
    return events


def write(path: pathlib.Path, events: np.ndarray, dataset: dict):
    """Writes events: as an array, as a grid of images, or as sounds with a pause between them.

    Raises:
        ValueError: if they are no images or no sound, and the file should hold some.
    """
    if path.suffix == '.npy':
        np.save(path, events)
    elif path.suffix == '.wav':
        rate, levels = sound_of(dataset, path)
        pause = np.zeros(round(rate * PAUSE), 'float32')
        waveforms = [part for event in events for part in (pause, sound.decode(event[~np.isnan(event)], levels))]
        sound.write(path, np.concatenate(waveforms[1:]), rate)
    else:
        pictures.save_grid(path, events)


def sound_of(dataset: dict, path: pathlib.Path) -> tuple:
    """The sample rate and the levels of sound that a model was trained on.

    Raises:
        ValueError: if it was trained on something else.
    """
    if dataset['name'] not in data.SAMPLE_RATES:
        raise ValueError(f'{path} is for sound, and this model was trained on {dataset["name"]}.')
    return data.SAMPLE_RATES[dataset['name']], dataset.get('levels') or data.SOUND_LEVELS


def check_target(path: pathlib.Path, *suffixes: str):
    """Raises, before any work is done, unless a file can be written there."""
    if path.suffix not in suffixes:
        raise ValueError(f'{path} should end in {" or ".join(suffixes)}.')
    if path.is_dir():
        raise ValueError(f'{path} is a folder; name a file in it.')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'The folder {path.parent} does not exist; make it first.')
