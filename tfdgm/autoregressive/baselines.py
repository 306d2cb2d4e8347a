"""The simplest chains: independent sites, a Markov chain, and one logistic regression for each site."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition
from tfdgm.layers import ConditionBias
from tfdgm.outputs import Output


class BiasedChain(AutoregressiveModel):
    """Shared by the systems here: each site's parameters start from a bias, to which a condition adds its part."""

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        shape = self.num_sites, self.output.num_parameters
        self.bias = self.add_weight(shape=shape, initializer='zeros', name='bias')
        self.condition_bias = ConditionBias(
            self.condition_features, shape, dtype=self.dtype_policy, name='condition_bias')
        self.built = True

    def biases(self, batch_size: int, condition: tf.Tensor | None) -> tf.Tensor:
        """`[batch, sites, num_parameters]`."""
        biases = self.bias + self.condition_bias(self.encode_condition(condition))
        return ops.broadcast_to(biases, (batch_size, *self.bias.shape))


@register_keras_serializable('tfdgm')
class Independent(BiasedChain):
    """Sites that know nothing of each other: p(x) = Π p(x_i). n binary sites cost n parameters.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.Independent(event_shape=3)
    >>> model.count_params()
    3
    >>> float(model.distribution().log_prob(np.zeros(3)) / np.log(2))
    -3.0

    Args: as in `AutoregressiveModel`.
    """

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        return self.from_chain(self.biases(ops.shape(x)[0], condition))

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        return self.biases(batch_size, condition)

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        return state[:, position], state


@register_keras_serializable('tfdgm')
class MarkovChain(BiasedChain):
    """A chain whose sites depend on the one before: p(x) = p(x_1) Π p(x_i | x_{i-1}).

    Every site has its own transition table (for real sites: parameters affine in the previous value). n binary sites
    cost 2n - 1 parameters.

    >>> import tfdgm
    >>> tfdgm.MarkovChain(event_shape=784).count_params()
    1567

    Args: as in `AutoregressiveModel`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        self.transition = self.add_weight(
            shape=(self.num_sites - 1, self.output.num_indicators, self.output.num_parameters),
            initializer='zeros', name='transition')

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        previous = self.output.indicators(ops.cast(self.to_chain(x)[:, :-1], 'float32'))
        changes = ops.einsum('bsi,sip->bsp', ops.cast(previous, self.compute_dtype), self.transition)
        first = ops.zeros_like(changes[:, :1]) if self.num_sites > 1 else 0
        changes = ops.concatenate([first, changes], axis=1) if self.num_sites > 1 else 0
        return self.from_chain(self.biases(ops.shape(x)[0], condition) + changes)

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        return self.biases(batch_size, condition)

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        # The first position has no transition: it meets a table of zeros.
        tables = ops.pad(ops.convert_to_tensor(self.transition), [[1, 0], [0, 0], [0, 0]])
        return state[:, position] + ops.matmul(self.output.indicators(previous), tables[position]), state


@register_keras_serializable('tfdgm')
class FVSBN(BiasedChain):
    """Fully visible sigmoid belief network: one (multinomial) logistic regression of each site on all earlier ones.

    The regressors are the values of the earlier sites, scaled to order 1.

    Sources: R. Neal, "Connectionist learning of belief networks", 1992; B. Frey, "Graphical models for machine
    learning and digital communication", 1998.

    >>> import tfdgm
    >>> model = tfdgm.FVSBN(event_shape=(8, 8, 1))
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args: as in `AutoregressiveModel`.
    """

    takes_codes = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        # kernel[j, i]: what the value at position j adds to the parameters at position i; only j < i counts.
        self.kernel = self.add_weight(
            shape=(self.num_sites, self.num_sites, self.output.num_parameters), initializer='zeros', name='kernel')
        self._earlier = np.triu(np.ones((self.num_sites, self.num_sites), 'float32'), k=1)[..., None]

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        values = ops.cast(self.output.scale(self.to_chain(x)), self.compute_dtype)
        kernel = self.kernel * ops.cast(self._earlier, self.compute_dtype)
        return self.from_chain(self.biases(ops.shape(x)[0], condition) + ops.tensordot(values, kernel, axes=1))

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        return self.biases(batch_size, condition)

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        row = self.kernel[ops.maximum(position - 1, 0)]
        state = state + self.output.scale(previous)[:, None, None] * row
        return state[:, position], state
