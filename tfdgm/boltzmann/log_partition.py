"""LogPartition: what is known of the logarithm of a normalising constant."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Of how many chains of equal weight an estimate should be made at least.
FEW = 1.5


class LogPartition(NamedTuple):
    """An estimate of log Z, the logarithm of the sum or integral of exp(unnormalized_log_prob), in nats.

    Chains that run from a distribution whose constant is known to the model give an estimate that is on average too
    low, and those that start at samples of the model and run back, one that is too high, if these are samples indeed.

    Attributes:
        value: log Z, exact or by the chains forward.
        standard_error: of it, over the chains; 0 of an exact value.
        reverse: log Z by the chains back; the same as `value` if it is exact.
        reverse_standard_error: of that.
        effective_sample_size: how many chains of equal weight would say as much as those forward did; 0 where there
            were none, and the value is exact.
    """

    value: float
    standard_error: float
    reverse: float
    reverse_standard_error: float
    effective_sample_size: float

    @classmethod
    def exact(cls, value: float) -> 'LogPartition':
        """Of a sum over everything."""
        return cls(float(value), 0., float(value), 0., 0.)

    @classmethod
    def of_chains(cls, forward: tf.Tensor, reverse: tf.Tensor) -> 'LogPartition':
        """Of the logarithms of estimates of Z by single chains: `[chains]` each way; of 1 / Z those back, negated."""
        value, error, size = log_mean(forward)
        back, back_error, _ = log_mean(-np.asarray(reverse, 'float64'))
        return cls(value, error, -back, back_error, size)

    @property
    def doubt(self) -> str | None:
        """Why the estimate should not be relied on, a sentence; None if nothing speaks against it."""
        tolerance = 1 + 3 * (self.standard_error + self.reverse_standard_error)
        if abs(self.reverse - self.value) > tolerance:
            return (f'log Z by the chains forward is {self.value:.2f}, by those back {self.reverse:.2f}, further apart '
                    'than their errors explain')
        if 0 < self.effective_sample_size < FEW:
            return (f'log Z rests on few of the chains forward, as many as {self.effective_sample_size:.1f} of equal '
                    'weight')
        return None

    @property
    def is_exact(self) -> bool:
        """Whether it is a sum over everything, and no estimate."""
        return self.effective_sample_size == 0


def log_mean(log_values) -> tuple[float, float, float]:
    """The logarithm of the mean of numbers `[n]`, of which the logarithms are given.

    Returns:
        It, its standard error (to the first order), and how many equal numbers would say as much of the mean.
    """
    log_values = np.asarray(log_values, 'float64')
    count, largest = len(log_values), np.max(log_values)
    values = np.exp(log_values - largest)
    mean = np.mean(values)
    error = np.std(values, ddof=1) / mean / np.sqrt(count)
    return float(largest + np.log(mean)), float(error), float(np.sum(values)**2 / np.sum(values**2))
