"""A limit on the memory that making a model takes, for a configuration may ask for any."""

import contextlib

import psutil
import tensorflow as tf

try:
    import resource
except ImportError:  # Windows has none.
    resource = None

# What a model takes besides its weights, in bytes, and how often its weights are held while it is made.
BESIDES, COPIES = 2 * 2**30, 20


@contextlib.contextmanager
def limited(weights: int):
    """A block in which a model is made whose weights are so many bytes in a file: it can't take much more memory.

    Without it a description of a model that is too large would have the system end this process, or another. The limit
    is the system's own, on data of this process; where there is none, as on Windows and macOS, nothing is limited.

    Raises:
        ValueError: if the model takes more.
    """
    used = getattr(psutil.Process().memory_info(), 'data', None)
    if resource is None or used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + BESIDES + COPIES * weights
    if soft != resource.RLIM_INFINITY:
        limit = min(soft, limit)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise ValueError(f'The model that it describes takes far more memory than its weights, {weights:,} bytes, '
                         'account for.') from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
