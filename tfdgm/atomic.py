"""Writing files so that a crash, a full disk or Ctrl-C leaves the old file or the new one, never a part of one."""

import contextlib
import errno
import os
import pathlib
import shutil
import uuid

UNFINISHED = '.unfinished'


@contextlib.contextmanager
def writing(path):
    """Opens a new binary file beside `path`, and moves it there at the end of the block.

    If the block raises, `path` stays as it was. What is no regular file, such as a pipe or `/dev/null`, cannot be
    replaced and is written to as it is; a symbolic link stays one.

    Raises:
        OSError: if the file cannot be written; the message names `path`.

    >>> with writing('example.txt') as file:
    ...     _ = file.write(b'whole')
    >>> pathlib.Path('example.txt').read_text()
    'whole'
    >>> os.remove('example.txt')
    """
    target = pathlib.Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            with open(target, 'wb') as file:
                yield file
            return
        unfinished = target.with_name(f'.{uuid.uuid4().hex}{UNFINISHED}')
        try:
            with open(unfinished, 'xb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # Else a power cut may leave the new name with nothing in it.
            if target.exists():
                shutil.copymode(target, unfinished)
            os.replace(unfinished, target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        # NumPy's errors in writing have no number.
        why = error.strerror or f'The disk may be full ({error})'
        raise OSError(error.errno or errno.EIO, f'{why}, so nothing was written', str(path)) from error


@contextlib.contextmanager
def writing_folder(path):
    """Makes a new folder beside `path`, gives its path, and moves it there at the end of the block.

    If the block raises, there is no folder. Folders that `path` lies in are made.

    Raises:
        FileExistsError: if there is a file, or a folder that is not empty.
        OSError: if the folder cannot be written; the message names `path`.

    >>> with writing_folder('example') as folder:
    ...     write(folder / 'part.txt', 'a part')
    >>> os.listdir('example')
    ['part.txt']
    >>> shutil.rmtree('example')
    """
    target = pathlib.Path(os.path.realpath(path))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        what = 'a folder that is not empty' if target.is_dir() else 'a file'
        raise FileExistsError(
            errno.EEXIST, f'There is {what}, and it stays as it is; name a new folder, or remove it first', str(path))
    unfinished = target.with_name(f'.{uuid.uuid4().hex}{UNFINISHED}')
    try:
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            for file in unfinished.rglob('*'):
                if file.is_file():
                    with open(file, 'rb+') as written:
                        os.fsync(written.fileno())
            if target.exists():
                target.rmdir()
            os.replace(unfinished, target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except OSError as error:
        raise OSError(error.errno or errno.EIO, f'{error.strerror or error}, so nothing was written',
                      str(path)) from error


def write(path, content: bytes | str):
    """Writes a file, text as UTF-8; an interruption leaves the old one, if there was one."""
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def tidy(folder):
    """Removes from a folder what `writing` could not, since its process was killed."""
    for path in pathlib.Path(folder).glob(f'.{"?" * 32}{UNFINISHED}'):
        path.unlink()
