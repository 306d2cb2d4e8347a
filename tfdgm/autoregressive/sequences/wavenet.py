"""WaveNet: dilated causal convolutions over a sequence."""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops
from keras.layers import Layer
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.sequences.model import SequenceModel
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout, dense
from tfdgm.outputs import Output


class GatedLayer(Layer):
    """A causal convolution of two taps, `dilation` positions apart, with a gate and two ways out.

    The convolution is a matrix product with the features of both taps side by side, in both forms. Behind the last
    layer there is none that its features could go to.
    """

    def __init__(self, filters, skip_filters, condition_features, dilation, dropout, is_last, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.dilation = filters, dilation
        dtype = self.dtype_policy
        self.taps = dense(2 * filters, 2 * filters, 'taps', dtype)
        self.condition = dense(condition_features, 2 * filters, 'condition', dtype, use_bias=False) \
            if condition_features else None
        self.residual = None if is_last else dense(filters, filters, 'residual', dtype)
        self.skip = dense(filters, skip_filters, 'skip', dtype)
        self.dropout = Dropout(dropout, dtype=dtype)
        self.built = True

    def call(self, features: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """`[batch, sites, filters]` -> features for the next layer, and `[batch, sites, skip_filters]` for the end."""
        sites = features.shape[1]
        earlier = ops.pad(features, [[0, 0], [self.dilation, 0], [0, 0]])[:, :sites]
        return self._outputs(earlier, features, condition, training)

    def initial_cache(self, batch_size: int):
        """The features at the last `dilation` positions: position i lies in place i modulo dilation."""
        return ops.zeros((self.dilation, batch_size, self.filters), self.compute_dtype)

    def step(self, features: tf.Tensor, condition: tf.Tensor | None, buffer, position: tf.Tensor):
        """The same at one position, `[batch, filters]`, and the next buffer."""
        place = position % self.dilation
        outputs = self._outputs(buffer[place], features, condition, False)
        return *outputs, ops.slice_update(buffer, (place, 0, 0), features[None])

    def _outputs(self, earlier, features, condition, training):
        gates = self.taps(ops.concatenate([earlier, features], axis=-1))
        if condition is not None:
            gates = gates + self.condition(condition)
        signal, gate = ops.split(gates, 2, axis=-1)
        hidden = self.dropout(ops.tanh(signal) * ops.sigmoid(gate), training=training)
        return features if self.residual is None else features + self.residual(hidden), self.skip(hidden)


@register_keras_serializable('tfdgm')
class WaveNet(SequenceModel):
    """Stacks of causal convolutions whose dilation doubles from layer to layer.

        z = tanh(W_f * h + V_f c) ⊙ σ(W_g * h + V_g c),    h' = h + W_r z,    skip = W_s z

    The sum of all skips, through two more layers, gives the parameters of a site. n layers whose
    dilations double see 2^n values; sampling keeps a ring buffer for each layer, so that a site costs the same however
    much lies before it.

    Source: A. van den Oord et al., "WaveNet: a generative model for raw audio", 2016
    (https://arxiv.org/abs/1609.03499); its fast sampling, T. Le Paine et al., "Fast WaveNet generation algorithm", 2016
    (https://arxiv.org/abs/1611.09482).

    >>> import tfdgm
    >>> model = tfdgm.WaveNet(event_shape=(600,), output=tfdgm.outputs.Categorical(256), filters=8, stacks=1)
    >>> model.receptive_field
    512
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 600])

    Args:
        event_shape: shape of one event: `(length,)`, `(length, channels)`, or that of an image.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it acts on the gates of every layer.
        dropout: dropout rate of the features behind the gates.
        filters: how many features each layer has.
        skip_filters: how many go from each layer to the end; None for as many as `filters`.
        dilations: of the layers of a stack.
        stacks: how many stacks follow each other.
        positions: whether the network is told which position it is at, as images need and stationary signals don't.
        variable_length: whether events may be shorter than `event_shape`, the longest, and filled up with NaN at the
            end. Their likelihood is that of the part before, given its length.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., filters: int = 32,
                 skip_filters: int | None = None, dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256),
                 stacks: int = 2, positions: bool = False, variable_length: bool = False,
                 order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        filters = checks.integer(filters, 'filters of WaveNet')
        skip_filters = filters if skip_filters is None else checks.integer(skip_filters, 'skip_filters of WaveNet')
        super().__init__(event_shape, width=filters, last_width=skip_filters, output=output, condition=condition,
                         dropout=dropout, positions=positions, variable_length=variable_length, order=order,
                         seed=seed, **kwargs)
        self.filters, self.skip_filters = filters, skip_filters
        self.dilations = checks.integers(dilations, 'dilations of WaveNet')
        self.stacks = checks.integer(stacks, 'stacks of WaveNet')
        dtype = self.dtype_policy
        dilations = self.dilations * self.stacks
        self.stack = [
            GatedLayer(filters, skip_filters, self.features_per_step, dilation, self.dropout,
                       is_last=index == len(dilations) - 1, dtype=dtype, name=f'layer_{index}')
            for index, dilation in enumerate(dilations)]
        self.penultimate = dense(skip_filters, skip_filters, 'penultimate', dtype)
        self.built = True

    @property
    def receptive_field(self) -> int:
        """How many values before a site its parameters depend on, at most."""
        return min(self.num_sites - 1, 1 + sum(layer.dilation for layer in self.stack))

    def features(self, inputs: tf.Tensor, condition: tf.Tensor | None, training: bool):
        skips = 0
        for layer in self.stack:
            inputs, skip = layer(inputs, condition=condition, training=training)
            skips += skip
        return self._behind(skips)

    def initial_cache(self, batch_size: int):
        return [layer.initial_cache(batch_size) for layer in self.stack]

    def features_step(self, inputs: tf.Tensor, condition: tf.Tensor | None, cache, position: tf.Tensor):
        skips, buffers = 0, []
        for layer, buffer in zip(self.stack, cache):
            inputs, skip, buffer = layer.step(inputs, condition, buffer, position)
            skips += skip
            buffers.append(buffer)
        return self._behind(skips), buffers

    def _behind(self, skips):
        return ops.relu(self.penultimate(ops.relu(skips)))
