"""Errors that several modules of data share."""


class DatasetUnavailableError(RuntimeError):
    """A dataset is neither prepared on this machine nor can it be downloaded."""


class EmptySplitError(ValueError):
    """There are data, but none of them belong to the split."""
