"""SequenceModel: autoregressive models that read the values before a site as a sequence, with one network for all."""

import abc
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition, Vectors
from tfdgm.layers import dense
from tfdgm.outputs import Categorical, Output


class ValueEmbedding(keras.layers.Layer):
    """Features of the value before each position: `[batch, sites]` -> `[batch, sites, features]`, and one at a time.

    A categorical value has a vector of its own for each level; any other is multiplied by a vector. The first position,
    which has no value before it, has a vector of its own. With `sites`, every position adds one, so that the network
    knows where it is.
    """

    def __init__(self, output, features, sites=None, **kwargs):
        super().__init__(**kwargs)
        self.family = output
        self.is_categorical = isinstance(output, Categorical)
        shared = {'initializer': keras.initializers.RandomNormal(stddev=features ** -0.5)}
        self.kernel = self.add_weight(
            shape=(output.levels if self.is_categorical else 1, features), name='kernel', **shared)
        self.start = self.add_weight(shape=(1, features), name='start', **shared)
        self.positions = None if sites is None else self.add_weight(shape=(sites, features), name='positions', **shared)
        self.built = True

    def call(self, values: tf.Tensor) -> tf.Tensor:
        features = self._of_values(values[:, :-1])
        start = ops.broadcast_to(self.start, (ops.shape(values)[0], 1, self.start.shape[-1]))
        features = ops.concatenate([ops.cast(start, features.dtype), features], axis=1)
        return features if self.positions is None else features + ops.cast(self.positions, features.dtype)

    def step(self, position: tf.Tensor, previous: tf.Tensor):
        """Features `[batch, features]` at one position, from the value `[batch]` before it."""
        features = ops.where(position == 0, ops.cast(self.start, self.compute_dtype), self._of_values(previous))
        return features if self.positions is None else features + ops.cast(self.positions[position], features.dtype)

    def _of_values(self, values):
        if self.is_categorical:
            inputs = ops.one_hot(ops.cast(values, 'int32'), self.family.levels, dtype=self.compute_dtype)
        else:
            inputs = ops.cast(ops.expand_dims(self.family.scale(values), -1), self.compute_dtype)
        return ops.matmul(inputs, ops.cast(self.kernel, self.compute_dtype))


