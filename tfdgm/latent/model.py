"""LatentVariableModel: events that depend on latents, p(x) = ∫ p(x | z) p(z) dz, by bounds of their likelihood."""

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.execution import pieces
from tfdgm.latent.active import ActiveLatents
from tfdgm.latent.autoencoding import AutoencodingModel
from tfdgm.latent.distribution import LatentVariableDistribution
from tfdgm.latent.objectives import ELBO, Objective

# How many draws of latents a bound looks at together.
CHUNK = 64


class Draws(NamedTuple):
    """Latents drawn from the posteriors of events, and what makes up their importance weights, in nats.

    Attributes:
        log_likelihood: log p(x | z), `[draws, batch]`.
        log_prior: log p(z), `[draws, batch]`.
        log_posterior: log q(z | x), `[draws, batch]`.
        rates: the parts of which the rate is the sum over the last axis, `[batch, parts]`: KL divergences where there
            is a closed form, else the one difference log q(z | x) - log p(z), the mean of the draws.
        means: of the posteriors, `[batch, num_latents]`.
    """

    log_likelihood: tf.Tensor
    log_prior: tf.Tensor
    log_posterior: tf.Tensor
    rates: tf.Tensor
    means: tf.Tensor

    def log_weights(self, kl_weight=1.) -> tf.Tensor:
        """log p(x | z) + kl_weight (log p(z) - log q(z | x)): `[draws, batch]`."""
        return self.log_likelihood + kl_weight * (self.log_prior - self.log_posterior)


def log_sum(log_weights: tf.Tensor) -> tf.Tensor:
    """The logarithms of sums along the first axis, from logarithms; without a gradient where all are -inf."""
    nothing = ops.all(ops.isinf(log_weights) & (log_weights < 0), axis=0)
    return ops.where(nothing, -np.inf, ops.logsumexp(ops.where(nothing, 0., log_weights), axis=0))


