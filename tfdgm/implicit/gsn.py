"""GSN: a generative stochastic network, a Markov chain that corrupts events and denoises them."""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.chains import ChainSampling, HasChains
from tfdgm.conditions import Condition
from tfdgm.distribution import ModelDistribution
from tfdgm.implicit.denoiser import Denoiser
from tfdgm.implicit.distribution import WITHOUT_DENSITY
from tfdgm.layers import Standardization
from tfdgm.model import GenerativeModel
from tfdgm.outputs import HasOutput, Output


class ChainDistribution(ChainSampling, ModelDistribution):
    """A `ModelDistribution` whose samples are states of Markov chains."""

    def _log_prob(self, x):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self._model).__name__))


@register_keras_serializable('tfdgm')
class GSN(HasChains, HasOutput, GenerativeModel):
    """The generative stochastic network: a chain whose every step corrupts an event and draws another by a denoiser.

    Hidden layers carry state from one step to the next. Training walks back: the chain goes some steps
    away from an event, and each is to find it again. What the chain draws in the long run is the model; the loss is the
    mean of -log p(event | corrupted state) over the steps, in nats, and not that of samples.

    Source: Y. Bengio, É. Thibodeau-Laufer, G. Alain and J. Yosinski, "Deep generative stochastic networks trainable by
    backprop", 2014 (https://arxiv.org/abs/1306.1091).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.GSN((8, 8, 1), hidden_units=(32, 32), burn_in=10)
    >>> model.distribution().sample(3, seed=0).shape
    TensorShape([3, 8, 8, 1])
    >>> model.chain(num_steps=20, num_chains=2, seed=0).shape
    TensorShape([20, 2, 8, 8, 1])

    Args:
        event_shape: shape of one event.
        output: the family of each site given the hidden layers, one of `tfdgm.outputs`; by default `Bernoulli()`.
        hidden_units: the widths of the hidden layers.
        corruption: how much of an event is lost at each step: the probability that an integer is replaced by a
            uniform one, or the standard deviation of the noise added to standardised real values.
        noise: the standard deviation of what is added to the hidden layers but the first, before and after their
            hyperbolic tangent.
        walk_back: how many steps the chain takes from each event in training.
        burn_in: after how many steps the state of a chain is a sample.
        condition: what the events depend on; the first hidden layer sees its features.
        seed: of the noise of training, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    distribution_class = ChainDistribution
    trains_with_xla = samples_with_xla = scores_with_xla = True

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 hidden_units: Sequence[int] = (500, 500), corruption: float = 0.4, noise: float = 2.,
                 walk_back: int = 4, burn_in: int = 200, condition: Condition | None = None, seed: int | None = 0,
                 **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.keep_output(output)
        self.hidden_units = checks.integers(hidden_units, 'hidden_units')
        self.corruption = checks.positive(corruption, 'corruption')
        if self.support.is_discrete and self.corruption > 1:
            raise ValueError(f'corruption of integers is a probability, at most 1; got {corruption}.')
        self.noise = checks.not_negative(noise, 'noise')
        self.walk_back = checks.integer(walk_back, 'walk_back')
        if self.walk_back < len(self.hidden_units):
            raise ValueError(f'walk_back must be at least the number of hidden layers, {len(self.hidden_units)}; got '
                             f'{walk_back}. A layer that is so many steps from the event would not learn.')
        self.burn_in = checks.integer(burn_in, 'burn_in')
        self.seed = checks.seed(seed)
        self.standardization = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization')
        self.denoiser = Denoiser(
            self.num_sites, self.output.num_parameters, self.hidden_units, self.noise, self.condition_features,
            dtype=self.dtype_policy, name='denoiser')
        self._noise_seeds = random.Seeds(self.seed)
        self.built = True

    # The chain -------------------------------------------------------------------------------------------------------

    def corrupted(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Events of which a part is lost; real values are standardised."""
        if not self.support.is_discrete:
            return x + self.corruption * random.normals(ops.shape(x), seed)
        uniforms = random.uniforms(ops.shape(x), seed)
        # Those below the probability are uniform up to it.
        return ops.where(uniforms < self.corruption, self._any_value(uniforms / self.corruption), x)

    def _any_value(self, uniforms):
        return ops.minimum(ops.floor(uniforms * self.support.levels), self.support.levels - 1)

    def seen(self, x: tf.Tensor) -> tf.Tensor:
        """Events as the network sees them: integers from 0 to 1, real values standardised."""
        return ops.reshape(x / (self.support.levels - 1) if self.support.is_discrete else x, (-1, self.num_sites))

    def step(self, x: tf.Tensor, hidden: list, condition: tf.Tensor | None, seed: tf.Tensor) -> tuple:
        """One step of chains.

        Args:
            x: where they are, `[batch, *event_shape]`; real values standardised.
            hidden: the hidden layers there, `[batch, units]` each.
            condition: one for each chain, or None.
            seed: a stateless seed.

        Returns:
            The parameters of the distribution of the next event, `[batch, *event_shape, num_parameters]`, and the
            hidden layers then.
        """
        corruption_seed, noise_seed = random.split(seed, 2)
        seen = self.seen(self.corrupted(x, corruption_seed))
        parameters, hidden = self.denoiser(seen, hidden, self.encode_condition(condition), noise_seed)
        parameters = ops.reshape(parameters, (-1, *self.event_shape, self.output.num_parameters))
        return ops.cast(parameters, 'float32'), hidden

    def drawn(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Events with such parameters; real values standardised."""
        shape = ops.shape(parameters)[0], *self.event_shape, self.output.num_uniforms
        return ops.stop_gradient(self.output.quantile(parameters, random.uniforms(shape, seed)))

    def walk(self, x: tf.Tensor, hidden: list, num_steps, condition: tf.Tensor | None, seed: tf.Tensor) -> tuple:
        """Where chains are after some steps, in x and in the hidden layers."""
        def body(index, x, *hidden):
            step_seed, event_seed = random.split(random.fold_in(seed, index), 2)
            parameters, hidden = self.step(x, hidden, condition, step_seed)
            return index + 1, self.drawn(parameters, event_seed), *hidden

        shapes = tf.TensorShape([]), *(part.shape for part in (x, *hidden))
        _, x, *hidden = tf.while_loop(
            lambda index, *state: index < num_steps, body, (0, x, *hidden), shape_invariants=shapes)
        return x, hidden

    def start(self, batch_size: int, seed: tf.Tensor) -> tf.Tensor:
        """Where chains start: any integers at each site, or standard normal values, which are standardised ones."""
        shape = batch_size, *self.event_shape
        if self.support.is_discrete:
            return self._any_value(random.uniforms(shape, seed))
        return random.normals(shape, seed)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor,
               burn_in: tf.Tensor | int | None = None) -> tf.Tensor:
        start_seed, seed = random.split(seed, 2)
        x, hidden = self.start(batch_size, start_seed), self.denoiser.start(batch_size)
        return self._in_units(self.walk(x, hidden, self.burn_in if burn_in is None else burn_in, condition, seed)[0])

    def start_events(self, num_chains: int, seed: tf.Tensor) -> tf.Tensor:
        return self._in_units(self.start(num_chains, seed))

    def _in_units(self, x):
        return x if self.standardization is None else self.standardization(x, invert=True)[0]

    def states(self, num_steps: int, thinning: int, x: tf.Tensor, condition: tf.Tensor | None,
               seed: tf.Tensor) -> tf.Tensor:
        """States of chains that start from events: `[num_steps, batch, *event_shape]`, `thinning` steps apart."""
        def body(state, index):
            return self.walk(*state, thinning, condition, random.fold_in(seed, index))

        start = x if self.standardization is None else self.standardization(x)[0], self.denoiser.start(x.shape[0])
        return self._in_units(tf.scan(body, tf.range(num_steps), start)[0])

    # Training --------------------------------------------------------------------------------------------------------

    def walk_back_losses(self, x: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """The mean of -log p(event | corrupted state) over the steps of chains that start from events: `[batch]`."""
        x = self.valid_events(x)
        x = x if self.standardization is None else self.standardization(x)[0]
        state, hidden, losses = x, self.denoiser.start(ops.shape(x)[0]), 0.
        sites = tuple(range(1, 1 + len(self.event_shape)))
        for step in range(self.walk_back):
            step_seed, event_seed = random.split(random.fold_in(seed, step), 2)
            parameters, hidden = self.step(state, hidden, condition, step_seed)
            losses -= ops.sum(self.output.log_prob(parameters, x), axis=sites) / self.walk_back
            state = self.drawn(parameters, event_seed)
        return losses

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.walk_back_losses(x, condition, self._noise_seeds.draw())

    def validation_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        # As the event says that comes first.
        return self.walk_back_losses(x, condition, random.seed_of(x))

    def call(self, x: tf.Tensor, training: bool = False):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self).__name__))
