"""How far states of Markov chains depend on each other, by TensorFlow Probability's diagnostics."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike


class Mixing(NamedTuple):
    """Diagnostics of chains, for each number of an event; NaN where it never changes.

    Attributes:
        effective_sample_size: how many independent states say as much of its mean as all of the chains.
        potential_scale_reduction: R-hat, how much more it varies over the chains than within them: near 1 if they have
            forgotten where they started.
    """

    effective_sample_size: np.ndarray
    potential_scale_reduction: np.ndarray


def mixing(chains: ArrayLike) -> Mixing:
    """Diagnostics of chains such as `tfdgm.GSN.chain` gives.

    Sources: S. Brooks and A. Gelman, "General methods for monitoring convergence of iterative simulations", 1998
    (https://doi.org/10.1080/10618600.1998.10474787), and `tfp.mcmc`.

    Args:
        chains: states, `[steps, chains, *event_shape]`: two chains at least, and four steps.

    Raises:
        ValueError: if there are fewer, or values are not finite.

    >>> import numpy as np, tfdgm
    >>> chains = np.random.default_rng(0).normal(size=[500, 4, 2])
    >>> bool(np.all(tfdgm.evaluation.mixing(chains).potential_scale_reduction < 1.02))
    True
    """
    chains = np.asarray(chains)
    if chains.ndim < 2 or chains.dtype.kind not in 'biuf' or chains.shape[0] < 4 or chains.shape[1] < 2:
        raise ValueError('Expected numbers of four steps and two chains at least, [steps, chains, …]; got an array of '
                         f'shape {chains.shape} and type {chains.dtype}.')
    if not np.isfinite(chains).all():
        raise ValueError('Expected states of chains that are finite.')
    chains = tf.constant(chains, tf.float64)
    size = tfp.mcmc.effective_sample_size(chains, cross_chain_dims=1, filter_beyond_positive_pairs=True)
    reduction = tfp.mcmc.potential_scale_reduction(chains, independent_chain_ndims=1)
    varies = np.ptp(chains.numpy(), axis=(0, 1)) > 0
    return Mixing(*(np.where(varies, values, np.nan) for values in (size.numpy(), reduction.numpy())))
