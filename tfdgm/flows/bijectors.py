"""What flows are made of, as TFP bijectors that own no variables: `forward` goes from latents to events.

TFP's own `RealNVP` evaluates its network once for the value and once more for the log-determinant, and each evaluation
has a gradient. `OnePass` bijectors get both from one evaluation.
"""

import contextlib

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import cache_util

tfb = tfp.bijectors

# Of one coupling.
LARGEST_LOG_SCALE = 2.


@contextlib.contextmanager
def forgetting():
    """Empties TFP's caches of what comes into them inside the context.

    A cache keeps log-determinants as long as their arguments live; and those of a graph live as long as it does, which
    the log-determinants keep. So each graph, and each model in it, would stay in memory for good.
    """
    storages = [kind._cache.storage for kind in (tfb.Bijector, OnePass)]
    known = [set(map(id, storage)) for storage in storages]
    try:
        yield
    finally:
        for storage, before in zip(storages, known):
            for key in [key for key in storage if id(key) not in before]:
                key.cancel()
                del storage[key]


class OnePass(tfb.Bijector):
    """Base of the bijectors that compute a value and its log-determinant together.

    A subclass implements `forward_and_log_det(z)` and `inverse_and_log_det(x)`. Each returns the value and the
    logarithm of its own Jacobian determinant. TFP's cache keeps the second until it is asked for.
    """

    _cache = cache_util.BijectorCacheWithGreedyAttrs(
        forward_name='_forward_with_attributes', inverse_name='_inverse_with_attributes')

    def __init__(self, forward_min_event_ndims, name, **kwargs):
        super().__init__(forward_min_event_ndims=forward_min_event_ndims, dtype=tf.float32, name=name, **kwargs)

    # TFP's cache takes equal bijectors for one another. These are equal to themselves alone: two made of the same
    # layers differ once the layers have learned.
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}

    def _forward_with_attributes(self, z):
        x, log_det = self.forward_and_log_det(z)
        return x, {'fldj': log_det, 'ildj': -log_det}

    def _inverse_with_attributes(self, x):
        z, log_det = self.inverse_and_log_det(x)
        return z, {'fldj': -log_det, 'ildj': log_det}

    def _forward(self, z):
        return self._forward_with_attributes(z)[0]

    def _inverse(self, x):
        return self._inverse_with_attributes(x)[0]

    def _forward_log_det_jacobian(self, z):
        kept = self._cache.forward_attributes(z)
        if 'fldj' not in kept:
            kept.update(self._forward_with_attributes(z)[1])
        return kept['fldj']

    def _inverse_log_det_jacobian(self, x):
        kept = self._cache.inverse_attributes(x)
        if 'ildj' not in kept:
            kept.update(self._inverse_with_attributes(x)[1])
        return kept['ildj']


class Coupling(OnePass):
    """Transforms one part of the last axis by a bijector that depends on the other part, which stays as it is.

    Args:
        transform: gives the bijector of the changed part, from the part that stays: `[…, kept]` -> a `tfb.Bijector`.
        kept: how many features stay.
        keep_first: whether those are the first ones; else the last.
        event_ndims: how many axes an event has: 1, or 3 for images.
    """

    def __init__(self, transform, kept, keep_first=True, event_ndims=1, name='coupling'):
        self._transform, self._kept, self._keep_first, self._ndims = transform, kept, keep_first, event_ndims
        super().__init__(event_ndims, name)

    def _parts(self, x):
        if self._keep_first:
            return x[..., :self._kept], x[..., self._kept:]
        return x[..., -self._kept:], x[..., :-self._kept]

    def _whole(self, kept, changed):
        return tf.concat([kept, changed] if self._keep_first else [changed, kept], axis=-1)

    def forward_and_log_det(self, z):
        kept, changed = self._parts(z)
        bijector = self._transform(kept)
        return (self._whole(kept, bijector.forward(changed)),
                bijector.forward_log_det_jacobian(changed, event_ndims=self._ndims))

    def inverse_and_log_det(self, x):
        kept, changed = self._parts(x)
        bijector = self._transform(kept)
        return (self._whole(kept, bijector.inverse(changed)),
                bijector.inverse_log_det_jacobian(changed, event_ndims=self._ndims))


def affine(shift, log_scale=None):
    """The bijector whose inverse is exp(log_scale) * x + shift: flows are written from events to latents."""
    return tfb.Invert(tfb.Chain([tfb.Shift(shift), *([] if log_scale is None else [tfb.Scale(log_scale=log_scale)])]))


