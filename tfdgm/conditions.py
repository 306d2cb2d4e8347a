"""What p(x | condition) may depend on.

A condition knows the shape of one of its values, checks them, and encodes a batch of them as real features. Systems
add a learned linear function of the features wherever they have a bias. A graph can't raise an error about a value:
of one that is not valid the features are NaN, so that no likelihood and no sample comes of it.
"""

import abc
import dataclasses

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.configuration import Configured
from tfdgm.support import Integers, Reals, support_of


class Condition(Configured, abc.ABC):
    """Base class of conditions: a frozen dataclass whose fields are its Keras configuration.

    A subclass gives `shape`, that of one value without batch dimensions, and what follows.
    """

    dtype = 'float32'

    @property
    @abc.abstractmethod
    def num_features(self) -> int:
        """How many real numbers `encode` makes of one value."""

    @abc.abstractmethod
    def encode(self, values: tf.Tensor) -> tf.Tensor:
        """`[batch, *shape]` -> real features `[batch, num_features]`, NaN where a value is not valid."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Human-readable values, such as "integers from 0 to 9"."""

    @abc.abstractmethod
    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        """Whether each number, of an array or a float32 tensor, is a valid one: booleans of the same shape."""


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Label(Condition):
    """One of `num_classes` classes, given as an integer.

    >>> import numpy as np, tfdgm
    >>> np.asarray(tfdgm.conditions.Label(3).encode(np.array([2, 0])))
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """

    num_classes: int

    dtype = 'int32'

    def __post_init__(self):
        self._keep(num_classes=checks.integer(self.num_classes, 'num_classes of Label'))

    @property
    def shape(self) -> tuple:
        return ()

    @property
    def num_features(self) -> int:
        return self.num_classes

    def encode(self, values: tf.Tensor) -> tf.Tensor:
        classes = ops.one_hot(ops.cast(values, 'int32'), self.num_classes, dtype='float32')
        valid = self.contains(ops.cast(values, 'float32'))
        return ops.where(ops.expand_dims(valid, -1), classes, np.nan)

    def describe(self) -> str:
        return f'integers from 0 to {self.num_classes - 1}'

    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        return Integers(self.num_classes).contains(values)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Labels(Condition):
    """Several classes at once, such as a word and who speaks it: an integer for each.

    >>> import numpy as np, tfdgm
    >>> np.asarray(tfdgm.conditions.Labels((3, 2)).encode(np.array([[2, 0]])))
    array([[0., 0., 1., 1., 0.]], dtype=float32)

    Args:
        num_classes: how many classes each has.
    """

    num_classes: tuple

    dtype = 'int32'

    def __post_init__(self):
        self._keep(num_classes=checks.integers(self.num_classes, 'num_classes of Labels'))

    @property
    def shape(self) -> tuple:
        return (len(self.num_classes),)

    @property
    def num_features(self) -> int:
        return sum(self.num_classes)

    def encode(self, values: tf.Tensor) -> tf.Tensor:
        return ops.concatenate([
            Label(classes).encode(values[:, index]) for index, classes in enumerate(self.num_classes)], axis=-1)

    def describe(self) -> str:
        limits = ' and '.join(f'0 to {classes - 1}' for classes in self.num_classes)
        return f'{len(self.num_classes)} integers, from {limits}'

    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        return Integers(np.array(self.num_classes)).contains(values)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Vector(Condition):
    """A vector of `size` real numbers."""

    size: int

    def __post_init__(self):
        self._keep(size=checks.integer(self.size, 'size of Vector'))

    @property
    def shape(self) -> tuple:
        return (self.size,)

    @property
    def num_features(self) -> int:
        return self.size

    def encode(self, values: tf.Tensor) -> tf.Tensor:
        values = ops.cast(values, 'float32')
        return ops.where(self.contains(values), values, np.nan)

    def describe(self) -> str:
        return f'vectors of {self.size} finite real numbers'

    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        return Reals().contains(values)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Vectors(Condition):
    """A vector of `size` real numbers for each of `steps` equal parts of the event, from its first step to its last.

    In models of sequences a vector acts on the sites of its own part: what WaveNet calls a local condition, such as
    the pitch over time. What a site should know of later parts has to be in its own vector. Other systems see all the
    vectors at every site.

    Args:
        steps: how many vectors; for models of sequences, a divisor of the event's length.
        size: of each.
    """

    steps: int
    size: int

    def __post_init__(self):
        self._keep(steps=checks.integer(self.steps, 'steps of Vectors'))
        self._keep(size=checks.integer(self.size, 'size of Vectors'))

    @property
    def shape(self) -> tuple:
        return self.steps, self.size

    @property
    def num_features(self) -> int:
        return self.steps * self.size

    def encode(self, values: tf.Tensor) -> tf.Tensor:
        values = ops.reshape(ops.cast(values, 'float32'), (-1, self.num_features))
        return ops.where(self.contains(values), values, np.nan)

    def describe(self) -> str:
        return f'{self.steps} vectors of {self.size} finite real numbers each'

    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        return Reals().contains(values)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Image(Condition):
    """An image, such as a coarse or a grey one of the same thing: integers 0 … levels-1, as events are, or real values.

    Args:
        shape: `(height, width, channels)`.
        levels: how many values a site of it can take, at least 2; None for real numbers, such as the features that a
            network makes.

    Raises:
        ValueError: if `shape` is not that of an image or `levels` is below 2.
    """

    shape: tuple
    levels: int | None = 256

    def __post_init__(self):
        self._keep(shape=checks.event_shape(self.shape))
        if len(self.shape) != 3:
            raise ValueError(f'Image needs a shape (height, width, channels), got {self.shape}.')
        if self.levels is not None:
            self._keep(levels=checks.integer(self.levels, 'levels of Image', 2))

    @property
    def _support(self):
        return support_of(self.levels)

    @property
    def num_features(self) -> int:
        return int(np.prod(self.shape))

    def encode(self, values: tf.Tensor) -> tf.Tensor:
        values = ops.cast(values, 'float32')
        scale = 1 if self.levels is None else self.levels - 1
        values = ops.where(self.contains(values), values / scale, np.nan)
        return ops.reshape(values, (-1, self.num_features))

    def describe(self) -> str:
        return f'images of shape {self.shape}, each value {self._support}'

    def contains(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        return self._support.contains(values)
