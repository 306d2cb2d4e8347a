"""EnergyModel: a network as the energy of events, trained by Langevin chains."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.boltzmann.model import UnnormalizedModel
from tfdgm.boltzmann.standardized import Standardized
from tfdgm.execution import replicas
from tfdgm.layers import dense
from tfdgm.networks.autoencoders import encoder_of
from tfdgm.networks.dense import called
from tfdgm.networks.given import shape_given
from tfdgm.support import Support, support_of

# How many leapfrog steps a proposal of Hamiltonian Monte Carlo takes, in estimates of log Z.
LEAPFROG_STEPS = 5
# How long these are, one proposal after the other, in those of a Langevin step: what moves and is accepted changes with
# the temperature.
LENGTHS = 1., 2., 4., 8.

# How near to the ends of the levels, -1 and 1, chains of integers come.
EDGE = 1 - 1e-6


@register_keras_serializable('tfdgm')
class EnergyModel(Standardized, UnnormalizedModel):
    """A density proportional to exp(-energy) times a standard normal one, with a network as the energy.

    Events are standardised, or, as integers, spread over [-1, 1]; the normal density keeps the whole finite. Chains
    take Langevin steps, and go on from step to step of the training in a buffer, of which some begin anew. Of integers,
    uniform noise within a level makes real values, the density ends where the levels end (chains are reflected there),
    and `log_prob` is a lower bound, as that of a flow. The network runs as it does after training: dropout and batch
    normalisation would make energies of events depend on chance, or on each other.

    Sources: Y. Du and I. Mordatch, "Implicit generation and modeling with energy based models", 2019
    (https://arxiv.org/abs/1903.08689); for the normal density, J. Xie, Y. Lu, S. Zhu and Y. Wu, "A theory of generative
    ConvNet", 2016 (https://arxiv.org/abs/1602.03264).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.EnergyModel(2, hidden_units=(16, 16))
    >>> dist = model.distribution()
    >>> x = dist.sample(3, seed=0)
    >>> log_partition = model.estimate_log_partition(num_chains=10, temperatures=20)
    >>> dist.log_prob(x).shape
    TensorShape([3])

    Args:
        event_shape: shape of one event.
        levels: None for real values, or how many integers a value can be.
        network: a Keras model from such events, standardised or in [-1, 1], to `[batch, 1]`: the energy; None for dense
            or convolutional layers.
        hidden_units: the widths of dense layers; None has images go through residual convolutions.
        filters: how many channels these have at the finest scale.
        blocks: how many residual blocks there are at each scale.
        activation: of the networks, a name that Keras knows.
        num_chains: how many chains the buffer keeps.
        langevin_steps: how many steps some of them, as many as there are events in a batch, take for it.
        step_size: the standard deviation of the noise of a step, in the units of the network.
        restarts: the probability that a chain begins anew at a batch.
        penalty: the weight of the squares of the energies in the loss, which keeps them small.
        burn_in: after how many steps the state of a chain is taken for a sample.
        seed: of the chains, an integer from 0; None draws one. Initial weights are Keras's, by its own seed.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    if_diverged = 'its steps are too long for its energy. Lower step_size.'

    trains_with_xla = scores_with_xla = samples_with_xla = True

    def __init__(self, event_shape: int | Sequence[int], *, levels: int | None = None,
                 network: keras.Model | None = None, hidden_units: Sequence[int] | None = None, filters: int = 32,
                 blocks: int = 1, activation: str = 'silu', num_chains: int = 1000, langevin_steps: int = 20,
                 step_size: float = 0.1, restarts: float = 0.05, penalty: float = 0.1, burn_in: int = 200,
                 seed: int | None = 0, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.levels = None if levels is None else checks.integer(levels, 'levels', 2)
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters, self.blocks = checks.integer(filters, 'filters'), checks.integer(blocks, 'blocks', 0)
        self.activation = activation
        self.num_chains = checks.integer(num_chains, 'num_chains', 2)
        self.langevin_steps = checks.integer(langevin_steps, 'langevin_steps')
        self.step_size = checks.positive(step_size, 'step_size')
        self.restarts, self.penalty = checks.rate(restarts, 'restarts'), checks.not_negative(penalty, 'penalty')
        self.burn_in = checks.integer(burn_in, 'burn_in')
        self.seed = checks.seed(seed)
        self.make_standardization()
        self.network = network
        self._make_network(network)
        self.chains = self._kept((self.num_chains, *self.event_shape), 'chains')
        self.chains.assign(self.reflected(random.random_state(self.seed).normal(size=self.chains.shape)))
        self.started = self._kept((), 'started')
        self._chain_seeds = random.Seeds(self.seed)
        self.built = True

    def _make_network(self, given):
        if given is None:
            self.encoder, width = encoder_of(
                None, self.event_shape, 0, hidden_units=self.hidden_units, filters=self.filters, blocks=self.blocks,
                activation=self.activation, dtype=self.dtype_policy, name='encoder')
            self.last = dense(width, 1, 'last', self.dtype_policy)
        else:
            shape = shape_given(given, 'network', self.event_shape, 0)
            if shape != (1,):
                raise ValueError(f'The network should give one energy for each event, (None, 1); it gives an array of '
                                 f'shape {(None, *shape)}.')

    @property
    def support(self) -> Support:
        return support_of(self.levels)

    @property
    def is_bound(self) -> bool:
        """Whether events are integers."""
        return self.levels is not None

    def density_weights(self) -> list:
        layers = [self.encoder, self.last] if self.network is None else [self.network]
        layers += [] if self.standardization is None else [self.standardization]
        return [weight for layer in layers for weight in layer.weights if 'float' in weight.dtype]

    # Units -----------------------------------------------------------------------------------------------------------

    def seen(self, x: tf.Tensor, noise: tf.Tensor | float = 0.5) -> tf.Tensor:
        """Events as the network sees them; integers with noise from [0, 1)."""
        return self.standardized(x) if self.levels is None else 2 * (x + noise) / self.levels - 1

    def in_units(self, y: tf.Tensor) -> tf.Tensor:
        """The way back."""
        if self.levels is None:
            return self.unstandardized(y)
        return ops.floor((y + 1) / 2 * self.levels)

    def log_det(self) -> tf.Tensor | float:
        """The logarithm of the Jacobian determinant of `seen`."""
        return super().log_det() if self.levels is None else self.num_sites * float(np.log(2 / self.levels))

    # Density ---------------------------------------------------------------------------------------------------------

    def energy(self, y: tf.Tensor) -> tf.Tensor:
        """The energies of what the network sees, float32: `[batch, *event_shape]` -> `[batch]`."""
        y = ops.cast(y, self.compute_dtype)
        energies = self.last(self.encoder(y)) if self.network is None else called(self.network, y, None)
        return ops.cast(energies[:, 0], 'float32')

    @property
    def base(self) -> tfp.distributions.Distribution:
        """The standard normal distribution of a number that the network sees; of integers, between -1 and 1 only."""
        return tfp.distributions.Normal(0., 1.) if self.levels is None else tfp.distributions.TruncatedNormal(
            0., 1., -1., 1.)

    def drawn_from_base(self, shape, seed: tf.Tensor) -> tf.Tensor:
        """Numbers drawn from `base`."""
        return random.normals(shape, seed) if self.levels is None else self.base.quantile(random.uniforms(shape, seed))

    def log_base(self, y: tf.Tensor) -> tf.Tensor:
        """The log-density of `base`: `[batch, *event_shape]` -> `[batch]`."""
        return ops.sum(self.base.log_prob(ops.reshape(y, (-1, self.num_sites))), axis=1)

    def log_density(self, y: tf.Tensor, temperature: tf.Tensor | float = 1.) -> tf.Tensor:
        """The unnormalised log-density of what the network sees, at an inverse temperature of the energy."""
        return self.log_base(y) - temperature * self.energy(y)

    def unnormalized_log_prob(self, x: tf.Tensor) -> tf.Tensor:
        x = self.valid_events(x)
        noise = random.hashed_uniforms(x) if self.levels else 0.
        return self.log_density(self.seen(x, noise)) + self.log_det()

    # Training --------------------------------------------------------------------------------------------------------

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        x = self.valid_events(x)
        seeds = random.split(self._chain_seeds.draw(shared=True), 5)
        # Replicas begin at one place of the buffer, and take of it what follows on each other's chains.
        first = ops.cast(random.uniforms((1,), seeds[1]) * self.num_chains, 'int32')
        seeds = [replicas.own_seed(seed) for seed in seeds]
        y = self.seen(x, random.uniforms(ops.shape(x), seeds[0]) if self.levels else 0.)
        count = ops.shape(x)[0]
        places = (first + replicas.before(count) + ops.arange(count)) % self.num_chains
        begin = self.drawn_from_base(ops.shape(x), seeds[2])
        anew = random.uniforms((count, *[1] * len(self.event_shape)), seeds[3]) < self.restarts
        states = ops.where(anew, begin, ops.take(self.chains, places, axis=0))
        states = ops.stop_gradient(self.walk(states, self.langevin_steps, seeds[4]))
        both = ops.concatenate([y, states])
        energies = self.energy(both)
        log_densities = self.log_base(both) - energies
        losses = ops.mean(log_densities[count:]) - log_densities[:count]
        losses += self.penalty * (energies[:count]**2 + ops.mean(energies[count:]**2))
        return {'loss': losses, 'places': places, 'states': states}

    def update_averages(self, terms: dict):
        # Where a batch is larger than the buffer, the last states are kept.
        places, states = (replicas.gathered(terms[name])[-self.num_chains:] for name in ('places', 'states'))
        self.chains.assign(tf.tensor_scatter_nd_update(self.chains.value, places[:, None], states))

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        log_probs = self.unnormalized_log_prob(x)
        of_chains = ops.mean(self.log_density(self.chains.value)) + self.log_det()
        return {'loss': of_chains - log_probs, **self.likelihood_terms(log_probs)}

    # Chains ----------------------------------------------------------------------------------------------------------

    def slope(self, y: tf.Tensor) -> tf.Tensor:
        """The gradient of the log-density by what the network sees."""
        if not tf.executing_eagerly():  # While samples are drawn, no tape records.
            return tf.gradients(self.log_density(y), y)[0]
        with tf.GradientTape() as tape:
            tape.watch(y)
            log_density = self.log_density(y)
        return tape.gradient(log_density, y)

    def reflected(self, y: tf.Tensor) -> tf.Tensor:
        """Where a step leads whose numbers turn back at the ends of the levels."""
        return y if self.levels is None else EDGE * (1 - ops.abs((y + 1) % 4 - 2))

    def walk(self, y: tf.Tensor, num_steps, seed: tf.Tensor, known=None) -> tf.Tensor:
        """Where chains are after Langevin steps; `known` is a part that stays, and where it is, or None."""
        def body(index, y):
            noise = random.normals(ops.shape(y), random.fold_in(seed, index))
            y = self.reflected(y + self.step_size**2 / 2 * self.slope(y) + self.step_size * noise)
            return index + 1, y if known is None else ops.where(known[1] == 1, known[0], y)

        y = y if known is None else ops.where(known[1] == 1, known[0], y)
        shapes = tf.TensorShape([]), y.shape
        return tf.while_loop(lambda index, y: index < num_steps, body, (0, y), shape_invariants=shapes)[1]

    def kept_states(self, count, seed: tf.Tensor) -> tf.Tensor:
        """States of the buffer, chosen at random."""
        return ops.take(self.chains, ops.cast(random.uniforms((count,), seed) * self.num_chains, 'int32'), axis=0)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor,
               burn_in: tf.Tensor | int | None = None, observed: tf.Tensor | None = None,
               mask: tf.Tensor | None = None) -> tf.Tensor:
        start_seed, seed = random.split(seed, 2)
        known = None if observed is None else (self.seen(observed), mask)
        y = self.walk(self.kept_states(batch_size, start_seed), self.burn_in if burn_in is None else burn_in, seed,
                      known)
        return self.in_units(y)

    def start_events(self, num_chains: int, seed: tf.Tensor) -> tf.Tensor:
        return self.in_units(self.kept_states(num_chains, seed))

    def states(self, num_steps: int, thinning: int, x: tf.Tensor, condition: tf.Tensor | None,
               seed: tf.Tensor) -> tf.Tensor:
        states = tf.scan(lambda y, index: self.walk(y, thinning, random.fold_in(seed, index)), tf.range(num_steps),
                         self.seen(x))
        return ops.reshape(self.in_units(ops.reshape(states, (-1, *self.event_shape))), ops.shape(states))

    # The constant ----------------------------------------------------------------------------------------------------

    def annealed_log_partition(self, num_chains: int, temperatures: np.ndarray, burn_in: int, seed: tf.Tensor) -> tuple:
        found = self.run(self._annealed, num_chains, tf.constant(temperatures), tf.constant(burn_in), seed,
                         jit_compile=self.uses_xla(self.samples_with_xla))
        return tuple(values.numpy() for values in found)

    def _annealed(self, num_chains, temperatures, burn_in, seed):
        seeds = random.split(seed, 5)
        start = self.drawn_from_base((num_chains, *self.event_shape), seeds[0])
        forward = self._log_weights(EDGE * start, temperatures, seeds[1])
        # Moves that are accepted or not, for the states of Langevin steps are samples nearly, and not quite.
        start = tf.while_loop(
            lambda index, y: index < burn_in, lambda index, y: (index + 1, self._moved(y, index, 1., seeds[3])),
            (0, self.kept_states(num_chains, seeds[2])))[1]
        return forward, -self._log_weights(start, temperatures[::-1], seeds[4])

    def _log_weights(self, y, temperatures, seed):
        """The logarithms of the weights of chains from one temperature to the next, see `annealing.annealed`."""
        def step(index, y, log_weights):
            here, there = temperatures[index], temperatures[index + 1]
            y = self._moved(y, index, here, seed)
            return index + 1, y, log_weights - (there - here) * self.energy(y)

        steps = tf.shape(temperatures)[0] - 1
        return tf.while_loop(lambda index, *state: index < steps, step, (0, y, tf.zeros(y.shape[0])))[-1]

    def _moved(self, y, index, temperature, seed):
        """States after one step of Hamiltonian Monte Carlo, which leaves the density at a temperature as it is."""
        kernel = tfp.mcmc.HamiltonianMonteCarlo(
            lambda y: self.log_density(y, temperature), self.step_size * tf.constant(LENGTHS)[index % len(LENGTHS)],
            LEAPFROG_STEPS)
        if self.levels is not None:
            # Moves have no ends then, where most of them would be refused.
            kernel = tfp.mcmc.TransformedTransitionKernel(kernel, tfp.bijectors.Sigmoid(-1., 1.))
        return kernel.one_step(y, kernel.bootstrap_results(y), seed=random.fold_in(seed, index))[0]
