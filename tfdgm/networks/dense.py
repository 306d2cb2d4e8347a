"""Dense encoders and decoders, and what all networks of latents have in common."""

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


def shape_of(network, shape: tuple, condition_features: int) -> tuple:
    """The shape of what a network makes of one value of a shape, and of so many features of a condition."""
    features = ops.zeros((1, condition_features)) if condition_features else None
    return tuple(called(network, ops.zeros((1, *shape)), features).shape)


def parted(inputs):
    """The inputs of a network as values and the features of a condition, or None."""
    return inputs if isinstance(inputs, (list, tuple)) else (inputs, None)


def joined(values, features):
    """Values `[batch, n]`, and beside them the features of a condition, if there are any."""
    return values if features is None else ops.concatenate([values, ops.cast(features, values.dtype)], axis=-1)
