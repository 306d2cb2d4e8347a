"""The Keras layers of flows: invertible ones, and the networks inside couplings.

An invertible layer turns events into latents, `layer(x)`, or latents into events, `layer(z, invert=True)`; either way
it returns the values and the logarithm of the Jacobian determinant.

Everything computes in float32 under every policy. Each way rounds elsewhere; a network in bfloat16 would make much of
the difference, and one way no longer undo the other.
"""

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf
from keras import ops

from tfdgm import checks
from tfdgm.layers import dense


def pixels_of(x, axes: int):
    """How many times an event of that many axes repeats what happens to its last one."""
    shape = ops.shape(x)
    return ops.cast(np.prod(shape[len(shape) - axes:-1]), 'float32')


class Scaling(keras.layers.Layer):
    """Multiplies each feature by a positive factor that is learned."""

    def __init__(self, features, **kwargs):
        super().__init__(**kwargs)
        self.log_scale = self.add_weight(shape=(features,), initializer='zeros', name='log_scale')
        self.built = True

    def call(self, x, invert=False):
        log_scale = -self.log_scale if invert else ops.convert_to_tensor(self.log_scale)
        return x * ops.exp(log_scale), ops.sum(log_scale)


FEWEST_VALUES = 16


class ActNorm(keras.layers.Layer):
    """Moves and scales each feature of the last axis; the first events get a mean of 0 and a variance of 1.

    Where there are fewer than `FEWEST_VALUES` of a feature, standard normal ones stand for the missing: one event has
    no variance, and the little that two have would be scaled up without bound.

    Source: D. Kingma and P. Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", 2018
    (https://arxiv.org/abs/1807.03039), section 3.1.

    Args:
        features: how many.
        event_ndims: how many axes an event has.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, features, event_ndims, **kwargs):
        super().__init__(**kwargs)
        self.event_ndims = event_ndims
        self.shift = self.add_weight(shape=(features,), initializer='zeros', name='shift')
        self.log_scale = self.add_weight(shape=(features,), initializer='zeros', name='log_scale')
        self.started = self.add_weight(shape=(), initializer='zeros', trainable=False, name='started')
        # Whether the events that it is called on are those that it starts from: see `FlowModel.prepare`.
        self.watching = False
        self.built = True

    def has_started(self) -> bool:
        """Whether it has seen the first events."""
        return bool(self.started.numpy())

    def may_start(self) -> bool:
        """Whether the next events are its first: not if it is frozen."""
        return self.trainable and not self.has_started()

    def _start(self, x):
        # In float64: the variance of events far from order 1 is beyond float32.
        x = ops.cast(ops.reshape(x, (-1, x.shape[-1])), 'float64')
        total = max(len(x), FEWEST_VALUES)
        own, missing = len(x) / total, 1 - len(x) / total
        mean, variance = ops.mean(x, 0), ops.var(x, 0)
        variance = own * variance + missing + own * missing * mean ** 2
        mean = own * mean
        log_scale = -0.5 * ops.log(variance + 1e-6)
        self.log_scale.assign(log_scale)
        self.shift.assign(-mean * ops.exp(log_scale))
        self.started.assign(1.)

    def call(self, x, invert=False):
        if self.watching:
            self._start(x)
        log_det = ops.sum(self.log_scale) * pixels_of(x, self.event_ndims)
        if invert:
            return (x - self.shift) * ops.exp(-self.log_scale), -log_det
        return x * ops.exp(self.log_scale) + self.shift, log_det


class InvertibleConvolution(keras.layers.Layer):
    """An invertible linear map of the last axis, of an image's channels a 1x1 convolution: W = P L (U + diag(s)).

    It starts as a random rotation. P and the signs of s stay fixed, so log|det W| is the sum of log|s|. TFP's
    `ScaleMatvecLU` solves two triangular systems for every pixel to go back; this inverts W once.

    Source: D. Kingma and P. Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", 2018
    (https://arxiv.org/abs/1807.03039), section 3.2.

    Args:
        features: how many.
        event_ndims: how many axes an event has.
        random: a `numpy.random.RandomState` that draws the rotation.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, features, event_ndims, random, **kwargs):
        super().__init__(**kwargs)
        self.event_ndims = event_ndims
        rotation, _ = np.linalg.qr(random.normal(size=(features, features)))
        permutation, lower, upper = scipy.linalg.lu(rotation)
        diagonal = np.diag(upper)

        def weight(value, name, trainable=True):
            return self.add_weight(shape=value.shape, initializer=lambda shape, dtype: ops.cast(value, dtype),
                                   trainable=trainable, name=name)

        self.permutation = weight(permutation, 'permutation', trainable=False)
        self.signs = weight(np.sign(diagonal), 'signs', trainable=False)
        self.log_scale = weight(np.log(np.abs(diagonal)), 'log_scale')
        self.lower = weight(np.tril(lower, -1), 'lower')
        self.upper = weight(np.triu(upper, 1), 'upper')
        self.built = True

    def call(self, x, invert=False):
        size = self.log_scale.shape[0]
        lower = tf.linalg.set_diag(tf.linalg.band_part(self.lower, -1, 0), tf.ones(size))
        upper = tf.linalg.set_diag(tf.linalg.band_part(self.upper, 0, -1), self.signs * ops.exp(self.log_scale))
        log_det = ops.sum(self.log_scale) * pixels_of(x, self.event_ndims)
        # An image has more pixels than channels, so the product or the inverse of the factors comes first. A batch of
        # vectors has mostly fewer events than each has features: there the factors act one after the other.
        rows = tf.reshape(x, (-1, size)) if self.event_ndims == 1 else tf.eye(size)
        if invert:
            columns = tf.linalg.triangular_solve(lower, ops.transpose(rows @ self.permutation))
            rows = ops.transpose(tf.linalg.triangular_solve(upper, columns, lower=False))
            log_det = -log_det
        else:
            for factor in (upper, lower, self.permutation):
                rows = ops.matmul(rows, ops.transpose(factor))
        return tf.reshape(rows, tf.shape(x)) if self.event_ndims == 1 else ops.matmul(x, rows), log_det


