"""NADE: the neural autoregressive distribution estimator, and RNADE, its form for real values."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition
from tfdgm.execution.gradients import recomputed
from tfdgm.layers import ConditionBias, activation_of
from tfdgm.outputs import Output


@register_keras_serializable('tfdgm')
class NADE(AutoregressiveModel):
    """A one-hidden-layer network for each site, all sharing their weights.

        h_i = activation(c + Σ_{j<i} W_j x_j),    parameters_i = b_i + V_i h_i

    One more site changes the pre-activation by one row of W, so likelihood and sampling both cost O(D·H) for D sites
    and H hidden units. With `tfdgm.outputs.MixtureOfGaussians` it is RNADE, whose pre-activations have one learned
    rescaling factor for each site. Its backward pass computes hidden units anew, so the log-density has first
    derivatives only.

    Sources: H. Larochelle and I. Murray, "The neural autoregressive distribution estimator", 2011
    (https://proceedings.mlr.press/v15/larochelle11a.html); B. Uria, I. Murray and H. Larochelle, "RNADE: the
    real-valued neural autoregressive density-estimator", 2013 (https://arxiv.org/abs/1306.0186).

    >>> import tfdgm
    >>> model = tfdgm.NADE(event_shape=(8, 8, 1), hidden_units=16)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: shape of one event.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to both biases, c and b.
        hidden_units: how many hidden units, H above.
        activation: of the hidden units, a name that Keras knows.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    takes_codes = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, hidden_units: int = 500, activation: str = 'sigmoid',
                 order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        self.hidden_units = checks.integer(hidden_units, 'hidden_units of NADE')
        self.activation = activation
        self._activate = activation_of(activation)
        sites, size = self.num_sites, self.output.num_parameters
        self.kernel = self.add_weight(shape=(sites, self.hidden_units), initializer='glorot_uniform', name='kernel')
        self.bias = self.add_weight(shape=(self.hidden_units,), initializer='zeros', name='bias')
        self.output_kernel = self.add_weight(
            shape=(sites, self.hidden_units, size), name='output_kernel',
            initializer=keras.initializers.RandomUniform(-self.hidden_units ** -0.5, self.hidden_units ** -0.5))
        self.output_bias = self.add_weight(shape=(sites, size), initializer='zeros', name='output_bias')
        self.rescaling = None if self.support.is_discrete else self.add_weight(
            shape=(sites,), initializer='ones', name='rescaling')
        policy = self.dtype_policy
        self.condition_bias = ConditionBias(
            self.condition_features, (self.hidden_units,), dtype=policy, name='condition_bias')
        self.output_condition_bias = ConditionBias(
            self.condition_features, (sites, size), dtype=policy, name='output_condition_bias')
        # Sites are evaluated in blocks: long enough for matrix products, short enough to stay in the cache.
        self._block_size = max(1, round(sites ** 0.5 / 2))
        self.built = True

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        values = ops.cast(self.output.scale(self.to_chain(x)), self.compute_dtype)
        batch_size, features = ops.shape(values)[0], self.encode_condition(condition)
        bias = ops.cast(self.bias + self.condition_bias(features), 'float32')
        output_bias = self.output_bias + self.output_condition_bias(features)
        inputs = [self._blocks(values, axis=1), self._blocks(self.kernel), self._blocks(self.output_kernel)]
        if self.rescaling is not None:
            inputs.append(self._blocks(self.rescaling))

        # The backward pass computes a block's hidden units anew: kept, they would take [batch, sites, hidden] numbers.
        block = recomputed(self._block)

        def scan(carry, block_inputs):
            preactivation, _ = carry
            values, kernel, *_ = block_inputs
            return (preactivation + ops.cast(ops.matmul(values, kernel), 'float32'),
                    block(preactivation, *block_inputs))

        size = self._block_size, self.output.num_parameters
        start = ops.broadcast_to(bias, (batch_size, self.hidden_units)), ops.zeros((batch_size, *size), 'float32')
        # keras.ops.scan wants outputs of the carry's shapes on TensorFlow.
        _, outputs = tf.scan(scan, tuple(inputs), start)
        outputs = ops.reshape(ops.swapaxes(outputs, 0, 1), (batch_size, -1, size[1]))
        return self.from_chain(outputs[:, :self.num_sites] + ops.cast(output_bias, 'float32'))

    def _blocks(self, values, axis=0):
        """Cuts the axis of the sites into blocks, which come first: `[sites, …]` -> `[blocks, block_size, …]`."""
        values = ops.convert_to_tensor(values)
        count = -(-self.num_sites // self._block_size)
        padding = [[0, 0] for _ in values.shape]
        padding[axis][1] = count * self._block_size - self.num_sites
        shape = ops.shape(values)
        values = ops.reshape(ops.pad(values, padding), (*shape[:axis], count, self._block_size, *shape[axis + 1:]))
        return ops.moveaxis(values, axis, 0)

    def _block(self, preactivation, values, kernel, output_kernel, rescaling=None):
        """Outputs `[batch, block_size, num_parameters]` of one block, from the pre-activation at its first site."""
        size = self._block_size
        earlier = np.tril(np.ones((size, size)), k=-1)
        earlier_values = ops.expand_dims(values, 1) * ops.cast(earlier, values.dtype)
        increments = ops.matmul(ops.reshape(earlier_values, (-1, size)), kernel)
        increments = ops.reshape(increments, (-1, size, self.hidden_units))
        return ops.cast(self._outputs(
            ops.expand_dims(preactivation, 1) + ops.cast(increments, 'float32'), output_kernel, rescaling), 'float32')

    def _outputs(self, preactivation, output_kernel, rescaling):
        """`[…, sites, hidden]` and `[sites, hidden, num_parameters]` -> `[…, sites, num_parameters]`."""
        if rescaling is not None:
            preactivation = preactivation * ops.expand_dims(ops.cast(rescaling, 'float32'), -1)
        hidden = ops.cast(self._activate(preactivation), output_kernel.dtype)
        if self.output.num_parameters == 1:
            # XLA makes one fused loop of this, and a slow batched product of the general form.
            return ops.sum(hidden * output_kernel[..., 0], axis=-1, keepdims=True)
        return ops.einsum('bsh,shp->bsp', hidden, output_kernel)

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        features = self.encode_condition(condition)
        preactivation = self.bias + self.condition_bias(features)
        output_bias = self.output_bias + self.output_condition_bias(features)
        return (ops.broadcast_to(preactivation, (batch_size, self.hidden_units)),
                ops.broadcast_to(output_bias, (batch_size, *self.output_bias.shape)))

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        preactivation, output_bias = state
        row = self.kernel[ops.maximum(position - 1, 0)]
        preactivation = preactivation + ops.expand_dims(self.output.scale(previous), -1) * row
        rescaling = None if self.rescaling is None else self.rescaling[position][None]
        parameters = self._outputs(preactivation[:, None], self.output_kernel[position][None], rescaling)[:, 0]
        return parameters + output_bias[:, position], (preactivation, output_bias)
