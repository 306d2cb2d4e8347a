"""`complete`: any part of events given the rest, by what a model can do."""

import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.applications.outliers import log_probs_of_sites
from tfdgm.autoregressive import AutoregressiveModel
from tfdgm.boltzmann import UnnormalizedModel
from tfdgm.completion import checked_observed
from tfdgm.flows import FlowModel
from tfdgm.latent import VAE
from tfdgm.latent.decoders import OutputDecoder

# How many leapfrog steps a proposal of Hamiltonian Monte Carlo takes, how long they are at first, and how many of the
# last states the diagnostics look at.
LEAPFROG_STEPS, STEP_SIZE, LOOKED_AT = 8, 0.05, 100


class Completion(NamedTuple):
    """Events that were completed, and how.

    Attributes:
        events: `[num_samples, n, *event_shape]`, float32: each with the known part as it was.
        method: what drew the rest, a few words.
        is_exact: whether it was drawn from the exact conditional distribution; else by chains or weights that come
            near.
        effective_sample_size: of weighted draws, how many of equal weight would say as much, `[n]`; else None.
        acceptance_rate: of Hamiltonian Monte Carlo, the share of proposals that was accepted; else None.
        potential_scale_reduction: of the same with two samples or more, R-hat of the log-density over its chains,
            `[n]`: near 1 if they have forgotten where they started; else None.
    """

    events: np.ndarray
    method: str
    is_exact: bool
    effective_sample_size: np.ndarray | None = None
    acceptance_rate: float | None = None
    potential_scale_reduction: np.ndarray | None = None

    @property
    def doubt(self) -> str | None:
        """Why the completions should not be relied on; None if nothing speaks against them."""
        if self.acceptance_rate is not None and self.acceptance_rate < 0.2:
            return f'only {self.acceptance_rate:.0%} of the proposals were accepted: take more steps'
        if self.potential_scale_reduction is not None and np.max(self.potential_scale_reduction) > 1.5:
            return f'R-hat goes up to {np.max(self.potential_scale_reduction):.2g}: take more steps'
        if self.effective_sample_size is not None and np.min(self.effective_sample_size) < 2:
            return f'of the draws for an event, {np.min(self.effective_sample_size):.1f} have all the weight: take more'
        return None


def complete(model, x: ArrayLike, mask: ArrayLike, num_samples: int = 1, *, condition: ArrayLike | None = None,
             num_steps: int | None = None, num_proposals: int = 500, seed: int | None = None) -> Completion:
    """Draws what is missing of events, given what is known of them.

    - An autoregressive model draws exactly where all that is known comes first in its order. Else it draws proposals
      that don't look ahead, and chooses among them by how likely they make what is known after them.
    - A Boltzmann machine or an energy holds what is known in its chains.
    - A variational autoencoder moves latents by Hamiltonian Monte Carlo to where its decoder makes what is known, and
      decodes them; a flow moves the missing values themselves.

    Args:
        model: one of those.
        x: events, `[n, *event_shape]`; what is missing may be anything, such as NaN.
        mask: 1 where a value is known and 0 where not, of a shape that broadcasts to that of the events.
        num_samples: how many completions to draw of each event.
        condition: of a conditional model, one for each event.
        num_steps: how many steps chains take; None for the `burn_in` of the model, or 1,000.
        num_proposals: how many draws there are to choose from for each event, at least as many as samples.
        seed: an integer, or None.

    Raises:
        ValueError: if the model can complete nothing, or an argument is not of its kind.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.MADE((8, 8, 1))
    >>> upper_half = np.arange(8)[:, None, None] < 4
    >>> completion = tfdgm.applications.complete(model, np.ones([2, 8, 8, 1]), upper_half, num_samples=3, seed=0)
    >>> completion.events.shape, completion.is_exact
    ((3, 2, 8, 8, 1), True)
    """
    num_samples = checks.integer(num_samples, 'num_samples')
    num_steps = None if num_steps is None else checks.integer(num_steps, 'num_steps')
    method = method_of(model)
    x = np.asarray(inputs.array(x, 'events'))
    checks.real(x)
    shape = (len(x), *model.event_shape) if x.ndim else ()
    if x.shape != shape or not len(x):
        raise ValueError(f'Expected events of shape {model.event_shape} in an array of shape '
                         f'{(None, *model.event_shape)}, got an array of shape {x.shape}.')
    mask = np.asarray(inputs.array(mask, 'mask'))
    if not checks.is_real(mask.dtype):
        raise ValueError(f'mask must be 1 where a value is known and 0 elsewhere, got values of type {mask.dtype}.')
    mask = mask.astype('float32')
    if not checks.broadcasts(mask.shape, shape):
        raise ValueError(f'mask must have a shape that broadcasts to {shape}, got {mask.shape}.')
    mask = np.broadcast_to(mask, shape)
    checked_observed(model, tf.constant(np.where(mask == 0, 0., x), tf.float32), tf.constant(mask), np.array(shape))
    x = np.where(mask == 0, 0., x).astype('float32')
    checks.condition_given(model.condition, condition)
    if condition is not None:
        condition = checks.conditions_of_each(model.condition, inputs.array(condition, 'conditions'), len(x), 'events')
    found = method(model, x, mask, num_samples, condition, num_steps,
                   max(num_samples, checks.integer(num_proposals, 'num_proposals')), random.stateless_seed(seed))
    if found.doubt:
        warnings.warn(f'These completions are doubtful: {found.doubt}.', stacklevel=2)
    return found