class SequenceModel(AutoregressiveModel):
    """Base class of systems that read the values before a site as a sequence, in the order of the chain.

    A subclass makes its layers, and writes its network in two forms:

    - `features`: of all positions, from `[batch, sites, width]`, each depending on the positions up to its own;
    - `initial_cache` and `features_step`: of one position after the other.

    Args:
        event_shape: shape of one event: `(length,)`, `(length, channels)`, or that of an image.
        width: how many features of each position go into the network.
        last_width: how many come out of it, for the last layer.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        dropout: dropout rate of the features inside the network.
        positions: whether the network is told which position it is at: it needs to know for images, where sites
            differ, and does not for signals that look the same at all times.
        variable_length: whether events may be shorter than `event_shape`, the longest. They are filled up with NaN at
            the end of their first axis; the likelihood is that of the part before, given its length.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if events may be shorter and the order is not the natural one; if the steps of a condition do not
            divide those of the events.
    """

    def __init__(self, event_shape: int | Sequence[int], *, width: int, last_width: int, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., positions: bool = False,
                 variable_length: bool = False, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        self.dropout = checks.rate(dropout, f'dropout of {type(self).__name__}')
        self.positions = checks.flag(positions, f'positions of {type(self).__name__}')
        self.variable_length = checks.flag(variable_length, f'variable_length of {type(self).__name__}')
        if self.variable_length and not np.array_equal(self.ordering, np.arange(self.num_sites)):
            raise ValueError(f'{type(self).__name__} with variable_length=True visits the sites from the first to the '
                             'last; it takes no order.')
        if isinstance(condition, Vectors) and self.event_shape[0] % condition.steps:
            raise ValueError(f'Events of {self.event_shape[0]} steps have no {condition.steps} equal parts: the steps '
                             f'of the condition of {type(self).__name__} must divide those of the events.')
        self.condition_steps = condition.steps if isinstance(condition, Vectors) else 1
        # Of each step.
        self.features_per_step = self.condition_features // self.condition_steps
        self.embedding = ValueEmbedding(
            self.output, width, self.num_sites if self.positions else None, dtype=self.dtype_policy, name='embedding')
        self.last = dense(last_width, self.output.num_parameters, 'last', self.dtype_policy)

    @property
    def standardization_shape(self):
        return (1,) * len(self.event_shape)

    @abc.abstractmethod
    def features(self, inputs: tf.Tensor, condition: tf.Tensor | None, training: bool):
        """What the last layer sees of each position: `[batch, sites, width]` -> `[batch, sites, last_width]`.

        `condition` holds the condition's features, `[batch, 1, n]` or `[batch, sites, n]`, or None.
        """

    @abc.abstractmethod
    def initial_cache(self, batch_size: int):
        """What `features_step` remembers before the first position: a structure of tensors."""

    @abc.abstractmethod
    def features_step(self, inputs: tf.Tensor, condition: tf.Tensor | None, cache, position: tf.Tensor):
        """What the last layer sees of one position, `[batch, width]` -> `[batch, last_width]`, and the next cache.

        `condition` holds the condition's features there, `[batch, n]`, or None.
        """

    def padding(self, x: tf.Tensor) -> tf.Tensor:
        if not self.variable_length:
            return super().padding(x)
        steps = self.event_shape[0]
        x = ops.cast(x, 'float32')
        missing = ops.all(ops.reshape(ops.isnan(x), (-1, steps, self.num_sites // steps)), axis=-1)
        there_from_here_on = ops.flip(ops.cumsum(ops.flip(ops.cast(~missing, 'int32'), axis=1), axis=1), axis=1)
        # An event has at least one step: NaN there is no filling, but an error as everywhere.
        padding = (there_from_here_on == 0) & (ops.arange(steps, dtype='int32') > 0)
        padding = ops.reshape(padding, (-1, steps, *[1] * (len(self.event_shape) - 1)))
        return ops.broadcast_to(padding, ops.shape(x))

    def filled(self, x: tf.Tensor) -> tf.Tensor:
        """Events with zeros in place of what only fills them up."""
        return ops.where(self.padding(x), ops.zeros_like(x), x) if self.variable_length else x

    def site_log_probs(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        if not self.variable_length:
            return super().site_log_probs(parameters, x)
        return ops.where(self.padding(x), 0., super().site_log_probs(parameters, self.filled(x)))

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        # One NaN would reach all sites through an attention whose weights there are zero.
        inputs = self.embedding(self.to_chain(self.filled(ops.cast(x, 'float32'))))
        features = self.features(inputs, self._encoded(condition), training)
        return self.from_chain(ops.cast(self.last(features), 'float32'))

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        state = {'cache': self.initial_cache(batch_size)}
        if condition is not None:
            state['condition'] = self._encoded(condition)
        return state

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        condition = state.get('condition')
        if condition is not None:
            condition = condition[:, ops.minimum(position, condition.shape[1] - 1)]
        features, cache = self.features_step(
            self.embedding.step(position, previous), condition, state['cache'], position)
        return ops.cast(self.last(features), 'float32'), {**state, 'cache': cache}

    def _encoded(self, condition):
        """The features of a condition, `[batch, sites, n]`, or `[batch, 1, n]` where they are the same at all sites."""
        if condition is None:
            return None
        features = ops.reshape(
            self.encode_condition(condition), (-1, self.condition_steps, self.features_per_step))
        if self.condition_steps > 1:
            features = ops.repeat(features, self.num_sites // self.condition_steps, axis=1)
            features = self._permute(features, self.ordering)
        return ops.cast(features, self.compute_dtype)
