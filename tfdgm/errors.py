"""Errors that several modules share."""


class NonFiniteError(RuntimeError):
    """A training step whose loss or gradient is not finite; the weights are those from before it."""
