"""The state of a training between its epochs, in one file, so that it can be stopped at any time and go on."""

import copy
import io
import json
import math
import pathlib
import time

import keras
import numpy as np

from tfdgm import atomic
from tfdgm.execution import workers
from tfdgm.pretrained import process

STATE, PRIOR_STATE = 'state.npz', 'prior.npz'
MARK = b'state'
NOT_OF_THE_COURSE = 'epochs', 'patience'  # These say when a training ends, not how it goes.


class Checkpoint(keras.callbacks.Callback):
    """Keeps, after every epoch, the state of the training, the best weights so far and the learning curve.

    They are one file, which is replaced as a whole: its parts are always of the same epoch.

    Args:
        folder: where to keep it; None for a worker that is not the chief, whose state is the chief's.
        recipe: the parts "model", "dataset" and "training" of the configuration. What was trained by another recipe is
            not gone on with.
        examples: how many there are to train on.
        patience: how many epochs without an improvement end the training; None for never.
        seed: of the random numbers that the model draws in training, such as dropout's.
        monitor: the validation metric whose lowest value is the best; None where no figure says which epoch is, and the
            last one is kept.
        keeps_last: whether the last epoch is kept all the same, as where the validation split is trained on.
        file: the name of the file; that of a prior is another.
    """

    def __init__(self, folder, recipe, examples, patience, seed=0, monitor='val_nll', keeps_last=False, file=STATE):
        super().__init__()
        self.folder = folder and pathlib.Path(folder)
        self.file = folder and self.folder / file
        self.recipe = course(recipe)
        self.examples = examples
        self.patience = patience
        self.seed = seed
        self.monitor = monitor or 'val_loss'
        self.keeps_last = keeps_last or monitor is None
        self.history = []
        self.best = []

    # Restoring --------------------------------------------------------------------------------------------------------

    def restore(self, model):
        """Brings a compiled model and its optimizer into the state after the last whole epoch, if there was one.

        Raises:
            RuntimeError: if the checkpoint is damaged, or is one of another recipe; nothing has changed then.
        """
        try:
            # After a mark: also of an empty file the others are to know that there is one.
            content = workers.from_chief(MARK + self.file.read_bytes() if self.folder and self.exists() else b'')
            if not content:
                return
            state = read(content.removeprefix(MARK))
            self.check(state, model)
        except (OSError, ValueError) as error:
            place = self.folder or "the chief's folder"
            raise RuntimeError(f'The checkpoint in {place} is damaged or none of this training: {error} Remove {place} '
                               'to start again.') from error
        for name, variables in parts(model).items():
            for variable, value in zip(variables, state[name]):
                variable.assign(value)
        self.history, self.best = state['history'], state['best']

    def exists(self) -> bool:
        """Whether there is a state. Raises ValueError if there is something else."""
        others = sorted({path.name for path in self.folder.glob('*')} - {STATE, PRIOR_STATE, process.LOCK})
        if others:
            raise ValueError(f'it holds {", ".join(others)}, expected {STATE} alone.')
        return self.file.exists()

    def check(self, state: dict, model):
        """Raises ValueError unless a state is one of this recipe and of such a model."""
        # As text, in which NaN equals itself.
        differing = [part for part in self.recipe if text(state['recipe'].get(part)) != text(self.recipe[part])]
        if differing:
            raise ValueError(f'its {" and ".join(map(repr, differing))} is another than in the recipe.')
        if state['examples'] != self.examples:
            raise ValueError(f'it was trained on {state["examples"]} examples, and the dataset has {self.examples}.')
        figures = self.monitor.removeprefix('val_'), self.monitor, 'seconds'
        if not state['history'] or not all(
                isinstance(epoch, dict) and all(isinstance(epoch.get(name), float) for name in figures)
                for epoch in state['history']):
            raise ValueError(f'its learning curve does not give {", ".join(figures)} of each epoch.')
        expected = parts(model)
        if np.isfinite(state['history'][self.best_of(state['history'])][self.monitor]):
            expected['best'] = model.weights
        for name in 'model', 'optimizer', 'best':
            if [(value.shape, value.dtype) for value in state[name]] != [
                    (tuple(variable.shape), np.dtype(variable.dtype)) for variable in expected.get(name, [])]:
                raise ValueError(f'its {name} arrays do not fit what the recipe describes.')

    # Keeping ----------------------------------------------------------------------------------------------------------

    def best_epoch(self) -> int:
        return self.best_of(self.history)

    def best_of(self, history: list) -> int:
        """The first epoch of the lowest finite value of the metric, or the last of a finite one; else 0."""
        figures = np.array([epoch[self.monitor] for epoch in history])
        if self.keeps_last:
            figures = np.where(np.isfinite(figures), -np.arange(len(figures)), np.inf)
        return int(np.argmin(np.where(np.isfinite(figures), figures, np.inf)))

    def diverged(self) -> bool:
        """Whether no epoch has a figure on the validation split that is a number."""
        return not any(math.isfinite(epoch[self.monitor]) for epoch in self.history)

    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and bool(self.history) and (
            len(self.history) - 1 - self.best_epoch() >= self.patience)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.time()
        # The states of random generators do not depend on the epochs before: every epoch starts from states of its own.
        states = [variable for variable in self.model.variables if variable.path.endswith('seed_generator_state')]
        numbers = np.random.RandomState([self.seed, epoch]).randint(2**31, size=(len(states), 2))
        for state, draws in zip(states, numbers):
            state.assign(draws)

    def on_test_end(self, logs=None):
        # Now rather than at the end of the epoch, for the model holds what was validated: it may be an average.
        reached = [*self.history, {self.monitor: rounded(logs[self.monitor.removeprefix('val_')])}]
        if math.isfinite(reached[-1][self.monitor]) and self.best_of(reached) == len(self.history):
            self.best = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.time() - self.started, 2)
        self.history.append({**{name: rounded(value) for name, value in logs.items()}, 'seconds': seconds})
        arrays = {f'{name}/{index:05}': value for name, values in {**parts(self.model), 'best': self.best}.items()
                  for index, value in enumerate(values)}
        if self.finished():
            self.model.stop_training = True
        about = json.dumps({'recipe': self.recipe, 'examples': self.examples, 'history': self.history,
                            'arrays': len(arrays)})
        if self.folder is None:
            return
        self.folder.mkdir(exist_ok=True)
        with atomic.writing(self.file) as file:
            np.savez(file, about=about, **arrays)


