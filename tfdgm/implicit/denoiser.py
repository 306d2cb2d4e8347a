"""The network of a generative stochastic network: hidden layers that see those below and above."""

import keras
import tensorflow as tf
from keras import ops

from tfdgm import random
from tfdgm.layers import ConditionBias, dense


class Denoiser(keras.layers.Layer):
    """Hidden layers, each a hyperbolic tangent of the one below and the one above, and the parameters of the event.

    First those are computed anew that are an odd number of layers above the event, then the others. Between two hidden
    layers there is one kernel for both ways; that of the event's parameters is a layer of its own, for there may be
    several of them at a site.

    Args:
        num_sites: how many numbers an event has.
        num_parameters: how many a site's distribution has.
        hidden_units: the widths of the hidden layers.
        noise: the standard deviation of what is added to the layers but the first, before and after the tangent.
        condition_features: how many features the condition has, or 0.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, num_sites: int, num_parameters: int, hidden_units: tuple, noise: float, condition_features: int,
                 **kwargs):
        super().__init__(**kwargs)
        self.hidden_units, self.noise = hidden_units, noise
        widths = num_sites, *hidden_units
        self.kernels = [self.add_weight(shape=pair, initializer='glorot_uniform', name=f'kernel_{index}')
                        for index, pair in enumerate(zip(widths, hidden_units))]
        self.biases = [self.add_weight(shape=(units,), initializer='zeros', name=f'bias_{index}')
                       for index, units in enumerate(hidden_units)]
        self.condition_bias = ConditionBias(
            condition_features, hidden_units[:1], dtype=self.dtype_policy, name='condition_bias')
        self.last = dense(hidden_units[0], num_sites * num_parameters, 'last', self.dtype_policy)
        self.built = True

    def start(self, batch_size: int) -> list:
        """Hidden layers that know of nothing yet."""
        return [ops.zeros((batch_size, units), self.compute_dtype) for units in self.hidden_units]

    def call(self, x: tf.Tensor, hidden: list, features: tf.Tensor | None, seed: tf.Tensor) -> tuple:
        """An event as networks see it `[batch, num_sites]` and the hidden layers -> parameters, and the layers then."""
        layers = [ops.cast(x, self.compute_dtype), *hidden]
        order = [*range(1, len(layers), 2), *range(2, len(layers), 2)]
        for index, layer_seed in zip(order, random.split(seed, len(order))):
            inner = ops.matmul(layers[index - 1], self.kernels[index - 1]) + self.biases[index - 1]
            if index + 1 < len(layers):
                inner += ops.matmul(layers[index + 1], ops.transpose(self.kernels[index]))
            if index == 1:
                layers[index] = ops.tanh(inner + self.condition_bias(features))
            else:
                before, after = (self._noise(ops.shape(inner), own) for own in random.split(layer_seed, 2))
                layers[index] = ops.tanh(inner + before) + after
        return self.last(layers[1]), layers[1:]

    def _noise(self, shape, seed):
        return ops.cast(self.noise * random.normals(shape, seed), self.compute_dtype)