def bounded(log_scale):
    """A log-scale between its bounds, as it is near 0."""
    return LARGEST_LOG_SCALE * tf.tanh(log_scale / LARGEST_LOG_SCALE)


def bounded_affine(parameters):
    """`affine`, of a shift and a log-scale side by side on the last axis, the second bounded.

    Bounded, a coupling that has learned long can't blow up what comes from far outside the data, nor lose it.
    """
    shift, log_scale = tf.split(parameters, 2, axis=-1)
    return affine(shift, bounded(log_scale))


def permutation(order):
    """The bijector whose inverse puts the features of the last axis into an order, such as `[2, 0, 1]`."""
    return tfb.Invert(tfb.Permute(np.asarray(order, 'int32')))


def squeezed(shape, checkerboard=False):
    """The bijector whose inverse makes one pixel of each 2x2, with four times the channels.

    Args:
        shape: of the image, `(height, width, channels)`.
        checkerboard: whether the colours of a chessboard follow each other, so that each has half of the channels:
            first those of the upper left and lower right pixels.
    """
    height, width, channels = shape
    corners = (height // 2, 2, width // 2, 2, channels)
    steps = [tfb.Reshape(shape, corners), tfb.Transpose([0, 2, 1, 3, 4]),
             tfb.Reshape((height // 2, width // 2, 2, 2, channels), (height // 2, width // 2, 4 * channels))]
    if checkerboard:
        order = np.arange(4 * channels).reshape(4, channels)[[0, 3, 1, 2]].ravel()
        steps.append(permutation(order))
    return tfb.Chain(steps)


class Invertible(OnePass):
    """The bijector of an invertible layer, see `tfdgm.flows.layers`.

    Args:
        layer: the layer.
        event_ndims: how many axes an event has.
        times: by what its log-determinant is to be multiplied.
    """

    def __init__(self, layer, event_ndims, times=1, name='invertible'):
        self._layer, self._times = layer, times
        super().__init__(event_ndims, name)

    def forward_and_log_det(self, z):
        x, log_det = self._layer(z, invert=True)
        return x, log_det * self._times

    def inverse_and_log_det(self, x):
        z, log_det = self._layer(x)
        return z, log_det * self._times


class Join(OnePass):
    """Puts an image together from its two halves of channels, of which a flow makes the first alone: `forward`.

    The inverse is what the literature calls a split or factoring out: the second half becomes latents at once.

    Args:
        inner: the bijector from a vector to the first half, `(height, width, kept)`.
        second: gives the bijector of the second half from latents of its shape, given the first.
        shape: of the whole image, `(height, width, channels)`.
        kept: how many channels the first half has.
    """

    def __init__(self, inner, second, shape, kept, name='join'):
        self._inner, self._second, self._kept = inner, second, kept
        self._shape, self._size = tuple(shape), int(np.prod(shape))
        self._inner_size = self._size // shape[-1] * kept
        super().__init__(1, name, inverse_min_event_ndims=3)

    def _forward_event_shape(self, shape):
        return tf.TensorShape(self._shape)

    def _forward_event_shape_tensor(self, shape):
        return tf.constant(self._shape)

    def _inverse_event_shape(self, shape):
        return tf.TensorShape([self._size])

    def _inverse_event_shape_tensor(self, shape):
        return tf.constant([self._size])

    def forward_and_log_det(self, z):
        inner, rest = z[..., :self._inner_size], z[..., self._inner_size:]
        first = self._inner.forward(inner)
        rest = tf.reshape(rest, tf.concat([tf.shape(z)[:-1], [*self._shape[:2], self._shape[2] - self._kept]], 0))
        bijector = self._second(first)
        log_det = self._inner.forward_log_det_jacobian(inner, event_ndims=1)
        return (tf.concat([first, bijector.forward(rest)], axis=-1),
                log_det + bijector.forward_log_det_jacobian(rest, event_ndims=3))

    def inverse_and_log_det(self, x):
        first, rest = x[..., :self._kept], x[..., self._kept:]
        bijector = self._second(first)
        inner = self._inner.inverse(first)
        log_det = self._inner.inverse_log_det_jacobian(first, event_ndims=3)
        flat = tf.reshape(bijector.inverse(rest), tf.concat([tf.shape(inner)[:-1], [-1]], 0))
        z = tf.concat([inner, flat], axis=-1)
        return z, log_det + bijector.inverse_log_det_jacobian(rest, event_ndims=3)
