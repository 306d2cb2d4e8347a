"""PixelCNN++: gated residual blocks along a path down and a path up, and logistic mixtures for whole pixels."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.images.causal import CausalConvolution, ConditionProjection
from tfdgm.autoregressive.images.model import ImageModel
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout, dense
from tfdgm.outputs import MixtureOfLogistics, Output


def concat_elu(features: tf.Tensor) -> tf.Tensor:
    """ELUs of the features and of their negatives side by side: `[…, n]` -> `[…, 2n]`."""
    return ops.elu(ops.concatenate([features, -features], axis=-1))


class GatedResidual(keras.layers.Layer):
    """Two convolutions, between them what comes from beside, then a gate; added to the features that came in.

    Args:
        filters: how many features come in and go out.
        beside: how many features come from beside, or 0.
        size: `(rows, columns)` of the convolutions.
        region: as of `CausalConvolution`.
        dilation: of the convolutions.
        dropout: dropout rate of features.
        condition_features: how many features the condition has.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, filters, beside, size, region, dilation, dropout, condition_features, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.enter = CausalConvolution(
            2 * filters, filters, size, region, dilation=dilation, name=f'{self.name}_enter', dtype=dtype)
        self.beside = dense(2 * beside, filters, 'beside', dtype) if beside else None
        self.dropout = Dropout(dropout, dtype=dtype)
        self.leave = CausalConvolution(
            2 * filters, 2 * filters, size, region, dilation=dilation, name=f'{self.name}_leave', dtype=dtype)
        self.condition = ConditionProjection(condition_features, 2 * filters, dtype=dtype)
        self.built = True

    def call(self, features: tf.Tensor, view, beside=None) -> tf.Tensor:
        hidden = view(self.enter, concat_elu(features))
        if self.beside is not None:
            hidden = hidden + self.beside(concat_elu(beside))
        hidden = self.dropout(concat_elu(hidden), training=view.training)
        values, gates = ops.split(self.condition(view(self.leave, hidden), view=view), 2, axis=-1)
        return features + values * ops.sigmoid(gates)


