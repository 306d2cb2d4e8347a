"""Integers as real ones: how a density of real values becomes a probability of quantised data."""

import dataclasses

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.configuration import Configured
from tfdgm.flows.invertible import InvertibleLayer, ValuesAndLogDet
from tfdgm.support import Integers


class Levels(InvertibleLayer):
    """From real values in [0, levels) to what a flow sees, around 0: shares of all levels, or logits of them.

    Args:
        levels: how many.
        logit: None, or what is kept between the shares and both ends of [0, 1].
        num_sites: how many numbers an event has.
        **kwargs: `name`.
    """

    # Logits are finite also where values were rounded to 0 or 1, or the arithmetic before was.
    rounding = 2.**-20
    closest = 2.**-24

    def __init__(self, levels: int, logit: float | None, num_sites: int, **kwargs):
        super().__init__(**kwargs)
        self.levels, self.logit, self.num_sites = levels, logit, num_sites

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        if self.logit is None:
            return x / self.levels - 0.5, ops.convert_to_tensor(-self.num_sites * np.log(self.levels), 'float32')
        share = self.logit + (1 - 2 * self.logit) / self.levels * x
        share = ops.where(ops.abs(share - 0.5) <= 0.5 + self.rounding, share, np.nan)
        share = ops.clip(share, self.closest, 1 - self.closest)
        z = ops.log(share) - ops.log1p(-share)
        return z, -self._log_det(z)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        if self.logit is None:
            return (z + 0.5) * self.levels, ops.convert_to_tensor(self.num_sites * np.log(self.levels), 'float32')
        x = (ops.sigmoid(z) - self.logit) * (self.levels / (1 - 2 * self.logit))
        return x, self._log_det(z)

    def _log_det(self, z):
        """The log-determinant of the inverse, at logits."""
        log_slopes = np.log(self.levels / (1 - 2 * self.logit)) - ops.softplus(z) - ops.softplus(-z)
        return ops.sum(log_slopes, axis=tuple(range(1, len(z.shape))))


# A number of 16 bits leaves 7 of those that float32 has for the noise.
LARGEST_LEVELS = 2**16


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class UniformDequantization(Configured):
    """Spreads each integer x, 0 … levels-1, over [x, x + 1).

    A density p of real values gives an integer the probability P(x) = ∫ p(x + u) du over u in [0, 1)^D, and the
    mean of log p(x + u) is at most log P(x). So what it gives is a lower bound in nats, comparable with the
    log-probabilities of models that have them. The logarithm of the mean of p over several draws is a tighter one.

    Training draws u anew at each step. Otherwise u follows from the event, by a hash: the same event has the same
    bound each time, in any batch.

    Sources: L. Theis, A. van den Oord and M. Bethge, "A note on the evaluation of generative models", 2015
    (https://arxiv.org/abs/1511.01844), section 3.1; the logit: L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density
    estimation using Real NVP", 2016 (https://arxiv.org/abs/1605.08803), section 4.1.

    >>> import tfdgm
    >>> model = tfdgm.NICE((8, 8, 1), hidden_units=(32,), dequantization=tfdgm.flows.UniformDequantization(17))
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        levels: how many values a number can take, 2 to 65,536: beyond, float32 has no digits left for the noise.
        draws: how many draws of u make the bound, outside training.
        logit: None, or what is kept between the values and both ends of [0, 1] where the flow sees their logits,
            such as 0.05: so the flow need not make the ends itself. Its log-determinant is counted.

    Raises:
        ValueError: if `levels` is not 2 to 65,536, `draws` below 1, or `logit` not between 0 and 0.5.
    """

    levels: int
    draws: int = 1
    logit: float | None = None

    def __post_init__(self):
        self._keep(levels=checks.integer(self.levels, 'levels of UniformDequantization', 2),
                   draws=checks.integer(self.draws, 'draws of UniformDequantization'))
        if self.levels > LARGEST_LEVELS:
            raise ValueError(f'levels of UniformDequantization must be at most {LARGEST_LEVELS}, got {self.levels}: '
                             'the noise of more would be lost in float32. Take them as real values instead.')
        if self.logit is not None:
            self._keep(logit=checks.positive(self.logit, 'logit of UniformDequantization'))
            if self.logit >= 0.5:
                raise ValueError(f'logit of UniformDequantization must lie between 0 and 0.5, got {self.logit!r}.')

    @property
    def support(self) -> Integers:
        """The integers 0 … levels-1."""
        return Integers(self.levels)

    def layer(self, num_sites: int) -> Levels:
        """The invertible layer from [0, levels) to the values that the flow sees, around 0, for so many sites."""
        return Levels(self.levels, self.logit, num_sites)

    def distances(self, values: tf.Tensor):
        """Of real values, how far they lie from the middle in units of all levels; infinite beyond a logit's ends."""
        distances = values / self.levels - 0.5
        if self.logit is None:
            return distances
        return ops.where(abs(distances) * (1 - 2 * self.logit) <= 0.5 + Levels.rounding, distances, np.inf)

    def spread(self, x: tf.Tensor, draw=0):
        """Real values of integers `[batch, *event_shape]`, always the same of the same event and draw."""
        return x + random.hashed_uniforms(x, draw)

    def quantise(self, values: tf.Tensor):
        """The integers of real values; the first and the last level take what lies beyond."""
        return ops.clip(ops.floor(values), 0, self.levels - 1)
