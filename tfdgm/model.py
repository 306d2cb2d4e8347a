"""GenerativeModel: what every system of the library is."""

import functools
import inspect

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks, data, extremes, inputs, pieces
from tfdgm.batches import batch_size, never_empty
from tfdgm.conditions import Condition
from tfdgm.distribution import ModelDistribution
from tfdgm.maximum_likelihood import MaximumLikelihood


class GenerativeModel(MaximumLikelihood):
    """A distribution of events that learns by maximum likelihood: the base class of every system.

    Calling the model on a batch of events returns their log-probabilities in nats, so Keras's own `fit`, `evaluate`
    and `predict` need to know nothing else. Keras's target `y` is the condition:

        model.fit(images)            # p(x)
        model.fit(images, labels)    # p(x | label)
        model.predict([images, labels])

    A subclass implements `log_prob` and `sample`, and has made its weights when its constructor returns. Its
    configuration is the arguments that it was made with; where an attribute has an argument's name, its value counts.

    Args:
        event_shape: shape of one event, such as `(28, 28, 1)`; a whole number stands for a vector of that length.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        **kwargs: `name`, `dtype` and `trainable`, as for every Keras model. The dtype is a policy whose variables are
            float32: 'float32', 'mixed_bfloat16' or 'mixed_float16'.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    # Whether events may be shorter than `event_shape`, filled up with NaN: see `padding`.
    variable_length = False

    # The kind of `ModelDistribution` that `distribution` makes.
    distribution_class = ModelDistribution

    # The layer that standardises real values, in models that have one: see `adapt`.
    standardization = None

    def __new__(cls, *args, **kwargs):
        model = super().__new__(cls, *args, **kwargs)
        given = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        given.apply_defaults()
        # Not as an attribute: Keras tracks those, and is not ready to.
        model.__dict__['_arguments'] = dict(list(given.arguments.items())[1:])
        return model

    def __init__(self, event_shape, *, condition=None, **kwargs):
        # Keras would cast whole-number events to the compute dtype, which holds them only up to 256.
        super().__init__(autocast=False, **kwargs)
        if self.variable_dtype != 'float32':
            raise ValueError(f'dtype must be a policy whose variables are float32, such as float32 or mixed_bfloat16, '
                             f'got {self.dtype_policy.name}: log-probabilities are summed in float32.')
        self.event_shape = checks.event_shape(event_shape)
        self.condition = checks.instance(condition, Condition | None, 'condition', 'tfdgm.conditions.Label(10)')

    @property
    def num_sites(self) -> int:
        """How many numbers an event has."""
        return int(np.prod(self.event_shape))

    @property
    def sampling_batch(self) -> int:
        """How many events are drawn at once, a power of two: see `tfdgm.pieces`."""
        return pieces.size_of(self.num_sites)

    @property
    def scoring_batch(self) -> int:
        """How many events a distribution scores at once, outside graphs and tapes."""
        return self.sampling_batch

    def padding(self, x):
        """Which numbers of events `[batch, *event_shape]` only fill them up: booleans of the same shape."""
        return ops.zeros_like(x, dtype='bool')

    def sites_of(self, x):
        """How many numbers each event has, without those that fill it up: `[batch]`, float32."""
        if not self.variable_length:
            return ops.full((ops.shape(x)[0],), float(self.num_sites), 'float32')
        padding = ops.reshape(self.padding(x), (-1, self.num_sites))
        return self.num_sites - ops.sum(ops.cast(padding, 'float32'), axis=1)

    def adapt(self, x):
        """Takes the means and standard deviations by which the model standardises real values: call it before `fit`.

        A network learns best from values of order 1, and mixtures of Gaussians start from there. The likelihood counts
        the change of units, so that it stays a density of the data as they are.

        Args:
            x: events, `[n, *event_shape]`, or a `tf.data.Dataset` of single ones.

        Raises:
            ValueError: if the events are not valid, a site is constant, or the model's values are discrete.

        >>> import numpy as np, tfdgm
        >>> model = tfdgm.NADE(2, output=tfdgm.outputs.MixtureOfGaussians(1))
        >>> model.adapt(np.random.default_rng(0).normal(loc=5, scale=3, size=[1000, 2]))
        >>> np.round(model.standardization.mean)
        array([5., 5.], dtype=float32)
        """
        if self.standardization is None:
            raise ValueError(f'The values of this {type(self).__name__} are discrete, {self.support()}: there is '
                             'nothing to standardise.')
        x = data.as_arrays(x) if isinstance(x, tf.data.Dataset) else x
        x = inputs.array(x[0] if isinstance(x, tuple) else x, 'events')
        checks.events(self, x)
        self.standardization.adapt(x)

    def is_valid(self, condition):
        """Whether each value of the model's condition, if it has one, is valid: booleans `[batch]`, or True."""
        return condition is None or ops.all(ops.isfinite(self.condition.encode(condition)), axis=-1)

    def log_prob(self, x, condition=None, training=False):
        """Log-probability of each event, in nats: `[batch, *event_shape]` -> `[batch]`, float32."""
        raise NotImplementedError(f'{type(self).__name__} gives no log-probability.')

    def sample(self, batch_size: int, condition, seed):
        """Draws `batch_size` events, one for each condition, with a stateless seed: int32 `[2]`."""
        raise NotImplementedError(f'{type(self).__name__} gives no samples.')

    @property
    def is_discrete(self) -> bool:
        """Whether events hold whole numbers, so that they have probabilities rather than densities."""
        raise NotImplementedError

    def contains(self, x):
        """Whether each number of `x` is one that an event can hold: booleans of the same shape."""
        raise NotImplementedError

    def support(self) -> str:
        """The numbers an event can hold, in words for people."""
        raise NotImplementedError

    def distribution(self, condition=None, validate_args: bool = False) -> ModelDistribution:
        """This model as a `tfd.Distribution`. It is free to make, owns no variables and follows the training.

        Args:
            condition: for a conditional model, values of the condition: `[*batch_shape, *condition.shape]`. Their
                leading shape is the batch shape of the distribution.
            validate_args: whether `log_prob` checks that its argument lies in the support, at some cost.

        Returns:
            A `tfd.Distribution` with event shape `event_shape`.

        Raises:
            ValueError: if the condition is missing, unexpected, of the wrong shape or not a valid value.
        """
        return self.distribution_class(self, condition, validate_args=validate_args)

    def run(self, method, *args, jit_compile: bool | None = None):
        """Calls one of the model's methods as a compiled function, which is kept for the next call.

        Args:
            method: a bound method, of this model or of a distribution that is a view of it.
            *args: its arguments.
            jit_compile: whether XLA compiles it, for each shape anew; by default as `compile` was told.
        """
        functions = self.__dict__.setdefault('_compiled_methods', {})
        jit_compile = self.jit_compile if jit_compile is None else jit_compile
        key = method.__func__, jit_compile, *(value for value in args if isinstance(value, int))
        if key not in functions:
            # TensorFlow counts calls by the code of a method, of all models together, and warns of too many traces.
            functions[key] = tf.function(
                functools.partial(method), jit_compile=jit_compile, reduce_retracing=not jit_compile, autograph=False)
        return functions[key](*args)

    def call(self, inputs, training=False):
        x, condition = (inputs, None) if self.condition is None else checks.pair(inputs)
        checks.static_shape(x, self.event_shape, batch_rank=1)
        if condition is not None:
            checks.static_shape(condition, self.condition.shape, 'conditions', batch_rank=1)
        x = ops.convert_to_tensor(x)
        if x.dtype == tf.float64 or not self.is_discrete:
            x = extremes.in_float32(x, self.is_discrete)
        if training:
            return ops.cast(self.log_prob(x, condition, training), 'float32')
        return never_empty(
            lambda count, *inputs: ops.cast(self.log_prob(*inputs), 'float32'), batch_size(x), x, condition)

    def save(self, filepath, *args, **kwargs):
        """`keras.Model.save`, to a file that ends in `.keras`.

        Raises:
            ValueError: if it ends otherwise: Keras's older HDF5 format has no place for outputs and conditions.
        """
        if not str(filepath).endswith('.keras'):
            raise ValueError(f"A model is saved to a file that ends in .keras, such as 'mine.keras'; got {filepath!r}. "
                             "Its weights alone go to one that ends in .weights.h5, by save_weights.")
        super().save(filepath, *args, **kwargs)

    def export(self, filepath, format='tf_saved_model', verbose=None, input_signature=None, **kwargs):
        """`keras.Model.export`, of `call`: log-probabilities of any number of events, by default."""
        if input_signature is None:
            events = tf.TensorSpec((None, *self.event_shape), tf.float32, name='events')
            if self.condition is None:
                input_signature = [events]
            else:
                condition = tf.TensorSpec((None, *self.condition.shape), self.condition.dtype, name='condition')
                input_signature = [(events, condition)]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    # Saving ----------------------------------------------------------------------------------------------------------

    def _trackable_children(self, save_type='checkpoint', **kwargs):
        # `tf.train.Checkpoint` does not look into the Python lists in which Keras keeps layers and weights, and there
        # is no public way to tell it of them.
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == 'checkpoint':
            children.update({f'variable_{index}': variable.value for index, variable in enumerate(self.variables)})
        return children

    def get_config(self):
        given = {**self._arguments, **self._arguments.get('kwargs', {})}
        arguments = {name: getattr(self, name, value) for name, value in given.items()
                     if name not in ('kwargs', 'name', 'dtype', 'trainable')}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
        return {**super().get_config(), **keras.saving.serialize_keras_object(plain)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
