"""CycleGAN: two generators that translate between two kinds of events of which no pairs are known."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, data, exporting, random
from tfdgm.conditions import Image, Vector
from tfdgm.execution import pieces
from tfdgm.implicit import losses
from tfdgm.implicit.adversarial import HIDDEN_UNITS, AdversarialModel
from tfdgm.implicit.critic import Critic
from tfdgm.implicit.networks import DenseCritic
from tfdgm.implicit.pool import Pool
from tfdgm.implicit.translators import ConvolutionTranslator, DenseTranslator, PatchCritic
from tfdgm.layers import Standardization
from tfdgm.networks.dense import called
from tfdgm.networks.given import refuse_squashed, shape_given

DOMAINS = 'A', 'B'


@register_keras_serializable('tfdgm')
class CycleGAN(AdversarialModel):
    """Translates events of A to B and back; it learns from sets of both, in which nothing says what belongs together.

    Of a translation, a critic is to think that it is one of the other set, and translated back it is to be the event
    again. For `fit`, A's are the events and B's their conditions, `fit(a, b)`, where sets of different sizes come from
    `tfdgm.data.unpaired(a, b)`; for `distribution`, likewise, B's translation is the event of the condition B.

    The metric `cycle` is the mean absolute error, of both ways, of what was translated there and back; `triangular` is
    what the critics make, from below, of half the triangular discrimination ∫ (p - q)² / (p + q) between data and
    translations: 0 if they are the same, 1 if none is like another.

    Source: J.-Y. Zhu, T. Park, P. Isola and A. Efros, "Unpaired image-to-image translation using cycle-consistent
    adversarial networks", 2017 (https://arxiv.org/abs/1703.10593).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.CycleGAN((8, 8, 1), levels=17, filters=4, blocks=1)
    >>> model.translate(np.ones([3, 8, 8, 1]), 'A', 'B').shape
    TensorShape([3, 8, 8, 1])

    Args:
        event_shape: shape of one event, of A as of B: an image, or a vector of real values.
        generator_a: None, or a Keras model from B's to A's, as networks see them: integers run from -1 to 1, real
            values are standardised. Of integers, the model takes the hyperbolic tangent.
        generator_b: likewise from A's to B's.
        critic_a: None, or a Keras model from A's to scores `[batch, …]`, of the whole or of parts.
        critic_b: likewise of B's.
        cycle_weight: the weight of the cycle-consistency loss, the mean absolute error of a cycle.
        identity_weight: the weight of the identity loss, that of an event of the target's own set, which a generator
            should leave as it is.
        pool_size: how many translations are kept, to be shown to the critics again.
        hidden_units: the widths of dense networks, for vectors.
        filters: how many channels convolutions have at the finest scale.
        halvings: how many coarser scales the generators of images have.
        blocks: how many residual blocks they have.
        **kwargs: see `AdversarialModel`, but for the condition.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    measured_terms = 'cycle', 'triangular'
    trains_with_xla = samples_with_xla = False

    def __init__(self, event_shape: int | Sequence[int], *, levels: int | None = None,
                 generator_a: keras.Model | None = None, generator_b: keras.Model | None = None,
                 critic_a: keras.Model | None = None, critic_b: keras.Model | None = None, cycle_weight: float = 10.,
                 identity_weight: float = 5., pool_size: int = 50, hidden_units: Sequence[int] = HIDDEN_UNITS,
                 filters: int = 32, halvings: int = 1, blocks: int = 4, **kwargs):
        if 'condition' in kwargs:
            raise ValueError('CycleGAN takes no condition: what an event depends on is the event of the other kind.')
        super().__init__(event_shape, levels=levels, condition=condition_of(event_shape, levels), **kwargs)
        self.cycle_weight = checks.not_negative(cycle_weight, 'cycle_weight')
        self.identity_weight = checks.not_negative(identity_weight, 'identity_weight')
        self.pool_size = checks.integer(pool_size, 'pool_size', 0)
        self.hidden_units = checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters')
        self.halvings = checks.integer(halvings, 'halvings', 0)
        self.blocks = checks.integer(blocks, 'blocks', 0)
        self.standardization_b = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization_b')
        self.generators = {domain: self._generator(given, domain) for domain, given in zip(
            DOMAINS, (generator_a, generator_b))}
        self.critic_networks = {domain: self._critic(given, domain) for domain, given in zip(
            DOMAINS, (critic_a, critic_b))}
        self.pools = {domain: Pool(self.pool_size, self.event_shape, name=f'pool_{domain.lower()}')
                      for domain in DOMAINS}
        self.complete()

    @property
    def critics(self) -> list:
        return [self.critic_networks[domain] for domain in DOMAINS]

    # Parts -----------------------------------------------------------------------------------------------------------

    def _generator(self, given, domain):
        name = f'generator_{domain.lower()}'
        if given is not None:
            found = shape_given(given, name, self.event_shape, 0)
            if found != self.event_shape:
                raise ValueError(f'{name} should make events of events, {(None, *self.event_shape)} -> the same; it '
                                 f'gives an array of shape {(None, *found)}.')
            self.require_unsquashed(given, name)
            return given
        parts = {'name': name, 'dtype': self.dtype_policy}
        if len(self.event_shape) == 3:
            return ConvolutionTranslator(self.event_shape, self.filters, self.halvings, self.blocks, **parts)
        return DenseTranslator(self.event_shape, self.hidden_units, **parts)

    def _critic(self, given, domain):
        name = f'critic_{domain.lower()}'
        if given is not None:
            if not shape_given(given, name, self.event_shape, 0):
                raise ValueError(f'{name} should give scores of each event, {(None, *self.event_shape)} -> (None, …).')
            refuse_squashed(given, name, 'scores')
            return given
        parts = {'name': name, 'dtype': self.dtype_policy}
        if len(self.event_shape) == 3:
            return PatchCritic(self.event_shape, self.filters, self.halvings + 1, **parts)
        features = DenseCritic(
            self.event_shape, self.hidden_units, 'leaky_relu', False, name='features', dtype=self.dtype_policy)
        return Critic(features, 0, False, **parts)

    # Translation -----------------------------------------------------------------------------------------------------

    def adapt(self, x: ArrayLike | tf.data.Dataset, y: ArrayLike | None = None):
        """Takes the means and standard deviations of A's and B's: arrays of both, or a dataset of pairs.

        Raises:
            ValueError: if the events are not valid, a site is constant, or values are integers.
        """
        a, b = data.as_arrays(x) if isinstance(x, tf.data.Dataset) and isinstance(x.element_spec, tuple) else (x, y)
        if b is None:
            raise ValueError('CycleGAN adapts to events of both kinds: adapt(a, b), or a dataset of pairs.')
        super().adapt(a)
        checks.events(self, b)
        self.standardization_b.initialize(b)

    def seen(self, x: tf.Tensor, domain: str) -> tf.Tensor:
        """Events of a domain as networks see them."""
        if self.levels is None and domain == 'B':
            return self.standardization_b(x)[0]
        return self.scaled(x)

    def in_units(self, x: tf.Tensor, domain: str) -> tf.Tensor:
        """The inverse of `seen`; integers are rounded."""
        if self.levels is None and domain == 'B':
            return self.standardization_b(x, invert=True)[0]
        return self.unscaled(x)

    def generated(self, x: tf.Tensor, target: str, training: bool = False) -> tf.Tensor:
        """Translations of events, both as networks see them."""
        return self.squashed(called(self.generators[target], ops.cast(x, self.compute_dtype), None, training))

    def translated(self, x: tf.Tensor, to_b: bool) -> tf.Tensor:
        """Translations of events `[batch, *event_shape]`, to B or else to A."""
        source, target = DOMAINS if to_b else DOMAINS[::-1]
        return self.in_units(self.generated(self.seen(ops.cast(x, 'float32'), source), target), target)

    def translate(self, x: ArrayLike, source: str | None = None, target: str | None = None) -> tf.Tensor:
        """Translates events from one kind to the other, `[batch, *event_shape]` each.

        Args:
            x: events of the one kind.
            source: which, 'A' or 'B'; None for the one that is not the target, or 'A'.
            target: the other one; None for that which is not the source.

        Raises:
            ValueError: if the events are not valid, or these are not the two kinds.
        """
        source = source or ('A' if target is None else other_of(target))
        target = target or other_of(source)
        if {checks.one_of(source, DOMAINS, 'source'), checks.one_of(target, DOMAINS, 'target')} != set(DOMAINS):
            raise ValueError(f'source and target are the two kinds, A and B; got {source!r} twice.')
        checks.events(self, x)
        x = tf.convert_to_tensor(x, tf.float32)
        return pieces.score(lambda batch, _: self.run(self.translated, batch, target == 'B', jit_compile=False),
                            x, None, self.sampling_batch)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.translated(condition, False)

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        translations = {f'translate_to_{target.lower()}': exporting.mapping(
            self, lambda x, condition, to_b=target == 'B': self.translated(x, to_b), 'events', self.event_shape,
            self.support, 'events', conditional=False) for target in DOMAINS[::-1]}
        return translations | super().signatures(jit_compile)

    # Training --------------------------------------------------------------------------------------------------------

    def scores(self, x: tf.Tensor, domain: str, training: bool = False) -> tf.Tensor:
        """The scores of events of a domain, as networks see them: `[batch, parts]`."""
        scores = called(self.critic_networks[domain], ops.cast(x, self.compute_dtype), None, training)
        return ops.reshape(ops.cast(scores, 'float32'), (ops.shape(x)[0], -1))

    def _both(self, x, condition):
        """Events of both domains, as networks see them."""
        return {domain: self.seen(self.valid_events(events), domain) for domain, events in zip(
            DOMAINS, (x, condition))}

    def critic_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        real, contents, total = self._both(x, condition), {}, {'loss': 0., 'triangular': 0.}
        for (source, target), seed in zip((DOMAINS, DOMAINS[::-1]), random.split(self.next_seed(), 2)):
            made = ops.stop_gradient(self.generated(real[source], target, training=True))
            shown, contents[target] = self.pools[target](made, seed)
            total = added(total, self._of_scores(real[target], shown, target, True))
        return {**total, 'pools': contents}

    def _of_scores(self, real, made, domain, training):
        """The loss of a critic, and what it makes of the distance."""
        scores = [self.scores(events, domain, training) for events in (real, made)]
        return {'loss': ops.mean(losses.least_squares(*scores), axis=1),
                'triangular': ops.mean(losses.triangular(*scores), axis=1) / 2}

    def after_critics(self, terms: dict):
        for domain, pool in self.pools.items():
            pool.keep(terms['pools'][domain])

    def generator_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        return self._of_generators(self._both(x, condition), True)[0]

    def _of_generators(self, real, training):
        """The terms of the generators, and the translations."""
        total, made = {'loss': 0., 'cycle': 0.}, {}
        for source, target in (DOMAINS, DOMAINS[::-1]):
            made[target] = self.generated(real[source], target, training)
            cycle = difference(self.generated(made[target], source, training), real[source])
            loss = ops.mean((self.scores(made[target], target, training) - 1)**2, axis=1) + self.cycle_weight * cycle
            if self.identity_weight:
                loss += self.identity_weight * difference(
                    self.generated(real[target], target, training), real[target])
            total = added(total, {'loss': loss, 'cycle': cycle / 2})
        return total, made

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        real = self._both(x, condition)
        terms, made = self._of_generators(real, False)
        total = {'loss': 0., 'triangular': 0.}
        for domain in DOMAINS:
            total = added(total, self._of_scores(real[domain], made[domain], domain, False))
        return {**total, 'cycle': terms['cycle'], 'generator_loss': terms['loss']}

    def get_config(self) -> dict:
        # What a model depends on follows from the events.
        return {name: value for name, value in super().get_config().items() if name != 'condition'}


