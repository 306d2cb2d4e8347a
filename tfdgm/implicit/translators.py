"""Networks of translation: from events of one kind to events of another, and critics that see parts of an image."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.implicit.networks import layer_of
from tfdgm.networks.dense import DenseDecoder


class ConvolutionTranslator(keras.layers.Layer):
    """Convolutions to a coarser scale, residual blocks there, and back: instance normalisation after each.

    Source: J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution",
    2016 (https://arxiv.org/abs/1603.08155), as J.-Y. Zhu et al. take it (https://arxiv.org/abs/1703.10593).

    Args:
        event_shape: `(height, width, channels)`.
        filters: how many channels the finest scale has; each coarser one has twice as many.
        halvings: how many coarser scales there are.
        blocks: how many residual blocks.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, filters: int, halvings: int, blocks: int, **kwargs):
        super().__init__(**kwargs)
        self.event_shape = event_shape
        height, width, channels = event_shape
        sizes = [(-(-height // 2**index), -(-width // 2**index)) for index in range(halvings + 1)]
        widths = [filters * 2**index for index in range(halvings + 1)]
        self.enter = self._normalized('enter', sizes[0], channels, filters, 7)
        self.down = [self._normalized(f'down_{index}', sizes[index], widths[index], widths[index + 1], 3, strides=2)
                     for index in range(halvings)]
        self.blocks = [[self._normalized(f'block_{index}_{part}', sizes[-1], widths[-1], widths[-1], 3)
                        for part in range(2)] for index in range(blocks)]
        self.up = [self._normalized(f'up_{index}', sizes[index + 1], widths[index + 1], widths[index], 3,
                                    keras.layers.Conv2DTranspose, strides=2) for index in reversed(range(halvings))]
        self.sizes = sizes
        self.last = self._convolution('last', sizes[0], filters, channels, 7)
        self.built = True

    def _convolution(self, name, size, inputs, outputs, kernel, kind=keras.layers.Conv2D, **kwargs):
        return layer_of(kind, (None, *size, inputs), outputs, kernel, padding='same', data_format='channels_last',
                        name=name, dtype=self.dtype_policy, **kwargs)

    def _normalized(self, name, size, inputs, outputs, kernel, *args, **kwargs):
        """A convolution, and the normalisation of each channel of an image that follows it."""
        return (self._convolution(name, size, inputs, outputs, kernel, *args, **kwargs),
                instance_normalization(f'{name}_normalization', outputs, self.dtype_policy))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, *event_shape]`, and so the result."""
        for convolve, normalize in (self.enter, *self.down):
            x = ops.relu(normalize(convolve(x)))
        for (first, normalize_first), (second, normalize_second) in self.blocks:
            inner = ops.relu(normalize_first(first(x)))
            x = x + normalize_second(second(inner))
        for (height, width), (convolve, normalize) in zip(self.sizes[-2::-1], self.up):
            x = ops.relu(normalize(convolve(x)))[:, :height, :width]
        return self.last(x)


class DenseTranslator(DenseDecoder):
    """Fully connected layers beside the identity.

    Args:
        event_shape: shape of one event.
        hidden_units: the width of each hidden layer.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, hidden_units: tuple, **kwargs):
        self.sites = int(np.prod(event_shape))
        super().__init__(self.sites, 0, hidden_units, 'relu', event_shape, **kwargs)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, *event_shape]`, and so the result."""
        return x + super().call(ops.reshape(x, (-1, self.sites)))


class PatchCritic(keras.layers.Layer):
    """Strided convolutions to a score of each part of an image.

    Source: P. Isola, J.-Y. Zhu, T. Zhou and A. Efros, "Image-to-image translation with conditional adversarial
    networks", 2017 (https://arxiv.org/abs/1611.07004).

    Args:
        event_shape: `(height, width, channels)`.
        filters: how many channels the first convolution has; the next have twice as many each.
        halvings: how many convolutions with a stride there are.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, filters: int, halvings: int, **kwargs):
        super().__init__(**kwargs)
        height, width, before = event_shape
        self.down = []
        for index in range(halvings):
            layer = layer_of(
                keras.layers.Conv2D, (None, height, width, before), filters * 2**index, 4, strides=2, padding='same',
                data_format='channels_last', name=f'down_{index}', dtype=self.dtype_policy)
            height, width, before = -(-height // 2), -(-width // 2), layer.filters
            # Not the first, whose mean and contrast are those of the image itself.
            normalize = instance_normalization(f'normalization_{index}', before, self.dtype_policy) if index else None
            self.down.append((layer, normalize))
        self.last = layer_of(keras.layers.Conv2D, (None, height, width, before), 1, 4, padding='same',
                             data_format='channels_last', name='last', dtype=self.dtype_policy)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, *event_shape]` -> `[batch, parts]`."""
        for convolve, normalize in self.down:
            x = convolve(x)
            x = ops.leaky_relu(x if normalize is None else normalize(x))
        x = self.last(x)
        return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def instance_normalization(name: str, channels: int, dtype) -> keras.layers.GroupNormalization:
    """The normalisation of each channel of an image, whose weights exist."""
    return layer_of(keras.layers.GroupNormalization, (None, None, None, channels), groups=-1, name=name, dtype=dtype)
