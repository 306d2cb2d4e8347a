"""Faults of the file system at every operation in turn, by Python's own audit events."""

import contextlib
import errno
import os
import sys

CHANGES = {'os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.truncate', 'os.link', 'os.symlink', 'shutil.rmtree'}


class Killed(BaseException):
    """What stands for the end of the process."""


class Fault:
    """Counts the operations that change files of a folder, and fails from one of them on."""

    def __init__(self, folder, at, full=False):
        self.folder, self.at, self.full = str(folder), at, full
        self.operations = []

    def see(self, event, arguments):
        if event == 'open':
            changes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            changes = event in CHANGES
        if not changes or not isinstance(arguments[0], str | os.PathLike):
            return
        if not os.path.abspath(arguments[0]).startswith(self.folder):
            return
        self.operations.append((event, arguments[0]))
        if self.at is None or len(self.operations) <= self.at:
            return
        if not self.full:
            raise Killed(event, str(arguments[0]))
        if event in ('open', 'os.mkdir'):  # What a full disk refuses.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))


_active = []


def _see(event, arguments):
    for fault in _active:
        fault.see(event, arguments)


sys.addaudithook(_see)  # For good: a hook cannot be taken back.


@contextlib.contextmanager
def fault(folder, at=None, full=False):
    """A block whose operations in a folder are counted, and fail from number `at` on, as if the process were dead."""
    seen = Fault(folder, at, full)
    _active.append(seen)
    try:
        yield seen
    finally:
        _active.remove(seen)
