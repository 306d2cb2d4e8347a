"""What the commands are given: names of models, labels, files to write, features."""

import enum
import logging
import pathlib
import sys
from typing import Annotated

import typer

import zoo
from tfdgm import config_file
from tfdgm.command_line import terminal
from zoo import found as folder_of

Name = Annotated[str, typer.Argument(
    help='A name from `tfdgm list`, a folder that `tfdgm train` wrote, or hf://user/model on the Hugging Face hub.')]
LabelOption = Annotated[str | None, typer.Option(
    help='The class, for a model conditioned on one; several as in `7,0`, for one conditioned on several.')]
Events = Annotated[pathlib.Path, typer.Argument(help='A .npy file of events, [n, *event_shape].')]

# The classifier of the zoo that knows a dataset, and what to compare by where there is none.
FEATURES = {'mnist': 'features_mnist', 'binarized_mnist': 'features_mnist', 'fashion_mnist': 'features_fashion_mnist'}
VALUES = 'values'


class Strategy(enum.StrEnum):
    """How a training uses several devices."""

    MIRRORED = 'mirrored'
    MULTI_WORKER = 'multi-worker'


def features_for(name: str | None, dataset: str, model) -> tuple:
    """By what samples of a model are compared with data: a classifier and its name, or None and 'values'."""
    from tfdgm import pretrained
    from tfdgm.evaluation import Classifier

    if name == VALUES:
        return VALUES, None
    if name is None:
        name = FEATURES.get(dataset)
        if name is None or pretrained.build(config_file.read_config(zoo.folder(name))).event_shape != model.event_shape:
            return VALUES, None
    classifier = pretrained.load(folder_of(name))
    if not isinstance(classifier, Classifier):
        raise ValueError(f'--features names a classifier, such as features_mnist, or `{VALUES}`; {name} is a '
                         f'{type(classifier).__name__}.')
    return pathlib.Path(name).name, classifier


def start_tensorflow():
    """Imports the whole library, and with it TensorFlow: everything that needs neither has been done before."""
    with terminal.without_notices():
        package = sys.modules['tfdgm']
        if not hasattr(package, '__all__'):  # See `zoo.__main__`.
            package.__spec__.loader.exec_module(package)
    for library in 'tensorflow', 'absl':
        logging.getLogger(library).setLevel(logging.ERROR)


def check_target(path: pathlib.Path, *suffixes: str):
    """Raises, before any work is done, unless a file can be written there."""
    if path.suffix.lower() not in suffixes:
        raise ValueError(f'{path} should end in {" or ".join(suffixes)}.')
    if path.is_dir():
        raise ValueError(f'{path} is a folder; name a file in it.')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'The folder {path.parent} does not exist; make it first.')


def label_of(text: str | None, condition):
    """The value of a condition that a person wrote: a class, or several with commas between them."""
    import numpy as np

    from tfdgm import checks
    from tfdgm.conditions import Label, Labels

    if condition is not None and not isinstance(condition, Label | Labels):
        raise ValueError(f'This model depends on {condition.describe()}: give them in Python, by '
                         'model.distribution(…); the terminal knows labels only.')
    if condition is not None and text is None:
        raise ValueError(f'This model is conditional: choose by --label, {condition.describe()}.')
    if text is None:
        return None
    if condition is None:
        raise ValueError('This model is not conditional: leave out --label.')
    try:
        values = np.array([int(part) for part in text.split(',')], 'int64')
    except (ValueError, OverflowError) as error:
        raise ValueError(f'--label takes a class, or several as in 7,0; got {text}.') from error
    values = values[0] if condition.shape == () and len(values) == 1 else values
    if values.shape != condition.shape:
        raise ValueError(f'--label {text} is no condition of this model: it takes {condition.describe()}.')
    return checks.conditions(condition, values)


def check_source(path: pathlib.Path):
    """Raises, before any work is done, unless there is such a file."""
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
