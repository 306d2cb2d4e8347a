"""The networks of a hierarchy of latents: features of an event at several scales, and the way down through its layers.

A scale is `(height, width, filters)`; a vector is an image of one pixel.
"""

import itertools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from tfdgm.latent.posteriors import LEAST_SCALE
from tfdgm.layers import activation_of, dense
from tfdgm.networks.convolutional import convolution, finer, scales_of
from tfdgm.networks.dense import joined

tfd = tfp.distributions


def scales_of_event(event_shape: tuple, filters: int) -> list:
    """The scales that have latents, from the coarsest on: of images one pixel and all sizes but the finest."""
    if len(event_shape) != 3:
        return [(1, 1, filters)]
    scales = scales_of(event_shape[:2], filters)
    return [(1, 1, 2 * scales[-1][2]), *reversed(scales[1:] or scales)]


class Bottleneck(keras.layers.Layer):
    """Three layers, the first and the last of which see one pixel alone; it gives zeros at first.

    Args:
        scale: of the images.
        inputs: how many channels come in.
        outputs: how many come out.
        activation: before each layer, a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, scale: tuple, inputs: int, outputs: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        policy, filters = self.dtype_policy, max(scale[2] // 2, 1)
        self.activation = activation_of(activation)
        self.narrow = dense(inputs, filters, 'narrow', policy)
        # Of one pixel, a convolution would see nothing but zeros around it.
        self.middle = (dense(filters, filters, 'middle', policy) if scale[:2] == (1, 1) else
                       convolution(scale[:2], filters, filters, 'middle', policy))
        self.widen = dense(filters, outputs, 'widen', policy, kernel_initializer='zeros')
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[batch, height, width, inputs]` -> `[batch, height, width, outputs]`."""
        for layer in (self.narrow, self.middle, self.widen):
            x = layer(self.activation(x))
        return x


