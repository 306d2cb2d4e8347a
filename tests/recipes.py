"""Recipes that train within seconds, and what the tests of training do with them."""

import contextlib
import json
from unittest import mock

import numpy as np
import pytest

from tfdgm import pretrained
from tfdgm.pretrained import cards, training

STEPS = 3  # The 1,197 digits make three batches of 399.


def recipe(system='Independent', arguments=(), dataset=(), **options):
    return {
        'model': {'class_name': f'tfdgm>{system}', 'config': {'event_shape': [8, 8, 1], **dict(arguments)}},
        'dataset': {'name': 'digits', 'binarization': 'threshold', **dict(dataset)},
        'training': {'epochs': 4, 'batch_size': 399, 'seed': 3, 'jit_compile': False, **options}}


def adam(learning_rate):
    return {'class_name': 'Adam', 'config': {'learning_rate': learning_rate}}


def schedule(name, **config):
    return {'module': 'keras.optimizers.schedules', 'class_name': name, 'config': config}


def write(folder, config):
    (folder / pretrained.CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


def no_samples():
    """Leaves the samples out of cards: to compile them takes longer than these trainings."""
    return mock.patch.object(cards, 'save_samples', lambda *args: [])


def train(folder, **options):
    """Trains; gives the configuration and the learning curve, which `train` itself removes with the checkpoint."""
    checkpoints = []

    class Remembered(training.Checkpoint):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            checkpoints.append(self)

    with mock.patch.object(training, 'Checkpoint', Remembered), no_samples():
        config = training.train(folder, verbose=0, **options)
    return config, [{**epoch, 'seconds': None} for epoch in checkpoints[-1].history]


@contextlib.contextmanager
def interrupted(epoch=2, batch=1):
    """A block in which Ctrl-C arrives in an epoch, after a batch of it."""
    def interrupt(checkpoint, index, logs=None):
        if len(checkpoint.history) == epoch and index == batch:
            raise KeyboardInterrupt

    with mock.patch.object(training.Checkpoint, 'on_train_batch_end', interrupt), pytest.raises(KeyboardInterrupt):
        yield


def weights(folder):
    return pretrained.load(folder).get_weights()


def assert_same(folder, other):
    """Two trainings came to the same, to the bit."""
    assert (folder / pretrained.WEIGHTS).read_bytes() == (other / pretrained.WEIGHTS).read_bytes()
    for one, two in zip(weights(folder), weights(other), strict=True):
        np.testing.assert_array_equal(one, two)
