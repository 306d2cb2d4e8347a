"""Distributions of models with latents: bounds by as many draws as one asks for, and samples once there is a prior."""

import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks
from tfdgm.distribution import DensityDistribution


class LatentVariableDistribution(DensityDistribution):
    """A `ModelDistribution` whose `log_prob` is a lower bound, by a number of draws of the latents."""

    def log_prob(self, value: ArrayLike, name: str = 'log_prob', num_samples: int | None = None) -> tf.Tensor:
        """The importance-weighted lower bound of the log-probability, in nats: `[…, *event_shape]` -> `[…]`.

        Args:
            value: events.
            name: a name for its operations.
            num_samples: how many draws of latents, by default the model's, 64; the bound rises with it towards the
                log-probability, by less and less.

        Raises:
            ValueError: if the events are of another shape, or of a type that is not that of real numbers; if there is
                not at least one draw.

        >>> import numpy as np, tfdgm
        >>> dist = tfdgm.VAE(4, num_latents=2).distribution()
        >>> dist.log_prob(np.ones([3, 4]), num_samples=100).shape
        TensorShape([3])
        """
        if num_samples is not None:
            num_samples = checks.integer(num_samples, 'num_samples')
        return super().log_prob(value, name, num_samples=num_samples)

    def _log_prob(self, x, num_samples=None):
        return super()._log_prob(x, num_samples or self._model.num_samples)

    def _log_density(self, x, condition, num_samples):
        return self._model.log_prob(x, condition, num_samples=num_samples)

    def _entropy(self):
        raise NotImplementedError(
            f'{type(self.model).__name__} has no closed form of `entropy`: estimate it from samples, x = '
            'dist.sample(10_000), as -tf.reduce_mean(dist.log_prob(x, num_samples=1000), 0), which is too high by what '
            'the bound lacks.')


class CodeDistribution(DensityDistribution):
    """A `DensityDistribution` that does not sample before the prior over its codes has been fitted."""

    def _sample_n(self, n, seed=None, given=()):
        # In a graph the model gives NaN instead.
        if tf.executing_eagerly() and not self._model.prior_is_fitted.numpy():
            raise RuntimeError(f'The prior over the codes of this {type(self._model).__name__} was never fitted, so '
                               'there is nothing to sample: call model.fit_prior(events), with the arguments of `fit`, '
                               'once `fit` has trained the codes.')
        return super()._sample_n(n, seed, given)
