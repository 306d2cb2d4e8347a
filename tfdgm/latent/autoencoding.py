"""AutoencodingModel: events that are encoded in latents and decoded again, with a bound of their likelihood."""

import abc
from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.conditions import Condition
from tfdgm.density import DensityModel
from tfdgm.latent_space import LatentSpace, require_values

tfd = tfp.distributions


class Elbo(NamedTuple):
    """The evidence lower bound of events in its two parts, each `[batch]` in nats.

    Attributes:
        rate: how far the posterior is from the prior, E_q[log q(z | x) - log p(z)].
        distortion: what the latents do not say of the event, -E_q[log p(x | z)].
    """

    rate: tf.Tensor
    distortion: tf.Tensor

    @property
    def value(self) -> tf.Tensor:
        """The bound itself, `-(rate + distortion)`."""
        return -(self.rate + self.distortion)


class AutoencodingModel(LatentSpace, DensityModel):
    """Base class of models whose likelihood has a lower bound, of which an encoder is a part.

    A subclass implements `rate_and_distortion`, `draw_prior`, `likelihood` and `draw_events`, and has the terms 'rate'
    and 'distortion' among those of its loss.

    Args: as in `DensityModel`.
    """

    is_bound = True
    in_graphs = 'encode_batch', 'likelihood'

    def __init__(self, event_shape: int | Sequence[int], *, condition: Condition | None = None, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.rate_tracker = keras.metrics.Mean(name='rate')
        self.distortion_tracker = keras.metrics.Mean(name='distortion')

    # What a system defines -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def rate_and_distortion(self, x: tf.Tensor, condition: tf.Tensor | None, num_samples: int) -> tuple:
        """The parts of the bound of events `[batch, *event_shape]`, each `[batch]`, by a number of draws of latents."""

    @abc.abstractmethod
    def draw_prior(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Latents from the prior, `[batch, *latent_shape]`."""

    @abc.abstractmethod
    def likelihood(self, z: tf.Tensor, condition: tf.Tensor | None = None) -> tfd.Distribution:
        """p(x | z): latents `[batch, *latent_shape]` -> a distribution of events with batch shape `[batch]`."""

    @abc.abstractmethod
    def draw_events(self, z: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Draws an event of p(x | z) for each of the latents."""

    # The bound -------------------------------------------------------------------------------------------------------

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        super().update_metrics(terms, x, sample_weight)
        self.rate_tracker.update_state(terms['rate'], sample_weight)
        self.distortion_tracker.update_state(terms['distortion'], sample_weight)

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.training_terms(x, condition)['loss']

    def validation_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.validation_terms(x, condition)['loss']

    def elbo(self, x: ArrayLike, condition: ArrayLike | None = None, num_samples: int = 1) -> Elbo:
        """The evidence lower bound of events in its two parts, rate and distortion.

        Args:
            x: events, `[batch, *event_shape]`.
            condition: of a conditional model, one for each.
            num_samples: how many draws of latents the means are over, where latents are drawn.

        Returns:
            An `Elbo`, whose `rate`, `distortion` and `value` are `[batch]`, in nats.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked; the message names what to use there.
        """
        num_samples = checks.integer(num_samples, 'num_samples')
        require_values('elbo', 'rate_and_distortion')
        x, condition, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
        parts = []
        for start in range(0, len(x), self.scoring_batch):
            batch = slice(start, start + self.scoring_batch)
            parts.append(self._run_batch(
                self.rate_and_distortion, x[batch], None if condition is None else condition[batch], num_samples))
        return Elbo(*(tf.concat(part, 0) for part in zip(*parts)))

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        prior_seed, event_seed = random.split(seed, 2)
        return self.draw_events(self.draw_prior(batch_size, condition, prior_seed), condition, event_seed)

    # Latent space ----------------------------------------------------------------------------------------------------

    def decode(self, z: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The distributions p(x | z) of events, with batch shape `[batch]`, of latents `[batch, *latent_shape]`.

        Raises:
            ValueError: if latents or conditions are not valid.
        """
        z, condition = self.checked_latents(z, condition)
        return self.likelihood(tf.cast(z, tf.float32), None if condition is None else tf.convert_to_tensor(condition))
