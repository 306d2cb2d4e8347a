"""AutoregressiveModel: exact density by the chain rule, p(x) = Π p(x_i | earlier sites)."""

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks, random
from tfdgm.autoregressive.distribution import AutoregressiveDistribution
from tfdgm.conditions import Condition
from tfdgm.density import DensityModel
from tfdgm.execution import extremes
from tfdgm.layers import Standardization
from tfdgm.outputs import HasOutput, Output


class AutoregressiveModel(HasOutput, DensityModel):
    """Base class of systems that visit the sites of an event one after the other.

    A site is one number of the event, counted in C order. The chain visits the sites in an order; the place of a site
    in the chain is its position. A subclass implements three methods:

    - `parameters`: the output's parameters at all sites at once, each depending on earlier sites only;
    - `initial_state`: what incremental evaluation remembers before the first site;
    - `step`: the parameters at one position, given the state and the value at the position before it.

    Likelihood and training use the first; sampling the other two, so that it costs one pass over the chain.

    All three see real values as standardised by what `adapt` found; likelihoods and samples are in the data's own
    units.

    Args:
        event_shape: shape of one event.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        order: 'natural' (C order), 'random' (drawn with `seed`), or a permutation of the sites: the site that each
            position of the chain visits.
        seed: of the random order, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `order` is not a permutation of the sites, or `seed` not an integer from 0.
    """

    distribution_class = AutoregressiveDistribution
    # Whether the network can see which level a value is, where the levels have no order.
    takes_codes = True

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.keep_output(output)
        if not self.output.ordered and not self.takes_codes:
            raise ValueError(f'{type(self).__name__} sees a value as one number, which says nothing where levels have '
                             f'no order, {self.output}: take a model of images or of sequences.')
        self.order = order if isinstance(order, str) else np.asarray(order).tolist()
        self.seed = checks.seed(seed)
        # A saved model keeps the seed only.
        self._random = random.random_state(self.seed)
        self.orderings = self._orderings()
        self.standardization = None if self.support.is_discrete else Standardization(
            self.standardization_shape, dtype='float32', name='standardization')

    @property
    def ordering(self) -> np.ndarray:
        """The site at each position of the chain: `[sites]`; of several orderings, the first."""
        return self.orderings[0]

    def _orderings(self) -> np.ndarray:
        """The orderings of the chain, the site at each position: `[1, sites]`; a system may have several."""
        return self._permutation(self.order)[None]

    def _permutation(self, order) -> np.ndarray:
        """Turns a description of one order into the site at each position: `[sites]`."""
        natural = np.arange(self.num_sites)
        if isinstance(order, str):
            if order == 'natural':
                return natural
            if order == 'random':
                return self._random.permutation(self.num_sites)
        elif np.ndim(order) == 1 and np.array_equal(np.sort(order), natural):
            return np.asarray(order, int)
        raise ValueError(f"order must be 'natural', 'random' or a permutation of the {self.num_sites} sites "
                         f'0 … {self.num_sites - 1}, got {order!r}.')

    def to_chain(self, x: tf.Tensor) -> tf.Tensor:
        """Flattens events, their sites in the order of the chain: `[batch, *event_shape]` -> `[batch, sites]`."""
        return self._permute(ops.reshape(x, (-1, self.num_sites)), self.ordering)

    def from_chain(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `to_chain`, with any trailing axes: `[batch, sites, …]` -> `[batch, *event_shape, …]`."""
        values = self._permute(values, np.argsort(self.ordering))
        return ops.reshape(values, (-1, *self.event_shape, *values.shape[2:]))

    def _permute(self, values, indices):
        natural = np.array_equal(indices, np.arange(self.num_sites))
        return values if natural else ops.take(values, indices, axis=1)

    @abc.abstractmethod
    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """The output's parameters at every site: `[batch, *event_shape]` -> `[batch, *event_shape, num_parameters]`."""

    @abc.abstractmethod
    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed: tf.Tensor | None = None):
        """The state before the first site: a structure of tensors. `seed` is for systems that draw something first."""

    @abc.abstractmethod
    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        """The parameters at one position.

        Args:
            state: what `initial_state` or the step before returned.
            position: an int32 scalar, the place in the chain.
            previous: `[batch]`, the value at `position - 1`; zeros at the first position.

        Returns:
            The parameters `[batch, num_parameters]` and the next state.
        """

    @property
    def standardization_shape(self) -> tuple:
        """The shape of the means and standard deviations of real values: a 1 where sites share one."""
        return self.event_shape

    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        if self.standardization is None:
            return self.standardized_log_prob(x, condition, training)
        x = ops.cast(x, 'float32')
        standardized, log_det = self.standardization(x)
        log_density = extremes.log_density(
            lambda near: self.standardized_log_prob(ops.where(near, standardized, 0.), condition, training),
            x, standardized, self.is_valid(condition), self.padding(x))
        return log_density + log_det * self.sites_of(x)

    def standardized_log_prob(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool) -> tf.Tensor:
        """`log_prob` of standardised values, in their units."""
        return self.log_prob_given(self.parameters(x, condition, training), x)

    def log_prob_of_sites(self, x: tf.Tensor, condition: tf.Tensor | None = None) -> tf.Tensor:
        """log p(site | sites before), in nats: events -> `[batch, *event_shape]`, which sum to `log_prob`.

        Of a model with several orders, those of its first network alone, which say little: see `orderings`.
        """
        if self.standardization is None:
            return self.site_log_probs(self.parameters(x, condition), x)
        x = ops.cast(x, 'float32')
        standardized, log_det = self.standardization(x)

        def evaluate(near):
            values = ops.where(near, standardized, 0.)
            return self.site_log_probs(self.parameters(values, condition), values) + log_det

        return extremes.log_densities_of_sites(evaluate, x, standardized)

    def log_prob_given(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Log-probability of each event under the sites' parameters, summed in float32: `[batch]`, in nats."""
        return ops.sum(ops.reshape(self.site_log_probs(parameters, x), (-1, self.num_sites)), axis=1)

    def site_log_probs(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Log-probability of each site, `[batch, *event_shape]`, in nats.

        It is NaN where a value lies outside the support: what TFP's distributions give there differs.
        """
        x = ops.cast(x, 'float32')
        contained = self.support.contains(x)
        log_probs = self.output.log_prob(ops.cast(parameters, 'float32'), ops.where(contained, x, 0.))
        return ops.where(contained, log_probs, np.nan)

    @property
    def row_length(self) -> int:
        """How many positions of the chain make a row: see `start_row`."""
        return self.num_sites

    def start_row(self, state, row, previous: tf.Tensor):
        """The state at the start of a row, for systems that compute something for all the sites of a row at once.

        Args:
            state: that of the step before.
            row: an int32 scalar; the row's first position is `row * row_length`.
            previous: `[batch]`, the value at the position before; zeros at the first row.
        """
        return state

    @property
    def pixel_length(self) -> int:
        """How many positions of the chain, a divisor of `row_length`, make a pixel: see `start_pixel`."""
        return 1

    def start_pixel(self, state, position: tf.Tensor, previous: tf.Tensor):
        """The state at the start of a pixel, for systems that compute something for all its positions at once.

        Args:
            state: that of the step before, or of the row that starts here.
            position: an int32 scalar, the pixel's first position.
            previous: `[batch]`, the value at the position before; zeros at the first pixel.
        """
        return state

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor, observed: tf.Tensor | None = None,
               mask: tf.Tensor | None = None, length: tf.Tensor | None = None) -> tf.Tensor:
        """Draws events, as `GenerativeModel.sample`.

        Where `mask` is 1 the value is that of `observed`, both `[batch, *event_shape]`: later sites are drawn given it,
        earlier ones as if it were not known. With `length`, `[batch]`, so many steps of each event are drawn, and the
        rest is NaN.
        """
        steps = self.event_shape[0]
        end = self.num_sites
        if length is not None:
            end = ops.minimum(ops.max(length), steps) * (self.num_sites // steps)
        state_seed, value_seed = random.split(seed, 2)
        # Event by event, so that the first ones do not depend on how many there are; then site by site.
        uniforms = random.uniforms((batch_size, self.num_sites, self.output.num_uniforms), value_seed)
        uniforms = ops.transpose(uniforms, (1, 0, 2))
        state = self.initial_state(batch_size, condition, state_seed)
        if observed is not None:
            known = observed if self.standardization is None else self.standardization(observed)[0]
            known = tf.transpose(self.chain_of_samples(known, state))
            is_known = tf.transpose(self.chain_of_samples(mask, state)) == 1

        def visit(position, previous, state, values):
            parameters, state = self.step(state, position, previous)
            value = self.output.quantile(ops.cast(parameters, 'float32'), uniforms[position])
            if observed is not None:
                value = tf.where(is_known[position], known[position], value)
            return position + 1, value, state, values.write(position, value)

        def visit_pixel(position, previous, state, values):
            state = self.start_pixel(state, position, previous)
            for _ in range(self.pixel_length):
                position, previous, state, values = visit(position, previous, state, values)
            return position, previous, state, values

        def visit_row(position, previous, state, values):
            row_end = ops.minimum(position + self.row_length, end)
            state = self.start_row(state, position // self.row_length, previous)
            return tf.while_loop(
                lambda position, *_: position < row_end, visit_pixel, (position, previous, state, values))

        values = tf.TensorArray(tf.float32, self.num_sites, element_shape=uniforms.shape[1:2])
        *_, state, values = tf.while_loop(
            lambda position, *_: position < end, visit_row,
            (0, tf.zeros_like(uniforms[0, :, 0]), state, values))
        samples = self.samples_from_chain(tf.transpose(values.stack()), state)
        if self.standardization is not None:
            samples, _ = self.standardization(samples, invert=True)
            # To the last bit: standardised and back, a value may be rounded.
            samples = samples if observed is None else tf.where(mask == 1, observed, samples)
        if length is not None:
            # A graph can't raise an error about a length: of one that no event has comes NaN alone.
            within = (ops.arange(steps, dtype='int32') < length[:, None]) & (length[:, None] <= steps)
            within = ops.reshape(within, (-1, steps, *[1] * (len(self.event_shape) - 1)))
            samples = tf.where(within, samples, np.nan)
        return samples

    def chain_of_samples(self, x: tf.Tensor, state) -> tf.Tensor:
        """The inverse of `samples_from_chain`."""
        return self.to_chain(x)

    def samples_from_chain(self, values: tf.Tensor, state) -> tf.Tensor:
        """Puts sampled values `[batch, sites]` back in place; `state` is the last one."""
        return self.from_chain(values)