def spread(features, x, axes: int):
    """A condition's features for each of the events `x`, which have so many axes: `[…, n]`.

    Raises:
        ValueError: if the batch shape of the condition does not broadcast to that of the events.
    """
    outer, given = x.shape[:len(x.shape) - axes], features.shape[:-1]
    if outer.is_fully_defined() and given.is_fully_defined() and not checks.broadcasts(tuple(given), tuple(outer)):
        raise ValueError(f'A condition of batch shape {tuple(given)} does not broadcast to the batch shape '
                         f'{tuple(outer[-len(given):])} of what the bijector is given.')
    return tf.broadcast_to(features, tf.concat([tf.shape(x)[:tf.rank(x) - axes], features.shape[-1:]], 0))


def flattened(x, features, axes: int):
    """One batch axis for events of so many axes, and for features whose leading shape broadcasts to theirs.

    Returns:
        `[batch, …]`, `[batch, n]` or None, and the leading shape of the events.
    """
    outer = tf.shape(x)[:tf.rank(x) - axes]
    if features is not None:
        features = tf.reshape(spread(features, x, axes), (-1, features.shape[-1]))
    return tf.reshape(x, tf.concat([[-1], x.shape[len(x.shape) - axes:]], 0)), features, outer


class Network(keras.layers.Layer):
    """Base of the networks inside a flow: a function of `[…, *shape]` and of a condition's features.

    A subclass implements `evaluate(x, features)` for one batch axis; it ends in zeros, so that a flow starts simple.

    Args:
        shape: of the input.
        **kwargs: `name`.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.shape = tuple(shape)

    def evaluate(self, x, features):
        """`[batch, *shape]` and `[batch, n]` or None -> `[batch, …]`."""
        raise NotImplementedError

    def call(self, x, features=None):
        """`[…, *shape]`, and features whose leading shape broadcasts to it -> `[…, *result]`, float32."""
        x, features, outer = flattened(x, features, len(self.shape))
        result = self.evaluate(x, None if features is None else ops.cast(features, 'float32'))
        return tf.reshape(result, tf.concat([outer, result.shape[1:]], 0))


def condition_dense(condition, units, name):
    """The layer of a condition's features that adds to a bias, or None; it starts at zero."""
    if condition is None:
        return None
    return dense(condition.num_features, units, name, 'float32', use_bias=False, kernel_initializer='zeros')


