"""The bounds of the likelihood that a model with latent variables can be trained by."""

import abc
import dataclasses

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.configuration import Configured


class Objective(Configured, abc.ABC):
    """Base class of objectives: a frozen dataclass whose fields are its Keras configuration."""

    # How many latents are drawn for each event; a class attribute or a field.
    num_samples: int
    # Whether it heeds the model's `free_bits`.
    has_free_bits = False

    @abc.abstractmethod
    def terms(self, model, x: tf.Tensor, condition: tf.Tensor | None, noise: tf.Tensor, kl_weight,
              training: bool = True) -> dict:
        """What `fit` lowers and measures.

        Args:
            model: a `LatentVariableModel`.
            x: events, `[batch, *event_shape]`.
            condition: one for each, or None.
            noise: standard normal numbers, `[num_samples, batch, num_latents]`.
            kl_weight: by what log p(z) - log q(z | x) is multiplied in the loss, a scalar.
            training: whether in training.

        Returns:
            'loss'; 'nll', the bound without the weight; 'rate' and 'distortion', each `[batch]` in nats; 'means', of
            the posteriors, `[batch, num_latents]`.
        """


def measured(loss, nll, draws) -> dict:
    """The terms that all objectives give alike."""
    return {'loss': loss, 'nll': nll, 'rate': ops.sum(draws.rates, axis=-1),
            'distortion': -ops.mean(draws.log_likelihood, axis=0), 'means': draws.means}


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class ELBO(Objective):
    """The evidence lower bound, E_q[log p(x | z)] - KL(q(z | x) || p(z)), by one draw of the latents.

    The divergence is in closed form where there is one.

    Source: D. Kingma and M. Welling, "Auto-encoding variational Bayes", 2014 (https://arxiv.org/abs/1312.6114). Free
    bits: D. Kingma et al., "Improved variational inference with inverse autoregressive flow", 2016
    (https://arxiv.org/abs/1606.04934), equation 15.

    >>> import tfdgm
    >>> tfdgm.latent.ELBO()
    ELBO()
    """

    num_samples = 1
    has_free_bits = True

    def terms(self, model, x: tf.Tensor, condition: tf.Tensor | None, noise: tf.Tensor, kl_weight,
              training: bool = True) -> dict:
        draws = model.draws(x, model.encoded(x, condition, training), noise, condition, training)
        distortion, rates = -ops.mean(draws.log_likelihood, axis=0), draws.rates
        if training and model.free_bits:
            # A part of the rate that is low enough in the mean of the batch is left alone.
            least = model.free_bits * model.num_latents / rates.shape[-1]
            limited = ops.where(ops.mean(rates, axis=0) > least, rates, least)
        else:
            limited = rates
        return measured(distortion + kl_weight * ops.sum(limited, axis=-1), distortion + ops.sum(rates, axis=-1), draws)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class ImportanceWeighted(Objective):
    """The importance-weighted bound, log 1/k Σ p(x | z_i) p(z_i) / q(z_i | x), which rises with the number of draws.

    Source: Y. Burda, R. Grosse and R. Salakhutdinov, "Importance weighted autoencoders", 2016
    (https://arxiv.org/abs/1509.00519).

    Args:
        num_samples: how many draws, k; with one it is the evidence lower bound.

    Raises:
        ValueError: if there is not at least one draw.

    >>> import tfdgm
    >>> model = tfdgm.VAE(4, num_latents=2, objective=tfdgm.latent.ImportanceWeighted(5))
    """

    num_samples: int = 50

    def __post_init__(self):
        self._keep(num_samples=checks.integer(self.num_samples, f'num_samples of {type(self).__name__}'))

    def terms(self, model, x: tf.Tensor, condition: tf.Tensor | None, noise: tf.Tensor, kl_weight,
              training: bool = True) -> dict:
        draws = model.draws(x, model.encoded(x, condition, training), noise, condition, training)
        return measured(-mean_weight(draws.log_weights(kl_weight)), -mean_weight(draws.log_weights()), draws)


def mean_weight(log_weights):
    """The logarithm of the mean of weights, from their logarithms `[draws, batch]`."""
    return ops.logsumexp(log_weights, axis=0) - np.log(log_weights.shape[0])


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class DoublyReparameterized(ImportanceWeighted):
    """The importance-weighted bound, with a gradient for the encoder that has the same mean and less variance.

    The more draws, the more noise there is in the usual gradient of the encoder; this one has less.

    Source: G. Tucker, D. Lawson, S. Gu and C. Maddison, "Doubly reparameterized gradient estimators for Monte Carlo
    objectives", 2019 (https://arxiv.org/abs/1810.04152).

    Args:
        num_samples: how many draws, k.

    Raises:
        ValueError: if there is not at least one draw.
    """

    def terms(self, model, x: tf.Tensor, condition: tf.Tensor | None, noise: tf.Tensor, kl_weight,
              training: bool = True) -> dict:
        encoded = model.encoded(x, condition, training)
        draws = model.draws(x, encoded, noise, condition, training)
        shares = ops.stop_gradient(ops.softmax(draws.log_weights(kl_weight), axis=0))
        # The decoder's gradient has each draw by its share; that of the encoder, which goes through the latents, by the
        # square of it. With a weight of the KL term, log q(z | x) has it too, and what its own gradient comes to, which
        # is left out, is so much less. XLA and TensorFlow compute what both evaluations have in common once.
        path_weights = kl_weight * shares + (1 - kl_weight)
        weighted = model.draws(x, encoded, noise, condition, training, path_weights).log_weights(kl_weight)
        loss = -ops.sum(shares * weighted, axis=0)
        value = -mean_weight(draws.log_weights(kl_weight))
        return measured(loss + ops.stop_gradient(value - loss), -mean_weight(draws.log_weights()), draws)
