"""Standardisation of real values by what the data were."""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks


class Standardization(keras.layers.Layer):
    """Moves and scales real values so that they have a mean of 0 and a standard deviation of 1.

    Keras's `Normalization` keeps what it learned outside its variables once it is adapted, where a function that is
    compiled already does not see it.

    Args:
        shape: of the numbers it learns, with a 1 for each axis of the event that they share.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.mean = self.add_weight(shape=shape, initializer='zeros', trainable=False, name='mean')
        self.deviation = self.add_weight(shape=shape, initializer='ones', trainable=False, name='deviation')
        self.built = True

    def initialize(self, x: ArrayLike):
        """Data-dependent initialisation: mean and standard deviation of events `[n, *event_shape]`, NaN left out.

        Raises:
            ValueError: if a site is constant, or its values are too close together for float32.
        """
        axes = (0, *(axis for axis, size in enumerate(self.mean.shape, 1) if size == 1))
        x = np.asarray(x, 'float64')
        deviation = np.nanstd(x, axis=axes).reshape(self.mean.shape)
        checks.varying(deviation, len(x))
        if deviation.min() < np.finfo('float32').tiny:
            raise ValueError(f'The values of a site have a standard deviation of {deviation.min():.1e}, which float32 '
                             'cannot divide by: multiply the events by a constant first.')
        self.mean.assign(np.nanmean(x, axis=axes).reshape(self.mean.shape))
        self.deviation.assign(deviation)

    def call(self, x: tf.Tensor, invert: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Standardised values, and the logarithm of the Jacobian determinant for each site: a number.

        With `invert`, the other way.
        """
        # In one call, for in it the weights have the layer's own precision, whatever the model computes in.
        log_det = -keras.ops.mean(keras.ops.log(self.deviation))
        if invert:
            return x * self.deviation + self.mean, -log_det
        return (x - self.mean) / self.deviation, log_det
