"""Keras layers that systems of several families are made of."""

import keras
import numpy as np

from tfdgm import checks, random


class ConditionBias(keras.layers.Layer):
    """The learned linear part that a condition adds to a bias: features `[batch, n]` -> `[batch, *shape]`.

    Without a condition it has no weights and adds nothing.
    """

    def __init__(self, condition_features: int, shape: tuple, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.kernel = self.add_weight(
            shape=(condition_features, *self.shape), initializer='zeros', name='kernel') if condition_features else None
        self.built = True

    def call(self, features):
        if self.kernel is None:
            return keras.ops.zeros((1, *self.shape), self.compute_dtype)
        return keras.ops.tensordot(keras.ops.cast(features, self.compute_dtype), self.kernel, axes=1)


class Dropout(keras.layers.Layer):
    """Leaves a share of the features out at each training step, as `keras.layers.Dropout` does.

    Keras leaves the random numbers' algorithm to the device. XLA's choice on a CPU takes many times as long as Philox,
    and a step of training mostly waits for it.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checks.rate(rate, 'dropout')
        self.draws = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, features, training=False):
        if not training or self.rate == 0:
            return features
        uniforms = random.uniforms(keras.ops.shape(features), keras.ops.cast(self.draws.next(), 'int32'))
        return keras.ops.where(uniforms < self.rate, keras.ops.zeros_like(features), features / (1 - self.rate))


def dense(inputs, units, name, dtype, **kwargs):
    """A `keras.layers.Dense` whose weights exist."""
    layer = keras.layers.Dense(units, name=name, dtype=dtype, **kwargs)
    layer.build((None, inputs))
    return layer


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

    def initialize(self, x):
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

    def call(self, x, invert=False):
        """Standardised values, and the logarithm of the Jacobian determinant for each site: a number.

        With `invert`, the other way.
        """
        # In one call, for in it the weights have the layer's own precision, whatever the model computes in.
        log_det = -keras.ops.mean(keras.ops.log(self.deviation))
        if invert:
            return x * self.deviation + self.mean, -log_det
        return (x - self.mean) / self.deviation, log_det
