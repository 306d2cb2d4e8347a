"""Visible units: how a site's value enters the energy, and what the field that hidden units make draws."""

import abc

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.outputs import Bernoulli, Categorical, MixtureOfGaussians, Output

# No value is taken to be rarer, whatever its share among the data.
RAREST = 1e-3


class VisibleUnits(keras.layers.Layer):
    """Sites of the family p(v | field), proportional to exp(field · features(v) + log_measure(v)).

    All else follows from the output: where the features of the value 0 are zeros, as they are of all kinds here, the
    sum of the right side over v is 1 / p(0 | field).

    Args:
        output: the family, one of `tfdgm.outputs`.
        num_sites: how many sites an event has.
        **kwargs: `name`.
    """

    def __init__(self, output: Output, num_sites: int, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.output_family, self.num_sites = output, num_sites
        self.built = True

    @property
    def num_features(self) -> int:
        """How many numbers the field of an event has."""
        return self.num_sites

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """What hidden units see of values: `[n, sites]` -> `[n, num_features]`."""
        return x

    @property
    def mean_at_zero(self) -> float:
        """The mean of a feature where the field is 0."""
        return 0.

    def log_measure(self, x: tf.Tensor) -> tf.Tensor | float:
        """What a value adds to the log-density by itself: `[n, sites]` -> `[n]`."""
        return 0.

    @abc.abstractmethod
    def parameters(self, field: tf.Tensor) -> tf.Tensor:
        """The output's parameters: `[n, num_features]` -> `[n, sites, num_parameters]`."""

    @abc.abstractmethod
    def field_of(self, means: tf.Tensor) -> tf.Tensor:
        """The field at which features have such means: `[num_features]` -> `[num_features]`."""

    def draw(self, field: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        """Values given a field, of uniform numbers `[n, sites, num_uniforms]`: `[n, num_features]` -> `[n, sites]`."""
        return self.output_family.quantile(self.parameters(field), uniforms)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        """The means of values given a field: `[n, num_features]` -> `[n, sites]`."""
        return self.output_family.mean(self.parameters(field))

    def log_sum(self, field: tf.Tensor) -> tf.Tensor:
        """The logarithm of the sum or integral over all values: `[n, num_features]` -> `[n]`."""
        parameters = self.parameters(field)
        return -ops.sum(self.output_family.log_prob(parameters, ops.zeros_like(parameters[..., 0])), axis=1)


class BinaryUnits(VisibleUnits):
    """Sites of 0 and 1."""

    mean_at_zero = 0.5

    def parameters(self, field: tf.Tensor) -> tf.Tensor:
        return field[..., None]

    def field_of(self, means: tf.Tensor) -> tf.Tensor:
        means = ops.clip(means, RAREST, 1 - RAREST)
        return ops.log(means) - ops.log1p(-means)

    def log_sum(self, field: tf.Tensor) -> tf.Tensor:
        return ops.sum(ops.softplus(field), axis=1)


class CategoricalUnits(VisibleUnits):
    """Sites of a few integers: an indicator for each but 0, "softmax units"."""

    @property
    def mean_at_zero(self) -> float:
        return 1 / self.output_family.levels

    @property
    def num_features(self) -> int:
        return self.num_sites * self.output_family.num_indicators

    def features(self, x: tf.Tensor) -> tf.Tensor:
        return ops.reshape(self.output_family.indicators(x), (-1, self.num_features))

    def parameters(self, field: tf.Tensor) -> tf.Tensor:
        logits = ops.reshape(field, (-1, self.num_sites, self.output_family.num_indicators))
        return ops.pad(logits, ((0, 0), (0, 0), (1, 0)))

    def field_of(self, means: tf.Tensor) -> tf.Tensor:
        means = ops.maximum(ops.reshape(means, (self.num_sites, -1)), RAREST)
        zeros = ops.maximum(1 - ops.sum(means, axis=1, keepdims=True), RAREST)
        return ops.reshape(ops.log(means) - ops.log(zeros), (-1,))


class GaussianUnits(VisibleUnits):
    """Real sites, normal given the hidden units, with a standard deviation of each site that is learned."""

    def __init__(self, output: Output, num_sites: int, **kwargs):
        super().__init__(output, num_sites, **kwargs)
        self.raw_scale = self.add_weight(
            shape=(num_sites,), initializer=keras.initializers.Constant(np.log(np.expm1(1.))), name='raw_scale')

    @property
    def variance(self) -> tf.Tensor:
        """Of each site given the hidden units: `[sites]`."""
        return (ops.softplus(self.raw_scale) + self.output_family.min_scale)**2

    def log_measure(self, x: tf.Tensor) -> tf.Tensor:
        return -0.5 * ops.sum(x**2 / self.variance, axis=1)

    def parameters(self, field: tf.Tensor) -> tf.Tensor:
        location = field * self.variance
        return ops.stack([ops.zeros_like(location), location, location * 0 + self.raw_scale], axis=-1)

    def field_of(self, means: tf.Tensor) -> tf.Tensor:
        return means / self.variance


def visible_units(output: Output, num_sites: int) -> VisibleUnits:
    """The units of an output.

    Raises:
        ValueError: if there are none.
    """
    kinds = {Bernoulli: BinaryUnits, Categorical: CategoricalUnits, MixtureOfGaussians: GaussianUnits}
    kind = kinds.get(type(output))
    if kind is None or getattr(output, 'components', 1) != 1:
        raise ValueError('output must be Bernoulli(), Categorical(levels) or MixtureOfGaussians(1), which Boltzmann '
                         f'machines have units of; got {output!r}.')
    return kind(output, num_sites, name='visible_units')
