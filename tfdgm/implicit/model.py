"""AdversarialModel: a generator of events, and a critic that it learns from."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.execution.guard import apply_unless
from tfdgm.implicit.critic import Critic, checked_critic
from tfdgm.implicit.distribution import WITHOUT_DENSITY, ImplicitDistribution
from tfdgm.implicit.networks import ConvolutionCritic, ConvolutionGenerator, DenseCritic
from tfdgm.layers import Standardization
from tfdgm.model import GenerativeModel
from tfdgm.networks.dense import DenseDecoder, called
from tfdgm.networks.given import shape_given
from tfdgm.support import Integers, Reals, Support

# The widths of dense networks where nobody says otherwise.
HIDDEN_UNITS = 128, 128


class AdversarialModel(GenerativeModel):
    """Base class of models whose generator makes events of latents and learns from a critic, which tells them apart.

    Each batch of `fit` is a step of the critic; after `critic_steps` of them comes one of the generator. A subclass
    implements `critic_losses`, `generator_losses` and `divergence`.

    Args:
        event_shape: shape of one event.
        levels: how many values a site can take, for integers 0 … levels-1; None for real values, see `adapt`.
        num_latents: how many latents, which are independent and standard normal.
        generator: None, or a Keras model from latents `[batch, num_latents]`, with a condition `[latents, features]`,
            to events as networks see them: integers run from -1 to 1, real values are standardised. Of the former, the
            model takes the hyperbolic tangent.
        critic: None, or a Keras model from such events `[batch, *event_shape]`, with a condition
            `[events, features]`, to scores `[batch, 1]`, any real numbers.
        hidden_units: the widths of dense networks; None has images go through convolutions.
        filters: how many channels convolutions have at the finest scale.
        critic_steps: after how many steps of the critic the generator takes one.
        pack: how many events the critic sees at once, in the channels (https://arxiv.org/abs/1712.04086).
        spectral_normalization: whether the layers of a critic of ours are (https://arxiv.org/abs/1802.05957).
        condition: what the events depend on; generator and critic see its features.
        seed: of the latents of training, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    distribution_class = ImplicitDistribution
    # Neither loss is lower where the samples are better.
    monitor = None
    # What the critic's scores estimate: the name of a metric.
    divergence_name = 'divergence'

    def __init__(self, event_shape: int | Sequence[int], *, levels: int | None = None, num_latents: int = 64,
                 generator: keras.Model | None = None, critic: keras.Model | None = None,
                 hidden_units: Sequence[int] | None = None, filters: int = 32, critic_steps: int = 1, pack: int = 1,
                 spectral_normalization: bool = False, condition: Condition | None = None, seed: int | None = 0,
                 **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.levels = None if levels is None else checks.integer(levels, 'levels', 2)
        self.num_latents = checks.integer(num_latents, 'num_latents')
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters', 2)
        self.critic_steps = checks.integer(critic_steps, 'critic_steps')
        self.pack = checks.integer(pack, 'pack')
        self.spectral_normalization = checks.flag(spectral_normalization, 'spectral_normalization')
        if self.pack > 1 and condition is not None:
            raise ValueError('A critic that sees several events at once would need one condition for all of them: '
                             'leave pack or condition out.')
        if spectral_normalization and critic is not None:
            raise ValueError('spectral_normalization is for critics that the model makes: wrap the layers of yours in '
                             'keras.layers.SpectralNormalization.')
        self.seed = checks.seed(seed)
        self.standardization = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization')
        self.generator_network = self._generator_network(generator)
        self.critic_layer = Critic(self._critic_network(critic), self.condition_features, self.spectral_normalization,
                                   dtype=self.dtype_policy, name='critic_layer')
        self._noise_seeds = keras.random.SeedGenerator(random.in_32_bits(self.seed))
        self.generator_loss_tracker = MeanOrNone(name='generator_loss')
        self.divergence_tracker = keras.metrics.Mean(name=self.divergence_name)
        self.built = True

    @property
    def trains_with_xla(self) -> bool:
        """On CPUs, XLA pays for dense networks; TensorFlow's own kernels train convolutions faster."""
        given = self._arguments  # Keras's constructor asks before the attributes are there.
        return given.get('hidden_units') is not None or len(checks.event_shape(given['event_shape'])) != 3

    samples_with_xla = trains_with_xla

    # Parts -----------------------------------------------------------------------------------------------------------

    @property
    def _convolves(self) -> bool:
        return self.hidden_units is None and len(self.event_shape) == 3

    def _generator_network(self, given):
        parts = {'dtype': self.dtype_policy, 'name': 'generator_network'}
        if given is not None:
            found = shape_given(given, 'generator', (self.num_latents,), self.condition_features)
            if found != self.event_shape:
                raise ValueError(f'The generator should make events of latents, {(None, self.num_latents)} -> '
                                 f'{(None, *self.event_shape)}; it gives an array of shape {(None, *found)}.')
            return given
        if self._convolves:
            return ConvolutionGenerator(
                self.num_latents, self.condition_features, self.filters, 'relu', self.event_shape, **parts)
        return DenseDecoder(self.num_latents, self.condition_features, (self.hidden_units or HIDDEN_UNITS)[::-1],
                            'relu', self.event_shape, **parts)

    def _critic_network(self, given):
        shape = *self.event_shape[:-1], self.event_shape[-1] * self.pack
        if given is not None:
            return checked_critic(given, shape, self.condition_features)
        parts = {'spectral': self.spectral_normalization, 'dtype': self.dtype_policy, 'name': 'critic_network'}
        if self._convolves:
            return ConvolutionCritic(shape, self.filters, 'leaky_relu', **parts)
        return DenseCritic(shape, self.hidden_units or HIDDEN_UNITS, 'leaky_relu', **parts)

    @property
    def support(self) -> Support:
        return Reals() if self.levels is None else Integers(self.levels)

    def scaled(self, x: tf.Tensor) -> tf.Tensor:
        """Events as networks see them: integers from -1 to 1, real values standardised."""
        if self.standardization is not None:
            return self.standardization(x)[0]
        return 2 * ops.cast(x, 'float32') / (self.levels - 1) - 1

    def unscaled(self, x: tf.Tensor) -> tf.Tensor:
        """The inverse of `scaled`; integers are rounded, and the gradient passes as if they were not."""
        if self.standardization is not None:
            return self.standardization(x, invert=True)[0]
        x = (x + 1) / 2 * (self.levels - 1)
        return x + ops.stop_gradient(ops.round(x) - x)

    def generated(self, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """Events as networks see them, of latents: `[batch, num_latents]` -> `[batch, *event_shape]`, float32."""
        z = ops.cast(z, self.compute_dtype)
        events = called(self.generator_network, z, self.encode_condition(condition), training)
        events = ops.cast(events, 'float32')
        return events if self.levels is None else ops.tanh(events)

    def scores(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """The critic's scores `[batch]` of events `[batch, *event_shape]` as networks see them.

        Where it sees several at once, each stands beside those that follow it in the batch.
        """
        if self.pack > 1:
            x = ops.concatenate([tf.roll(x, -shift, axis=0) for shift in range(self.pack)], axis=-1)
        return self.critic_layer(x, self.encode_condition(condition), training=training)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.unscaled(self.generated(random.normals((batch_size, self.num_latents), seed), condition))

    def call(self, x: tf.Tensor, training: bool = False):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self).__name__))

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

    def compile(self, optimizer=None, *args, critic_optimizer=None, **kwargs):
        """`keras.Model.compile`, with an optimizer for each of the two; None is Adam with a rate of 2e-4, `beta_1` 0.5.

        Raises:
            ValueError: if a loss or metrics are given.
        """
        super().compile(of_pair(optimizer), *args, **kwargs)
        self.critic_optimizer = keras.optimizers.get(of_pair(critic_optimizer))

    def get_compile_config(self) -> dict:
        config = super().get_compile_config()
        return {**config, 'critic_optimizer': keras.saving.serialize_keras_object(
            self.critic_optimizer)} if config else config

    def optimized(self) -> list:
        of_critic = {id(weight) for weight in self.critic_layer.weights}
        parts = [], []
        for weight in self.trainable_weights:
            parts[id(weight) in of_critic].append(weight)
        return list(zip((self.optimizer, self.critic_optimizer), parts))

    def _latents(self, x):
        seed, more = random.split(ops.cast(self._noise_seeds.next(), 'int32'), 2)
        return tf.random.stateless_normal((ops.shape(x)[0], self.num_latents), seed, alg='philox'), more

    def critic_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The critic's 'loss' and the 'divergence' for each event of a batch, in training."""
        z, seed = self._latents(x)
        x, generated = self.scaled(self.valid_events(x)), ops.stop_gradient(self.generated(z, condition, training=True))
        scores = [self.scores(events, condition, training=True) for events in (x, generated)]
        return {'loss': self.critic_losses(*scores) + self.penalties(x, generated, condition, seed),
                'divergence': self.divergence(*scores)}

    def generator_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The generator's 'loss' for each of as many samples as there are events."""
        z, _ = self._latents(x)
        generated = self.generated(z, condition, training=True)
        return {'loss': self.generator_losses(self.scores(generated, condition, training=True))}

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.critic_terms(x, condition)['loss']

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The critic's loss and estimate on events beside samples, whose latents follow from the events."""
        z = random.hashed_normals(ops.cast(x, 'float32'), 0, 1, self.num_latents)[0]
        scores = [self.scores(events, condition) for events in (
            self.scaled(self.valid_events(x)), self.generated(z, condition))]
        return {'loss': self.critic_losses(*scores), 'divergence': self.divergence(*scores),
                'generator_loss': self.generator_losses(scores[1])}

    def train_step(self, data):
        x, condition, sample_weight = self.unpacked(data)
        (optimizer, weights), (critic_optimizer, critic_weights) = self.optimized()
        terms, loss, gradients, finite = self.differentiated(self.critic_terms, critic_optimizer, critic_weights)(
            x, condition, sample_weight)
        fault = self.guard.has_fault(tf.math.is_finite(loss), self._are_valid(sample_weight), finite)
        self.measured(loss, terms, fault, x, condition, sample_weight)
        if critic_weights:
            apply_unless(fault, critic_optimizer, gradients, critic_weights, besides=self.after_critic)
        if weights:
            self._generator_steps(x, condition, optimizer, weights)
        return self.get_metrics_result()

    def _generator_steps(self, x, condition, optimizer, weights):
        """Has the generator take a step, if it is its turn."""
        if self.critic_steps == 1:
            self._generator_step(x, condition, optimizer, weights)
            return
        its_turn = self.critic_optimizer.iterations % self.critic_steps == 0
        if tf.distribute.has_strategy():
            # Replicas can't meet inside a `tf.cond`.
            self._generator_step(x, condition, optimizer, weights, tf.logical_not(its_turn))
        else:
            tf.cond(its_turn, lambda: self._generator_step(x, condition, optimizer, weights), lambda: None)

    def _generator_step(self, x, condition, optimizer, weights, rests=False):
        function = self.differentiated(self.generator_terms, optimizer, weights)
        terms, loss, gradients, finite = function(x, condition, None)
        fault = self.guard.has_fault(tf.math.is_finite(loss), finite)
        tf.cond(fault, lambda: self.guard.record(self, x, condition, None), lambda: None)
        self.generator_loss_tracker.update_state(terms['loss'])
        apply_unless(fault | rests, optimizer, gradients, weights)

    def after_critic(self):
        """What follows each step of the critic."""
        self.critic_layer.iterate()

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        self.divergence_tracker.update_state(terms['divergence'], sample_weight)
        if 'generator_loss' in terms:
            self.generator_loss_tracker.update_state(terms['generator_loss'], sample_weight)


class MeanOrNone(keras.metrics.Mean):
    """A mean that is NaN where there was nothing: the generator may have no turn in an epoch."""

    def result(self):
        return self.total / self.count


def of_pair(optimizer):
    """An optimizer, or for None the one of https://arxiv.org/abs/1511.06434."""
    return keras.optimizers.Adam(2e-4, beta_1=0.5) if optimizer is None else optimizer
