"""Encoders and decoders of images: residual convolutions at several scales."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.layers import activation_of, dense
from tfdgm.networks.dense import joined, parted


def convolution(shape, inputs, filters, name, dtype, strides=1, **kwargs):
    """A 3x3 convolution of images `(height, width)` whose weights exist."""
    layer = keras.layers.Conv2D(filters, 3, strides=strides, padding='same', data_format='channels_last', name=name,
                                dtype=dtype, **kwargs)
    layer.build((None, *shape, inputs))
    return layer


class ResidualBlock(keras.layers.Layer):
    """Two 3x3 convolutions beside the identity, which it is at first.

    Args:
        shape: `(height, width)` of the images.
        filters: how many channels they have.
        activation: before each convolution, a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, shape: tuple, filters: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation_of(activation)
        self.first = convolution(shape, filters, filters, 'first', self.dtype_policy)
        self.second = convolution(shape, filters, filters, 'second', self.dtype_policy, kernel_initializer='zeros')
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, height, width, filters]`, and so the result."""
        return x + self.second(self.activation(self.first(self.activation(x))))


def scales_of(shape: tuple, filters: int, halvings: int | None = None) -> list:
    """The sizes of an image from the finest scale on, and the channels there.

    Each scale has half the pixels in height and width, and twice the channels, of the one before.

    Args:
        shape: `(height, width)`.
        filters: how many channels the finest scale has.
        halvings: how many scales follow it; None for as many as lead to 7 pixels or fewer, up to four.
    """
    scales = [(*shape, filters)]
    while len(scales) <= halvings if halvings is not None else min(scales[-1][:2]) > 7 and len(scales) < 5:
        height, width, channels = scales[-1]
        scales.append((-(-height // 2), -(-width // 2), 2 * channels))
    return scales


def finer(x: tf.Tensor, scale: tuple) -> tf.Tensor:
    """Images with four times as many channels as a scale has, as images of that scale."""
    height, width, channels = scale
    coarse = x.shape[1:3]
    x = ops.reshape(x, (-1, *coarse, 2, 2, channels))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * coarse[0], 2 * coarse[1], channels))
    return x[:, :height, :width]


class Downward(keras.layers.Layer):
    """Residual blocks at several scales of an image, each half as fine as the one before.

    The finest scale has one convolution alone, with a stride: blocks there would take most of the time.

    Args:
        channels: of the images.
        scales: see `scales_of`.
        blocks: how many residual blocks each scale has.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, channels: int, scales: list, blocks: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.activation = activation_of(activation)
        before, self.down, self.blocks = (*scales[0][:2], channels), [], []
        for index, scale in enumerate(scales[1:] or scales):
            strides = 2 if len(scales) > 1 else 1
            self.down.append(convolution(before[:2], before[2], scale[2], f'down_{index}', policy, strides))
            self.blocks.append([ResidualBlock(scale[:2], scale[2], activation, dtype=policy,
                                              name=f'block_{index}_{block}') for block in range(blocks)])
            before = scale
        self.coarsest = before

    def through(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, height, width, channels]` -> `[batch, *coarsest]`."""
        for down, blocks in zip(self.down, self.blocks):
            x = down(x)
            for block in blocks:
                x = block(x)
        return self.activation(x)


class ConvolutionEncoder(Downward):
    """`Downward`, then a dense layer.

    Args:
        event_shape: `(height, width, channels)`.
        condition_features: how many features the condition has, or 0.
        filters: how many channels the finest scale has; the next have twice as many each.
        blocks: how many residual blocks each scale has.
        units: how many numbers come out.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, condition_features: int, filters: int, blocks: int, units: int,
                 activation: str, **kwargs):
        super().__init__(event_shape[2], scales_of(event_shape[:2], filters), blocks, activation, **kwargs)
        self.units, self.size = units, int(np.prod(self.coarsest))
        self.last = dense(self.size + condition_features, units, 'last', self.dtype_policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, *event_shape]`, or that and features `[batch, n]` -> `[batch, units]`."""
        x, features = parted(inputs)
        x = ops.reshape(self.through(x), (-1, self.size))
        return self.activation(self.last(joined(x, features)))


class MapEncoder(Downward):
    """`Downward`, then a vector of each pixel that is left.

    Args:
        channels: of the images.
        condition_features: how many features the condition has, or 0.
        scales: see `scales_of`.
        blocks: how many residual blocks each scale has.
        units: how long the vectors are.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, channels: int, condition_features: int, scales: list, blocks: int, units: int, activation: str,
                 **kwargs):
        super().__init__(channels, scales, blocks, activation, **kwargs)
        self.last = dense(self.coarsest[2] + condition_features, units, 'last', self.dtype_policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, height, width, channels]`, or that and features -> `[batch, height, width, units]`, coarser."""
        x, features = parted(inputs)
        return self.last(joined_everywhere(self.through(x), features))


def joined_everywhere(x, features):
    """Images `[batch, height, width, n]`, and beside each pixel the features of a condition, if there are any."""
    if features is None:
        return x
    features = ops.broadcast_to(features[:, None, None], (*ops.shape(x)[:3], features.shape[-1]))
    return joined(x, features)


class Upward(keras.layers.Layer):
    """What `Downward` has, the other way, and the parameters of each site as its last layer.

    Args:
        scales: see `scales_of`.
        blocks: how many residual blocks each scale but the finest has.
        activation: a name that Keras knows.
        shape: of the parameters of an event, `(height, width, channels, num_parameters)`.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, scales: list, blocks: int, activation: str, shape: tuple, **kwargs):
        super().__init__(**kwargs)
        policy, self.shape = self.dtype_policy, shape
        self.activation = activation_of(activation)
        self.scales = scales[::-1]
        self.blocks = [[ResidualBlock(scale[:2], scale[2], activation, dtype=policy, name=f'block_{index}_{block}')
                        for block in range(blocks)] for index, scale in enumerate(self.scales[:-1] or self.scales)]
        # Four times the channels of a coarse pixel become those of four fine ones.
        self.up = [convolution(coarse[:2], coarse[2], 4 * fine[2], f'up_{index}', policy)
                   for index, (coarse, fine) in enumerate(itertools.pairwise(self.scales))]
        self.last = convolution(shape[:2], self.scales[-1][2], shape[2] * shape[3], 'last', policy)

    def through(self, x: tf.Tensor) -> tf.Tensor:
        """Images of the coarsest scale -> `[batch, *shape]`."""
        for index, blocks in enumerate(self.blocks):
            for block in blocks:
                x = block(x)
            if index < len(self.up):
                x = finer(self.up[index](self.activation(x)), self.scales[index + 1])
        return ops.reshape(self.last(self.activation(x)), (-1, *self.shape))


