"""BoltzmannMachine: what RBM and DBM share, binary hidden layers that are trained by Gibbs chains."""

import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.boltzmann import annealing
from tfdgm.boltzmann.layers import MOST_STATES, Layers
from tfdgm.boltzmann.model import UnnormalizedModel
from tfdgm.boltzmann.standardized import Standardized
from tfdgm.boltzmann.units import visible_units
from tfdgm.execution import internals, replicas
from tfdgm.latent_space import LatentSpace
from tfdgm.outputs import HasOutput, Output

# The share of a batch in the moving averages of the means of units.
RATE = 0.01


class BoltzmannMachine(Layers, Standardized, LatentSpace, HasOutput, UnnormalizedModel):
    """Visible units and layers of binary hidden ones, each connected with the next.

    The energy is -(b · v + Σ c_l · h_l + v W_1 h_1 + Σ h_l W_(l+1) h_(l+1)), with the features of the visible units for
    v, and Σ v² / (2 σ²) beside it for real values. The latents of an event are the probabilities of its hidden units.

    Args:
        event_shape: shape of one event.
        output: the family of a visible unit: `Bernoulli()`, the default, `Categorical(levels)`, or
            `MixtureOfGaussians(1)` for real values, which `adapt` standardises.
        hidden_layers: how many units each hidden layer has.
        num_chains: how many chains ("fantasy particles") training keeps.
        gibbs_steps: how many steps they take for each batch.
        persistent: whether chains go on from step to step (persistent contrastive divergence); else they start at the
            batch each time (contrastive divergence).
        centered: whether gradients are those of units less their means, which makes them less dependent on which of
            two values is called 1. Source: G. Montavon and K.-R. Müller, "Deep Boltzmann machines and the centering
            trick", 2012 (https://doi.org/10.1007/978-3-642-35289-8_33).
        sparsity_target: how often a hidden unit should be on, a number in (0, 1); None for no such target.
        sparsity_weight: the weight of the cross-entropy between that and the mean of a batch in the loss.
        burn_in: after how many steps the state of a chain is taken for a sample.
        seed: of the initial weights and of the chains, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    trains_with_xla = scores_with_xla = samples_with_xla = True

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None, hidden_layers: tuple,
                 num_chains: int, gibbs_steps: int, persistent: bool, centered: bool, sparsity_target: float | None,
                 sparsity_weight: float, burn_in: int, seed: int | None, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.keep_output(output)
        self.hidden_layers = hidden_layers
        self.num_chains = checks.integer(num_chains, 'num_chains', 2)
        self.gibbs_steps = checks.integer(gibbs_steps, 'gibbs_steps')
        self.persistent, self.centered = checks.flag(persistent, 'persistent'), checks.flag(centered, 'centered')
        if sparsity_target is not None and checks.rate(sparsity_target, 'sparsity_target') == 0:
            raise ValueError('sparsity_target must be above 0: hidden units that are never on say nothing.')
        self.sparsity_target = sparsity_target
        self.sparsity_weight = checks.not_negative(sparsity_weight, 'sparsity_weight')
        self.burn_in = checks.integer(burn_in, 'burn_in')
        self.seed = checks.seed(seed)
        self.visible = visible_units(self.output, self.num_sites)
        self.make_standardization()
        self._make_weights()
        self._chain_seeds = random.Seeds(self.seed)
        self.built = True

    def _make_weights(self):
        state = random.random_state(self.seed)
        sizes = self.sizes

        def constant(values):
            return lambda shape, dtype: ops.cast(values, dtype)

        self.kernels = [
            self.add_weight(shape=shape, initializer=constant(0.01 * state.normal(size=shape)), name=f'kernel_{index}')
            for index, shape in enumerate(itertools.pairwise(sizes))]
        self.unit_biases = [self.add_weight(shape=(size,), initializer='zeros', name=f'bias_{index}')
                            for index, size in enumerate(sizes)]
        # The means of the features of events, and of the hidden units given them.
        self.means = [self._kept((size,), f'means_{index}', value=0.5 if index else self.visible.mean_at_zero)
                      for index, size in enumerate(sizes)]
        self.chains = [self._kept((self.num_chains, size), f'chains_{index}') for index, size in enumerate(sizes)
                       if index % 2]
        for chains in self.chains:
            chains.assign(state.randint(2, size=chains.shape))
        self.started = self._kept((), 'started')

    def density_weights(self) -> list:
        own = [] if self.standardization is None else [*self.visible.weights, *self.standardization.weights]
        return [*self.kernels, *self.unit_biases, *(self.means if self.centered else ()), *own]

    def kernel(self, index: int) -> tf.Tensor:
        """The weights between a layer and the next: `[units, next units]`."""
        return self.kernels[index]

    def biases(self) -> list:
        """The biases of all layers; those of centred units count from where their neighbours have their means."""
        if not self.centered:
            return [ops.convert_to_tensor(bias) for bias in self.unit_biases]
        return [bias - change for bias, change in zip(self.unit_biases, self._from_neighbours(self.means))]

    def _from_neighbours(self, values):
        """What one value for each unit adds to the fields of the layers beside it."""
        rows = [ops.expand_dims(value, 0) for value in values]
        zeros = [ops.zeros_like(row[0]) for row in rows]
        return [self._field(layer, rows[::2], rows[1::2], zeros)[0] for layer in range(len(rows))]

    # Data ------------------------------------------------------------------------------------------------------------

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        super().initialize(x, condition)
        self.means[0].assign(ops.mean(self.visible.features(self.seen(x)), axis=0))
        # Hidden units are on half of the time at first, and their weights small.
        self.unit_biases[0].assign(self.visible.field_of(ops.convert_to_tensor(self.means[0])))

    def seen(self, x: tf.Tensor) -> tf.Tensor:
        """Events as the visible units take them, `[n, sites]`."""
        return ops.reshape(self.standardized(x), (-1, self.num_sites))

    def in_units(self, x: tf.Tensor) -> tf.Tensor:
        """The way back: `[n, sites]` -> `[n, *event_shape]`."""
        return self.unstandardized(ops.reshape(x, (-1, *self.event_shape)))

    # Density ---------------------------------------------------------------------------------------------------------

    def hidden_means(self, x: tf.Tensor, biases: list) -> list:
        """The probabilities of all hidden units given events `[n, sites]`: `[n, units]` for each layer."""
        return [ops.sigmoid(field) for field in self.odd_fields([self.visible.features(x)], biases)]

    def unnormalized_log_prob(self, x: tf.Tensor) -> tf.Tensor:
        log_sums, entropy = self._log_sums(self.seen(self.valid_events(x)), self.biases())
        return log_sums + entropy + self.log_det()

    def _log_sums(self, x, biases):
        """log p of events `[n, sites]` and their even hidden layers, summed over the odd ones; and their entropy."""
        even, entropy = self._even_given(x, biases)
        return self._valid_only(x, self.log_sum_over_odd(x, even, self.odd_fields(even, biases), biases)), entropy

    def _valid_only(self, x, values):
        """NaN for events with a NaN, of which features may be numbers."""
        return ops.where(ops.all(ops.isfinite(x), axis=1), values, np.nan)

    def _even_given(self, x, biases):
        """The even layers given events, the hidden ones among them by their means, and the entropy of these: `[n]`."""
        features = self.visible.features(x)
        if len(self.hidden_layers) == 1:
            return [features], 0.
        with internals.without_tapes():
            means = self.hidden_means(x, biases)[1::2]
        means = [ops.stop_gradient(values) for values in means]
        entropy = sum(ops.sum(binary_entropy(values), axis=1) for values in means)
        return [features, *means], entropy

    # Training --------------------------------------------------------------------------------------------------------

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        x, biases = self.seen(self.valid_events(x)), self.biases()
        even, _ = self._even_given(x, biases)
        with internals.without_tapes():
            chain_seed, event_seed, odd_seed = random.split(self._chain_seeds.draw(self.persistent), 3)
            odd = [chains.value for chains in self.chains] if self.persistent else self.draw_odd(
                self.odd_fields(even, biases), odd_seed)
            if self.gibbs_steps > 1:
                odd = self.after_steps(odd, biases, self.gibbs_steps - 1, chain_seed)
            drawn, even_drawn = self.draw_even(self.even_fields(odd, biases), event_seed)
        drawn, even_drawn = ops.stop_gradient(drawn), [ops.stop_gradient(values) for values in even_drawn]
        # Both at once, for the sake of the matrix products.
        count = ops.shape(x)[0]
        both = [ops.concatenate(pair) for pair in zip(even, even_drawn)]
        everything = ops.concatenate([x, drawn])
        fields = self.odd_fields(both, biases)
        log_sums = self.log_sum_over_odd(everything, both, fields, biases)
        losses = ops.mean(log_sums[count:]) - log_sums[:count]
        probabilities = [ops.sigmoid(field[:count]) for field in fields]
        losses = self._valid_only(x, losses) + self._sparsity_loss(probabilities)
        terms = {'loss': losses}
        for index, values in enumerate(self.draw_odd([field[count:] for field in fields], odd_seed)):
            terms[f'chains_{index}'] = ops.stop_gradient(values)
        hidden = [values for pair in zip(probabilities, [*even[1:], None]) for values in pair if values is not None]
        for index, values in enumerate([even[0], *hidden]):
            terms[f'means_{index}'] = ops.stop_gradient(ops.mean(values, axis=0))
        return terms

    def _sparsity_loss(self, probabilities):
        if self.sparsity_target is None:
            return 0.
        total = 0.
        for values in probabilities:
            mean = ops.clip(ops.mean(values, axis=0), 1e-6, 1 - 1e-6)
            total -= ops.sum(self.sparsity_target * ops.log(mean) + (1 - self.sparsity_target) * ops.log1p(-mean))
        return self.sparsity_weight * total

    def update_averages(self, terms: dict):
        for index, chains in enumerate(self.chains):
            # Without persistent chains there are as many states as events in a batch, and samples begin with the last.
            # Persistent chains are the same on all replicas, up to rounding.
            states = [(replicas.of_first if self.persistent else replicas.gathered)(terms[f'chains_{index}']),
                      chains.value]
            chains.assign(ops.concatenate(states)[:self.num_chains])
        means = replicas.averaged([terms[f'means_{index}'] for index in range(len(self.means))],
                                  ops.shape(terms['loss'])[0])
        changes = [RATE * (new - old) for new, old in zip(means, self.means)]
        if self.centered:
            for bias, change in zip(self.unit_biases, self._from_neighbours(changes)):
                bias.assign_add(change)
        for means, change in zip(self.means, changes):
            means.assign_add(change)

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        x, biases = self.seen(self.valid_events(x)), self.biases()
        log_sums, entropy = self._log_sums(x, biases)
        drawn, even = self.draw_even(
            self.even_fields([chains.value for chains in self.chains], biases), tf.constant([0, 0]))
        of_chains = self.log_sum_over_odd(drawn, even, self.odd_fields(even, biases), biases)
        return {'loss': ops.mean(of_chains) - log_sums,
                **self.likelihood_terms(log_sums + entropy + self.log_det())}

    # Chains ----------------------------------------------------------------------------------------------------------

    def kept_states(self, count, seed: tf.Tensor) -> list:
        """Odd layers to start from, those of chains of the training, chosen at random."""
        places = ops.cast(random.uniforms((count,), seed) * self.num_chains, 'int32')
        return [ops.take(chains, places, axis=0) for chains in self.chains]

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor,
               burn_in: tf.Tensor | int | None = None, observed: tf.Tensor | None = None,
               mask: tf.Tensor | None = None) -> tf.Tensor:
        start_seed, chain_seed, event_seed = random.split(seed, 3)
        known, biases = self._known(observed, mask), self.biases()
        odd = self.after_steps(self.kept_states(batch_size, start_seed), biases,
                               (self.burn_in if burn_in is None else burn_in) - 1, chain_seed, known)
        return self.in_units(self.draw_even(self.even_fields(odd, biases), event_seed, known)[0])

    def _known(self, observed, mask):
        if observed is None:
            return None
        return self.seen(observed), ops.reshape(mask, (-1, self.num_sites))

    def start_events(self, num_chains: int, seed: tf.Tensor) -> tf.Tensor:
        start_seed, event_seed = random.split(seed, 2)
        fields = self.even_fields(self.kept_states(num_chains, start_seed), self.biases())
        return self.in_units(self.draw_events(fields[0], event_seed))

    def states(self, num_steps: int, thinning: int, x: tf.Tensor, condition: tf.Tensor | None,
               seed: tf.Tensor) -> tf.Tensor:
        biases = self.biases()

        def body(state, index):
            first_seed, last_seed = random.split(random.fold_in(seed, index), 2)
            odd = self.after_steps(state[1:], biases, thinning - 1, first_seed)
            x, odd = self.gibbs_step(odd, biases, last_seed)
            return [x, *odd]

        x = self.seen(x)
        even, _ = self._even_given(x, biases)
        start = [x, *self.draw_odd(self.odd_fields(even, biases), random.fold_in(seed, num_steps))]
        states = tf.scan(body, tf.range(num_steps), start)[0]
        return ops.reshape(self.in_units(states), (num_steps, -1, *self.event_shape))

    # The constant ----------------------------------------------------------------------------------------------------

    @property
    def can_enumerate(self) -> bool:
        return min(self.sides.values()) <= MOST_STATES

    def exact_log_partition(self) -> float:
        return self.log_sum_over_all()

    def annealed_log_partition(self, num_chains: int, temperatures: np.ndarray, burn_in: int, seed: tf.Tensor) -> tuple:
        found = self.run(self._annealed, num_chains, tf.constant(temperatures), tf.constant(burn_in), seed,
                         jit_compile=self.uses_xla(self.samples_with_xla))
        return tuple(values.numpy() for values in found)

    def _annealed(self, *args):
        return annealing.estimates(self, *args)

    # Latents ---------------------------------------------------------------------------------------------------------

    @property
    def num_latents(self) -> int:
        return sum(self.hidden_layers)

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return ops.concatenate(self.hidden_means(self.seen(x), self.biases()), axis=1)

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        odd = tf.split(z, self.hidden_layers, axis=1)[::2]
        return self.in_units(self.visible.mean(self.even_fields(odd, self.biases())[0]))


def binary_entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """The entropy of binary units in nats, `[…]`."""
    inside = ops.clip(probabilities, 1e-7, 1 - 1e-7)
    return -inside * ops.log(inside) - (1 - inside) * ops.log1p(-inside)
