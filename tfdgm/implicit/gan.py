"""GAN: the critic tells events from samples, and the generator learns to be mistaken for the data."""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.implicit import losses
from tfdgm.implicit.generator import GeneratorModel

LOSSES = 'non_saturating', 'minimax'


@register_keras_serializable('tfdgm')
class GAN(GeneratorModel):
    """The generative adversarial network: scores are logits of an event being one of the data.

    The metric `js` is the critic's estimate of the Jensen-Shannon divergence between data and samples, in nats: from
    below, since no critic tells them apart better than the best; 0 if they are the same, log 2 if none is like another.

    Source: I. Goodfellow et al., "Generative adversarial nets", 2014 (https://arxiv.org/abs/1406.2661).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.GAN(2, num_latents=4, hidden_units=(16,))
    >>> model.compile()
    >>> history = model.fit(np.random.default_rng(0).normal(size=[100, 2]), verbose=0)
    >>> sorted(history.history), model.distribution().sample(3, seed=0).shape
    (['generator_loss', 'js', 'loss'], TensorShape([3, 2]))

    Args:
        event_shape: shape of one event.
        generator_loss: 'non_saturating', -log D(G(z)), or 'minimax', log(1 - D(G(z))), whose gradient vanishes
            where the critic is sure.
        **kwargs: see `GeneratorModel`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    divergence_name = 'js'

    def __init__(self, event_shape: int | Sequence[int], *, generator_loss: str = 'non_saturating', **kwargs):
        super().__init__(event_shape, **kwargs)
        self.generator_loss = checks.one_of(generator_loss, LOSSES, 'generator_loss')

    def critic_losses(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        return losses.logistic(real, generated)

    def generator_losses(self, generated: tf.Tensor) -> tf.Tensor:
        return ops.softplus(-generated) if self.generator_loss == 'non_saturating' else -ops.softplus(generated)

    def divergence(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        return losses.jensen_shannon(real, generated)
