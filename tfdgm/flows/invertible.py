"""Invertible layers, which a flow is a list of: base class, chain, and the layers without weights.

`layer(x)` goes from the data towards the latents, `layer.inverse(z)` back. Each returns the values and the
log-determinant of its own Jacobian, `[batch]` or a scalar that holds for every event, in nats. Events have one batch
axis; `as_bijector` makes of a layer what TensorFlow Probability takes.

Everything computes in float32 under every policy. Each direction rounds elsewhere; a network in bfloat16 would make
much of the difference, and one direction would no longer undo the other.
"""

import abc
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# What either direction of a layer returns: the values, and the log-determinant of its Jacobian.
ValuesAndLogDet = tuple[tf.Tensor, tf.Tensor]


class InvertibleLayer(keras.layers.Layer, abc.ABC):
    """Base class of invertible layers."""

    def __init__(self, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.built = True

    @abc.abstractmethod
    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        """From data to latents.

        Args:
            x: `[batch, …]`.
            features: those of the condition, `[batch, n]`, or None.
            training: whether it is a training step, which may estimate what is exact elsewhere.

        Returns:
            The values, and the log-determinant of the Jacobian.
        """

    @abc.abstractmethod
    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        """From latents to data: the values, and the log-determinant of the Jacobian of this direction."""

    def waits_for_data(self) -> bool:
        """Whether the layer has a data-dependent initialisation that is still to come; most have none."""
        return False

    def initialize(self, x: tf.Tensor, features: tf.Tensor | None = None):
        """Data-dependent initialisation from the first values that the layer sees, if it waits for them."""


class Chain:
    """Invertible layers one after the other, the first next to the data.

    It is no layer itself: the model that makes it keeps the layers that have weights.
    """

    def __init__(self, layers: Sequence):
        self.layers = list(layers)

    def __call__(self, x, features=None, training=False):
        total = ops.zeros((), 'float32')
        for layer in self.layers:
            x, log_det = layer(x, features, training=training)
            total += log_det
        return x, total

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        total = ops.zeros((), 'float32')
        for layer in reversed(self.layers):
            z, log_det = layer.inverse(z, features)
            total += log_det
        return z, total

    def waits_for_data(self) -> bool:
        return any(layer.waits_for_data() for layer in self.layers)

    def initialize(self, x: tf.Tensor, features: tf.Tensor | None = None):
        for layer in self.layers:
            layer.initialize(x, features)
            x, _ = layer(x, features)


class Inverse(InvertibleLayer):
    """Another invertible layer the other way round."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return self.layer.inverse(x, features)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return self.layer(z, features)


class Standardize(InvertibleLayer):
    """Standardises events of so many sites, as a `tfdgm.layers.Standardization` says."""

    def __init__(self, standardization, num_sites: int, **kwargs):
        super().__init__(**kwargs)
        self.standardization, self.num_sites = standardization, num_sites

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        x, log_det = self.standardization(x)
        return x, log_det * self.num_sites

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        x, log_det = self.standardization(z, invert=True)
        return x, log_det * self.num_sites


class Reshape(InvertibleLayer):
    """Gives events another shape."""

    def __init__(self, before: tuple, after: tuple, **kwargs):
        super().__init__(**kwargs)
        self.before, self.after = before, after

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return ops.reshape(x, (-1, *self.after)), ops.zeros((), 'float32')

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return ops.reshape(z, (-1, *self.before)), ops.zeros((), 'float32')


class Permutation(InvertibleLayer):
    """Puts the features of the last axis into an order, such as `[2, 0, 1]`."""

    def __init__(self, order, **kwargs):
        super().__init__(**kwargs)
        self.order = np.asarray(order, 'int32')

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return ops.take(x, self.order, axis=-1), ops.zeros((), 'float32')

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return ops.take(z, np.argsort(self.order).astype('int32'), axis=-1), ops.zeros((), 'float32')


class Squeeze(InvertibleLayer):
    """Makes one pixel of each 2x2, with four times the channels.

    Args:
        shape: of the image, `(height, width, channels)`.
        checkerboard: whether the colours of a chessboard follow each other, so that each has half of the channels:
            first those of the upper left and lower right pixels.
        **kwargs: `name`.
    """

    # The corners of 2x2 pixels, row by row, in the order of the colours.
    colours = np.array([0, 3, 1, 2], 'int32')

    def __init__(self, shape: tuple, checkerboard: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.shape, self.checkerboard = shape, checkerboard

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        height, width, channels = self.shape
        x = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
        x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, 4, channels))
        if self.checkerboard:
            x = ops.take(x, self.colours, axis=3)
        return ops.reshape(x, (-1, height // 2, width // 2, 4 * channels)), ops.zeros((), 'float32')

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        height, width, channels = self.shape
        z = ops.reshape(z, (-1, height // 2, width // 2, 4, channels))
        if self.checkerboard:
            z = ops.take(z, np.argsort(self.colours).astype('int32'), axis=3)
        z = ops.reshape(z, (-1, height // 2, width // 2, 2, 2, channels))
        z = ops.reshape(ops.transpose(z, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))
        return z, ops.zeros((), 'float32')
