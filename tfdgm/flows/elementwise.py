"""Invertible functions of single numbers, whose parameters a conditioner gives in place of a condition's features."""

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.flows.invertible import InvertibleLayer, ValuesAndLogDet

# Of one coupling. Bounded, a coupling that has learned long can't blow up what comes from far outside the data, nor
# lose it.
LARGEST_LOG_SCALE = 2.


# Less than any of a spline whose bins and slopes have at least their smallest sizes.
SMALLEST_DISCRIMINANT = 1e-15


def bounded(log_scale: tf.Tensor) -> tf.Tensor:
    """A log-scale between its bounds, as it is near 0."""
    return LARGEST_LOG_SCALE * ops.tanh(log_scale / LARGEST_LOG_SCALE)


def total(log_dets: tf.Tensor) -> tf.Tensor:
    """The sum over each event: `[batch, …]` -> `[batch]`."""
    return ops.sum(log_dets, axis=tuple(range(1, len(log_dets.shape))))


class Shift(InvertibleLayer):
    """Adds the parameters: z = x + t."""

    num_parameters = 1

    def call(self, x: tf.Tensor, parameters: tf.Tensor, training: bool = False) -> ValuesAndLogDet:
        return x + parameters, ops.zeros((), 'float32')

    def inverse(self, z: tf.Tensor, parameters: tf.Tensor) -> ValuesAndLogDet:
        return z - parameters, ops.zeros((), 'float32')


class Affine(InvertibleLayer):
    """Scales and shifts, z = x * exp(s) + t, by parameters t and s side by side on the last axis; s is bounded."""

    num_parameters = 2

    def call(self, x: tf.Tensor, parameters: tf.Tensor, training: bool = False) -> ValuesAndLogDet:
        shift, log_scale = ops.split(parameters, 2, axis=-1)
        log_scale = bounded(log_scale)
        return x * ops.exp(log_scale) + shift, total(log_scale)

    def inverse(self, z: tf.Tensor, parameters: tf.Tensor) -> ValuesAndLogDet:
        shift, log_scale = ops.split(parameters, 2, axis=-1)
        log_scale = bounded(log_scale)
        return (z - shift) * ops.exp(-log_scale), -total(log_scale)


class Spline(InvertibleLayer):
    """A monotone rational-quadratic spline from latents to data on [-bound, bound]; beyond, it is the identity.

    Bins are found by comparing with all knots, and what belongs to one is a sum in which all others are zero: nothing
    is gathered, so that XLA makes one loop of it. TFP's `tfb.RationalQuadraticSpline` gives the same values.

    Source: C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, "Neural spline flows", 2019
    (https://arxiv.org/abs/1906.04032), section 3.1 and appendix A.

    Args:
        bins: how many pieces, at least 2.
        bound: where it ends.
        **kwargs: `name`.
    """

    # The smallest width, height and slope of a bin, relative to the mean ones.
    least = 1e-3

    def __init__(self, bins: int, bound: float, **kwargs):
        super().__init__(**kwargs)
        self.bins, self.bound = bins, bound

    @property
    def num_parameters(self) -> int:
        """Logits of the bins' widths, of their heights, and the slopes at the knots between them."""
        return 3 * self.bins - 1

    def call(self, x: tf.Tensor, parameters: tf.Tensor, training: bool = False) -> ValuesAndLogDet:
        inside, y, width, height, slope, left, lower, first, last = self._bins(x, parameters, of_data=True)
        # The quadratic equation that the place within the bin solves, in the form that loses no digits.
        rise = y - lower
        bend = rise * (first + last - 2 * slope)
        a, b, c = height * (slope - first) + bend, height * first - bend, -slope * rise
        # It is positive but for rounding, of bins that a network far from the data makes: there no gradient is NaN.
        root = ops.sqrt(ops.maximum(b * b - 4 * a * c, SMALLEST_DISCRIMINANT))
        place = ops.clip(2 * c / (-b - root), 0., 1.)
        log_det = -self._log_slope(place, slope, first, last)
        return ops.where(inside, left + place * width, x), total(ops.where(inside, log_det, 0.))

    def inverse(self, z: tf.Tensor, parameters: tf.Tensor) -> ValuesAndLogDet:
        inside, y, width, height, slope, left, lower, first, last = self._bins(z, parameters, of_data=False)
        place = (y - left) / width
        between = place * (1 - place)
        values = lower + height * (slope * place * place + first * between) / (
            slope + (first + last - 2 * slope) * between)
        log_det = self._log_slope(place, slope, first, last)
        return ops.where(inside, values, z), total(ops.where(inside, log_det, 0.))

    def _bins(self, values, parameters, of_data):
        """Finds the bin of each value, and its parameters: `[batch, n]` and `[batch, n * num_parameters]`.

        Returns:
            Whether the values lie inside the bounds; the values, or a bound; width, height and mean slope of the bin;
            where it begins, among latents and among data; and the slopes at its first and its last knot.
        """
        parameters = ops.reshape(parameters, (-1, values.shape[-1], self.num_parameters))
        widths, width_starts = self._lengths(parameters[..., :self.bins])
        heights, height_starts = self._lengths(parameters[..., self.bins:2 * self.bins])
        # Zeros make the identity.
        slopes = self.least + (1 - self.least) * ops.softplus(parameters[..., 2 * self.bins:] + np.log(np.e - 1))
        ones = ops.ones_like(slopes[..., :1])
        firsts, lasts = ops.concatenate([ones, slopes], axis=-1), ops.concatenate([slopes, ones], axis=-1)
        inside = ops.abs(values) < self.bound
        values = ops.clip(values, -self.bound, self.bound)
        # Of the knots that lie below a value, the last begins its bin.
        knots = (height_starts if of_data else width_starts)[..., 1:]
        below = ops.cast(ops.expand_dims(values, -1) >= knots, 'float32')
        bins = ops.concatenate([ones, below], axis=-1) - ops.concatenate([below, ops.zeros_like(ones)], axis=-1)
        width, height, left, lower, first, last = (
            ops.sum(bins * quantity, axis=-1)
            for quantity in (widths, heights, width_starts, height_starts, firsts, lasts))
        return inside, values, width, height, height / width, left, lower, first, last

    def _lengths(self, logits):
        """The lengths of the bins on one axis, and where they begin: twice `[…, bins]`."""
        shares = self.least / self.bins + (1 - self.least) * ops.softmax(logits, axis=-1)
        lengths = 2 * self.bound * shares
        earlier = np.triu(np.ones((self.bins, self.bins), 'float32'), k=1)
        starts = ops.matmul(ops.reshape(lengths, (-1, self.bins)), earlier) - self.bound
        return lengths, ops.reshape(starts, ops.shape(lengths))

    @staticmethod
    def _log_slope(place, slope, first, last):
        """The logarithm of the derivative of the data by the latents, at a place within a bin, from 0 to 1."""
        between = place * (1 - place)
        numerator = last * place * place + 2 * slope * between + first * (1 - place) ** 2
        return 2 * ops.log(slope) + ops.log(numerator) - 2 * ops.log(slope + (first + last - 2 * slope) * between)
