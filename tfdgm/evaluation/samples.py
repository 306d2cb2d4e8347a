"""Distances between two samples: how much what a model draws is like the data, whatever the model.

All take two arrays, `[n, …]` and `[m, …]`, of events or of features of them. Matrices of all pairs are computed block
by block, in memory that does not grow with the number of events.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from tfdgm import checks

# How many numbers a block of a matrix of pairs has.
BLOCK = 2**22
# Beyond it, powers of values that kernels take are more than float64 holds.
LARGEST = 1e25


class Estimate(NamedTuple):
    """A number that is estimated.

    Attributes:
        value: the estimate.
        standard_error: its standard deviation over samples of this size; of a discrepancy between two samples, too
            large where both are of one distribution.
    """

    value: float
    standard_error: float


class Manifolds(NamedTuple):
    """How two samples overlap, by balls around each event with the distance of its k-th nearest neighbour as radius.

    Attributes:
        precision: the fraction of generated events in a ball of a real one: fidelity.
        recall: the fraction of real events in a ball of a generated one: diversity.
        density: the mean number of real events' balls that a generated one lies in, over k: as `precision`, but robust
            against outliers among the data, whose balls are large. It may exceed 1.
        coverage: the fraction of real events whose ball holds a generated one.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def maximum_mean_discrepancy(first: ArrayLike, second: ArrayLike, bandwidth: float | None = None) -> Estimate:
    """The squared maximum mean discrepancy with a Gaussian kernel, unbiased: so it may be negative.

    Source: A. Gretton et al., "A kernel two-sample test", 2012 (https://jmlr.org/papers/v13/gretton12a.html), lemma 6.

    Args:
        first: events `[n, …]`.
        second: events `[m, …]`.
        bandwidth: of the kernel exp(-(a - b)² / 2 bandwidth²); None for the median distance of a thousand events.

    Raises:
        ValueError: if there are not two events each, of one shape and finite, or the bandwidth is not positive.

    >>> import numpy as np, tfdgm
    >>> generator = np.random.default_rng(0)
    >>> first, second = generator.normal(size=[2, 500, 2])
    >>> found = tfdgm.evaluation.maximum_mean_discrepancy(first, second)
    >>> abs(found.value) < 4 * found.standard_error
    True
    """
    first, second = centred(first, second)
    if bandwidth is None:
        some = np.concatenate([first[:500], second[:500]])
        bandwidth = np.median(euclidean_distances(some)[np.triu_indices(len(some), 1)]) or 1.
    scale = 2 * checks.positive(bandwidth, 'bandwidth')**2
    return _discrepancy(first, second, lambda a, b: np.exp(-euclidean_distances(a, b, squared=True) / scale))


