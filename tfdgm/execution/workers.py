"""Workers: processes that train one model together, under `tf.distribute.MultiWorkerMirroredStrategy`.

All here speaks of the strategy in whose scope it is called; without one there is one worker, the chief.
"""

import contextlib

import numpy as np
import tensorflow as tf

# How TensorFlow says that it has lost the others: at once where a connection breaks, else by their missing heartbeat.
LOST = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError


def are_several() -> bool:
    """Whether there are others."""
    strategy = tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and bool(
        strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief() -> bool:
    """Whether this worker is the one that writes and shows."""
    if not are_several():
        return True
    resolver = tf.distribute.get_strategy().cluster_resolver
    return resolver.task_type == 'chief' or (
        resolver.task_id == 0 and 'chief' not in resolver.cluster_spec().as_dict())


def from_chief(content: bytes) -> bytes:
    """What the chief has, on all workers; theirs is not looked at."""
    if not are_several():
        return content
    strategy, content = tf.distribute.get_strategy(), content if is_chief() else b''
    size = int(strategy.reduce('SUM', tf.constant(len(content)), axis=None))
    if not size:
        return b''  # The sum of empty tensors would crash TensorFlow.
    values = np.zeros([size], 'int32')  # Of which collective operations know the sum, as of bytes they don't.
    values[:len(content)] = np.frombuffer(content, 'uint8')
    return strategy.reduce('SUM', tf.constant(values), axis=None).numpy().astype('uint8').tobytes()


def wait_for_all():
    """Returns once all workers are here."""
    from_chief(b'')


@contextlib.contextmanager
def needing_all():
    """A block in which the loss of another worker becomes an error that says what to do.

    Raises:
        RuntimeError: if one is.
    """
    try:
        yield
    except LOST as error:
        raise RuntimeError(
            'Another worker is gone: it was killed, ended by an error that it shows itself, or cannot be reached any '
            'more. Start all workers again, by the same commands; they go on from the last whole epoch.') from error
