"""PixelCNN and Gated PixelCNN: convolutions that see only the pixels before."""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops
from keras.layers import Layer
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.images.causal import CausalConvolution, ConditionProjection
from tfdgm.autoregressive.images.model import Head, ImageModel
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout, dense
from tfdgm.outputs import Output


class ResidualBlock(Layer):
    """Features `[…, 2 * filters]` through a bottleneck with a causal convolution of 3x3, added to themselves."""

    def __init__(self, filters, dilation, condition_features, channels, dropout, **kwargs):
        super().__init__(**kwargs)
        shared = {'channels': channels, 'dtype': self.dtype_policy}
        self.narrow = CausalConvolution(2 * filters, filters, name=f'{self.name}_narrow', **shared)
        self.convolution = CausalConvolution(
            filters, filters, (2, 3), dilation=dilation, name=f'{self.name}_convolution', **shared)
        self.condition = ConditionProjection(condition_features, filters, dtype=self.dtype_policy)
        self.dropout = Dropout(dropout, dtype=self.dtype_policy)
        self.widen = CausalConvolution(filters, 2 * filters, name=f'{self.name}_widen', **shared)
        self.built = True

    def call(self, features: tf.Tensor, view) -> tf.Tensor:
        hidden = ops.relu(self.narrow(ops.relu(features)))
        hidden = ops.relu(self.condition(view(self.convolution, hidden), view=view))
        return features + self.widen(self.dropout(hidden, training=view.training))


@register_keras_serializable('tfdgm')
class PixelCNN(ImageModel):
    """A deep stack of masked convolutions.

    One convolution of 7x7 sees the pixels before; residual blocks with convolutions of 3x3 see the features before and
    at the site. They leave a blind spot: of the row above, a convolution of 3x3 sees one column to the right, and a
    stack of them one column more for each row up; what lies further right is never seen.

    Source: A. van den Oord, N. Kalchbrenner and K. Kavukcuoglu, "Pixel recurrent neural networks", 2016
    (https://arxiv.org/abs/1601.06759).

    >>> import tfdgm
    >>> model = tfdgm.PixelCNN(event_shape=(8, 8, 1), filters=8, blocks=2)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: `(height, width, channels)`.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to the features of every block.
        dropout: dropout rate of the features inside the blocks.
        filters: h of the paper: blocks have 2h features outside and h inside.
        blocks: how many residual blocks.
        dilations: of their convolutions, in turn. The paper has none; a dilation of d looks d rows and columns further
            for the same price.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., filters: int = 32, blocks: int = 7,
                 dilations: Sequence[int] = (1,), **kwargs):
        super().__init__(event_shape, output=output, condition=condition, dropout=dropout, **kwargs)
        self.filters = checks.integer(filters, 'filters of PixelCNN')
        self.blocks = checks.integer(blocks, 'blocks of PixelCNN', 0)
        self.dilations = checks.integers(dilations, 'dilations of PixelCNN')
        shared = {'channels': self.channels, 'dtype': self.dtype_policy}
        filters = self.filters
        self.first = CausalConvolution(self.num_inputs, 2 * filters, (4, 7), mask_type='A', name='first', **shared)
        self.stack = [
            ResidualBlock(filters, self.dilations[index % len(self.dilations)], self.condition_map.num_features,
                          self.channels, self.dropout, dtype=self.dtype_policy, name=f'block_{index}')
            for index in range(self.blocks)]
        self.head = Head(2 * filters, 2 * filters, self.num_outputs, name='head', **shared)
        self.built = True

    @property
    def causal_layers(self):
        return [block.convolution for block in self.stack]

    def horizontal_stack(self, view, above: tf.Tensor):
        features = view(self.first)
        for block in self.stack:
            features = block(features, view=view)
        return self.head(features)


class GatedBlock(Layer):
    """One layer of both stacks: rows above, and the own row to the left.

    Args:
        inputs: how many features come in: `filters`, or the channels of the image for the first block.
        filters: how many go out.
        condition_features: how many features the condition has.
        channels: how many channels an image has.
        size: of the convolutions, odd.
        dilation: of the convolutions.
        mask_type: 'A' for the first block, which reads the image, else 'B'.
        dropout: dropout rate of both stacks' features.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, inputs, filters, condition_features, channels, size, dilation, mask_type, dropout, **kwargs):
        super().__init__(**kwargs)
        reach, dtype = size // 2 + 1, self.dtype_policy
        # The rows above are known in full: the vertical stack needs no groups.
        self.vertical = CausalConvolution(
            inputs, 2 * filters, (reach - (mask_type == 'A'), size), 'rows', mask_type, dilation=dilation,
            name=f'{self.name}_vertical', dtype=dtype)
        self.horizontal = CausalConvolution(
            inputs, 2 * filters, (1, reach), 'left', mask_type, channels, parts=2, dilation=dilation,
            name=f'{self.name}_horizontal', dtype=dtype)
        self.link = dense(2 * filters, 2 * filters, 'link', dtype)
        self.vertical_condition = ConditionProjection(condition_features, 2 * filters, dtype=dtype)
        self.horizontal_condition = ConditionProjection(condition_features, 2 * filters, dtype=dtype)
        self.dropout = Dropout(dropout, dtype=dtype)
        self.residual = CausalConvolution(
            filters, filters, channels=channels, name=f'{self.name}_residual', dtype=dtype)
        self.adds = mask_type == 'B'
        self.built = True

    def vertical_stack(self, features: tf.Tensor, view) -> tf.Tensor:
        """The vertical stack's layer: its features before and after the gate."""
        preactivation = self.vertical_condition(view(self.vertical, features), view=view)
        return preactivation, self.dropout(gate(preactivation), training=view.training)

    def horizontal_stack(self, features: tf.Tensor, view, above: tf.Tensor):
        """The horizontal stack's layer: its features, from its own below and the vertical stack's before the gate."""
        preactivation = self.horizontal_condition(view(self.horizontal, features) + self.link(above), view=view)
        result = self.residual(self.dropout(gate(preactivation), training=view.training))
        return features + result if self.adds else result


