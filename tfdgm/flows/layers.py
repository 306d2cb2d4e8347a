"""Invertible layers with weights, or with a network that gives their parameters."""

import numpy as np
import scipy.linalg
import tensorflow as tf
from keras import ops

from tfdgm.flows.elementwise import Affine
from tfdgm.flows.invertible import InvertibleLayer, ValuesAndLogDet


def pixels(x: tf.Tensor) -> float:
    """How many times an event `[batch, …, features]` repeats what happens to its last axis."""
    return float(np.prod(x.shape[1:-1]))


class Scaling(InvertibleLayer):
    """Multiplies each feature by a positive factor that is learned."""

    def __init__(self, features: int, **kwargs):
        super().__init__(**kwargs)
        self.log_scale = self.add_weight(shape=(features,), initializer='zeros', name='log_scale')

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return x * ops.exp(self.log_scale), ops.sum(self.log_scale)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return z * ops.exp(-self.log_scale), -ops.sum(self.log_scale)


FEWEST_VALUES = 16


class ActNorm(InvertibleLayer):
    """Shifts and scales each feature of the last axis; the first events get a mean of 0 and a variance of 1.

    Where there are fewer than `FEWEST_VALUES` of a feature, standard normal ones stand for the missing: one event has
    no variance, and the little that two have would be scaled up without bound.

    Source: D. Kingma and P. Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", 2018
    (https://arxiv.org/abs/1807.03039), section 3.1.

    Args:
        features: how many.
        **kwargs: `name`.
    """

    def __init__(self, features: int, **kwargs):
        super().__init__(**kwargs)
        self.shift = self.add_weight(shape=(features,), initializer='zeros', name='shift')
        self.log_scale = self.add_weight(shape=(features,), initializer='zeros', name='log_scale')
        self.initialized = self.add_weight(shape=(), initializer='zeros', trainable=False, name='initialized')

    def waits_for_data(self):
        return self.trainable and not self.initialized.numpy()

    def initialize(self, x: tf.Tensor, features: tf.Tensor | None = None):
        if not self.waits_for_data():
            return
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
        self.initialized.assign(1.)

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return x * ops.exp(self.log_scale) + self.shift, ops.sum(self.log_scale) * pixels(x)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return (z - self.shift) * ops.exp(-self.log_scale), -ops.sum(self.log_scale) * pixels(z)


class InvertibleConvolution(InvertibleLayer):
    """An invertible linear map of the last axis, of an image's channels a 1x1 convolution: W = P L (U + diag(s)).

    It starts as a random rotation. P and the signs of s stay fixed, so log|det W| is the sum of log|s|. TFP's
    `ScaleMatvecLU` solves two triangular systems for every pixel to go back; this inverts W once.

    Source: D. Kingma and P. Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", 2018
    (https://arxiv.org/abs/1807.03039), section 3.2.

    Args:
        features: how many.
        random: draws the rotation.
        **kwargs: `name`.
    """

    def __init__(self, features: int, random: np.random.RandomState, **kwargs):
        super().__init__(**kwargs)
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

    def _factors(self):
        """L and U + diag(s)."""
        size = self.log_scale.shape[0]
        return (tf.linalg.set_diag(tf.linalg.band_part(self.lower, -1, 0), tf.ones(size)),
                tf.linalg.set_diag(tf.linalg.band_part(self.upper, 0, -1), self.signs * ops.exp(self.log_scale)))

    # An image has more pixels than channels, so the product or the inverse of the factors comes first. A batch of
    # vectors has mostly fewer events than each has features: there the factors act one after the other.

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        lower, upper = self._factors()
        rows = x if len(x.shape) == 2 else tf.eye(x.shape[-1])
        for factor in (upper, lower, self.permutation):
            rows = ops.matmul(rows, ops.transpose(factor))
        return rows if len(x.shape) == 2 else ops.matmul(x, rows), ops.sum(self.log_scale) * pixels(x)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        lower, upper = self._factors()
        rows = z if len(z.shape) == 2 else tf.eye(z.shape[-1])
        columns = tf.linalg.triangular_solve(lower, ops.transpose(ops.matmul(rows, self.permutation)))
        rows = ops.transpose(tf.linalg.triangular_solve(upper, columns, lower=False))
        return rows if len(z.shape) == 2 else ops.matmul(z, rows), -ops.sum(self.log_scale) * pixels(z)


class Coupling(InvertibleLayer):
    """Changes one part of the last axis by an elementwise function whose parameters follow from the other part.

        z_kept = x_kept,    z_changed = f(x_changed; conditioner(x_kept))

    Args:
        conditioner: a network of the part that stays and the condition's features.
        function: f, one of `tfdgm.flows.elementwise`.
        kept: how many features stay.
        keep_first: whether those are the first ones; else the last.
        **kwargs: `name`.
    """

    def __init__(self, conditioner, function, kept: int, keep_first: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.conditioner, self.function, self.kept, self.keep_first = conditioner, function, kept, keep_first

    def _parts(self, x):
        """The part that stays and the part that changes."""
        if self.keep_first:
            return x[..., :self.kept], x[..., self.kept:]
        return x[..., -self.kept:], x[..., :-self.kept]

    def _whole(self, kept, changed):
        return ops.concatenate([kept, changed] if self.keep_first else [changed, kept], axis=-1)

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        kept, changed = self._parts(x)
        changed, log_det = self.function(changed, self.conditioner(kept, features))
        return self._whole(kept, changed), log_det

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        kept, changed = self._parts(z)
        changed, log_det = self.function.inverse(changed, self.conditioner(kept, features))
        return self._whole(kept, changed), log_det


class Split(InvertibleLayer):
    """Factors out the last channels of an image, which become latents at once; the first go on.

    Args:
        shape: of the image, `(height, width, channels)`.
        kept: how many channels go on.
        rest: what these go through, down to vectors of latents.
        prior: a network of the channels that go on; it gives mean and log-scale of those that don't. None for a
            standard one.
        **kwargs: `name`.
    """

    def __init__(self, shape: tuple, kept: int, rest, prior=None, **kwargs):
        super().__init__(**kwargs)
        height, width, channels = shape
        self.kept, self.rest, self.prior = kept, rest, prior
        self.factored, self.affine = (height, width, channels - kept), Affine()
        self.num_factored = height * width * (channels - kept)

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        first, second = x[..., :self.kept], x[..., self.kept:]
        latents, log_det = self.rest(first, features, training=training)
        if self.prior is not None:
            second, second_log_det = self.affine(second, self.prior(first, features))
            log_det += second_log_det
        return ops.concatenate([latents, ops.reshape(second, (-1, self.num_factored))], axis=-1), log_det

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        first, log_det = self.rest.inverse(z[:, :-self.num_factored], features)
        second = ops.reshape(z[:, -self.num_factored:], (-1, *self.factored))
        if self.prior is not None:
            second, second_log_det = self.affine.inverse(second, self.prior(first, features))
            log_det += second_log_det
        return ops.concatenate([first, second], axis=-1), log_det

    def waits_for_data(self):
        return self.rest.waits_for_data()

    def initialize(self, x: tf.Tensor, features: tf.Tensor | None = None):
        self.rest.initialize(x[..., :self.kept], features)
