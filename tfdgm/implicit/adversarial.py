"""AdversarialModel: what learns from critics, which tell what it makes from what that should be like."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.execution.guard import apply_unless
from tfdgm.implicit.distribution import WITHOUT_DENSITY, ImplicitDistribution
from tfdgm.layers import Standardization
from tfdgm.model import GenerativeModel
from tfdgm.networks.given import refuse_squashed
from tfdgm.support import Support, support_of

# The widths of dense networks where nobody says otherwise.
HIDDEN_UNITS = 128, 128


class AdversarialModel(GenerativeModel):
    """Base class of models that learn from critics, each of the two sides with an optimizer.

    Each batch of `fit` is a step of the critics; after `critic_steps` of them comes one of the generators, which is
    what the other weights are called here. A subclass implements `critics`, `critic_terms`, `generator_terms` and
    `validation_terms`; without critics, all weights learn by `generator_terms`.

    Args:
        event_shape: shape of one event.
        levels: how many values a site can take, for integers 0 … levels-1; None for real values, see `adapt`.
        critic_steps: after how many steps of the critics the generators take one.
        condition: what the events depend on.
        seed: of the random numbers of training, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    distribution_class = ImplicitDistribution
    # Neither side's loss is lower where the samples are better.
    monitor = None
    # The terms, beside the losses, that are metrics.
    measured_terms = ()

    def __init__(self, event_shape: int | Sequence[int], *, levels: int | None = None, critic_steps: int = 1,
                 condition: Condition | None = None, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.levels = None if levels is None else checks.integer(levels, 'levels', 2)
        self.critic_steps = checks.integer(critic_steps, 'critic_steps')
        self.seed = checks.seed(seed)
        self.standardization = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization')
        self._noise_seeds = random.Seeds(self.seed)

    def complete(self):
        """Ends a constructor: makes the metrics, and sees that critics share no weights with what they judge.

        Raises:
            ValueError: if they do.
        """
        of_critics = {id(weight) for critic in self.critics for weight in critic.weights}
        others = [layer for layer in self.layers if all(layer is not critic for critic in self.critics)]
        shared = [weight.path for layer in others for weight in layer.weights if id(weight) in of_critics]
        if shared:
            raise ValueError(f'A critic shares weights with what it judges, {", ".join(shared)}: each side has an '
                             'optimizer and weights of its own.')
        self.built = True
        names = ('generator_loss', *self.measured_terms) if self.critics else self.measured_terms
        self.trackers = {name: MeanOrNone(name=name) for name in names}

    @property
    def but_for(self) -> str:
        return ', but for a step that the critics may have taken' if self.critics else ''

    # Events ----------------------------------------------------------------------------------------------------------

    @property
    def support(self) -> Support:
        return support_of(self.levels)

    def scaled(self, x: tf.Tensor) -> tf.Tensor:
        """Events as networks see them: integers from -1 to 1, real values standardised."""
        if self.standardization is not None:
            return self.standardization(x)[0]
        return 2 * ops.cast(x, 'float32') / (self.levels - 1) - 1

    def unscaled(self, x: tf.Tensor) -> tf.Tensor:
        """The inverse of `scaled`; integers stay in range and are rounded, as if they were not for the gradient."""
        if self.standardization is not None:
            return self.standardization(x, invert=True)[0]
        x = (ops.clip(x, -1, 1) + 1) / 2 * (self.levels - 1)
        return x + ops.stop_gradient(ops.round(x) - x)

    def squashed(self, x: tf.Tensor) -> tf.Tensor:
        """What a network makes, as events that networks see: float32, of integers the hyperbolic tangent."""
        x = ops.cast(x, 'float32')
        return x if self.levels is None else ops.tanh(x)

    def require_unsquashed(self, network: keras.Model, name: str):
        """Raises if a network that was given for integers takes the hyperbolic tangent itself, or the like."""
        if self.levels is not None:
            refuse_squashed(network, name, 'events', 'the model brings between -1 and 1 itself')

    def call(self, x: tf.Tensor, training: bool = False):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self).__name__))

    # What a system defines -------------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def critics(self) -> list:
        """The layers whose weights are the critics'."""

    @abc.abstractmethod
    def critic_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The critics' 'loss' for each event of a batch, in training, and beside it what is measured."""

    @abc.abstractmethod
    def generator_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The same of the generators, for each event or for each of as many samples."""

    @abc.abstractmethod
    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """All that is measured of events outside training; what is random in it follows from the events."""

    def after_critics(self, terms: dict):
        """What follows each step of the critics."""

    # Training --------------------------------------------------------------------------------------------------------

    def compile(self, optimizer=None, critic_optimizer=None, **kwargs):
        """`keras.Model.compile`, with an optimizer for each side; None is Adam with a rate of 2e-4, `beta_1` 0.5.

        Raises:
            ValueError: if a loss or metrics are given, an optimizer for critics where there are none, or one optimizer
                for both sides.
        """
        if critic_optimizer is not None and not self.critics:
            raise ValueError(f'This {type(self).__name__} has no critic: leave critic_optimizer out.')
        if critic_optimizer is optimizer and isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError('One optimizer was given for both sides: make one for each, since it keeps means for each '
                             'weight.')
        super().compile(of_pair(optimizer), **kwargs)
        self.critic_optimizer = keras.optimizers.get(of_pair(critic_optimizer)) if self.critics else None

    def get_compile_config(self) -> dict:
        config = super().get_compile_config()
        if not config or self.critic_optimizer is None:
            return config
        return {**config, 'critic_optimizer': keras.saving.serialize_keras_object(self.critic_optimizer)}

    @property
    def learning_weights(self) -> list:
        """The weights that the optimizers change."""
        return self.trainable_weights

    def optimized(self) -> list:
        of_critics = {id(weight) for critic in self.critics for weight in critic.weights}
        parts = [], []
        for weight in self.learning_weights:
            parts[id(weight) in of_critics].append(weight)
        return list(zip((self.optimizer, self.critic_optimizer), parts))[:2 if self.critics else 1]

    def next_seed(self) -> tf.Tensor:
        """A stateless seed, another at each call."""
        return self._noise_seeds.draw()

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.training_terms(x, condition)['loss']

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        return (self.critic_terms if self.critics else self.generator_terms)(x, condition)

    def train_step(self, data):
        if not self.critics:
            return super().train_step(data)
        x, condition, sample_weight = self.unpacked(data)
        (optimizer, weights), (critic_optimizer, critic_weights) = self.optimized()
        terms, loss, gradients, finite = self.differentiated(self.critic_terms, critic_optimizer, critic_weights)(
            x, condition, sample_weight)
        fault = self.guard.has_fault(tf.math.is_finite(loss), self._are_valid(sample_weight), finite)
        self.measured(loss, terms, fault, x, condition, sample_weight)
        if critic_weights:
            apply_unless(fault, critic_optimizer, gradients, critic_weights, besides=self.after_critics, terms=terms)
        if weights:
            self._generator_steps(x, condition, sample_weight, optimizer, weights)
        return self.get_metrics_result()

    def _generator_steps(self, x, condition, sample_weight, optimizer, weights):
        """Has the generators take a step, if it is their turn."""
        def step(rests=False):
            self._generator_step(x, condition, sample_weight, optimizer, weights, rests)

        if self.critic_steps == 1:
            step()
            return
        its_turn = self.critic_optimizer.iterations % self.critic_steps == 0
        if tf.distribute.has_strategy():
            # Replicas can't meet inside a `tf.cond`.
            step(rests=tf.logical_not(its_turn))
        else:
            tf.cond(its_turn, step, lambda: None)

    def _generator_step(self, x, condition, sample_weight, optimizer, weights, rests):
        function = self.differentiated(self.generator_terms, optimizer, weights)
        terms, loss, gradients, finite = function(x, condition, sample_weight)
        fault = self.guard.has_fault(tf.math.is_finite(loss), finite)
        tf.cond(fault, lambda: self.guard.record(self, x, condition, sample_weight), lambda: None)
        self.update_metrics({**terms, 'generator_loss': terms['loss']}, x, sample_weight)
        apply_unless(fault | rests, optimizer, gradients, weights)

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        for name, tracker in self.trackers.items():
            if name in terms:
                tracker.update_state(terms[name], sample_weight)


class MeanOrNone(keras.metrics.Mean):
    """A mean that is NaN where there was nothing: the generators may have no turn in an epoch."""

    def result(self):
        return self.total / self.count


def of_pair(optimizer):
    """An optimizer, or for None the one of https://arxiv.org/abs/1511.06434."""
    return keras.optimizers.Adam(2e-4, beta_1=0.5) if optimizer is None else optimizer