def gate(features: tf.Tensor) -> tf.Tensor:
    """tanh of one half, as far as a sigmoid of the other lets it through."""
    values, gates = ops.split(features, 2, axis=-1)
    return ops.tanh(values) * ops.sigmoid(gates)


@register_keras_serializable('tfdgm')
class GatedPixelCNN(ImageModel):
    """Two stacks of gated convolutions, which together see every pixel before.

    The vertical stack sees the rows above, all of them, in a cone that has no blind spot; the horizontal stack sees the
    own row to the left, and the vertical stack beside it. A condition adds to every gate.

    Source: A. van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016
    (https://arxiv.org/abs/1606.05328).

    >>> import tfdgm
    >>> model = tfdgm.GatedPixelCNN(event_shape=(8, 8, 1), filters=8, blocks=2, condition=tfdgm.conditions.Label(10))
    >>> model.distribution([3, 7]).sample(5, seed=0).shape
    TensorShape([5, 2, 8, 8, 1])

    Args:
        event_shape: `(height, width, channels)`.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on.
        dropout: dropout rate of both stacks' features.
        filters: the width of both stacks.
        blocks: how many gated layers follow the first.
        dilations: of their convolutions, in turn. The paper has none; a dilation of d looks d rows and columns further
            for the same price.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if the events are no images.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., filters: int = 32, blocks: int = 7,
                 dilations: Sequence[int] = (1,), **kwargs):
        super().__init__(event_shape, output=output, condition=condition, dropout=dropout, **kwargs)
        self.filters = checks.integer(filters, 'filters of GatedPixelCNN')
        self.blocks = checks.integer(blocks, 'blocks of GatedPixelCNN', 0)
        self.dilations = checks.integers(dilations, 'dilations of GatedPixelCNN')
        filters, features = self.filters, self.condition_map.num_features
        channels, dtype = self.channels, self.dtype_policy

        def block(name, inputs, size=3, dilation=1, mask_type='B'):
            return GatedBlock(
                inputs, filters, features, channels, size, dilation, mask_type, self.dropout, name=name, dtype=dtype)

        self.stack = [block('first', self.num_inputs, 7, mask_type='A')]
        self.stack += [block(f'block_{index}', filters, dilation=self.dilations[index % len(self.dilations)])
                       for index in range(self.blocks)]
        self.head = Head(
            filters, 2 * filters, self.num_outputs, channels, name='head', dtype=dtype)
        self.built = True

    @property
    def causal_layers(self):
        return [layer for block in self.stack[1:] for layer in (block.vertical, block.horizontal)]

    def vertical_stack(self, view) -> tf.Tensor:
        features, preactivations = None, []
        for block in self.stack:
            preactivation, features = block.vertical_stack(features, view)
            preactivations.append(preactivation)
        return preactivations

    def horizontal_stack(self, view, above: tf.Tensor):
        features = None
        for block, preactivation in zip(self.stack, above):
            features = block.horizontal_stack(features, view, preactivation)
        return self.head(features)