class LatentVariableModel(AutoencodingModel):
    """Base class of models with latent variables.

    Their likelihood is an integral, and what `log_prob` gives is a lower bound of it: the importance-weighted bound
    log 1/k Σ p(x | z_i) p(z_i) / q(z_i | x), with latents z_i from the posterior q(z | x). It rises with the number k
    of draws, towards the likelihood. The draws follow from the event, so that it is the same in every call.

    A subclass implements `encoded`, `draws` and `log_joint`, and what `AutoencodingModel` leaves open.

    Source: Y. Burda, R. Grosse and R. Salakhutdinov, "Importance weighted autoencoders", 2016
    (https://arxiv.org/abs/1509.00519).

    Args:
        event_shape: shape of one event.
        objective: the bound that `fit` raises: `tfdgm.latent.ELBO()`, `ImportanceWeighted(k)` or
            `DoublyReparameterized(k)`.
        beta: by what the KL term of the objective is multiplied; 1 for a bound of the likelihood.
        free_bits: nats a latent below which `ELBO` does not push the KL divergence.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        seed: of the draws of training, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    distribution_class = LatentVariableDistribution
    # How many draws `log_prob` takes where nobody says otherwise.
    num_samples = 64

    def __init__(self, event_shape: int | Sequence[int], *, objective: Objective | None = None, beta: float = 1.,
                 free_bits: float = 0., condition: Condition | None = None, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self._objective = checks.instance(
            ELBO() if objective is None else objective, Objective, 'objective', 'tfdgm.latent.ELBO()')
        self.beta = checks.not_negative(beta, 'beta')
        self.free_bits = checks.not_negative(free_bits, 'free_bits')
        if self.free_bits and not self.objective.has_free_bits:
            raise ValueError(f'free_bits hold for the objective ELBO() alone, and this model has {self.objective}: '
                             'leave one of them out.')
        self.seed = checks.seed(seed)
        # What `KLWarmUp` changes.
        self.kl_weight = self.add_weight(shape=(), initializer='ones', trainable=False, name='kl_weight')
        self._noise_seeds = random.Seeds(self.seed)

    def count_active_latents(self):
        """Adds the metric of them, once it is known how many latents there are."""
        self.active_latents_tracker = ActiveLatents(self.num_latents, name='active_latents')

    @property
    def objective(self) -> Objective:
        """The bound that `fit` raises."""
        return self._objective

    # What a system defines -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def encoded(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False):
        """What the posteriors of events depend on: a structure of tensors `[batch, …]`."""

    @abc.abstractmethod
    def draws(self, x: tf.Tensor, encoded, noise: tf.Tensor, condition: tf.Tensor | None, training: bool = False,
              path_weights: tf.Tensor | None = None) -> Draws:
        """Draws latents from the posteriors of events.

        Args:
            x: events, `[batch, *event_shape]`.
            encoded: what `encoded` made of them.
            noise: standard normal numbers, `[draws, batch, num_latents]`.
            condition: one for each event, or None.
            training: whether in training.
            path_weights: None, or numbers `[draws, batch]` by which gradients are multiplied that go through the
                latents; then log q(z | x) has no other gradient.
        """

    @abc.abstractmethod
    def log_joint(self, x: tf.Tensor, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tuple:
        """log p(z) and log p(x | z), in nats: events `[batch, *event_shape]` and latents `[draws * batch, num_latents]`
        -> twice `[draws * batch]`. There is a condition for each of the latents, or none.
        """

    # Bounds ----------------------------------------------------------------------------------------------------------

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        seed = self._noise_seeds.draw()
        shape = self.objective.num_samples, ops.shape(x)[0], self.num_latents
        noise = tf.random.stateless_normal(shape, seed, alg='philox')
        x = self.valid_events(x)
        return self.objective.terms(self, x, condition, noise, self.beta * self.kl_weight)

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The bound of the objective without `beta` and `free_bits`, its draws such as follow from the events."""
        x = self.valid_events(x)
        noise = random.hashed_normals(x, 0, self.objective.num_samples, self.num_latents)
        terms = self.objective.terms(self, x, condition, noise, 1., training=False)
        return {**terms, 'loss': terms['nll']}

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        super().update_metrics(terms, x, sample_weight)
        self.active_latents_tracker.update_state(terms['means'])

    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False,
                 num_samples: int | None = None) -> tf.Tensor:
        """The importance-weighted bound, as `DensityModel.log_prob`.

        Args:
            x: events.
            condition: one for each, or None.
            training: as in every model.
            num_samples: how many draws of latents.
        """
        x, num_samples = self.valid_events(x), num_samples or self.num_samples
        encoded, chunk = self.encoded(x, condition, training), min(num_samples, CHUNK)

        def log_weights(first):
            noise = random.hashed_normals(x, first, chunk, self.num_latents)
            weights = self.draws(x, encoded, noise, condition, training).log_weights()
            # The last chunk may be longer than what is left.
            left = ops.arange(chunk)[:, None] < num_samples - first
            return log_sum(ops.where(left, weights, -np.inf))

        if num_samples <= CHUNK:
            total = log_weights(0)
        else:
            _, total = tf.while_loop(
                lambda *_: True,
                lambda first, total: (first + chunk, log_sum(ops.stack([total, log_weights(first)]))),
                (chunk, log_weights(0)), maximum_iterations=-(-num_samples // chunk) - 1)
        return total - np.log(num_samples)

    @property
    def scoring_batch(self) -> int:
        return pieces.size_of(self.num_sites * CHUNK)

    def rate_and_distortion(self, x: tf.Tensor, condition: tf.Tensor | None, num_samples: int) -> tuple:
        encoded = self.encoded(x, condition)
        draws = self.draws(x, encoded, random.hashed_normals(x, 0, num_samples, self.num_latents), condition)
        return ops.sum(draws.rates, axis=-1), -ops.mean(draws.log_likelihood, axis=0)
