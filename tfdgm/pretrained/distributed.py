"""The strategies by which a recipe is trained on several devices or machines."""

import atexit
import contextlib
import os
import signal
import sys
import threading

import tensorflow as tf

from tfdgm import checks, cluster
from tfdgm.execution import workers

MIRRORED, MULTI_WORKER = STRATEGIES = 'mirrored', 'multi-worker'


def strategy_of(name: str) -> tf.distribute.Strategy:
    """Makes a strategy by its name, before TensorFlow does anything else.

    Args:
        name: 'mirrored' for all GPUs of this machine, or without any, all logical CPUs; 'multi-worker' for all
            processes that the environment variable TF_CONFIG names, which wait here for each other.

    Raises:
        ValueError: if there is none of that name, no second device, or TF_CONFIG is missing or not valid.
        RuntimeError: if the workers do not come together.
    """
    if checks.one_of(name, STRATEGIES, 'strategy') == MULTI_WORKER:
        cluster.require_cluster()
        with ending_at_interruption(), workers.needing_all():
            return tf.distribute.MultiWorkerMirroredStrategy()
    devices = tf.config.list_logical_devices('GPU') or tf.config.list_logical_devices('CPU')
    if len(devices) < 2:
        raise ValueError(f'--strategy mirrored needs a second device, and TensorFlow sees {devices[0].name} alone: '
                         'leave it out here. See tf.config.set_logical_device_configuration for several logical ones.')
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@contextlib.contextmanager
def ending_at_interruption():
    """A block in TensorFlow's hands, which Python's answer to Ctrl-C would have to wait for: there it ends at once."""
    hears = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL) if hears else None
    try:
        yield
    finally:
        if hears:
            signal.signal(signal.SIGINT, previous)


def refuse_xla(trainings: list):
    """Raises if the settings of a training ask for XLA, which does not compile the steps of replicas.

    Raises:
        ValueError: if some do.
    """
    if any(settings['jit_compile'] is True for settings in trainings):
        raise ValueError('jit_compile in "training" is true, and under a strategy XLA compiles no steps: replicas meet '
                         'inside them. Leave it out, or write "auto", to have XLA where it works.')


def require_shares(strategy: tf.distribute.Strategy, count: int, batch_size: int, split: str):
    """Raises unless each replica has an event of each batch.

    Raises:
        ValueError: if one has none.
    """
    number = strategy.num_replicas_in_sync
    least = min(batch_size, count, count % batch_size or batch_size)
    if least < number:
        raise ValueError(f'{number} replicas are to train together, and a batch has {least} events, of {count} in the '
                         f'{split} split by batch_size {batch_size}: each replica needs one at least. Choose another '
                         'batch_size, or fewer workers or devices.')


def require_same(what: str, content: str):
    """Raises on a worker whose part of a training is another than the chief's.

    Raises:
        RuntimeError: if it is.
    """
    if workers.from_chief(content.encode()) != content.encode():
        raise RuntimeError(f'The {what} of this worker is not that of the chief: all train the same. Give them the '
                           'same files and data.')


@contextlib.contextmanager
def leaving_at_failure(strategy: tf.distribute.Strategy | None):
    """A block of a command; where it fails, this process ends without waiting for workers that may be gone.

    Python's own end would wait for TensorFlow's threads, and complain of their connections.
    """
    def leave(status):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    try:
        yield
    except BaseException as error:
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            atexit.register(leave, getattr(error, 'exit_code', 1))
        raise
