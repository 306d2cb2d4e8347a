"""Standardized: real values in units of order 1, and the refusal of others."""

import tensorflow as tf
from keras import ops

from tfdgm.layers import Standardization

# What the first events of a `fit` may have at most as the mean of a site, and as its standard deviation, at least and
# at most.
MEAN, DEVIATION = 3., (0.1, 3.)


class Standardized:
    """Mixed into an `UnnormalizedModel`: `standardization`, None of integers, and a look at the first events.

    The model keeps whether it has had that look, in `started`.
    """

    def make_standardization(self):
        """Makes the layer, once the support is known."""
        self.standardization = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization')

    def standardized(self, x: tf.Tensor) -> tf.Tensor:
        """Events in units of order 1; integers as they are."""
        return x if self.standardization is None else self.standardization(x)[0]

    def unstandardized(self, x: tf.Tensor) -> tf.Tensor:
        """The way back."""
        return x if self.standardization is None else self.standardization(x, invert=True)[0]

    def log_det(self) -> tf.Tensor | float:
        """The logarithm of the Jacobian determinant of `standardized`."""
        if self.standardization is None:
            return 0.
        return self.num_sites * self.standardization(ops.zeros((1, *self.event_shape)))[1]

    def waits_for_data(self) -> bool:
        return not self.started.numpy()

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        if self.standardization is not None:
            x = self.standardized(x)
            mean, deviation = float(ops.max(ops.abs(ops.mean(x, axis=0)))), ops.std(x, axis=0)
            least, most = float(ops.min(deviation)), float(ops.max(deviation))
            if mean > MEAN or least < DEVIATION[0] or most > DEVIATION[1]:
                raise ValueError(
                    f'This {type(self).__name__} takes values of mean 0 and standard deviation 1; the sites of these '
                    f'have means up to {mean:.3g} and deviations from {least:.3g} to {most:.3g}: call '
                    'model.adapt(events) before fit.')
        self.started.assign(1.)