class OtherKind:
    """A condition that is the event of the other kind, and says so."""

    def describe(self) -> str:
        return f"B's, {super().describe()}, beside A's, as fit(a, b) or of tfdgm.data.unpaired(a, b)"


class OtherImage(OtherKind, Image):
    """An image of the other kind."""


class OtherVector(OtherKind, Vector):
    """A vector of the other kind."""


def condition_of(event_shape, levels):
    """What A's depend on: a B.

    Raises:
        ValueError: if events are neither images nor vectors of real values.
    """
    shape = checks.event_shape(event_shape)
    if len(shape) == 3:
        return OtherImage(shape, levels=levels)
    if len(shape) == 1 and levels is None:
        return OtherVector(shape[0])
    raise ValueError(f'CycleGAN translates images, (height, width, channels), and vectors of real values; got '
                     f'event_shape={event_shape!r} and levels={levels!r}.')


def other_of(domain: str) -> str:
    """The domain that this is not."""
    return 'B' if domain == 'A' else 'A'


def difference(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference of events, `[batch]`."""
    return ops.mean(ops.abs(first - second), axis=tuple(range(1, len(first.shape))))


def added(first: dict, second: dict) -> dict:
    """The sums of terms of the same names."""
    return {name: value + second[name] for name, value in first.items()}