def method_of(model):
    """The function by which a model completes."""
    if isinstance(model, AutoregressiveModel) and not model.variable_length and len(model.orderings) == 1:
        return by_the_chain_rule
    if isinstance(model, UnnormalizedModel):
        return by_its_chains
    if isinstance(model, VAE) and isinstance(model.decoding, OutputDecoder):
        return by_latents
    if isinstance(model, FlowModel):
        return by_values
    raise ValueError(f'A {type(model).__name__} like this one completes nothing: take an autoregressive model with one '
                     'order, a Boltzmann machine, a tfdgm.VAE with a network as its decoder, or a flow.')


def by_the_chain_rule(model, x, mask, num_samples, condition, num_steps, num_proposals, seed) -> Completion:
    """Completions of an autoregressive model."""
    in_chain = mask.reshape(len(mask), -1)[:, model.ordering]
    if np.all(np.diff(in_chain, axis=1) <= 0):
        shape = num_samples if condition is not None else (num_samples, len(x))
        events = model.distribution(condition).sample(shape, seed=seed, observed=x, mask=mask).numpy()
        return Completion(events, 'the chain rule', True)
    events, sizes = [], []
    for index, (event, known) in enumerate(zip(x, mask)):
        draw_seed, choice_seed = random.split(random.fold_in(seed, index), 2)
        given = None if condition is None else condition[index]
        proposals = model.distribution(given).sample(num_proposals, seed=draw_seed, observed=event, mask=known).numpy()
        repeated = None if given is None else np.repeat(given[None], num_proposals, axis=0)
        log_probs = log_probs_of_sites(model, proposals, repeated)
        log_weights = np.sum(np.where(known == 1, log_probs, 0.), axis=tuple(range(1, log_probs.ndim)))
        places, size = resampled(log_weights, num_samples, choice_seed)
        events.append(proposals[places])
        sizes.append(size)
    return Completion(np.stack(events, axis=1), 'weighted draws', False, effective_sample_size=np.array(sizes))


def resampled(log_weights: ArrayLike, count: int, seed: tf.Tensor) -> tuple:
    """Places drawn by weights, `[count]`, and how many of equal weight would say as much.

    Raises:
        ValueError: if all weights are 0, or one is not finite.
    """
    log_weights = np.asarray(log_weights, 'float64')
    if np.any(np.isnan(log_weights)) or not np.isfinite(np.max(log_weights)):
        raise ValueError('Of the draws of the model there is none that could be chosen: the weights of all are 0, or '
                         'some are no numbers.')
    weights = tf.nn.softmax(log_weights)
    return chosen(weights, count, seed).numpy(), float(1 / tf.reduce_sum(weights**2))