class DenseNetwork(Network):
    """Fully connected layers; the condition adds to the bias of each hidden one.

    Args:
        inputs: how many numbers come in.
        hidden_units: the width of each hidden layer.
        outputs: how many numbers come out.
        condition: one of `tfdgm.conditions`, or None.
        activation: of the hidden units, a name that Keras knows.
        **kwargs: `name`.
    """

    def __init__(self, inputs, hidden_units, outputs, condition=None, activation='relu', **kwargs):
        super().__init__((inputs,), **kwargs)
        widths = inputs, *hidden_units
        self.hidden = [dense(before, units, f'hidden_{layer}', 'float32')
                       for layer, (before, units) in enumerate(zip(widths, hidden_units))]
        self.conditions = [condition_dense(condition, units, f'condition_{layer}')
                           for layer, units in enumerate(hidden_units)]
        self.activation = keras.activations.get(activation)
        self.last = dense(widths[-1], outputs, 'last', 'float32', kernel_initializer='zeros')
        self.built = True

    def evaluate(self, x, features):
        for layer, condition in zip(self.hidden, self.conditions):
            x = layer(x)
            x = self.activation(x if condition is None else x + condition(features))
        return self.last(x)


# Values in a trained flow are hardly ever larger. A network of rectifiers extrapolates without bound: an unlikely pixel
# would make its neighbours' latents large, these theirs, until one image of ten thousand decided a mean likelihood.
LARGEST_VALUE = 10.


class ConvolutionNetwork(Network):
    """A 3x3 convolution over an image, then residual blocks of a 3x3 and a 1x1; a condition adds to each 3x3's bias.

    Values beyond `LARGEST_VALUE` count as that.

    Args:
        shape: of the image that comes in.
        filters: how many features the hidden layers have.
        blocks: how many residual blocks.
        outputs: how many channels come out.
        condition: one of `tfdgm.conditions`, or None.
        **kwargs: `name`.
    """

    def __init__(self, shape, filters, blocks, outputs, condition=None, **kwargs):
        super().__init__(shape, **kwargs)

        def convolution(size, inputs, units, name, **kwargs):
            layer = keras.layers.Conv2D(units, size, padding='same', name=name, dtype='float32', **kwargs)
            layer.build((None, *shape[:2], inputs))
            return layer

        self.first = convolution(3, shape[2], filters, 'first')
        self.blocks = [(convolution(3, filters, filters, f'wide_{block}'),
                        dense(filters, filters, f'narrow_{block}', 'float32')) for block in range(blocks)]
        self.conditions = [condition_dense(condition, filters, f'condition_{layer}') for layer in range(blocks + 1)]
        self.last = convolution(3, filters, outputs, 'last', kernel_initializer='zeros')
        self.built = True

    def evaluate(self, x, features):
        biases = [0. if layer is None else layer(features)[:, None, None] for layer in self.conditions]
        x = self.first(ops.clip(x, -LARGEST_VALUE, LARGEST_VALUE)) + biases[0]
        for (wide, narrow), bias in zip(self.blocks, biases[1:]):
            x = x + narrow(ops.relu(wide(ops.relu(x)) + bias))
        return self.last(ops.relu(x))
