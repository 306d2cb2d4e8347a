"""Divergences between two distributions, exactly where that is possible and else by samples of them."""

import contextlib
import itertools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm import checks, random
from tfdgm.distribution import DensityDistribution, ModelDistribution
from tfdgm.evaluation.samples import Estimate, wasserstein_distance
from tfdgm.support import Integers

tfd = tfp.distributions

# How many events of a discrete distribution are summed over, at most.
ENUMERABLE = 2**16
# By how many samples integers are told from real numbers.
FEW = 20


def kl(p: tfd.Distribution, q: tfd.Distribution, num_samples: int = 10_000, seed: int = 0) -> Estimate:
    """The Kullback-Leibler divergence E_p[log p(x) - log q(x)], in nats.

    It is exact, with a standard error of 0, where TFP has it in closed form or the events of two models can be
    enumerated, and else a mean over samples of `p`. To lower it in `q` is maximum likelihood: the entropy of `p` stays.

    Args:
        p: a distribution with samples and `log_prob`, of one batch.
        q: one with `log_prob` of the same events.
        num_samples: how many samples.
        seed: of their choice.

    Raises:
        ValueError: if the distributions have batches, or events of different kinds; or one has no density, or bounds as
            log-probabilities.

    >>> import tfdgm, tensorflow_probability as tfp
    >>> tfdgm.evaluation.kl(tfp.distributions.Normal(0., 1.), tfp.distributions.Normal(2., 1.))
    Estimate(value=2.0, standard_error=0.0)
    """
    _require_comparable(p, q)
    _require_densities(p, q)
    events = _all_events(p, q)
    if events is not None:
        log_p, log_q = _log_probs(p, events), _log_probs(q, events)
        return Estimate(float(np.sum(np.exp(log_p) * _difference(log_p, log_q))), 0.)
    try:
        with _explaining(p, q):
            return Estimate(float(tfd.kl_divergence(p, q)), 0.)
    except NotImplementedError:
        x = p.sample(checks.integer(num_samples, 'num_samples', 2), seed=random.stateless_seed(seed))
        with _explaining(p, q):
            return _mean(_log_probs(p, x) - _log_probs(q, x))


def js(p: tfd.Distribution, q: tfd.Distribution, num_samples: int = 10_000, seed: int = 0) -> Estimate:
    """The Jensen-Shannon divergence in nats: the mean of KL from `p` and from `q` to their even mixture, at most log 2.

    It is exact where the events of two models can be enumerated, and else by as many samples of each.

    Args: as in `kl`; both with samples and `log_prob`.

    Raises:
        ValueError: if the distributions have batches, or events of different kinds; or one has no density, or bounds as
            log-probabilities.
    """
    _require_comparable(p, q)
    _require_densities(p, q)

    def to_mixture(log_own, log_other):
        return log_own - np.logaddexp(log_own, log_other) + np.log(2)

    events = _all_events(p, q)
    if events is not None:
        log_p, log_q = _log_probs(p, events), _log_probs(q, events)
        parts = [np.where(np.isfinite(own), np.exp(own) * to_mixture(own, other), 0.)
                 for own, other in ((log_p, log_q), (log_q, log_p))]
        return Estimate(float(np.sum(parts) / 2), 0.)
    seeds = random.split(random.stateless_seed(seed), 2)
    halves = []
    for (own, other), one in zip(((p, q), (q, p)), seeds):
        x = own.sample(checks.integer(num_samples, 'num_samples', 2), seed=one)
        with _explaining(p, q):
            halves.append(_mean(to_mixture(_log_probs(own, x), _log_probs(other, x))))
    values, errors = zip(*halves)
    return Estimate(sum(values) / 2, float(np.hypot(*errors) / 2))


def wasserstein(p: tfd.Distribution, q: tfd.Distribution, num_samples: int = 2_000, seed: int = 0) -> float:
    """The Wasserstein-1 distance of as many samples of each, from above: see `wasserstein_distance`.

    Args:
        p: a distribution with samples.
        q: one of the same events.
        num_samples: how many samples of each.
        seed: of their choice.

    Raises:
        ValueError: if the distributions have batches, or events of different shapes.
    """
    _require_comparable(p, q)
    seeds = random.split(random.stateless_seed(seed), 2)
    return wasserstein_distance(*(
        one.sample(checks.integer(num_samples, 'num_samples', 2), seed=own) for one, own in zip((p, q), seeds)))


def _require_comparable(p, q):
    """Raises unless these are two distributions of the same events."""
    for distribution in (p, q):
        checks.instance(distribution, tfd.Distribution, 'a distribution', 'model.distribution()')
        if distribution.batch_shape.rank != 0:
            raise ValueError(f'Expected one distribution, not a batch of them; {distribution.name} has the batch shape '
                             f'{tuple(distribution.batch_shape)}.')
    if p.event_shape != q.event_shape:
        raise ValueError(f'Expected two distributions of the same events; {p.name} has events of shape '
                         f'{tuple(p.event_shape)}, {q.name} of shape {tuple(q.event_shape)}.')


def _require_densities(p, q):
    """Raises if a model has bounds or no density, or one gives probabilities and the other densities."""
    for one in (p, q):
        if isinstance(one, DensityDistribution) and one.model.is_bound:
            raise ValueError(f'The log-probabilities of {type(one.model).__name__} are lower bounds, of which no '
                             'divergence follows: compare samples.')
        if isinstance(one, ModelDistribution) and not isinstance(one, DensityDistribution):
            raise ValueError(f'{type(one.model).__name__} has no density, of which a divergence follows: compare '
                             'samples.')
    if {_is_discrete(p), _is_discrete(q)} == {True, False}:
        raise ValueError(f'One of {p.name} and {q.name} has integers as events and the other real numbers: '
                         'probabilities and densities cannot be compared.')


def _is_discrete(distribution) -> bool | None:
    """Whether events are integers, as a few samples show; None if there are none."""
    if isinstance(distribution, DensityDistribution):
        return distribution.model.support.is_discrete
    try:
        x = np.asarray(distribution.sample(FEW, seed=random.stateless_seed(0)))
    except NotImplementedError:
        return None
    return bool(np.all(x == np.round(x)))


@contextlib.contextmanager
def _explaining(p, q):
    """Turns the error of distributions whose parameters don't go together into one that names them."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        raise ValueError(f'{p.name} and {q.name} are not of the same events: {error}') from error


def _all_events(p, q):
    """All events of two models, `[n, *event_shape]`, if they are discrete and few; else None."""
    if not all(isinstance(one, DensityDistribution) and isinstance(one.model.support, Integers)
               and not one.model.variable_length for one in (p, q)):
        return None
    levels = max(one.model.support.levels for one in (p, q))
    if levels**p.model.num_sites > ENUMERABLE:
        return None
    events = np.array(list(itertools.product(range(levels), repeat=p.model.num_sites)), 'float32')
    return events.reshape(-1, *p.event_shape)


def _log_probs(distribution, x):
    """In float64. Of a value that a model does not know, log 0."""
    x = tf.cast(x, distribution.dtype)
    log_probs = np.asarray(distribution.log_prob(x), 'float64')
    if isinstance(distribution, DensityDistribution):
        contained = np.asarray(distribution.model.support.contains(x))
        log_probs = np.where(contained.reshape(len(log_probs), -1).all(axis=1), log_probs, -np.inf)
    return log_probs


def _difference(log_p, log_q):
    """log p - log q, and 0 where p is 0."""
    return np.where(np.isneginf(log_p), 0., log_p - np.where(np.isneginf(log_p), 0., log_q))


def _mean(values) -> Estimate:
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))
