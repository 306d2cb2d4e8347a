"""Support: the numbers that a site of an event can hold."""

import abc
import dataclasses

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike


class Support(abc.ABC):
    """A set of numbers. `str(support)` describes one of them, such as "an integer from 0 to 255"."""

    # Whether events have probabilities, rather than densities.
    is_discrete: bool

    @abc.abstractmethod
    def contains(self, x: ArrayLike) -> np.ndarray | tf.Tensor:
        """Whether each number, of an array or a float32 tensor, is one of them: booleans of the same shape."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """A description of one of them."""


@dataclasses.dataclass(frozen=True)
class Integers(Support):
    """The integers 0 … levels-1.

    >>> from tfdgm.support import Integers
    >>> str(Integers(256)), Integers(256).contains(np.array([255, 0.5]))
    ('an integer from 0 to 255', array([ True, False]))
    """

    levels: int

    is_discrete = True

    def contains(self, x: ArrayLike) -> np.ndarray | tf.Tensor:
        floor = tf.floor if tf.is_tensor(x) else np.floor
        return (x >= 0) & (x < self.levels) & (floor(x) == x)

    def __str__(self):
        return '0 or 1' if self.levels == 2 else f'an integer from 0 to {self.levels - 1}'


@dataclasses.dataclass(frozen=True)
class Reals(Support):
    """The finite real numbers.

    >>> from tfdgm.support import Reals
    >>> str(Reals()), Reals().contains(float('inf'))
    ('a finite real number', False)
    """

    is_discrete = False

    def contains(self, x: ArrayLike) -> np.ndarray | tf.Tensor:
        return abs(x) < np.inf

    def __str__(self):
        return 'a finite real number'


def support_of(levels: int | None) -> Support:
    """The integers 0 … levels-1, or for None the finite real numbers."""
    return Reals() if levels is None else Integers(levels)
