"""A long run and the operating system: Ctrl-C, and one process at a time in a folder."""

import contextlib
import os
import pathlib
import signal
import threading

import keras

LOCK = 'lock'


@contextlib.contextmanager
def alone_in(folder: pathlib.Path):
    """Holds a folder for this process, which is made if need be, and removed at the end if nothing is in it.

    The operating system gives it free when the process ends, however it ends.

    Raises:
        RuntimeError: at once, if another process holds it, or it is no folder.
    """
    handle = locked(folder)
    try:
        yield
    finally:
        try:
            (folder / LOCK).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        finally:
            os.close(handle)


def locked(folder: pathlib.Path) -> int:
    """Opens the lock of a folder, and locks it."""
    import fcntl  # Windows has none, and needs it for training alone.

    if folder.exists() and not folder.is_dir():
        raise RuntimeError(f'{folder} is a file where a folder is needed. Remove it.')
    path = folder / LOCK
    while True:
        folder.mkdir(exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # Whoever held the folder removed it just now.
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Or removed the lock after it was opened here.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                raise RuntimeError(f'Another process is training in {folder.parent}. Wait for its end, or name another '
                                   'folder.') from error
            raise
        os.close(handle)


@contextlib.contextmanager
def heeding_interruption():
    """A callback that ends the training at Ctrl-C even where a library swallowed the KeyboardInterrupt."""
    interrupted = threading.Event()
    previous = signal.getsignal(signal.SIGINT)

    def interrupt(number, frame):
        interrupted.set()
        previous(number, frame)

    def heed(batch, logs=None):
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
