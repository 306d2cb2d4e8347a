"""MatchingAutoencoder: an autoencoder whose latents, of all the data together, are made to follow a prior."""

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.implicit import losses
from tfdgm.implicit.adversarial import HIDDEN_UNITS, AdversarialModel
from tfdgm.implicit.critic import Critic, checked_critic
from tfdgm.implicit.networks import DenseCritic
from tfdgm.latent_space import LatentSpace, require_values
from tfdgm.layers import dense
from tfdgm.model import GenerativeModel
from tfdgm.networks.autoencoders import convolves, decoder_of, encoder_of
from tfdgm.networks.dense import called
from tfdgm.networks.given import shape_given

tfd = tfp.distributions


class MatchingAutoencoder(LatentSpace, AdversarialModel):
    """Base class of autoencoders without a likelihood: an event is a function of its latents, and they of it.

    What is lowered is the squared error of reconstructions, as networks see events, and a penalty times `weight`, for
    how far the latents of the data are from the prior. Then the decoder makes events of the prior's latents.

    Args:
        event_shape: shape of one event.
        num_latents: how many latents.
        weight: the weight of the penalty.
        encoder: None, or a Keras model from events as networks see them (integers run from -1 to 1, real values are
            standardised), with a condition `[events, features]`, to vectors `[batch, n]`.
        decoder: None, or a Keras model from latents `[batch, num_latents]`, with a condition `[latents, features]`,
            to such events. Of integers, the model takes the hyperbolic tangent.
        critic: None, or a Keras model from latents, with a condition `[latents, features]`, to scores `[batch, 1]`.
        prior: None for standard normal latents, or a model of real vectors of `num_latents`, of which samples are
            drawn and which does not learn.
        hidden_units: the widths of dense networks; None has images go through residual convolutions.
        filters: how many channels convolutions have at the finest scale.
        blocks: how many residual blocks there are at each scale.
        condition: what the events depend on; encoder, decoder and penalty see its features.
        **kwargs: see `AdversarialModel`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    def __init__(self, event_shape: int | Sequence[int], *, num_latents: int, weight: float,
                 encoder: keras.Model | None = None, decoder: keras.Model | None = None,
                 critic: keras.Model | None = None, prior: GenerativeModel | None = None,
                 hidden_units: Sequence[int] | None = None, filters: int = 16, blocks: int = 1,
                 condition: Condition | None = None, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self._num_latents = checks.integer(num_latents, 'num_latents')
        self.weight = checks.positive(weight, 'weight')
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters')
        self.blocks = checks.integer(blocks, 'blocks')
        networks = {'hidden_units': self.hidden_units, 'filters': self.filters, 'blocks': self.blocks,
                    'activation': 'relu', 'dtype': self.dtype_policy}
        self.encoder_network, features = encoder_of(
            encoder, self.event_shape, self.condition_features, name='encoder_network', **networks)
        self.latents_layer = dense(features, self.num_latents, 'latents_layer', self.dtype_policy)
        self.decoder_network = self._decoder_network(decoder, networks)
        self.prior_model = self._checked_prior(prior)
        self.critic_layer = self._critic_layer(critic)
        self.complete()

    @property
    def critics(self) -> list:
        return [] if self.critic_layer is None else [self.critic_layer]

    @property
    def num_latents(self) -> int:
        return self._num_latents

    @property
    def trains_with_xla(self) -> bool:
        """On CPUs, XLA pays for dense networks; TensorFlow's own kernels train convolutions faster."""
        given = self._arguments  # Keras's constructor asks before the attributes are there.
        return not convolves(checks.event_shape(given['event_shape']), given.get('hidden_units'))

    samples_with_xla = trains_with_xla

    # Parts -----------------------------------------------------------------------------------------------------------

    def _decoder_network(self, given, networks):
        if given is None:
            return decoder_of(self.num_latents, self.condition_features, (*self.event_shape, 1),
                              name='decoder_network', **networks)
        found = shape_given(given, 'decoder', (self.num_latents,), self.condition_features)
        if found != self.event_shape:
            raise ValueError(f'The decoder should make events of latents, {(None, self.num_latents)} -> '
                             f'{(None, *self.event_shape)}; it gives an array of shape {(None, *found)}.')
        self.require_unsquashed(given, 'decoder')
        return given

    def _checked_prior(self, prior):
        if prior is None:
            return None
        checks.instance(prior, GenerativeModel, 'prior', f'tfdgm.MAF({self.num_latents})')
        if prior.event_shape != (self.num_latents,) or prior.support.is_discrete or prior.condition is not None:
            raise ValueError(f'A prior of {self.num_latents} latents is a model of real vectors of that length without '
                             f'a condition; this {type(prior).__name__} has events of shape {prior.event_shape}, each '
                             f'value {prior.support}, and the condition {prior.condition}.')
        return prior

    def _critic_layer(self, given):
        """The critic of latents; None where the penalty has none."""
        if given is not None:
            network = checked_critic(given, (self.num_latents,), self.condition_features)
        else:
            network = DenseCritic((self.num_latents,), HIDDEN_UNITS, 'leaky_relu', False, dtype=self.dtype_policy,
                                  name='critic_network')
        return Critic(network, self.condition_features, False, dtype=self.dtype_policy, name='critic_layer')

    @property
    def learning_weights(self) -> list:
        """All trainable weights but the prior's."""
        of_prior = set() if self.prior_model is None else {id(weight) for weight in self.prior_model.weights}
        return [weight for weight in self.trainable_weights if id(weight) not in of_prior]

    # Latents ---------------------------------------------------------------------------------------------------------

    def encoded(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """Latents of events as networks see them: `[batch, *event_shape]` -> `[batch, num_latents]`, float32."""
        x, features = ops.cast(x, self.compute_dtype), self.encode_condition(condition)
        return ops.cast(self.latents_layer(called(self.encoder_network, x, features, training)), 'float32')

    def decoded(self, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """What the decoder makes of latents, float32: `[batch, num_latents]` -> `[batch, *event_shape]`.

        Of integers, values beyond -1 and 1 too: a squared error that saw them squashed would stop teaching a decoder
        that is far out, as it soon is where most values are the least, such as a digit's.
        """
        z, features = ops.cast(z, self.compute_dtype), self.encode_condition(condition)
        events = called(self.decoder_network, z, features, training)
        return ops.reshape(ops.cast(events, 'float32'), (-1, *self.event_shape))

    def draw_prior(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Latents from the prior, `[count, num_latents]`."""
        if self.prior_model is None:
            return random.normals((count, self.num_latents), seed)
        return ops.stop_gradient(self.prior_model.sample(count, None, seed))

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.decode_batch(self.draw_prior(batch_size, seed), condition)

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.encoded(self.scaled(x), condition)

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.unscaled(self.decoded(z, condition))

    def posterior(self, x: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The latents of events `[batch, *event_shape]`, as distributions that have all their probability there.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked.
        """
        return tfd.VectorDeterministic(self.encode(x, condition))

    def prior(self) -> tfd.Distribution:
        """The prior p(z), of vectors of latents."""
        if self.prior_model is not None:
            return self.prior_model.distribution()
        return tfd.MultivariateNormalDiag(tf.zeros(self.num_latents))

    def decode(self, z: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The events of latents `[batch, num_latents]`, as distributions that have all their probability there.

        Raises:
            ValueError: if latents or conditions are not valid.
        """
        require_values('decode', self.in_graphs[1])
        return tfd.Independent(tfd.Deterministic(self._events(z, condition)), len(self.event_shape))

    # Training --------------------------------------------------------------------------------------------------------

    def rebuilt(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tuple:
        """The latents of events, and the squared error of their reconstructions, `[batch]`."""
        seen = self.scaled(self.valid_events(x))
        z = self.encoded(seen, condition, training)
        errors = (self.decoded(z, condition, training) - seen)**2
        return z, ops.sum(errors, axis=tuple(range(1, 1 + len(self.event_shape))))

    def scores(self, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """The critic's scores of latents, `[batch]`: logits of their being the prior's."""
        return self.critic_layer(z, self.encode_condition(condition), training=training)

    def critic_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        z = self.encoded(self.scaled(self.valid_events(x)), condition, training=True)
        drawn = self.draw_prior(ops.shape(x)[0], self.next_seed())
        return of_scores(*(
            self.scores(latents, condition, training=True) for latents in (drawn, ops.stop_gradient(z))))

    def generator_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        z, errors = self.rebuilt(x, condition, training=True)
        return self.penalized(z, errors, condition, self.next_seed(), training=True)

    def penalized(self, z: tf.Tensor, errors: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor,
                  training: bool = False) -> dict:
        """The 'loss' of latents and reconstructions, and its parts; by default, the critic gives the penalty."""
        return {'loss': errors + self.weight * ops.softplus(-self.scores(z, condition, training)),
                'reconstruction': errors}

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        z, errors = self.rebuilt(x, condition)
        seed = random.seed_of(x)
        terms = self.penalized(z, errors, condition, seed)
        if not self.critics:
            return terms
        drawn = self.draw_prior(ops.shape(x)[0], seed)
        of_critic = of_scores(self.scores(drawn, condition), self.scores(z, condition))
        return {**terms, **of_critic, 'generator_loss': terms['loss']}


def of_scores(drawn: tf.Tensor, encoded: tf.Tensor) -> dict:
    """The terms of a critic, from its scores of latents of the prior and of the data."""
    return {'loss': losses.logistic(drawn, encoded), 'js': losses.jensen_shannon(drawn, encoded)}
