"""Encoders and decoders: dense networks for vectors, residual convolutions for images."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.layers import dense


class DenseNetwork(keras.layers.Layer):
    """Fully connected layers.

    Args:
        inputs: how many numbers come in.
        hidden_units: the width of each layer.
        activation: of each, a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, inputs: int, hidden_units: tuple, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [dense(before, units, f'hidden_{index}', self.dtype_policy, activation=activation)
                       for index, (before, units) in enumerate(zip((inputs, *hidden_units), hidden_units))]
        self.units = hidden_units[-1]
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, inputs]` -> `[batch, hidden_units[-1]]`."""
        for layer in self.hidden:
            x = layer(x)
        return x


class DenseEncoder(DenseNetwork):
    """A `DenseNetwork` of an event's values and the features of its condition.

    Args:
        event_shape: shape of one event.
        condition_features: how many features the condition has, or 0.
        hidden_units: the width of each layer.
        activation: of each, a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, condition_features: int, hidden_units: tuple, activation: str, **kwargs):
        self.sites = int(np.prod(event_shape))
        super().__init__(self.sites + condition_features, hidden_units, activation, **kwargs)

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, *event_shape]`, or that and features `[batch, n]` -> `[batch, units]`."""
        x, features = parted(inputs)
        return super().call(joined(ops.reshape(x, (-1, self.sites)), features))


class DenseDecoder(keras.layers.Layer):
    """A `DenseNetwork` of latents and the features of a condition, and the parameters of each site as its last layer.

    Args:
        num_latents: how many latents.
        condition_features: how many features the condition has, or 0.
        hidden_units: the width of each hidden layer.
        activation: of each, a name that Keras knows.
        shape: of the parameters of an event, `(*event_shape, num_parameters)`.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, num_latents: int, condition_features: int, hidden_units: tuple, activation: str, shape: tuple,
                 **kwargs):
        super().__init__(**kwargs)
        self.shape = shape
        self.hidden = DenseNetwork(
            num_latents + condition_features, hidden_units, activation, dtype=self.dtype_policy, name='hidden')
        self.last = dense(hidden_units[-1], int(np.prod(shape)), 'last', self.dtype_policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, num_latents]`, or that and features `[batch, n]` -> `[batch, *shape]`."""
        return ops.reshape(self.last(self.hidden(joined(*parted(inputs)))), (-1, *self.shape))


def called(network, values: tf.Tensor, features: tf.Tensor | None, training: bool = False) -> tf.Tensor:
    """What a network, one of these or a Keras model, makes of values and the features of a condition, or None."""
    inputs = values if features is None else [values, features]
    return network(inputs, training=training) if isinstance(network, keras.Model) else network(inputs)


def parted(inputs):
    """The inputs of a network as values and the features of a condition, or None."""
    return inputs if isinstance(inputs, (list, tuple)) else (inputs, None)


def joined(values, features):
    """Values `[batch, n]`, and beside them the features of a condition, if there are any."""
    return values if features is None else ops.concatenate([values, ops.cast(features, values.dtype)], axis=-1)


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
        self.activation = keras.activations.get(activation)
        self.first = convolution(shape, filters, filters, 'first', self.dtype_policy)
        self.second = convolution(shape, filters, filters, 'second', self.dtype_policy, kernel_initializer='zeros')
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, height, width, filters]`, and so the result."""
        return x + self.second(self.activation(self.first(self.activation(x))))


def scales_of(shape: tuple, filters: int) -> list:
    """The sizes of an image from the finest scale on, and the channels there: halved, down to 7 pixels or fewer.

    Each scale has twice the channels of the one before.
    """
    scales = [(*shape, filters)]
    while min(scales[-1][:2]) > 7 and len(scales) < 5:
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


class ConvolutionEncoder(keras.layers.Layer):
    """Residual blocks at several scales of an image, each half as fine as the one before, then a dense layer.

    The finest scale has one convolution alone, with a stride: blocks there would take most of the time.

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
        super().__init__(**kwargs)
        policy, self.units = self.dtype_policy, units
        self.activation = keras.activations.get(activation)
        scales = scales_of(event_shape[:2], filters)
        before, self.down, self.blocks = (*event_shape[:2], event_shape[2]), [], []
        for index, scale in enumerate(scales[1:] or scales):
            strides = 2 if len(scales) > 1 else 1
            self.down.append(convolution(before[:2], before[2], scale[2], f'down_{index}', policy, strides))
            self.blocks.append([ResidualBlock(scale[:2], scale[2], activation, dtype=policy,
                                              name=f'block_{index}_{block}') for block in range(blocks)])
            before = scale
        self.size = int(np.prod(before))
        self.last = dense(self.size + condition_features, units, 'last', policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, *event_shape]`, or that and features `[batch, n]` -> `[batch, units]`."""
        x, features = parted(inputs)
        for down, blocks in zip(self.down, self.blocks):
            x = down(x)
            for block in blocks:
                x = block(x)
        x = ops.reshape(self.activation(x), (-1, self.size))
        return self.activation(self.last(joined(x, features)))


class ConvolutionDecoder(keras.layers.Layer):
    """A dense layer of latents and a condition's features, then what `ConvolutionEncoder` has, the other way.

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
        super().__init__(**kwargs)
        policy, self.shape = self.dtype_policy, shape
        self.activation = keras.activations.get(activation)
        self.scales = scales_of(shape[:2], filters)[::-1]
        coarsest = self.scales[0]
        self.first = dense(num_latents + condition_features, int(np.prod(coarsest)), 'first', policy)
        self.blocks = [[ResidualBlock(scale[:2], scale[2], activation, dtype=policy, name=f'block_{index}_{block}')
                        for block in range(blocks)] for index, scale in enumerate(self.scales[:-1] or self.scales)]
        # Four times the channels of a coarse pixel become those of four fine ones.
        self.up = [convolution(coarse[:2], coarse[2], 4 * fine[2], f'up_{index}', policy)
                   for index, (coarse, fine) in enumerate(zip(self.scales, self.scales[1:]))]
        self.last = convolution(shape[:2], self.scales[-1][2], shape[2] * shape[3], 'last', policy)
        self.built = True

    def call(self, inputs: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        """`[batch, num_latents]`, or that and features `[batch, n]` -> `[batch, *shape]`."""
        x = ops.reshape(self.first(joined(*parted(inputs))), (-1, *self.scales[0]))
        for index, blocks in enumerate(self.blocks):
            for block in blocks:
                x = block(x)
            if index < len(self.up):
                x = finer(self.up[index](self.activation(x)), self.scales[index + 1])
        return ops.reshape(self.last(self.activation(x)), (-1, *self.shape))
