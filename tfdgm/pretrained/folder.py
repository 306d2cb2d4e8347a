"""A pretrained model is a folder: `config.json`, `model.weights.h5`, and a card with samples.

`config.json` holds the recipe (`model`, `dataset`, `training`), as a person wrote it, and what came of it (`record`,
`results`, `weights_sha256`), as `tfdgm train` and `tfdgm evaluate` wrote it.
"""

import copy
import hashlib
import json
import os
import pathlib

import keras

from tfdgm import atomic
from tfdgm.config_file import CONFIG, WEIGHTS, read_config
from tfdgm.model import Model
from tfdgm.pretrained import classes, memory, weights

GRID, SOUND, INTERPOLATIONS = 'samples.png', 'samples.wav', 'interpolations.png'
RECONSTRUCTIONS, PLANE, CHAINS, FILTERS = 'reconstructions.png', 'plane.png', 'chains.png', 'filters.png'


class WeightsError(ValueError):
    """A weights file is missing, damaged, altered or of another model."""


def write_config(folder: str | os.PathLike, config: dict):
    """Writes a folder's configuration; an interruption leaves the old one."""
    atomic.write(pathlib.Path(folder) / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + '\n')


def build(config: dict) -> Model:
    """Makes the model that a configuration describes, with fresh weights. It runs no code that comes with it.

    Raises:
        ValueError: if the description is not one of a model, or names what models do not consist of.
    """
    try:
        classes.check(config['model'])
    except ValueError as error:
        raise ValueError(f'The configuration\'s "model" is refused: {error}') from error
    try:
        model = keras.saving.deserialize_keras_object(copy.deepcopy(config['model']))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f'The configuration\'s "model" does not describe a tfdgm model: {error}') from error
    if not isinstance(model, Model):
        raise ValueError(f'The configuration\'s "model" does not describe a tfdgm model, but {model!r}.')
    return model


def save_weights(model: Model, folder: str | os.PathLike, config: dict) -> dict:
    """Writes the model's weights alone, without an optimizer's; returns the configuration with their hash.

    Raises:
        ValueError: if a weight is NaN or infinite.
        OSError: if the file cannot be written; an old one stays as it was.
    """
    content = weights_of(model, config)
    atomic.write(pathlib.Path(folder) / WEIGHTS, content)
    return {**config, 'weights_sha256': hashlib.sha256(content).hexdigest()}


def weights_of(model: Model, config: dict) -> bytes:
    """The weights file of a model, without an optimizer's weights. Equal weights make equal files."""
    bare = build(config)
    bare.set_weights(model.get_weights())
    return weights.to_bytes(bare)


def fresh(folder: str | os.PathLike) -> Model:
    """The model that a folder describes with fresh weights, to look at; not one too large for the folder's weights.

    Raises:
        FileNotFoundError: if there is no configuration.
        WeightsError: if there are no weights.
        ValueError: if the description is refused.
    """
    config, path = read_config(folder), weights_in(folder)
    try:
        with memory.limited(path.stat().st_size):
            return build(config)
    except ValueError as error:
        raise ValueError(f'{pathlib.Path(folder) / CONFIG}: {error}') from error


def weights_in(folder: str | os.PathLike) -> pathlib.Path:
    """The file of a folder's weights.

    Raises:
        WeightsError: if there is none.
    """
    path = pathlib.Path(folder) / WEIGHTS
    if not path.exists():
        raise WeightsError(f'There are no weights in {folder}. `tfdgm train {path.with_name(CONFIG)}` makes them.')
    return path


def load(folder: str | os.PathLike) -> Model:
    """Loads a pretrained model from its folder.

    Args:
        folder: a folder with `config.json` and `model.weights.h5`.

    Returns:
        The model, compiled with Adam, so that `evaluate` and `fit` work at once.

    Raises:
        FileNotFoundError: if there is no configuration.
        WeightsError: if the weights are missing, their hash differs from the configuration's, they don't fit, or one
            is NaN or infinite. The file is compared with the model before any weight is read.
    """
    folder = pathlib.Path(folder)
    config, path = read_config(folder), weights_in(folder)
    if 'weights_sha256' not in config:
        raise WeightsError(f'{folder / CONFIG} has no "weights_sha256", by which {path} could be checked: it was never '
                           'trained here, or was altered.')
    if sha256(path) != config['weights_sha256']:
        raise WeightsError(
            f'{path} is not the file that {folder / CONFIG} describes: its SHA-256 is {sha256(path)}, expected '
            f'{config["weights_sha256"]}. It was cut short, altered or belongs to another model; install the '
            'package again, download the model again, or train it again.')
    model = fresh(folder)
    try:
        weights.load(model, path)
    except ValueError as error:
        raise WeightsError(f'The weights in {path} do not fit the model in {folder / CONFIG}: {error}') from error
    model.compile('adam')
    return model


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