def chosen(weights: tf.Tensor, count: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Indices drawn by their weights, of sum 1: `[count]`, integers."""
    cumulative = tf.cumsum(weights)
    uniforms = tf.cast(random.uniforms((count,), seed), cumulative.dtype)
    return tf.minimum(tf.searchsorted(cumulative, uniforms), tf.size(cumulative) - 1)


def by_its_chains(model, x, mask, num_samples, condition, num_steps, num_proposals, seed) -> Completion:
    """Completions of a model whose samples are states of chains."""
    events = model.distribution().sample((num_samples, len(x)), seed=seed, burn_in=num_steps, observed=x, mask=mask)
    return Completion(events.numpy(), 'chains that hold what is known', False)


def by_latents(model, x, mask, num_samples, condition, num_steps, num_proposals, seed) -> Completion:
    """Completions of a variational autoencoder: z given what is known, and then the rest given z."""
    start_seed, chain_seed, event_seed = random.split(seed, 3)
    repeated = None if condition is None else tf.repeat(condition, num_samples, axis=0)
    features = model.encode_condition(repeated)
    count, decoding = len(x), model.decoding
    values = x if decoding.standardization is None else decoding.standardization(x)[0]
    prior = model.prior() if model.prior_layer.condition is None else model.prior(repeated)

    def log_density(z):
        parameters = decoding.parameters(tf.reshape(z, (-1, model.num_latents)), features)
        parameters = tf.reshape(parameters, (count, num_samples, *parameters.shape[1:]))
        sites = decoding.output_family.log_prob(parameters, values[:, None])
        known = tf.reduce_sum(tf.where(mask[:, None] == 1, sites, 0.), axis=tuple(range(2, len(sites.shape))))
        return known + tf.reshape(prior.log_prob(tf.reshape(z, (-1, model.num_latents))), (count, num_samples))

    start = model.draw_prior(count * num_samples, repeated, start_seed)
    start = tf.reshape(start, (count, num_samples, model.num_latents))
    z, acceptance, reduction = moved(log_density, start, num_steps, chain_seed)
    events = model.draw_events(tf.reshape(z, (-1, model.num_latents)), repeated, event_seed)
    return completed(events, x, mask, num_samples, 'Hamiltonian Monte Carlo over latents', acceptance, reduction)


def by_values(model, x, mask, num_samples, condition, num_steps, num_proposals, seed) -> Completion:
    """Completions of a flow: the missing values, and where within their levels integers lie."""
    start_seed, chain_seed = random.split(seed, 2)
    repeated = None if condition is None else tf.repeat(condition, num_samples, axis=0)
    known = mask[:, None] == 1
    shape = (len(x), num_samples, *model.event_shape)
    draws = tf.reshape(model.distribution(repeated).sample(
        () if condition is not None else shape[0] * num_samples, seed=start_seed), shape)
    if model.support.is_discrete:
        density = model.continuous_distribution(repeated)
        low = tf.broadcast_to(tf.where(known, x[:, None], 0.), shape)
        high = tf.broadcast_to(tf.where(known, x[:, None] + 1, float(model.support.levels)), shape)
        units = tfp.bijectors.Sigmoid(low, high)
        start = units.inverse(tf.where(known, low + 0.5, draws + 0.5))
    else:
        density, units = model.distribution(repeated), scale_of(model)
        start = units.inverse(tf.where(known, x[:, None], draws))

    def log_density(y):
        inside = units.forward(y)
        if not model.support.is_discrete:
            inside = tf.where(known, x[:, None], inside)
        log_probs = density.log_prob(tf.reshape(inside, (-1, *model.event_shape)))
        change = units.forward_log_det_jacobian(y, len(model.event_shape)) if model.support.is_discrete else 0.
        return tf.reshape(log_probs, shape[:2]) + change

    y, acceptance, reduction = moved(log_density, start, num_steps, chain_seed)
    events = units.forward(y)
    events = tf.minimum(tf.floor(events), model.support.levels - 1.) if model.support.is_discrete else events
    return completed(tf.reshape(events, (-1, *model.event_shape)), x, mask, num_samples,
                     'Hamiltonian Monte Carlo over the missing values', acceptance, reduction)


def scale_of(model) -> tfp.bijectors.Bijector:
    """From values of order 1 to those of a flow of real numbers."""
    layer = model.standardization
    if layer is None:
        return tfp.bijectors.Identity()
    return tfp.bijectors.Chain([tfp.bijectors.Shift(layer.mean.value), tfp.bijectors.Scale(layer.deviation.value)])


def moved(log_density, start: tf.Tensor, num_steps: int | None, seed: tf.Tensor) -> tuple:
    """The last states of chains `[n, samples, …]`, the share of accepted proposals, and R-hat of the log-density."""
    num_steps = 1000 if num_steps is None else num_steps
    kept = min(LOOKED_AT, num_steps)

    @tf.function(autograph=False)
    def run():
        kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
            tfp.mcmc.HamiltonianMonteCarlo(log_density, STEP_SIZE, LEAPFROG_STEPS), max(num_steps - kept, 1))

        def trace(_, results):
            inner = results.inner_results
            return inner.accepted_results.target_log_prob, inner.is_accepted

        states, traced = tfp.mcmc.sample_chain(
            kept, start, kernel=kernel, num_burnin_steps=num_steps - kept, trace_fn=trace, seed=seed)
        return states[-1], *traced

    z, log_densities, accepted = run()
    reduction = None
    if start.shape[1] > 1 and kept > 3:
        reduction = tfp.mcmc.potential_scale_reduction(
            tf.transpose(log_densities, (0, 2, 1)), independent_chain_ndims=1).numpy()
    return z, float(tf.reduce_mean(tf.cast(accepted, tf.float32))), reduction


def completed(events, x, mask, num_samples, method, acceptance, reduction) -> Completion:
    """The result of chains, with what is known as it was."""
    events = np.reshape(events, (len(x), num_samples, *x.shape[1:])).swapaxes(0, 1)
    return Completion(np.where(mask == 1, x, events).astype('float32'), method, False, acceptance_rate=acceptance,
                      potential_scale_reduction=reduction)