class BottomUp(keras.layers.Layer):
    """Features of an event at all scales that have latents, and of a condition at the coarsest.

    Args:
        event_shape: shape of one event.
        condition_features: how many features the condition has, or 0.
        scales: from the coarsest on.
        blocks: how many residual blocks each scale has.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, event_shape: tuple, condition_features: int, scales: list, blocks: int, activation: str,
                 **kwargs):
        super().__init__(**kwargs)
        policy, self.activation, self.down = self.dtype_policy, activation_of(activation), []
        before = event_shape
        for index, scale in enumerate(reversed(scales[1:])):
            strides = 1 if scale[:2] == before[:2] else 2
            self.down.append(convolution(before[:2], before[2], scale[2], f'down_{index}', policy, strides))
            before = scale
        self.size = int(np.prod(before))
        self.last = dense(self.size + condition_features, scales[0][2], 'last', policy)
        self.blocks = [[Bottleneck(scale, scale[2], scale[2], activation, dtype=policy, name=f'block_{index}_{block}')
                        for block in range(blocks)] for index, scale in enumerate(reversed(scales))]
        self.built = True

    def call(self, x: tf.Tensor, features: tf.Tensor | None) -> list[tf.Tensor]:
        """`[batch, *event_shape]` and features `[batch, n]` -> features at each scale, from the coarsest on."""
        found = []
        for down, blocks in zip(self.down, self.blocks):
            x = self._through(down(x), blocks)
            found.append(x)
            x = self.activation(x)
        x = self.last(joined(ops.reshape(x, (-1, self.size)), features))
        return [self._through(x[:, None, None], self.blocks[-1]), *reversed(found)]

    @staticmethod
    def _through(x, blocks):
        for block in blocks:
            x = x + block(x)
        return x


class StochasticLayer(keras.layers.Layer):
    """One layer of latents: its prior from the features above, its posterior from those and the event's beside them.

    Args:
        scale: of the features.
        channels: how many latents each pixel has.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, scale: tuple, channels: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        filters, shared = scale[2], {'activation': activation, 'dtype': self.dtype_policy}
        self.shape = *scale[:2], channels
        self.size = int(np.prod(self.shape))
        self.prior = Bottleneck(scale, filters, 2 * channels + filters, name='prior', **shared)
        self.posterior = Bottleneck(scale, 2 * filters, 2 * channels, name='posterior', **shared)
        self.latents = dense(channels, filters, 'latents', self.dtype_policy)
        self.block = Bottleneck(scale, filters, filters, name='block', **shared)
        self.built = True

    def normals(self, features: tf.Tensor, event: tf.Tensor | None) -> tuple:
        """The parameters of prior and posterior, pairs of means and scales `[n, size]`; and the features below."""
        of_prior = self.prior(features)
        channels = 2 * self.shape[-1]
        prior = self._parameters(of_prior[..., :channels])
        # How far the posterior is from the prior: without it the layer would be no use at first.
        posterior = None if event is None else self._parameters(
            of_prior[..., :channels] + self.posterior(ops.concatenate([features, event], axis=-1)))
        return prior, posterior, features + of_prior[..., channels:]

    def _parameters(self, values):
        means, scales = ops.split(ops.cast(values, 'float32'), 2, axis=-1)
        return tuple(ops.reshape(part, (-1, self.size)) for part in (means, ops.softplus(scales) + LEAST_SCALE))

    def below(self, features: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """The features for the next layer, from those of `normals` and latents `[n, size]`."""
        features = features + self.latents(ops.cast(ops.reshape(z, (-1, *self.shape)), self.compute_dtype))
        return features + self.block(features)


class Path(NamedTuple):
    """The way down through all layers.

    Attributes:
        features: what is left at the finest scale, for the output: `[n, height, width, filters]`.
        z: the latents of all layers, `[n, num_latents]`.
        prior: means and scales of their priors, given the latents above, each `[n, num_latents]`.
        posterior: the same of the posteriors, or None.
    """

    features: tf.Tensor
    z: tf.Tensor
    prior: tuple
    posterior: tuple | None

    def log_prior(self) -> tf.Tensor:
        """log p(z), `[n]`."""
        return ops.sum(tfd.Normal(*self.prior).log_prob(self.z), axis=-1)

    def log_posterior(self) -> tf.Tensor:
        """log q(z | x), `[n]`."""
        return ops.sum(tfd.Normal(*self.posterior).log_prob(self.z), axis=-1)


class TopDown(keras.layers.Layer):
    """The way from the coarsest layer of latents to the finest.

    Args:
        condition_features: how many features the condition has, or 0.
        scales: from the coarsest on.
        layers: how many layers of latents each scale has.
        channels: how many latents a pixel of each has.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, condition_features: int, scales: list, layers: tuple, channels: tuple, activation: str,
                 **kwargs):
        # Keras would cast the latents too, which stay in float32 as their distributions do.
        super().__init__(autocast=False, **kwargs)
        policy, self.scales = self.dtype_policy, scales
        self.activation = activation_of(activation)
        self.start = self.add_weight(shape=scales[0], initializer='glorot_uniform', name='start')
        self.condition = dense(condition_features, scales[0][2], 'condition', policy) if condition_features else None
        self.stages = [[StochasticLayer(scale, count, activation, dtype=policy, name=f'layer_{index}_{layer}')
                        for layer in range(number)]
                       for index, (scale, number, count) in enumerate(zip(scales, layers, channels))]
        self.up = []
        for index, (coarse, fine) in enumerate(itertools.pairwise(scales)):
            # Of one pixel all others; else each pixel becomes four.
            units = int(np.prod(fine)) if coarse[:2] == (1, 1) else 4 * fine[2]
            self.up.append(dense(coarse[2], units, f'up_{index}', policy))
        self.num_latents = sum(layer.size for stage in self.stages for layer in stage)
        self.built = True

    def call(self, features: tf.Tensor | None, encoded: list | None, *, noise: tf.Tensor | None = None,
             z: tf.Tensor | None = None) -> Path:
        """Goes down with latents that are given, or that noise makes of posteriors, or without events of priors.

        Args:
            features: of a condition, `[n, condition_features]`, or None.
            encoded: what `BottomUp` gives, with n events; None for the prior.
            noise: standard normal numbers, `[n, num_latents]`, or None.
            z: latents, likewise.
        """
        given = noise if z is None else z
        count, latents, priors, posteriors, first = ops.shape(given)[0], [], [], [], 0
        x = ops.cast(ops.tile(self.start[None], (count, 1, 1, 1)), self.compute_dtype)
        if features is not None:
            x = x + self.condition(ops.cast(features, self.compute_dtype))[:, None, None]
        for index, stage in enumerate(self.stages):
            if index:
                x = self._finer(x, index)
            for layer in stage:
                prior, posterior, x = layer.normals(x, None if encoded is None else encoded[index])
                own, first = given[:, first:first + layer.size], first + layer.size
                if z is None:
                    means, scales = prior if encoded is None else posterior
                    own = means + scales * own
                x = layer.below(x, own)
                latents.append(own)
                priors.append(prior)
                posteriors.append(posterior)

        def whole(parameters):
            return tuple(ops.concatenate(parts, axis=-1) for parts in zip(*parameters))

        return Path(x, ops.concatenate(latents, axis=-1), whole(priors), None if encoded is None else whole(posteriors))

    def _finer(self, x, index):
        x, scale = self.up[index - 1](self.activation(x)), self.scales[index]
        return ops.reshape(x, (-1, *scale)) if x.shape[1:3] == (1, 1) else finer(x, scale)


class Finest(keras.layers.Layer):
    """The parameters of each site from the features of the finest scale that has latents.

    Args:
        scale: of them.
        shape: of the parameters of an event, `(*event_shape, num_parameters)`.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, scale: tuple, shape: tuple, activation: str, **kwargs):
        super().__init__(**kwargs)
        policy, self.shape = self.dtype_policy, shape
        self.activation = activation_of(activation)
        self.finest = self.up = None
        if len(shape) != 4:
            self.last = dense(scale[2], int(np.prod(shape)), 'last', policy)
        else:
            if scale[:2] != shape[:2]:
                self.finest = *shape[:2], max(scale[2] // 2, 1)
                self.up = dense(scale[2], 4 * self.finest[2], 'up', policy)
            self.last = convolution(shape[:2], (self.finest or scale)[2], shape[2] * shape[3], 'last', policy)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """`[n, height, width, filters]` -> `[n, *shape]`."""
        if self.up is not None:
            x = finer(self.up(self.activation(x)), self.finest)
        return ops.reshape(self.last(self.activation(x)), (-1, *self.shape))
