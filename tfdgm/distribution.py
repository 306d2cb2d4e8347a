"""The views of models that TensorFlow Probability understands: of samples alone, and with a density."""

import inspect
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import tree
from numpy.typing import ArrayLike

from tfdgm import checks
from tfdgm.execution import internals, pieces
from tfdgm.execution.batches import batch_size, never_empty
from tfdgm.execution.extremes import in_float32
from tfdgm.random import stateless_seed
from tfdgm.statistics import WithoutClosedForms

tfb = tfp.bijectors
tfd = tfp.distributions


class ModelDistribution(WithoutClosedForms, tfd.Distribution):
    """A `tfd.Distribution` over the events of a model. `model.distribution(condition)` makes one.

    It gives samples; where the model has a density, it is a `DensityDistribution`. It owns no variables: its
    `variables` and `trainable_variables` are the model's, and training the model changes it. Its batch shape is that
    of the condition. A condition that is a `tf.Variable` counts among them, and the distribution follows its values.

    `sample` takes an integer, a stateless seed (int32 `[2]`) or None as its seed. An integer means the same samples
    in every call, with XLA and without.

    Args:
        model: a `tfdgm.GenerativeModel`.
        condition: None, or values of the model's condition, `[*batch_shape, *condition.shape]`.
        validate_args: whether to check the arguments of `log_prob` against the support.
        allow_nan_stats: as in every TFP distribution.
        name: a name for its operations.

    Raises:
        ValueError: if the condition is missing, unexpected, of the wrong shape or not a valid value.
    """

    def __init__(self, model, condition=None, validate_args: bool = False, allow_nan_stats: bool = True,
                 name: str | None = None):
        parameters = dict(locals())
        condition = condition_tensor(model.condition, condition)
        name = name or type(model).__name__
        with tf.name_scope(name) as name:
            self._model = model
            self._condition = condition
            # Where TFP looks for the variables of a distribution inside another one, such as `tfd.Mixture`.
            self._model_variables = self.trainable_variables
            self._start(
                validate_args=validate_args, allow_nan_stats=allow_nan_stats, parameters=parameters, name=name)

    def _start(self, **kwargs):
        """Calls the constructor of TFP's class, once the model and the condition are known."""
        tfd.Distribution.__init__(
            self, dtype=tf.float32, reparameterization_type=tfd.NOT_REPARAMETERIZED, **kwargs)

    def __reduce__(self):
        return type(self), (self._model, self._condition, self.validate_args, self.allow_nan_stats, self.name)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {'condition': tfp.util.ParameterProperties(
            event_ndims=lambda self: 0 if self.model.condition is None else len(self.model.condition.shape))}

    @property
    def model(self):
        """The model that this distribution is a view of."""
        return self._model

    @property
    def condition(self):
        """The values that it is conditioned on, a tensor `[*batch_shape, *condition.shape]`, or None."""
        return None if self._condition is None else tf.convert_to_tensor(self._condition)

    @property
    def variables(self):
        """The model's variables, as `tf.Variable`s, and those of the condition."""
        return (*(variable.value for variable in self._model.variables), *self._variables_of_condition('variables'))

    @property
    def trainable_variables(self):
        """The model's trainable variables, as `tf.Variable`s, and those of the condition."""
        return (*(variable.value for variable in self._model.trainable_variables),
                *self._variables_of_condition('trainable_variables'))

    def _variables_of_condition(self, kind):
        if isinstance(self._condition, tf.Variable):
            return (self._condition,) if kind == 'variables' or self._condition.trainable else ()
        return getattr(self._condition, kind, ())

    def _event_shape(self):
        return tf.TensorShape(self._model.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self._model.event_shape, tf.int32)

    def _batch_shape(self):
        if self._condition is None:
            return tf.TensorShape([])
        return self._condition.shape[:self._condition.shape.rank - len(self._model.condition.shape)]

    def _batch_shape_tensor(self):
        if self._condition is None:
            return tf.constant([], tf.int32)
        shape = tf.shape(self._condition)
        return shape[:tf.size(shape) - len(self._model.condition.shape)]

    def _sample_n(self, n, seed=None, given=()):
        seed = stateless_seed(seed)
        if self._condition is None:
            return self._draw_any(n, None, seed, given)
        batch_shape, condition = self._batch_shape_tensor(), self._repeated_condition(n)
        samples = self._draw_any(n * tf.reduce_prod(batch_shape), condition, seed, given)
        valid = self._model.is_valid(condition)
        samples = tf.where(tf.reshape(valid, (-1, *[1] * len(self._model.event_shape))), samples, np.nan)
        return tf.reshape(samples, tf.concat([[n], batch_shape, self._model.event_shape], 0))

    def _draw_any(self, count, *args):
        """`_draw`, also of no event."""
        if tf.get_static_value(count) == 0:
            return tf.zeros((0, *self._model.event_shape))
        return self._draw(count, *args)

    def _repeated_condition(self, n):
        """The condition of each of `n` samples: `[n * size of the batch, *condition.shape]`, or None."""
        if self._condition is None:
            return None
        inner = self._model.condition.shape
        return tf.reshape(tf.repeat(tf.reshape(self.condition, (1, -1, *inner)), n, axis=0), (-1, *inner))

    def _draw(self, count, condition, seed, given):
        """Samples `[count, *event_shape]`; no gradient passes through them."""
        # A tape would ask an XLA function for all the values of its loops, which it can't give.
        with internals.without_tapes():
            samples = pieces.draw(self._draw_piece, count, self._model.sampling_batch, condition, seed, given,
                                  exact=not tf.executing_eagerly())
        return tf.stop_gradient(samples)

    def _draw_piece(self, size, *args):
        """Samples `[size, *event_shape]`, compiled where it is known how many."""
        if isinstance(size, int):
            return self._model.run(self._model.sample, size, *args, jit_compile=self._samples_with_xla)
        return self._model.sample(size, *args)

    @property
    def _samples_with_xla(self) -> bool:
        return self._model.uses_xla(self._model.samples_with_xla)

    def _log_prob(self, x):
        raise NotImplementedError(f'{type(self._model).__name__} gives samples and no density, so it has no '
                                  'log-probabilities. Compare samples instead, or take a tfdgm.DensityModel.')

    def sample(self, sample_shape: int | Sequence[int] | tf.Tensor = (), seed: int | tf.Tensor | None = None,
               name: str = 'sample', **kwargs) -> tf.Tensor:
        """`tfd.Distribution.sample`: `[*sample_shape, *batch_shape, *event_shape]`, float32.

        Raises:
            ValueError: if `sample_shape` or `seed` is not of its kind.
        """
        checks.sample_shape(sample_shape)
        return super().sample(sample_shape, seed, name, **kwargs)


