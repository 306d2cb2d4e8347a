"""Generators and critics of images, by strided convolutions."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.implicit.spectral import SpectralConvolution, SpectralDense
from tfdgm.layers import activation_of, dense
from tfdgm.networks.convolutional import scales_of
from tfdgm.networks.dense import joined, parted


class ConvolutionGenerator(keras.layers.Layer):
    """A dense layer of latents and a condition's features, then transposed convolutions, each to twice the size.

    Source: A. Radford, L. Metz and S. Chintala, "Unsupervised representation learning with deep convolutional
    generative adversarial networks", 2016 (https://arxiv.org/abs/1511.06434), but for its batch normalisation: features
    are normalised pixel by pixel (https://arxiv.org/abs/1710.10196), so that samples do not depend on each other.

    Args:
        num_latents: how many latents.
        condition_features: how many features the condition has, or 0.
        filters: how many channels there are before the finest scale; the coarser ones have twice as many each.
        activation: a name that Keras knows.
        event_shape: `(height, width, channels)`.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, num_latents: int, condition_features: int, filters: int, activation: str, event_shape: tuple,
                 **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.activation = activation_of(activation)
        self.scales = strided_scales(event_shape[:2], filters)[::-1]
        self.first = dense(num_latents + condition_features, int(np.prod(self.scales[0])), 'first', policy)
        self.up = []
        outputs = [*(channels for _, _, channels in self.scales[1:-1]), event_shape[2]]
        for index, (scale, channels) in enumerate(zip(self.scales, outputs)):
            layer = keras.layers.Conv2DTranspose(
                channels, 4, strides=2 if len(self.scales) > 1 else 1, padding='same', data_format='channels_last',
                name=f'up_{index}', dtype=policy)
            layer.build((None, *scale))
            self.up.append(layer)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, num_latents]`, or that and features `[batch, n]` -> `[batch, *event_shape]`."""
        x = ops.reshape(self.first(joined(*parted(inputs))), (-1, *self.scales[0]))
        for index, layer in enumerate(self.up):
            x = layer(self.activation(ops.rms_normalization(x)))
            height, width = self.scales[min(index + 1, len(self.scales) - 1)][:2]
            x = x[:, :height, :width]
        return x


class DenseCritic(keras.layers.Layer):
    """Fully connected layers from an event to features.

    Args:
        event_shape: shape of one event.
        hidden_units: the width of each layer.
        activation: of each, a name that Keras knows.
        spectral: whether they are spectrally normalised.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, hidden_units: tuple, activation: str, spectral: bool, **kwargs):
        super().__init__(**kwargs)
        self.sites, self.hidden = int(np.prod(event_shape)), []
        for index, (before, units) in enumerate(zip((self.sites, *hidden_units), hidden_units)):
            self.hidden.append(layer_of(SpectralDense if spectral else keras.layers.Dense, (None, before), units,
                                        activation=activation_of(activation), name=f'hidden_{index}',
                                        dtype=self.dtype_policy))
        self.units = hidden_units[-1]
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, *event_shape]` -> `[batch, units]`."""
        x = ops.reshape(x, (-1, self.sites))
        for layer in self.hidden:
            x = layer(x)
        return x


class ConvolutionCritic(keras.layers.Layer):
    """Strided convolutions from an image to features, those of the coarsest scale.

    Args:
        event_shape: `(height, width, channels)`.
        filters: how many channels the first convolution has; the next have twice as many each.
        activation: a name that Keras knows.
        spectral: whether they are spectrally normalised.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, filters: int, activation: str, spectral: bool, **kwargs):
        super().__init__(**kwargs)
        self.activation, self.down = activation_of(activation), []
        scales = strided_scales(event_shape[:2], filters)
        before = event_shape
        for index, scale in enumerate(scales[1:] or scales):
            self.down.append(layer_of(
                SpectralConvolution if spectral else keras.layers.Conv2D, (None, *before), scale[2], 4,
                strides=2 if len(scales) > 1 else 1, padding='same', data_format='channels_last',
                name=f'down_{index}', dtype=self.dtype_policy))
            before = scale
        self.units = int(np.prod(before))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, *event_shape]` -> `[batch, units]`."""
        for layer in self.down:
            x = self.activation(layer(x))
        return ops.reshape(x, (-1, self.units))


def strided_scales(shape: tuple, filters: int) -> list:
    """The sizes of an image and of what strided convolutions make of it, with `filters` channels after the first."""
    scales = scales_of(shape, filters)
    return [(height, width, channels // 2) for height, width, channels in scales] if len(scales) > 1 else scales


def layer_of(kind, input_shape, *args, **kwargs):
    """A Keras layer whose weights exist."""
    layer = kind(*args, **kwargs)
    layer.build(input_shape)
    return layer
