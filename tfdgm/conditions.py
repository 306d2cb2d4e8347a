"""What p(x | condition) may depend on.

A condition knows the shape of one of its values, checks them, and encodes a batch of them as real features. Systems
add a learned linear function of the features wherever they have a bias.
"""

import dataclasses

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.configuration import Configured


class Condition(Configured):
    """Base of the conditions: a frozen dataclass whose fields are its Keras configuration.

    A subclass gives `shape`, that of one value without batch dimensions, and what follows.
    """

    dtype = 'float32'

    @property
    def num_features(self) -> int:
        """How many real numbers `encode` makes of one value."""
        raise NotImplementedError

    def encode(self, values):
        """`[batch, *shape]` -> real features `[batch, num_features]`."""
        raise NotImplementedError

    def describe(self) -> str:
        """The values it takes, in words for people."""
        raise NotImplementedError

    def contains(self, values):
        """Whether each number is a valid one: booleans of the same shape."""
        raise NotImplementedError


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Label(Condition):
    """One of `num_classes` classes, given as a whole number.

    >>> import numpy as np, tfdgm
    >>> np.asarray(tfdgm.conditions.Label(3).encode(np.array([2, 0])))
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """

    num_classes: int

    dtype = 'int32'

    def __post_init__(self):
        checks.whole(self.num_classes, 'num_classes of Label')

    @property
    def shape(self):
        return ()

    @property
    def num_features(self):
        return self.num_classes

    def encode(self, values):
        values = ops.cast(values, 'int32')
        exists = ops.expand_dims((values >= 0) & (values < self.num_classes), -1)
        # A graph can't raise an error about a value: where there is no such class, there shall be no likelihood.
        return ops.where(exists, ops.one_hot(values, self.num_classes, dtype='float32'), np.nan)

    def describe(self):
        return f'whole numbers from 0 to {self.num_classes - 1}'

    def contains(self, values):
        return (values >= 0) & (values < self.num_classes) & (values == np.floor(values))


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Vector(Condition):
    """A vector of `size` real numbers."""

    size: int

    def __post_init__(self):
        checks.whole(self.size, 'size of Vector')

    @property
    def shape(self):
        return (self.size,)

    @property
    def num_features(self):
        return self.size

    def encode(self, values):
        return ops.cast(values, 'float32')

    def describe(self):
        return f'vectors of {self.size} finite real numbers'

    def contains(self, values):
        return np.isfinite(values)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Image(Condition):
    """An image, such as a coarse or a grey one of the same thing: whole numbers 0 … levels-1, as events are.

    Args:
        shape: `(height, width, channels)`.
        levels: how many values a site of it can take, at least 2.

    Raises:
        ValueError: if `shape` is not that of an image or `levels` is below 2.
    """

    shape: tuple
    levels: int = 256

    def __post_init__(self):
        object.__setattr__(self, 'shape', checks.event_shape(self.shape))
        if len(self.shape) != 3:
            raise ValueError(f'Image needs a shape (height, width, channels), got {self.shape}.')
        checks.whole(self.levels, 'levels of Image', 2)

    @property
    def num_features(self):
        return int(np.prod(self.shape))

    def encode(self, values):
        return ops.reshape(ops.cast(values, 'float32') / (self.levels - 1), (-1, self.num_features))

    def describe(self):
        return f'images of shape {self.shape}, each value a whole number from 0 to {self.levels - 1}'

    def contains(self, values):
        return (values >= 0) & (values < self.levels) & (values == np.floor(values))