@register_keras_serializable('tfdgm')
class PixelCNNPlusPlus(ImageModel):
    """Two streams, of the rows above and of the pixels before, on a path down and a path up that it feeds.

    The network sees whole pixels. Channels depend on each other as in the paper: all share the component of the
    mixture, and the location of green is linear in red, that of blue in both. That is written here as a chain over the
    channels, in which the weights of the components after red and green are their posterior: the same density.

    Dilation stands in for the paper's stride: the field of view grows as fast, and every layer keeps its resolution.

    Source: T. Salimans, A. Karpathy, X. Chen and D. Kingma, "PixelCNN++: improving the PixelCNN with discretized
    logistic mixture likelihood and other modifications", 2017 (https://arxiv.org/abs/1701.05517).

    >>> import tfdgm
    >>> model = tfdgm.PixelCNNPlusPlus(event_shape=(8, 8, 3), filters=8, dilations=(1,), blocks=1)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 3])

    Args:
        event_shape: `(height, width, channels)`.
        output: the family of each site; of several channels, `tfdgm.outputs.MixtureOfLogistics`, which is the default
            with 256 levels.
        condition: what the events depend on; it adds to every gate.
        dropout: dropout rate of the features inside the blocks.
        filters: the width of both streams.
        blocks: how many gated residual blocks both streams have for each dilation, on each path.
        dilations: of the convolutions on the path down; the path up has them in reverse.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if the events are no images, or have several channels and another output.
    """

    sees_whole_pixels = True

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., filters: int = 32, blocks: int = 2,
                 dilations: Sequence[int] = (1, 2), **kwargs):
        output = MixtureOfLogistics(256) if output is None else output
        super().__init__(event_shape, output=output, condition=condition, dropout=dropout, **kwargs)
        if self.channels > 1 and not isinstance(output, MixtureOfLogistics):
            raise ValueError(f'PixelCNNPlusPlus of {self.channels} channels needs '
                             f'output=tfdgm.outputs.MixtureOfLogistics(…), got {output}.')
        self.filters = checks.integer(filters, 'filters of PixelCNNPlusPlus')
        self.blocks = checks.integer(blocks, 'blocks of PixelCNNPlusPlus')
        self.dilations = checks.integers(dilations, 'dilations of PixelCNNPlusPlus')
        dtype, filters = self.dtype_policy, self.filters
        self.first_rows = CausalConvolution(
            self.num_inputs, filters, (2, 3), 'rows', 'A', name='first_rows', dtype=dtype)
        # The network makes all channels of a pixel at once, so none of them may see the pixel.
        self.first_sites = CausalConvolution(
            self.num_inputs, filters, (2, 3), mask_type='A', name='first_sites', dtype=dtype)

        def path(name, dilations, beside, size, region):
            return [GatedResidual(filters, beside, size, region, dilation, self.dropout,
                                  self.condition_map.num_features, name=f'{name}_{index}', dtype=dtype)
                    for index, dilation in enumerate(dilation for dilation in dilations for _ in range(self.blocks))]

        upwards = self.dilations[::-1]
        self.rows_down = path('rows_down', self.dilations, 0, (2, 3), 'rows')
        self.rows_up = path('rows_up', upwards, filters, (2, 3), 'rows')
        self.sites_down = path('sites_down', self.dilations, filters, (2, 2), 'left')
        self.sites_up = path('sites_up', upwards, 2 * filters, (2, 2), 'left')
        self.last = dense(filters, self.num_outputs, 'last', dtype)
        self.built = True

    @property
    def num_outputs(self) -> int:
        if self.channels == 1:
            return self.output.num_parameters
        pairs = self.channels * (self.channels - 1) // 2
        return self.output.components * (1 + 2 * self.channels + pairs)

    @property
    def causal_layers(self):
        blocks = [*self.rows_down, *self.rows_up, *self.sites_down, *self.sites_up]
        return [layer for block in blocks for layer in (block.enter, block.leave)]

    def vertical_stack(self, view) -> tf.Tensor:
        features = view(self.first_rows)
        skipped, results = [features], []
        for block in self.rows_down:
            features = block(features, view=view)
            skipped.append(features)
            results.append(features)
        skipped.pop()
        for block in self.rows_up:
            features = block(features, view=view, beside=skipped.pop())
            results.append(features)
        return results

    def horizontal_stack(self, view, above: tf.Tensor):
        features = view(self.first_sites)
        skipped, above = [features], iter(above)
        for block in self.sites_down:
            features = block(features, view=view, beside=next(above))
            skipped.append(features)
        skipped.pop()
        for block in self.sites_up:
            features = block(features, view=view, beside=ops.concatenate([next(above), skipped.pop()], axis=-1))
        return self.last(ops.elu(features))

    def of_pixel(self, outputs: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        if self.channels == 1:
            return super().of_pixel(outputs, values)
        channels, components = self.channels, self.output.components
        parts = ops.split(outputs, outputs.shape[-1] // components, axis=-1)
        logits, locations, log_scales = parts[0], parts[1:1 + channels], parts[1 + channels:1 + 2 * channels]
        slopes = iter(parts[1 + 2 * channels:])
        scaled = 2 * self.output.scale(values) - 1
        parameters = []
        for channel in range(channels):
            location = locations[channel]
            for earlier in range(channel):
                location = location + ops.tanh(next(slopes)) * scaled[..., earlier, None]
            parameters.append(ops.concatenate([logits, location, log_scales[channel]], axis=-1))
            components_of = self.output.components_of(parameters[-1])
            # Bayes' rule: how much each component has to do with the pixel, now that this channel is known.
            logits = logits + components_of.log_prob(values[..., channel, None])
        return ops.stack(parameters, axis=-2)
