"""WAE: the Wasserstein autoencoder, whose latents follow the prior by a penalty."""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.implicit.autoencoder import MatchingAutoencoder

PENALTIES = 'mmd', 'gan'
# The kernel is a sum of C / (C + squared distance), with C these times that expected of standard normal latents.
SCALES = 0.1, 0.2, 0.5, 1., 2., 5., 10.


@register_keras_serializable('tfdgm')
class WAE(MatchingAutoencoder):
    """The Wasserstein autoencoder: the cost of transport from the data to what the decoder makes of the prior.

    That distance is the least squared error of reconstructions among all encoders whose latents, of all the data
    together, follow the prior; the penalty stands in the place of that condition. It is the maximum mean discrepancy
    with a sum of inverse multiquadratic kernels, the metric `mmd`, or what a critic makes of the latents, with the
    metric `js`. `reconstruction` is the squared error of an event, summed over its sites, as networks see them:
    integers run from -1 to 1 here and from 0 to 1 in the paper, whose errors are a quarter, and so its weight of 10.

    Source: I. Tolstikhin, O. Bousquet, S. Gelly and B. Schölkopf, "Wasserstein auto-encoders", 2018
    (https://arxiv.org/abs/1711.01558).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.WAE((8, 8, 1), levels=17, num_latents=2, hidden_units=(16,))
    >>> model.compile()
    >>> history = model.fit(np.ones([32, 8, 8, 1]), verbose=0)
    >>> sorted(history.history), model.distribution().sample(3, seed=0).shape
    (['loss', 'mmd', 'reconstruction'], TensorShape([3, 8, 8, 1]))

    Args:
        event_shape: shape of one event.
        num_latents: how many latents.
        penalty: 'mmd', with no critic, or 'gan'.
        weight: the weight of the penalty.
        **kwargs: see `MatchingAutoencoder`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    def __init__(self, event_shape: int | Sequence[int], *, num_latents: int = 8, penalty: str = 'mmd',
                 weight: float = 40., **kwargs):
        self.penalty = checks.one_of(penalty, PENALTIES, 'penalty')
        super().__init__(event_shape, num_latents=num_latents, weight=weight, **kwargs)

    @property
    def measured_terms(self) -> tuple:
        return 'reconstruction', 'mmd' if self.penalty == 'mmd' else 'js'

    @property
    def monitor(self) -> str | None:
        """Without a critic, the loss is lower where the model is better."""
        return 'val_loss' if self.penalty == 'mmd' else None

    def _critic_layer(self, given):
        if self.penalty == 'gan':
            return super()._critic_layer(given)
        if given is not None:
            raise ValueError("A critic is for penalty='gan': leave it out, or choose that.")
        return None

    def penalized(self, z: tf.Tensor, errors: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor,
                  training: bool = False) -> dict:
        if self.penalty == 'gan':
            return super().penalized(z, errors, condition, seed, training)
        drawn = self.draw_prior(ops.shape(z)[0], seed)
        if condition is not None:  # The latents of each value of the condition are to follow the prior.
            features = self.encode_condition(condition)
            z, drawn = (ops.concatenate([latents, features], axis=-1) for latents in (z, drawn))
        # Of a single event there is no estimate.
        several = ops.cast(ops.shape(z)[0] > 1, 'float32')
        penalties = several * discrepancies(z, drawn, 2. * self.num_latents)
        return {'loss': errors + self.weight * penalties, 'reconstruction': errors, 'mmd': penalties}


def discrepancies(first: tf.Tensor, second: tf.Tensor, expected: float) -> tf.Tensor:
    """What each pair adds to the unbiased estimate of the squared maximum mean discrepancy, which is their mean.

    Args:
        first: `[n, numbers]`.
        second: as many.
        expected: the squared distance that is expected.
    """
    count = ops.shape(first)[0]
    others = 1 - ops.eye(count)
    pairs = ops.cast(ops.maximum(count - 1, 1), 'float32')

    def sums(a, b, weights):
        squares = ops.sum((a[:, None] - b[None])**2, axis=-1)
        return ops.sum(weights * sum(scale * expected / (scale * expected + squares) for scale in SCALES), axis=1)

    within = (sums(first, first, others) + sums(second, second, others)) / pairs
    across = sums(first, second, 1.) + sums(second, first, 1.)
    return within - across / ops.cast(count, 'float32')
