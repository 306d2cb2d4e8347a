"""Training by a recipe: what `tfdgm train` does.

A run can be stopped at any time and goes on from its last whole epoch, to the same weights as an uninterrupted one.
"""

import contextlib
import copy
import json
import os
import pathlib
import platform
import shutil
import signal
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from tfdgm import checks, data, inputs, pretrained

DEFAULTS = {'epochs': 100, 'batch_size': 64, 'optimizer': 'adam', 'seed': 0, 'patience': None, 'jit_compile': True,
            'mirror': False}
LEAST = {'epochs': 1, 'batch_size': 1, 'seed': 0, 'patience': 1}
DATASET = 'name', 'binarization', 'levels', 'size', 'labels', 'columns', 'length', 'seed'


def train(folder, verbose='auto', epochs: int | None = None):
    """Trains the model that a folder's `config.json` describes, and writes its weights there.

    The weights of the epoch with the best validation likelihood are kept. While it runs, `checkpoint/` in the folder
    holds the state of the last epoch.

    Args:
        folder: a folder with `config.json`, whose parts are
            `model`, a serialised Keras model;
            `dataset`, the arguments of `tfdgm.data.load` but for the split;
            `training`, with `epochs`, `batch_size`, `optimizer` (a name or a serialised Keras optimizer; with its
            `use_ema`, the average of the weights is validated and kept), `seed`, `patience` (how many epochs without
            improvement end the training; None for never), `jit_compile` (false for TensorFlow's own kernels, which
            train convolutions faster on CPUs than XLA's) and `mirror` (whether to train on images and, at random, on
            their mirror images).
        verbose: as in `keras.Model.fit`.
        epochs: stop after this many epochs for now, as an interruption would.

    Returns:
        The configuration with what came of it, `record` and `weights_sha256`, or None if it is not done yet.

    Raises:
        ValueError: if the configuration or its dataset is not valid.
        RuntimeError: if the training diverged from the start.
    """
    folder = pathlib.Path(folder)
    config = pretrained.read_config(folder)
    recipe = check(config)
    keras.utils.set_random_seed(recipe['seed'])
    examples = data.load(split='train', **config['dataset'])
    if config['dataset'].get('binarization') != 'dynamic':
        examples = examples.cache()
    steps = -(-int(examples.cardinality()) // recipe['batch_size'])
    validation = data.load(split='validation', **config['dataset']).batch(recipe['batch_size']).cache()

    checkpoint = Checkpoint(folder / 'checkpoint', recipe['patience'], recipe['seed'])
    model = checkpoint.restore()
    if model is None:
        model = pretrained.build(config)
        model.compile(optimizer(recipe), jit_compile=recipe['jit_compile'])
        if not model.is_discrete:
            model.adapt(examples)
    first = int(model.optimizer.iterations) // steps
    checkpoint.forget_after(first)
    last = min(recipe['epochs'], epochs or recipe['epochs'])
    if first < last and not checkpoint.finished():
        # With an average of the weights, the validation sees the average and so does `checkpoint`, which comes first.
        averaging = [keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema else []
        with heeding_interruption() as heed:
            model.fit(
                batches(examples, recipe, first * steps), steps_per_epoch=steps, initial_epoch=first, epochs=last,
                validation_data=validation, callbacks=[checkpoint, *averaging, heed], verbose=verbose, shuffle=False)
    if not checkpoint.finished() and last < recipe['epochs']:
        return None
    best = checkpoint.best_epoch()
    if np.isnan(checkpoint.history[best]['val_nll']):
        raise RuntimeError(f'The training in {folder} diverged: no epoch has a validation likelihood that is a number. '
                           f'Lower the learning rate, remove {checkpoint.folder} and train again.')
    model.load_weights(checkpoint.best_weights)
    history = checkpoint.history
    config['record'] = {
        'epochs': len(history), 'best_epoch': best + 1,
        'train_nll': history[best]['nll'], 'validation_nll': history[best]['val_nll'],
        'minutes': round(sum(epoch['seconds'] for epoch in history) / 60, 1),
        'hardware': f'{os.cpu_count()} {platform.machine()} cores, {len(tf.config.list_physical_devices("GPU"))} GPUs',
        'versions': {'tensorflow': tf.__version__, 'keras': keras.__version__},
    }
    columns = data.columns_of(config['dataset']['name'], config['dataset'].get('columns'))
    if columns is not None:
        config['record']['columns'] = columns  # By which `tfdgm score` finds them in other files.
    config.pop('results', None)
    config = pretrained.save_weights(model, folder, config)
    pretrained.write_config(folder, config)
    shutil.rmtree(checkpoint.folder)
    return config


def check(config: dict) -> dict:
    """Makes all that a configuration describes, to see that it can be trained. Writes nothing.

    Returns:
        The part "training" with its defaults.

    Raises:
        ValueError: if a part is not valid, or the dataset is none for the model.
    """
    recipe = checked_recipe(config)
    model = pretrained.build(config)
    model.compile(optimizer(recipe), jit_compile=recipe['jit_compile'])
    for split in 'train', 'validation':
        examples = data.load(split=split, **config['dataset'])
        first = next(iter(examples.batch(recipe['batch_size'])))
        inputs.prepared(model, *keras.utils.unpack_x_y_sample_weight(first)[:2])
        if recipe['mirror'] and len(model.event_shape) != 3:
            raise ValueError(f'mirror in "training" is for images, got events of shape {model.event_shape}.')
        if split == 'train' and not model.is_discrete:
            model.adapt(examples)
    return recipe


def checked_recipe(config: dict) -> dict:
    """The part "training" of a configuration with its defaults.

    Raises:
        ValueError: if it or the part "dataset" holds something unknown, or a value of the wrong kind.
    """
    for part in 'dataset', 'training':
        if not isinstance(config[part], dict):
            raise ValueError(f'"{part}" should be a JSON object, got {config[part]!r}.')
    unknown = set(config['training']) - set(DEFAULTS)
    if unknown:
        raise ValueError(f'Unknown in "training": {", ".join(sorted(unknown))}; it takes {", ".join(DEFAULTS)}.')
    unknown = set(config['dataset']) - set(DATASET)
    if unknown or 'name' not in config['dataset']:
        raise ValueError(f'"dataset" takes {", ".join(DATASET)}, the first of them always; got {config["dataset"]}.')
    recipe = {**DEFAULTS, **config['training']}
    for name, least in LEAST.items():
        value = recipe[name]
        if name != 'patience' or value is not None:
            checks.whole(value, f'{name} in "training"', least)
    for name in 'jit_compile', 'mirror':
        if not isinstance(recipe[name], bool):
            raise ValueError(f'{name} in "training" should be true or false, got {recipe[name]!r}.')
    checks.whole(config['dataset'].get('seed', 0), 'seed in "dataset"', 0)
    if not isinstance(config.get('about', ''), str):
        raise ValueError(f'"about" should be a sentence, got {config["about"]!r}.')
    return recipe


def optimizer(recipe: dict):
    """The Keras optimizer that a recipe names or describes.

    Raises:
        ValueError: if Keras knows no such optimizer.
    """
    described = recipe['optimizer']
    if not isinstance(described, (str, dict)):
        raise ValueError(f'"training" needs an optimizer, as a name or as Keras serialises one, got {described!r}.')
    try:
        # Keras writes into the description that it is given.
        return keras.optimizers.get(copy.deepcopy(described))
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f'"training" has an optimizer that Keras does not know, {described!r}: {error}') from error


def batches(examples, recipe, skipped: int):
    """Shuffled batches without end, each epoch in an order of its own; the first `skipped` ones have been seen."""
    shuffled = examples.shuffle(int(examples.cardinality()), seed=recipe['seed']).batch(recipe['batch_size'])
    endless = shuffled.repeat()
    if recipe['mirror']:
        seeds = tf.data.Dataset.random(recipe['seed']).batch(2, drop_remainder=True)
        endless = tf.data.Dataset.zip(endless, seeds).map(mirrored)
    return endless.skip(skipped).prefetch(tf.data.AUTOTUNE)


def mirrored(batch, seed):
    """Images `[batch, height, width, channels]`, alone or with labels; each is turned left to right, or is not."""
    images, *labels = batch if isinstance(batch, tuple) else (batch,)
    turned = tf.random.stateless_uniform(tf.shape(images)[:1], seed) < 0.5
    images = tf.where(turned[:, None, None, None], tf.reverse(images, [2]), images)
    return (images, *labels) if labels else images


@contextlib.contextmanager
def heeding_interruption():
    """A callback that ends the training at Ctrl-C even where a library swallowed the KeyboardInterrupt, as h5py can."""
    interrupted = threading.Event()
    previous = signal.getsignal(signal.SIGINT)

    def interrupt(number, frame):
        interrupted.set()
        previous(number, frame)

    def heed(batch, logs):
        if interrupted.is_set():
            raise KeyboardInterrupt

    # Python hands signals to its main thread alone; a process that was started deaf to Ctrl-C stays so.
    hears = threading.current_thread() is threading.main_thread() and callable(previous)
    if hears:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield keras.callbacks.LambdaCallback(on_train_batch_end=heed)
    finally:
        if hears:
            signal.signal(signal.SIGINT, previous)


def rounded(value) -> float:
    """A figure of the learning curve as it is kept."""
    return round(float(value), 4)


class Checkpoint(keras.callbacks.Callback):
    """Keeps, after every epoch, the whole state of the training, the best weights so far and the learning curve.

    Args:
        folder: where to keep them.
        patience: how many epochs without an improvement end the training; None for never.
        seed: of the random numbers that the model draws in training, such as dropout's.
    """

    def __init__(self, folder, patience, seed=0):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.patience = patience
        self.seed = seed
        self.best_weights = self.folder / 'best.weights.h5'
        self.history = []

    def restore(self):
        """The model as the last whole epoch left it, with its optimizer, or None at the start."""
        state = self.folder / 'state.keras'
        if not state.exists():
            return None
        try:
            self.history = json.loads((self.folder / 'history.json').read_text())
            return keras.saving.load_model(state)
        except (OSError, ValueError, KeyError) as error:
            raise RuntimeError(f'The checkpoint in {self.folder} is damaged ({error}). Remove it to start again.'
                               ) from error

    def forget_after(self, epochs: int):
        """Drops what was written of an epoch whose state was not."""
        self.history = self.history[:epochs]

    def best_epoch(self) -> int:
        likelihoods = np.array([epoch['val_nll'] for epoch in self.history])
        return int(np.argmin(np.where(np.isnan(likelihoods), np.inf, likelihoods)))

    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and bool(self.history) and (
            len(self.history) - 1 - self.best_epoch() >= self.patience)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.time()
        # Keras does not save the states of random generators: every epoch starts from states of its own.
        states = [variable for variable in self.model.variables if variable.path.endswith('seed_generator_state')]
        numbers = np.random.RandomState([self.seed, epoch]).randint(2**31, size=(len(states), 2))
        for state, draws in zip(states, numbers):
            state.assign(draws)

    def on_test_end(self, logs=None):
        # Now rather than at the end of the epoch, for the model holds what was validated: it may be an average.
        earlier = [epoch['val_nll'] for epoch in self.history]
        if not earlier or rounded(logs['nll']) < np.nanmin([np.inf, *earlier]):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._replace(self.best_weights, self.model.save_weights)

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.time() - self.started, 2)
        self.history.append({**{name: rounded(value) for name, value in logs.items()}, 'seconds': seconds})
        # The state comes last: what an interruption leaves of an epoch without it is done anew, with the same result.
        self._replace(self.folder / 'history.json', lambda path: path.write_text(json.dumps(self.history, indent=1)))
        self._replace(self.folder / 'state.keras', self.model.save)
        if self.finished():
            self.model.stop_training = True

    def _replace(self, path, write):
        unfinished = path.with_name('unfinished.' + path.name)
        write(unfinished)
        os.replace(unfinished, path)
