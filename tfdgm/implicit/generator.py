"""GeneratorModel: a generator that makes events of noise, and a critic that it learns from."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.implicit.adversarial import HIDDEN_UNITS, AdversarialModel
from tfdgm.implicit.critic import Critic, checked_critic
from tfdgm.implicit.networks import ConvolutionCritic, ConvolutionGenerator, DenseCritic
from tfdgm.networks.autoencoders import convolves
from tfdgm.networks.dense import DenseDecoder, called
from tfdgm.networks.given import shape_given


class GeneratorModel(AdversarialModel):
    """Base class of models whose generator makes events of latents and learns from a critic, which tells them apart.

    A subclass implements `critic_losses`, `generator_losses` and `divergence`.

    Args:
        event_shape: shape of one event.
        num_latents: how many latents, which are independent and standard normal.
        generator: None, or a Keras model from latents `[batch, num_latents]`, with a condition `[latents, features]`,
            to events as networks see them: integers run from -1 to 1, real values are standardised. Of the former, the
            model takes the hyperbolic tangent.
        critic: None, or a Keras model from such events `[batch, *event_shape]`, with a condition
            `[events, features]`, to scores `[batch, 1]`, any real numbers. In training, events and samples go through
            it in one batch.
        hidden_units: the widths of dense networks; None has images go through convolutions.
        filters: how many channels convolutions have at the finest scale.
        pack: how many events the critic sees at once, in the channels (https://arxiv.org/abs/1712.04086).
        spectral_normalization: whether the layers of a critic of ours are (https://arxiv.org/abs/1802.05957).
        condition: what the events depend on; generator and critic see its features.
        **kwargs: see `AdversarialModel`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    # What the critic's scores estimate: the name of a metric.
    divergence_name = 'divergence'

    def __init__(self, event_shape: int | Sequence[int], *, num_latents: int = 64,
                 generator: keras.Model | None = None, critic: keras.Model | None = None,
                 hidden_units: Sequence[int] | None = None, filters: int = 32, pack: int = 1,
                 spectral_normalization: bool = False, condition: Condition | None = None, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.num_latents = checks.integer(num_latents, 'num_latents')
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters', 2)
        self.pack = checks.integer(pack, 'pack')
        self.spectral_normalization = checks.flag(spectral_normalization, 'spectral_normalization')
        if self.pack > 1 and condition is not None:
            raise ValueError('A critic that sees several events at once would need one condition for all of them: '
                             'leave pack or condition out.')
        if spectral_normalization and critic is not None:
            raise ValueError('spectral_normalization is for critics that the model makes: wrap the layers of yours in '
                             'keras.layers.SpectralNormalization.')
        self.generator_network = self._generator_network(generator)
        self.critic_layer = Critic(self._critic_network(critic), self.condition_features, self.spectral_normalization,
                                   dtype=self.dtype_policy, name='critic_layer')
        self.complete()

    @property
    def critics(self) -> list:
        return [self.critic_layer]

    @property
    def measured_terms(self) -> tuple:
        return (self.divergence_name,)

    @property
    def trains_with_xla(self) -> bool:
        """On CPUs, XLA pays for dense networks; TensorFlow's own kernels train convolutions faster."""
        given = self._arguments  # Keras's constructor asks before the attributes are there.
        return not convolves(checks.event_shape(given['event_shape']), given.get('hidden_units'))

    samples_with_xla = trains_with_xla

    # Parts -----------------------------------------------------------------------------------------------------------

    def _generator_network(self, given):
        parts = {'dtype': self.dtype_policy, 'name': 'generator_network'}
        if given is not None:
            found = shape_given(given, 'generator', (self.num_latents,), self.condition_features)
            if found != self.event_shape:
                raise ValueError(f'The generator should make events of latents, {(None, self.num_latents)} -> '
                                 f'{(None, *self.event_shape)}; it gives an array of shape {(None, *found)}.')
            self.require_unsquashed(given, 'generator')
            return given
        if convolves(self.event_shape, self.hidden_units):
            return ConvolutionGenerator(
                self.num_latents, self.condition_features, self.filters, 'relu', self.event_shape, **parts)
        return DenseDecoder(self.num_latents, self.condition_features, (self.hidden_units or HIDDEN_UNITS)[::-1],
                            'relu', self.event_shape, **parts)

    def _critic_network(self, given):
        shape = *self.event_shape[:-1], self.event_shape[-1] * self.pack
        if given is not None:
            return checked_critic(given, shape, self.condition_features)
        parts = {'spectral': self.spectral_normalization, 'dtype': self.dtype_policy, 'name': 'critic_network'}
        if convolves(self.event_shape, self.hidden_units):
            return ConvolutionCritic(shape, self.filters, 'leaky_relu', **parts)
        return DenseCritic(shape, self.hidden_units or HIDDEN_UNITS, 'leaky_relu', **parts)

    def generated(self, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """Events as networks see them, of latents: `[batch, num_latents]` -> `[batch, *event_shape]`, float32."""
        z = ops.cast(z, self.compute_dtype)
        events = called(self.generator_network, z, self.encode_condition(condition), training)
        return self.squashed(events)

    def scores(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """The critic's scores `[batch]` of events `[batch, *event_shape]` as networks see them.

        Where it sees several at once, each stands beside those that follow it in the batch.
        """
        return self.critic_layer(self._packed(x), self.encode_condition(condition), training=training)

    def scores_of_both(self, x: tf.Tensor, generated: tf.Tensor, condition: tf.Tensor | None,
                       training: bool = False) -> list:
        """The scores of events and of as many samples, by one pass of the critic through both, which is faster."""
        features = self.encode_condition(condition)
        both = ops.concatenate([self._packed(x), self._packed(generated)])
        return ops.split(self.critic_layer(
            both, None if features is None else ops.concatenate([features, features]), training=training), 2)

    def _packed(self, x):
        if self.pack == 1:
            return x
        return ops.concatenate([tf.roll(x, -shift, axis=0) for shift in range(self.pack)], axis=-1)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.events_of(random.normals((batch_size, self.num_latents), seed), condition)

    def events_of(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """The events of latents: `[batch, num_latents]` -> `[batch, *event_shape]`, float32."""
        return self.unscaled(self.generated(z, condition))

    # What a system defines -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def critic_losses(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        """The critic's loss for each pair, from the scores of an event and of a sample: `[batch]` twice -> `[batch]`.
        """

    @abc.abstractmethod
    def generator_losses(self, generated: tf.Tensor) -> tf.Tensor:
        """The generator's loss for each sample, from its score."""

    @abc.abstractmethod
    def divergence(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        """What the critic makes of the distance of the distributions, for each pair; the mean of it is an estimate."""

    def penalties(self, x: tf.Tensor, generated: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor):
        """What is added to the critic's losses, from events and samples as networks see them: `[batch]` or 0."""
        return 0.

    # Training --------------------------------------------------------------------------------------------------------

    def _latents(self, x):
        seed, more = random.split(self.next_seed(), 2)
        return tf.random.stateless_normal((ops.shape(x)[0], self.num_latents), seed, alg='philox'), more

    def critic_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The critic's 'loss' and the 'divergence' for each event of a batch, in training."""
        z, seed = self._latents(x)
        x, generated = self.scaled(self.valid_events(x)), ops.stop_gradient(self.generated(z, condition, training=True))
        scores = self.scores_of_both(x, generated, condition, training=True)
        return {'loss': self.critic_losses(*scores) + self.penalties(x, generated, condition, seed),
                self.divergence_name: self.divergence(*scores)}

    def generator_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The generator's 'loss' for each of as many samples as there are events."""
        z, _ = self._latents(x)
        generated = self.generated(z, condition, training=True)
        return {'loss': self.generator_losses(self.scores(generated, condition, training=True))}

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The critic's loss and estimate on events beside samples, whose latents follow from the events."""
        z = random.hashed_normals(ops.cast(x, 'float32'), 0, 1, self.num_latents)[0]
        scores = self.scores_of_both(self.scaled(self.valid_events(x)), self.generated(z, condition), condition)
        return {'loss': self.critic_losses(*scores), self.divergence_name: self.divergence(*scores),
                'generator_loss': self.generator_losses(scores[1])}

    def after_critics(self, terms: dict):
        self.critic_layer.iterate()
