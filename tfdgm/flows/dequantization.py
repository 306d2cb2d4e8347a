"""Whole numbers as real ones: how a density of real values becomes a probability of quantised data."""

import dataclasses

import numpy as np
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.configuration import Configured

tfb = tfp.bijectors


class BoundedSigmoid(tfb.Sigmoid):
    """A sigmoid whose inverse is finite where its values were rounded to 0 or 1, or the arithmetic after it was."""

    rounding = 2.**-20
    closest = 2.**-24

    def _inverse(self, y):
        y = ops.where(abs(y - 0.5) <= 0.5 + self.rounding, y, np.nan)
        return super()._inverse(ops.clip(y, self.closest, 1 - self.closest))


# A number of 16 bits leaves 7 of those that float32 has for the noise.
LARGEST_LEVELS = 2**16


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class UniformDequantization(Configured):
    """Spreads each whole number x, 0 … levels-1, over [x, x + 1).

    A density p of real values gives a whole number the probability P(x) = ∫ p(x + u) du over u in [0, 1)^D, and the
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
        self._keep(levels=checks.whole(self.levels, 'levels of UniformDequantization', 2),
                   draws=checks.whole(self.draws, 'draws of UniformDequantization'))
        if self.levels > LARGEST_LEVELS:
            raise ValueError(f'levels of UniformDequantization must be at most {LARGEST_LEVELS}, got {self.levels}: '
                             'the noise of more would be lost in float32. Take them as real values instead.')
        if self.logit is not None:
            self._keep(logit=checks.positive(self.logit, 'logit of UniformDequantization'))
            if self.logit >= 0.5:
                raise ValueError(f'logit of UniformDequantization must lie between 0 and 0.5, got {self.logit!r}.')

    def contains(self, x):
        """Whether each number is one of the levels."""
        return (x >= 0) & (x < self.levels) & (x == x // 1)

    def support(self) -> str:
        """The numbers, in words for people."""
        return f'a whole number 0 … {self.levels - 1}'

    def bijector(self) -> tfb.Bijector:
        """From the values that the flow sees, around 0, to [0, levels)."""
        if self.logit is None:
            return tfb.Chain([tfb.Scale(float(self.levels)), tfb.Shift(0.5)])
        return tfb.Chain([
            tfb.Scale(self.levels / (1 - 2 * self.logit)), tfb.Shift(-self.logit), BoundedSigmoid()])

    def distances(self, values):
        """Of real values, how far they lie from the middle in units of all levels; infinite beyond a logit's ends."""
        distances = values / self.levels - 0.5
        if self.logit is None:
            return distances
        return ops.where(abs(distances) * (1 - 2 * self.logit) <= 0.5 + BoundedSigmoid.rounding, distances, np.inf)

    def spread(self, x, draw=0):
        """Real values of whole numbers `[batch, *event_shape]`, always the same of the same event and draw."""
        return x + random.hashed_uniforms(x, draw)

    def quantise(self, values):
        """The whole numbers of real values; the first and the last level take what lies beyond."""
        return ops.clip(ops.floor(values), 0, self.levels - 1)
