"""Losses of critics from their scores, and what these say of the distance between distributions."""

import numpy as np
import tensorflow as tf
from keras import ops


def logistic(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The loss of scores that are logits of being real: -log D of what is, -log(1 - D) of what is not, in nats."""
    return ops.softplus(-real) + ops.softplus(generated)


def jensen_shannon(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """For each pair of such scores, what they make of the Jensen-Shannon divergence, in nats.

    The mean is a bound from below: no critic tells both apart better than the best.
    """
    return np.log(2) - logistic(real, generated) / 2


def least_squares(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The loss of scores that are to be 1 where real and else 0.

    Source: X. Mao et al., "Least squares generative adversarial networks", 2017 (https://arxiv.org/abs/1611.04076).
    """
    return (real - 1)**2 + generated**2


def triangular(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """For each pair of such scores, what they make of the triangular discrimination, half of ∫ (p - q)² / (p + q).

    It is 0 where distributions are the same, and 1 where none is like the other. The best critic, p / (p + q), has the
    loss ∫ p q / (p + q), half of 1 less this distance; so the mean is a bound from below.
    """
    return 1 - 2 * least_squares(real, generated)
