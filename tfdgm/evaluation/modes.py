"""Mode coverage: how many of a distribution's known parts samples have, and how evenly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics.pairwise import euclidean_distances

from tfdgm import checks
from tfdgm.evaluation.samples import centred


class Modes(NamedTuple):
    """What samples have of a distribution whose modes are equally likely.

    Attributes:
        hit: how many modes have a sample.
        high_quality: the share of samples that belong to a mode.
        reverse_kl: the Kullback-Leibler divergence from the modes of those samples to equal shares, in nats; NaN if
            there are no such samples.
    """

    hit: int
    high_quality: float
    reverse_kl: float


def modes_of(indices: ArrayLike, num_modes: int) -> Modes:
    """Counts modes by the mode of each sample, an index from 0; -1 for none, as of a classifier.

    Source: Z. Lin, A. Khetan, G. Fanti and S. Oh, "PacGAN: the power of two samples in generative adversarial
    networks", 2018 (https://arxiv.org/abs/1712.04086), section 4.

    Raises:
        ValueError: if the indices are no integers from -1 to `num_modes` - 1, or there are none.

    >>> import numpy as np, tfdgm
    >>> tfdgm.evaluation.modes_of([0, 0, 1, -1], num_modes=2).hit
    2
    """
    indices = np.asarray(indices)
    num_modes = checks.integer(num_modes, 'num_modes', 2)
    if indices.ndim != 1 or not len(indices) or indices.dtype.kind not in 'iu' or not (
            indices.min() >= -1 and indices.max() < num_modes):
        raise ValueError(f'Expected the index of a mode for each sample, integers from -1, for none, to '
                         f'{num_modes - 1}; got an array of shape {indices.shape} and type {indices.dtype}.')
    counts = np.bincount(indices[indices >= 0], minlength=num_modes)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    reverse_kl = float(np.sum(shares * np.log(shares * num_modes))) if len(shares) else np.nan
    return Modes(int(np.sum(counts > 0)), float(counts.sum() / len(indices)), reverse_kl)


def modes_near(samples: ArrayLike, centres: ArrayLike, radius: float) -> Modes:
    """Counts modes by their centres: a sample belongs to the nearest, if it lies no further than the radius.

    For mixtures of normal distributions the radius is three standard deviations, as in the source of `modes_of`.

    Args:
        samples: `[n, …]`.
        centres: of the modes, `[m, …]`.
        radius: how far from a centre a sample may lie.

    Raises:
        ValueError: if there are not two of each, of one shape and finite, or the radius is not positive.
    """
    count = len(np.atleast_1d(checks.as_array(centres)))
    if count < 2:
        raise ValueError(f'Expected two centres of modes or more, got {count}.')
    samples, centres = centred(samples, centres)
    distances = euclidean_distances(samples, centres)
    near = distances.min(axis=1) <= checks.positive(radius, 'radius')
    return modes_of(np.where(near, distances.argmin(axis=1), -1), len(centres))