class ConvolutionDecoder(Upward):
    """A dense layer of latents and a condition's features, then `Upward`.

    Args:
        num_latents: how many latents.
        condition_features: how many features the condition has, or 0.
        filters: how many channels the finest scale has; the next have twice as many each.
        blocks: how many residual blocks each scale but the finest has.
        activation: a name that Keras knows.
        shape: of the parameters of an event, `(height, width, channels, num_parameters)`.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, num_latents: int, condition_features: int, filters: int, blocks: int, activation: str,
                 shape: tuple, **kwargs):
        super().__init__(scales_of(shape[:2], filters), blocks, activation, shape, **kwargs)
        self.first = dense(num_latents + condition_features, int(np.prod(self.scales[0])), 'first', self.dtype_policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, num_latents]`, or that and features `[batch, n]` -> `[batch, *shape]`."""
        return self.through(ops.reshape(self.first(joined(*parted(inputs))), (-1, *self.scales[0])))


class MapDecoder(Upward):
    """`Upward` of images of vectors and, at each pixel, the features of a condition.

    Args:
        size: how long the vectors are.
        condition_features: how many features the condition has, or 0.
        scales: see `scales_of`.
        blocks: how many residual blocks each scale but the finest has.
        activation: a name that Keras knows.
        shape: of the parameters of an event, `(height, width, channels, num_parameters)`.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, size: int, condition_features: int, scales: list, blocks: int, activation: str, shape: tuple,
                 **kwargs):
        super().__init__(scales, blocks, activation, shape, **kwargs)
        self.first = dense(size + condition_features, self.scales[0][2], 'first', self.dtype_policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, height, width, size]`, or that and features -> `[batch, *shape]`."""
        return self.through(self.first(joined_everywhere(*parted(inputs))))
