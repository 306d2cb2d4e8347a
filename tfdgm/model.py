"""Model and GenerativeModel: base classes of every model."""

import abc
import functools
import inspect
import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, data, exporting, inputs
from tfdgm.conditions import Condition
from tfdgm.distribution import ModelDistribution
from tfdgm.execution import pieces
from tfdgm.execution.internals import Checkpointed
from tfdgm.support import Support
from tfdgm.trainer import Trainer


class Model(Checkpointed, Trainer):
    """A Keras model of events, with a condition or without.

    A subclass implements `training_loss` and `support`, and has made its weights when its constructor returns. Its
    configuration is the arguments that it was made with; where an attribute has an argument's name, its value counts.

    Args:
        event_shape: shape of one event, such as `(28, 28, 1)`; an integer stands for a vector of that length.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        **kwargs: `name`, `dtype` and `trainable`, as for every Keras model. The dtype is a policy whose variables are
            float32: 'float32', 'mixed_bfloat16' or 'mixed_float16'.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    # Whether events may be shorter than `event_shape`, filled up with NaN: see `padding`.
    variable_length = False

    # The layer that standardises real values, in models that have one: see `adapt`.
    standardization = None

    def __new__(cls, *args, **kwargs):
        model = super().__new__(cls, *args, **kwargs)
        signature = inspect.signature(cls.__init__)
        given = signature.bind(model, *args, **kwargs)
        given.apply_defaults()
        arguments = dict(list(given.arguments.items())[1:])
        for name, parameter in signature.parameters.items():
            if parameter.kind == parameter.VAR_KEYWORD:  # Whatever it is called: those that are passed on by name.
                arguments.update(arguments.pop(name))
        # Not as an attribute: Keras tracks those, and is not ready to.
        model.__dict__['_arguments'] = arguments
        return model

    def __init__(self, event_shape: int | Sequence[int], *, condition: Condition | None = None, **kwargs):
        # Keras would cast integer events to the compute dtype, which holds them only up to 256.
        super().__init__(autocast=False, **kwargs)
        if self.variable_dtype != 'float32':
            raise ValueError(f'dtype must be a policy whose variables are float32, such as float32 or mixed_bfloat16, '
                             f'got {self.dtype_policy.name}: log-probabilities are summed in float32.')
        self.event_shape = checks.event_shape(event_shape)
        self.condition = checks.instance(condition, Condition | None, 'condition', 'tfdgm.conditions.Label(10)')

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """The numbers that a site of an event can hold."""

    @property
    def num_sites(self) -> int:
        """How many numbers an event has."""
        return int(np.prod(self.event_shape))

    def padding(self, x: tf.Tensor) -> tf.Tensor:
        """Which numbers of events `[batch, *event_shape]` only fill them up: booleans of the same shape."""
        return ops.zeros_like(x, dtype='bool')

    def valid_events(self, x: tf.Tensor) -> tf.Tensor:
        """Events in float32, NaN where a value lies outside the support."""
        x = ops.cast(x, 'float32')
        return ops.where(self.support.contains(x), x, np.nan)

    # Conditions ------------------------------------------------------------------------------------------------------

    @property
    def condition_features(self) -> int:
        """How many features the condition has, 0 if there is none."""
        return 0 if self.condition is None else self.condition.num_features

    def encode_condition(self, condition: tf.Tensor | None) -> tf.Tensor | None:
        """The features of values of the condition, float32 `[batch, condition_features]`, or None if there is none."""
        return None if condition is None else self.condition.encode(condition)

    def is_valid(self, condition: tf.Tensor | None):
        """Whether each value of the model's condition, if it has one, is valid: booleans `[batch]`, or True."""
        return condition is None or ops.all(ops.isfinite(self.encode_condition(condition)), axis=-1)

    # Using the model -------------------------------------------------------------------------------------------------

    def adapt(self, x: ArrayLike | tf.data.Dataset):
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
            why = f'are discrete, {self.support}' if self.support.is_discrete else 'have no standardisation in it'
            raise ValueError(f'The values of this {type(self).__name__} {why}: there is nothing to standardise.')
        x = data.as_arrays(x) if isinstance(x, tf.data.Dataset) else x
        x = inputs.array(x[0] if isinstance(x, tuple) else x, 'events')
        checks.events(self, x)
        self.standardization.initialize(x)

    def run(self, method: Callable, *args, jit_compile: bool):
        """Calls one of the model's methods as a compiled function, which is kept for the next call.

        Args:
            method: a bound method, of this model or of a distribution that is a view of it.
            *args: its arguments.
            jit_compile: whether XLA compiles it, for each shape anew.
        """
        functions = self.__dict__.setdefault('_compiled_methods', {})
        key = method.__func__, jit_compile, *(value for value in args if isinstance(value, int))
        if key not in functions:
            # TensorFlow counts calls by the code of a method, of all models together, and warns of too many traces.
            functions[key] = tf.function(
                functools.partial(method), jit_compile=jit_compile, reduce_retracing=not jit_compile, autograph=False)
        with self.explaining():
            return functions[key](*args)

    # Saving ----------------------------------------------------------------------------------------------------------

    def save(self, filepath: str | os.PathLike, *args, **kwargs):
        """`keras.Model.save`, to a file that ends in `.keras`.

        Raises:
            ValueError: if it ends otherwise: Keras's older HDF5 format has no place for outputs and conditions.
        """
        if not str(filepath).endswith('.keras'):
            raise ValueError(f"A model is saved to a file that ends in .keras, such as 'mine.keras'; got {filepath!r}. "
                             "Its weights alone go to one that ends in .weights.h5, by save_weights.")
        super().save(filepath, *args, **kwargs)

    def get_config(self) -> dict:
        # Methods don't count, such as `prior` of a model that has an argument of that name.
        arguments = {
            name: value if inspect.ismethod(getattr(self, name, None)) else getattr(self, name, value)
            for name, value in self._arguments.items() if name not in ('name', 'dtype', 'trainable')}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
        return {**super().get_config(), **keras.saving.serialize_keras_object(plain)}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**keras.saving.deserialize_keras_object(config))

    # Leaving Python --------------------------------------------------------------------------------------------------

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        """What `export` writes, by name, the one first that is meant where nobody names one.

        Args:
            jit_compile: whether XLA compiles samples and log-probabilities, or 'auto'.
        """
        raise NotImplementedError

    def export(self, filepath: str | os.PathLike, format: str = exporting.FORMAT, verbose: bool = True, *,
               jit_compile: bool | str = 'auto') -> list[str]:
        """Writes the model as a SavedModel, which TensorFlow runs without this library, Keras or Python.

        It has a signature for each thing that the model can do, with any size of a batch:

        - `log_prob(events)` -> `log_prob`, `[batch]` in nats, of a model with a density. One that is known up to a
          constant has `unnormalized_log_prob(events)` in any case, and `log_prob` if log Z is known.
        - `sample(count, seed)` -> `events`, `[count, *event_shape]`, of a stateless seed, int32 `[2]`: those of
          `distribution().sample(count, seed)`. The integer `seed=3` is `[0, 3]`.
        - `encode(events)` -> `latents` and `decode(latents)` -> `events`, of a model with latents: what `encode` and
          `reconstruct` make of them, the means of the events where they are random.
        - `log_prob_of_labels(events)` -> `log_probs`, `[batch, num_classes]` in nats, and `features(events)` ->
          `features`, `[batch, units]`, of a classifier.

        A conditional model takes a `condition` besides: in `sample` of any number of values, whose events are
        `[count, values, *event_shape]`, elsewhere one for each event. An event, condition or latents that are not valid
        have NaN for a result, and codes are -1; `validate_args` and Python's other checks stay here.

        Args:
            filepath: the folder to write, which is new or empty.
            format: 'tf_saved_model', the one that there is.
            verbose: whether to print what was written.
            jit_compile: whether XLA compiles samples and log-probabilities; 'auto' for what `compile` was told, or what
                is faster. False where the program that serves the model has no XLA.

        Returns:
            The names of the signatures.

        Raises:
            ValueError: if the format is another, or `jit_compile` none of these.
            FileExistsError: if there is a file, or a folder that is not empty.
            OSError: if it cannot be written; then nothing is.

        >>> import tensorflow as tf, tfdgm
        >>> tfdgm.NADE(4).export('nade', verbose=False)
        ['log_prob', 'sample']
        >>> loaded = tf.saved_model.load('nade')
        >>> loaded.signatures['log_prob'](events=tf.ones([3, 4]))['log_prob'].shape
        TensorShape([3])
        >>> loaded.signatures['sample'](count=tf.constant(5), seed=tf.constant([0, 3]))['events'].shape
        TensorShape([5, 4])
        >>> import shutil; shutil.rmtree('nade')
        """
        checks.one_of(format, [exporting.FORMAT], 'format')
        if jit_compile != 'auto':
            checks.flag(jit_compile, 'jit_compile')
        names = list(exporting.export(self, filepath, jit_compile))
        if verbose:
            print(f'{type(self).__name__} in {filepath}, with the signatures {", ".join(names)}')
        return names


class GenerativeModel(Model):
    """A distribution of events from which one can sample, as a Keras model.

    Keras's target `y` is the condition: `model.fit(images, labels)` learns p(x | label). A subclass implements
    `sample`, and what `Model` asks for.

    Args: as in `Model`.
    """

    # The kind of `ModelDistribution` that `distribution` makes.
    distribution_class = ModelDistribution

    @abc.abstractmethod
    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Draws `batch_size` events, one for each condition, with a stateless seed: int32 `[2]`."""

    @property
    def sampling_batch(self) -> int:
        """How many events are drawn at once, a power of two: see `tfdgm.execution.pieces`."""
        return pieces.size_of(self.num_sites)

    def distribution(self, condition: ArrayLike | None = None, validate_args: bool = False) -> ModelDistribution:
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

    # Leaving Python --------------------------------------------------------------------------------------------------

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        return {'sample': exporting.sampling(self, jit_compile)}