class DensityDistribution(ModelDistribution):
    """A `ModelDistribution` that also scores events. `model.distribution(condition)` of a `DensityModel` makes one."""

    def _default_event_space_bijector(self):
        if self._support.is_discrete:
            return None
        return tfb.Identity(validate_args=self.validate_args)

    def _log_prob(self, x, *options):
        event_shape = self._model.event_shape
        checks.static_shape(x, event_shape)
        checks.real(x)
        x = in_float32(x, self._support.is_discrete)
        condition = self.condition
        if condition is None and x.shape.rank == len(event_shape) + 1:
            return self._scores(x, None, *options)
        outer = tf.shape(x)[:tf.rank(x) - len(event_shape)]
        if condition is not None:
            # TFP lets the samples and the distribution's batch broadcast against each other.
            checks.batch_fits(x.shape, event_shape, self.batch_shape)
            outer = tf.broadcast_dynamic_shape(outer, self._batch_shape_tensor())
            x = tf.broadcast_to(x, tf.concat([outer, event_shape], 0))
            inner = self._model.condition.shape
            condition = tf.broadcast_to(condition, tf.concat([outer, inner], 0))
            condition = tf.reshape(condition, (-1, *inner))
        return tf.reshape(self._scores(tf.reshape(x, (-1, *event_shape)), condition, *options), outer)

    def _scores(self, x, condition, *options):
        """Log-probabilities of events `[n, *event_shape]`, of which there may be none."""
        return never_empty(lambda count, *given: self._score(*given, *options), batch_size(x), x, condition)

    def _score(self, x, condition, *options):
        """Log-probabilities of one event or more; in pieces, where neither a graph nor a tape wants all."""
        if not tf.executing_eagerly():
            return self._log_density(x, condition, *options)
        if internals.tape_may_watch():
            # Without XLA: a gradient could not take the values of loops out of its functions.
            return self._model.run(self._log_density, x, condition, *options, jit_compile=False)
        jit_compile = self._model.uses_xla(self._model.scores_with_xla)
        return pieces.score(
            lambda *piece: self._model.run(self._log_density, *piece, *options, jit_compile=jit_compile),
            x, condition, self._model.scoring_batch, exact=not jit_compile)

    def _log_density(self, x, condition):
        """Log-probabilities of events `[n, *event_shape]`, all at once."""
        return self._model(x if condition is None else (x, condition))

    def log_prob(self, value: ArrayLike, name: str = 'log_prob', **kwargs) -> tf.Tensor:
        """`tfd.Distribution.log_prob`, in nats: `[…, *event_shape]` -> `[…]`, float32.

        Raises:
            ValueError: if the events are of another shape, or of a type that is not that of real numbers.
            TypeError: if there are options that these models do not take.
        """
        unknown = set(kwargs) - set(inspect.signature(self._log_prob).parameters)
        if unknown:
            raise TypeError(f'log_prob of {type(self._model).__name__} takes no {", ".join(sorted(unknown))}.')
        return super().log_prob(self._real_events(value), name, **kwargs)

    def prob(self, value: ArrayLike, name: str = 'prob', **kwargs) -> tf.Tensor:
        """The exponential of `log_prob`."""
        return super().prob(self._real_events(value), name, **kwargs)

    def unnormalized_log_prob(self, value: ArrayLike, name: str = 'unnormalized_log_prob', **kwargs) -> tf.Tensor:
        """The same as `log_prob`."""
        return super().unnormalized_log_prob(self._real_events(value), name, **kwargs)

    def _real_events(self, values):
        """Events of real numbers, as float32 where they are not tensors: TFP would round them, and make infinite ones.

        Raises:
            ValueError: if they are not of a type of real numbers.
        """
        checks.real(values)
        if tf.is_tensor(values):
            return values
        tensors = any(map(tf.is_tensor, tree.flatten(values)))
        return in_float32(values if tensors else np.asarray(values), self._support.is_discrete)

    @property
    def _support(self):
        """The support of what `log_prob` takes."""
        return self._model.support

    def _sample_control_dependencies(self, x, **options):
        if not self.validate_args:
            return []
        checks.static_shape(x, self._model.event_shape)
        x = tf.reshape(in_float32(x, self._support.is_discrete), (-1, *self._model.event_shape))
        contained = tf.reshape(self._support.contains(x) | self._model.padding(x), [-1])
        x = tf.reshape(x, [-1])
        example = tf.gather(x, tf.argmin(tf.cast(contained, tf.int32)))
        message = f'log_prob of {type(self._model).__name__} needs every value to be {self._support}; one is'
        return [tf.debugging.Assert(tf.reduce_all(contained), [message, example])]


def condition_tensor(condition, values: ArrayLike | None):
    """Values of a condition as a checked tensor; None if there is neither.

    Raises:
        ValueError: if they are missing, unexpected, of the wrong shape or not valid.
    """
    checks.condition_given(condition, values)
    if values is None:
        return None
    values = values.value if isinstance(values, keras.Variable) else values
    if isinstance(values, tf.Variable | tfp.util.DeferredTensor):
        # Kept as it is, to follow it.
        if tf.executing_eagerly():
            checks.conditions(condition, tf.convert_to_tensor(values))
        checks.static_shape(values, condition.shape, 'conditions')
        return values
    if not tf.is_tensor(values):
        values = checks.conditions(condition, values)
    elif tf.get_static_value(values) is not None:
        # The tensor itself is kept: there may be a tape that watches it.
        checks.conditions(condition, tf.get_static_value(values))
    values = tf.convert_to_tensor(values)
    checks.static_shape(values, condition.shape, 'conditions')
    return values