def kernel_distance(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The squared maximum mean discrepancy with the kernel (a · b / d + 1)³, unbiased: so it may be negative.

    Source: M. Bińkowski, D. Sutherland, M. Arbel and A. Gretton, "Demystifying MMD GANs", 2018
    (https://arxiv.org/abs/1801.01401), who take it of features of a named network.

    Args:
        first: events or features, `[n, …]`.
        second: `[m, …]`.

    Raises:
        ValueError: if there are not two events each, of one shape and finite.
    """
    first, second = checked(first, second)
    return _discrepancy(first, second, lambda a, b: (a @ b.T / a.shape[1] + 1)**3)


def energy_distance(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The squared energy distance, 2 E d(a, b) - E d(a, a') - E d(b, b') of distances d, unbiased: it may be negative.

    Source: G. Székely and M. Rizzo, "Energy statistics: a class of statistics based on distances", 2013
    (https://doi.org/10.1016/j.jspi.2013.03.018).

    Args:
        first: events `[n, …]`.
        second: events `[m, …]`.

    Raises:
        ValueError: if there are not two events each, of one shape and finite.
    """
    first, second = centred(first, second)
    return _discrepancy(first, second, lambda a, b: -euclidean_distances(a, b))


def _discrepancy(first, second, kernel) -> Estimate:
    """E k(a, a') + E k(b, b') - 2 E k(a, b) over pairs of different events."""
    within = [_sums(one, one, kernel) / (len(one) - 1) for one in (first, second)]
    across = [_sums(*pair, kernel) / len(pair[1]) for pair in ((first, second), (second, first))]
    # What each event adds to the mean; that of all pairs varies as twice the mean of these.
    parts = [inside - outside for inside, outside in zip(within, across)]
    variance = sum(4 * np.var(part, ddof=1) / len(part) for part in parts)
    return Estimate(float(sum(np.mean(part) for part in parts)), float(np.sqrt(variance)))


def _sums(first, second, kernel):
    """The sum of a kernel between each event and all of another sample, or all others of its own: `[n]`."""
    sums, start = [], 0
    for rows in _blocks(first, second):
        values = kernel(rows, second)
        if first is second:
            places = np.arange(len(rows))
            values[places, start + places] = 0.
        sums.append(values.sum(axis=1))
        start += len(rows)
    return np.concatenate(sums)


def _blocks(first, second):
    """The rows of the first sample, so many at once that a matrix of all pairs with the second is a block."""
    size = max(1, BLOCK // len(second))
    return (first[start:start + size] for start in range(0, len(first), size))


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The squared Wasserstein-2 distance of two normal distributions with the samples' means and covariances.

    Of features of a certain network it is known as FID; name the features beside a number.

    Source: M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter, "GANs trained by a two time-scale
    update rule converge to a local Nash equilibrium", 2017 (https://arxiv.org/abs/1706.08500), equation 6.

    Args:
        first: events or features, `[n, …]`.
        second: `[m, …]`.

    Raises:
        ValueError: if there are not two events each, of one shape and finite.

    >>> import numpy as np, tfdgm
    >>> x = np.random.default_rng(0).normal(size=[100, 3])
    >>> round(tfdgm.evaluation.frechet_distance(x, x + [1, 2, 2]), 6)
    9.0
    """
    first, second = centred(first, second)
    covariances = [np.atleast_2d(np.cov(one, rowvar=False)) for one in (first, second)]
    # The trace of the root of a product is that of a symmetric matrix, whose eigenvalues are real.
    values, vectors = linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    values = linalg.eigvalsh(root @ covariances[1] @ root)
    shift = first.mean(axis=0) - second.mean(axis=0)
    traces = sum(np.trace(covariance) for covariance in covariances)
    return float(max(shift @ shift + traces - 2 * np.sum(np.sqrt(np.maximum(values, 0))), 0.))


def wasserstein_distance(first: ArrayLike, second: ArrayLike, order: int = 1) -> float:
    """The Wasserstein distance of two samples, by the cheapest transport from one to the other, exactly.

    It takes the square of the number of events in memory and more in time: some thousands are possible. Between samples
    it is larger than between the distributions, and much so where events have many numbers.

    Args:
        first: events `[n, …]`.
        second: events `[m, …]`.
        order: 1 or 2, the power of the distances, whose root is taken in the end.

    Raises:
        ValueError: if there are not two events each, of one shape and finite, or the order is another.

    >>> import numpy as np, tfdgm
    >>> x = np.random.default_rng(0).normal(size=[100, 3])
    >>> round(tfdgm.evaluation.wasserstein_distance(x, x + [1, 2, 2]), 6)
    3.0
    """
    import ot  # Which imports every framework for tensors that there is.

    first, second = centred(first, second)
    order = checks.one_of(order, (1, 2), 'order')
    costs = euclidean_distances(first, second, squared=order == 2)
    return float(ot.emd2([], [], costs, numItermax=10_000_000)) ** (1 / order)


def sliced_wasserstein_distance(first: ArrayLike, second: ArrayLike, projections: int = 128, seed: int = 0) -> float:
    """The Wasserstein-2 distance on lines: the root of the mean square over random directions.

    Source: N. Bonneel, J. Rabin, G. Peyré and H. Pfister, "Sliced and Radon Wasserstein barycenters of measures", 2015
    (https://doi.org/10.1007/s10851-014-0506-3).

    Args:
        first: events `[n, …]`.
        second: events `[m, …]`.
        projections: how many directions.
        seed: of their choice.

    Raises:
        ValueError: if there are not two events each, of one shape and finite.
    """
    import ot

    first, second = centred(first, second)
    return float(ot.sliced_wasserstein_distance(
        first, second, n_projections=checks.integer(projections, 'projections'), seed=checks.seed(seed)))


def manifolds(first: ArrayLike, second: ArrayLike, neighbours: int = 5) -> Manifolds:
    """Precision, recall, density and coverage of the second sample with regard to the first, the data.

    Sources: T. Kynkäänniemi, T. Karras, S. Laine, J. Lehtinen and T. Aila, "Improved precision and recall metric for
    assessing generative models", 2019 (https://arxiv.org/abs/1904.06991); M. Naeem, S. Oh, Y. Uh, Y. Choi and J. Yoo,
    "Reliable fidelity and diversity metrics for generative models", 2020 (https://arxiv.org/abs/2002.09797).

    Args:
        first: events of the data, or their features, `[n, …]`.
        second: those of a model, `[m, …]`.
        neighbours: k, up to which neighbour a ball reaches.

    Raises:
        ValueError: if there are not more than k events each, of one shape and finite.
    """
    first, second = centred(first, second)
    if min(len(first), len(second)) <= checks.integer(neighbours, 'neighbours'):
        raise ValueError(f'Expected more than neighbours={neighbours} events in each sample, got {len(first)} and '
                         f'{len(second)}.')
    # Distances are often equal, between integers and where events are repeated: rounding, which grows with the events
    # themselves, is not to say which is the larger.
    slack = 1e-12 * max(np.max(np.sum(one**2, axis=1)) for one in (first, second))
    radii, own_radii = (_squared_radii(one, neighbours) * (1 + 1e-7) + slack for one in (first, second))
    hits, covered, recalled = np.zeros(len(second)), [], []
    for rows, reach in zip(_blocks(first, second), _blocks(radii, second)):
        squares = euclidean_distances(rows, second, squared=True)
        inside = squares <= reach[:, None]
        hits += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        recalled.append((squares <= own_radii).any(axis=1))
    return Manifolds(float(np.mean(hits > 0)), float(np.mean(np.concatenate(recalled))),
                     float(np.mean(hits) / neighbours), float(np.mean(np.concatenate(covered))))


def _squared_radii(events, neighbours):
    """The squared distance of each event from its k-th nearest neighbour, `[n]`."""
    return NearestNeighbors(n_neighbors=neighbours).fit(events).kneighbors()[0][:, -1]**2


def centred(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Two samples as `checked` gives them, less their mean: squares of distances lose digits far from 0."""
    first, second = checked(first, second)
    mean = np.concatenate([first, second]).mean(axis=0)
    return first - mean, second - mean


def checked(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Two samples as matrices of float64, `[n, numbers]` and `[m, numbers]`.

    Raises:
        ValueError: if there are not two events each, of one shape and finite.
    """
    first, second = (checks.as_array(sample) for sample in (first, second))
    for name, sample in (('first', first), ('second', second)):
        if not checks.is_real(sample.dtype) or sample.ndim < 1 or len(sample) < 2 or not sample.size:
            raise ValueError(f'Expected two events or more in the {name} sample, numbers of shape [n, …]; got an array '
                             f'of shape {sample.shape} and type {sample.dtype}.')
        finite = np.isfinite(sample.astype('float64'))
        if not finite.all():
            raise ValueError(f'The {name} sample holds values that are NaN or infinite, the first in event '
                             f'{checks.first_event(~finite)}.')
        if np.max(np.abs(sample)) > LARGEST:
            raise ValueError(f'The {name} sample holds values beyond {LARGEST:g}, of which no distances can be '
                             'computed: divide both samples by a number.')
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f'Expected two samples of events of one shape; got events of shapes {first.shape[1:]} and '
                         f'{second.shape[1:]}.')
    return tuple(sample.reshape(len(sample), -1).astype('float64') for sample in (first, second))
