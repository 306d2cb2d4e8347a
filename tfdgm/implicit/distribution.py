"""ImplicitDistribution: a distribution of which one has samples and their gradients, and no density."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm.distribution import ModelDistribution
from tfdgm.execution import internals, pieces

tfd = tfp.distributions


WITHOUT_DENSITY = (
    '{} has no density, so it has no log-probabilities: it learns to make samples. Compare samples with data by '
    'tfdgm.evaluation, or take a tfdgm.DensityModel.')


class ImplicitDistribution(ModelDistribution):
    """A `ModelDistribution` whose samples are a function of noise: gradients flow to the weights and the condition.

    Integers are rounded, and pass the gradient on as if they were not.
    """

    def _start(self, **kwargs):
        tfd.Distribution.__init__(
            self, dtype=tf.float32, reparameterization_type=tfd.FULLY_REPARAMETERIZED, **kwargs)

    def _draw(self, count, condition, seed, given):
        if not internals.tape_may_watch() and tf.executing_eagerly():
            return super()._draw(count, condition, seed, given)
        # As there, piece by piece, so that a seed means the same samples.
        return pieces.draw(self._model.sample, count, self._model.sampling_batch, condition, seed, given, exact=True)

    def _log_prob(self, x):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self._model).__name__))

    def _without_density(self, *args, **kwargs):
        raise NotImplementedError(WITHOUT_DENSITY.format(type(self._model).__name__))

    _entropy = _cross_entropy = _mode = _without_density
