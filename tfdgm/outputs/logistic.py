"""A logistic distribution rounded to integers, with a log-probability that float32 does not lose."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class DiscretizedLogistic(tfd.QuantizedDistribution):
    """A `tfd.QuantizedDistribution` of a logistic one, shifted by -0.5, with an exact log-probability.

        log(σ(b) - σ(a)) = log σ(b) + log σ(-a) + log(1 - exp(a - b))

    TFP's is a difference of two distribution functions, of which float32 leaves nothing where they are nearly equal:
    of a large scale, or far from the location.
    """

    def _log_prob(self, y):
        logistic = self.distribution.distribution
        above, below = (y + 0.5 - logistic.loc) / logistic.scale, (y - 0.5 - logistic.loc) / logistic.scale
        # The first level takes all below it, the last all above.
        log_prob = tf.where(y <= self.low, 0., tf.math.log_sigmoid(-below)) + tf.where(
            y >= self.high, 0., tf.math.log_sigmoid(above)) + tf.where(
                (y <= self.low) | (y >= self.high), 0., tf.math.log(-tf.math.expm1(-1 / logistic.scale)))
        return tf.where((y >= self.low) & (y <= self.high) & (y % 1 == 0), log_prob, -np.inf)
