"""Conditioners: the networks that give the parameters of a flow's layers.

They compute in float32 under every policy, see `tfdgm.flows.invertible`, and end in zeros: a flow starts simple.
"""

import itertools

import keras
import tensorflow as tf
from keras import ops

from tfdgm.layers import activation_of, dense


def condition_projection(condition_features: int, units: int, name: str):
    """The layer of a condition's features that adds to a bias, or None without a condition; it starts at zero."""
    if not condition_features:
        return None
    return dense(condition_features, units, name, 'float32', use_bias=False, kernel_initializer='zeros')


class DenseNetwork(keras.layers.Layer):
    """Fully connected layers; the condition adds to the bias of each hidden one.

    Args:
        inputs: how many numbers come in.
        hidden_units: the width of each hidden layer.
        outputs: how many numbers come out.
        condition_features: how many features the condition has, or 0.
        activation: of the hidden units, a name that Keras knows.
        **kwargs: `name`.
    """

    def __init__(self, inputs: int, hidden_units: tuple, outputs: int, condition_features: int = 0,
                 activation='relu', **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.inputs = inputs
        widths = inputs, *hidden_units
        self.hidden = [dense(before, units, f'hidden_{layer}', 'float32')
                       for layer, (before, units) in enumerate(zip(widths, hidden_units))]
        self.conditions = [condition_projection(condition_features, units, f'condition_{layer}')
                           for layer, units in enumerate(hidden_units)]
        self.activation = activation_of(activation)
        self.last = dense(widths[-1], outputs, 'last', 'float32', kernel_initializer='zeros')
        self.built = True

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None) -> tf.Tensor:
        """`[batch, inputs]` and features `[batch, n]`, or None -> `[batch, outputs]`."""
        for layer, condition in zip(self.hidden, self.conditions):
            x = layer(x)
            x = self.activation(x if condition is None else x + condition(features))
        return self.last(x)


# Values in a trained flow are hardly ever larger. A network of rectifiers extrapolates without bound: an unlikely pixel
# would make its neighbours' latents large, these theirs, until one image of ten thousand decided a mean likelihood.
LARGEST_VALUE = 10.


class ConvolutionNetwork(keras.layers.Layer):
    """A 3x3 convolution over an image, then residual blocks of a 3x3 and a 1x1; a condition adds to each 3x3's bias.

    Values beyond `LARGEST_VALUE` count as that.

    Args:
        shape: of the image that comes in.
        filters: how many features the hidden layers have.
        blocks: how many residual blocks.
        outputs: how many channels come out.
        condition_features: how many features the condition has, or 0.
        **kwargs: `name`.
    """

    def __init__(self, shape: tuple, filters: int, blocks: int, outputs: int, condition_features: int = 0, **kwargs):
        super().__init__(dtype='float32', **kwargs)

        def convolution(size, inputs, units, name, **kwargs):
            layer = keras.layers.Conv2D(
                units, size, padding='same', data_format='channels_last', name=name, dtype='float32', **kwargs)
            layer.build((None, *shape[:2], inputs))
            return layer

        self.first = convolution(3, shape[2], filters, 'first')
        self.blocks = [(convolution(3, filters, filters, f'wide_{block}'),
                        dense(filters, filters, f'narrow_{block}', 'float32')) for block in range(blocks)]
        self.conditions = [condition_projection(condition_features, filters, f'condition_{layer}')
                           for layer in range(blocks + 1)]
        self.last = convolution(3, filters, outputs, 'last', kernel_initializer='zeros')
        self.built = True

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None) -> tf.Tensor:
        """`[batch, *shape]` and features `[batch, n]`, or None -> `[batch, height, width, outputs]`."""
        biases = [0. if layer is None else layer(features)[:, None, None] for layer in self.conditions]
        x = self.first(ops.clip(x, -LARGEST_VALUE, LARGEST_VALUE)) + biases[0]
        for (wide, narrow), bias in zip(self.blocks, biases[1:]):
            x = x + narrow(ops.relu(wide(ops.relu(x)) + bias))
        return self.last(ops.relu(x))


class TimeNetwork(keras.layers.Layer):
    """The velocity at a place and a time: fully connected layers that time and condition scale and shift.

        h -> activation((W h + b) * sigmoid(G [t, condition]) + S [t, condition])

    Args:
        size: how many numbers a place has.
        hidden_units: the width of each hidden layer.
        condition_features: how many features the condition has, or 0.
        activation: of the hidden units, a name that Keras knows; smooth ones suit a solver.
        **kwargs: `name`.
    """

    def __init__(self, size: int, hidden_units: tuple, condition_features: int, activation, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        widths, self.layers = (size, *hidden_units, size), []
        for index, (before, units) in enumerate(itertools.pairwise(widths)):
            last = {'kernel_initializer': 'zeros'} if index == len(hidden_units) else {}
            self.layers.append((
                dense(before, units, f'dense_{index}', 'float32', **last),
                dense(1 + condition_features, units, f'gate_{index}', 'float32'),
                dense(1 + condition_features, units, f'shift_{index}', 'float32', use_bias=False,
                      kernel_initializer='zeros')))
        self.activation = activation_of(activation)
        self.built = True

    def call(self, x: tf.Tensor, time_and_features) -> tf.Tensor:
        """`[…, size]` and `[…, 1 + condition_features]` -> `[…, size]`."""
        for index, (layer, gate, shift) in enumerate(self.layers):
            x = self.activation(x) if index else x
            x = layer(x) * ops.sigmoid(gate(time_and_features)) + shift(time_and_features)
        return x
