"""The distributions of flows: of real values, a `tfd.TransformedDistribution`; of integers, one around it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm import checks
from tfdgm.distribution import DensityDistribution
from tfdgm.execution import internals, pieces
from tfdgm.random import stateless_seed
from tfdgm.support import Reals

tfd = tfp.distributions


class TemperedDistribution(DensityDistribution):
    """The distribution of a flow, whose latents have a temperature."""

    def sample(self, sample_shape: int | Sequence[int] | tf.Tensor = (), seed: int | tf.Tensor | None = None,
               name: str = 'sample', temperature: float = 1.) -> tf.Tensor:
        """`tfd.Distribution.sample`, from latents that are multiplied by a temperature.

        Args:
            sample_shape: how many events, an integer or a shape.
            seed: an integer, a stateless seed, or None.
            name: a name for its operations.
            temperature: a number, or a tensor that holds one; 1 samples the model; below 1, events are more alike
                and closer to what is typical. Where a graph has a value that is not above 0, samples are NaN.

        Returns:
            `[*sample_shape, *batch_shape, *event_shape]`, float32.

        Raises:
            ValueError: if the temperature is not above 0.
        """
        value = temperature
        if tf.is_tensor(temperature):
            value = tf.get_static_value(tf.convert_to_tensor(temperature))
        if value is None and temperature is not None:  # Inside a graph a tensor may have no value yet.
            temperature = tf.cast(temperature, tf.float32)
            temperature = tf.where((temperature > 0) & (temperature < np.inf), temperature, np.nan)
        else:
            temperature = tf.constant(checks.positive(
                value.item() if np.shape(value) == () and hasattr(value, 'item') else value, 'temperature'))
        return super().sample(sample_shape, seed, name, given=(temperature,))

    @property
    def _sampler(self):
        """The method of the model that draws."""
        return self._model.sample

    def _draw(self, count, condition, seed, given):
        return pieces.draw(self._draw_piece, count, self._model.sampling_batch, condition, seed, given,
                           exact=not tf.executing_eagerly())

    def _draw_piece(self, size, *args):
        if not tf.executing_eagerly():
            return self._sampler(size, *args)
        # Gradients of loops can't leave an XLA function.
        jit_compile = self._samples_with_xla and not internals.tape_may_watch()
        return self._model.run(self._sampler, size, *args, jit_compile=jit_compile)


class DequantizedDistribution(TemperedDistribution):
    """Integers whose log-probability is bounded from below by a flow: see `UniformDequantization`.

    `model.distribution()` makes one. Its samples are those of the flow rounded down; what lies beyond the levels, which
    the bound does not count, becomes the first or the last. The bound can be far lower there than at the values that
    were drawn, so the mean of `log_prob` over samples is no estimate of an entropy: for one, take those of the
    `continuous_distribution()`.
    """

    def _entropy(self):
        raise NotImplementedError(f'{type(self.model).__name__} of integers has no closed form of `entropy`, and its '
                                  'log-probability is a bound that is no estimate of it: estimate that of '
                                  'model.continuous_distribution(), x = dist.sample(10_000), as '
                                  '-tf.reduce_mean(dist.log_prob(x), 0).')


class FlowDistribution(TemperedDistribution, tfd.TransformedDistribution):
    """The distribution of a flow's real values: a `tfd.TransformedDistribution` whose variables are the model's.

    `model.distribution()` makes one. `distribution` is the base, `bijector` the flow; gradients pass through samples.

    Args:
        model: a `FlowModel`.
        condition: see `ModelDistribution`, as the other arguments.
        validate_args: whether to check the arguments of `log_prob` against the support.
        allow_nan_stats: as in every TFP distribution.
        name: a name for its operations.
        model_variables: left out. TensorFlow takes a `tfd.TransformedDistribution` apart into the tensors among its
            arguments, instead of looking at its attributes, where it searches for the variables in what is made of it.
    """

    def __init__(self, model, condition=None, validate_args=False, allow_nan_stats=True, name=None,
                 model_variables=None):
        super().__init__(model, condition, validate_args, allow_nan_stats, name)
        if model_variables is not None:
            self._model_variables = model_variables

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        # TFP wants each class that has a constructor to say it anew.
        return super()._parameter_properties(dtype, num_classes)

    def _start(self, **kwargs):
        model, condition = self._model, self.condition
        base = tfd.Sample(tfd.BatchBroadcast(model.base(), self._batch_shape_tensor()), model.num_sites)
        kwargs.pop('allow_nan_stats')
        tfd.TransformedDistribution.__init__(self, base, model._bijector(condition), **kwargs)

    @property
    def _sampler(self):
        return self._model.sample_real

    @property
    def _support(self):
        return Reals()

    def _log_density(self, x, condition):
        return self._model.density(x, condition)

    @property
    def bijector(self):
        """The flow, from latents to events."""
        # TFP's is made of the condition once and for all; this one follows a variable.
        if isinstance(self._condition, tf.Variable | tfp.util.DeferredTensor):
            return self._model._bijector(self.condition)
        return super().bijector

    _default_event_space_bijector = tfd.TransformedDistribution._default_event_space_bijector

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        return tfd.Distribution._call_sample_n(self, sample_shape, seed, **kwargs)

    def _sample_and_log_prob(self, sample_shape, seed):
        checks.sample_shape(sample_shape)
        condition = self._repeated_condition(tf.reduce_prod(sample_shape))
        outer = tf.concat([sample_shape, self._batch_shape_tensor()], 0)
        x, log_prob = pieces.draw(
            self._model.sample_and_log_prob, tf.reduce_prod(outer), self._model.sampling_batch, condition,
            stateless_seed(seed), exact=True, dtypes=(tf.float32, tf.float32))
        return tf.reshape(x, tf.concat([outer, self._model.event_shape], 0)), tf.reshape(log_prob, outer)