def course(recipe: dict) -> dict:
    """What of a recipe decides the course of a training."""
    recipe = copy.deepcopy({part: recipe[part] for part in ('model', 'dataset', 'training')})
    for name in NOT_OF_THE_COURSE:
        recipe['training'].pop(name, None)
    return recipe


def text(value) -> str:
    return json.dumps(value, sort_keys=True)


def parts(model) -> dict:
    """The variables that a training changes."""
    optimizers = [variable for optimizer, _ in model.optimized() for variable in optimizer.variables]
    return {'model': model.variables, 'optimizer': optimizers}


def read(content: bytes) -> dict:
    """A state of the content of its file: 'recipe', 'examples', 'history', and lists of arrays.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        with np.load(io.BytesIO(content)) as file:  # Which compares every array with its checksum.
            arrays = {name: file[name] for name in sorted(file.files)}
        about = json.loads(str(arrays.pop('about')))
        state = {part: [] for part in ('model', 'optimizer', 'best')}
        for name, array in arrays.items():
            state[name.split('/')[0]].append(array)
    except Exception as error:  # NumPy raises what its readers of archives and of Python's syntax raise.
        raise ValueError(f'its file cannot be read, {type(error).__name__}: {error}.') from error
    kinds = {'recipe': dict, 'examples': int, 'history': list, 'arrays': int}
    if not isinstance(about, dict) or any(not isinstance(about.get(name), kind) for name, kind in kinds.items()):
        raise ValueError(f'its file does not say {", ".join(kinds)}.')
    if about['arrays'] != len(arrays):
        raise ValueError(f'its file holds {len(arrays)} of {about["arrays"]} arrays.')
    return {**about, **state}


def rounded(value) -> float:
    """A figure of the learning curve as it is kept."""
    return round(float(value), 4)
