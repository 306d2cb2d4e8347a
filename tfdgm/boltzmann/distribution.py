"""UnnormalizedDistribution: a density up to a constant, and samples by Markov chains."""

from collections.abc import Sequence

import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks
from tfdgm.chains import ChainSampling
from tfdgm.completion import Completing
from tfdgm.distribution import DensityDistribution


class UnnormalizedDistribution(Completing, ChainSampling, DensityDistribution):
    """A `DensityDistribution` whose `unnormalized_log_prob` is always known, and `log_prob` once log Z is.

    Its samples are states of Markov chains, which go on from those of the training.
    """

    def sample(self, sample_shape: int | Sequence[int] | tf.Tensor = (), seed: int | tf.Tensor | None = None,
               name: str = 'sample', burn_in: int | None = None, thinning: int | None = None,
               observed: ArrayLike | None = None, mask: ArrayLike | None = None) -> tf.Tensor:
        """`tfd.Distribution.sample`: by default, the last state of a chain of its own for each sample.

        With `observed` and `mask`, chains hold what is known of an event, and draw the rest given that: any part of it.

        Args:
            sample_shape: how many events, an integer or a shape.
            seed: an integer, a stateless seed, or None.
            name: a name for its operations.
            burn_in: after how many steps a chain is taken to have forgotten where it started; None for the model's.
            thinning: None; or samples are states of one chain, so many steps apart.
            observed: events, of a shape that broadcasts to `[*sample_shape, *event_shape]`.
            mask: of such a shape too: 1 where `observed` is known, 0 where it is not.

        Returns:
            `[*sample_shape, *event_shape]`, float32.

        Raises:
            ValueError: if an argument is not of its kind; if only one of `observed` and `mask` is given, their shapes
                don't fit, a mask holds other values than 0 and 1, or a known value lies outside the support; or if
                there is `thinning` beside them.
            RuntimeError: if the chains diverge.

        >>> import numpy as np, tfdgm
        >>> upper_half = np.arange(8)[:, None, None] < 4
        >>> dist = tfdgm.RBM((8, 8, 1), hidden_units=32).distribution()
        >>> completed = dist.sample(3, seed=0, observed=np.ones([8, 8, 1]), mask=upper_half)
        >>> completed.shape, bool(np.all(completed[:, :4] == 1))
        (TensorShape([3, 8, 8, 1]), True)
        """
        if observed is None and mask is None:
            return super().sample(sample_shape, seed, name, burn_in, thinning)
        if thinning is not None:
            raise ValueError('thinning takes samples from one chain; with observed and mask each has its own.')
        checks.sample_shape(sample_shape)
        known = self.known_part(observed, mask, self.outer_shape(sample_shape))
        return self.last_states(sample_shape, seed, name, burn_in, known)

    def _log_prob(self, x, normalized=True):
        if normalized:
            self._model.require_log_partition()
        return super()._log_prob(x, normalized)

    def _log_density(self, x, condition, normalized):
        log_probs = self._model.unnormalized_log_prob(x)
        return self._model.normalized(log_probs) if normalized else log_probs

    def log_prob(self, value: ArrayLike, name: str = 'log_prob') -> tf.Tensor:
        """`tfd.Distribution.log_prob`, in nats: `[…, *event_shape]` -> `[…]`, float32.

        log Z is a constant here: the gradient by the weights is that of `unnormalized_log_prob`, and lacks that of
        log Z, for which `fit` takes samples. The gradient by events is whole.

        Raises:
            ValueError: if the events are of another shape, or of a type that is not that of real numbers.
            RuntimeError: if log Z is not known; the message says what to call.
        """
        return super().log_prob(value, name)

    def unnormalized_log_prob(self, value: ArrayLike, name: str = 'unnormalized_log_prob') -> tf.Tensor:
        """log p(x) + log Z, in nats: `[…, *event_shape]` -> `[…]`, float32.

        Raises:
            ValueError: if the events are of another shape, or of a type that is not that of real numbers.
        """
        return super().unnormalized_log_prob(value, name)

    def _unnormalized_log_prob(self, x):
        return self._log_prob(x, normalized=False)
