"""A metric that shows posterior collapse: how many latents a model uses."""

import keras
import tensorflow as tf
from keras import ops

# A latent is active whose posterior mean varies over the events by more than this variance.
LEAST_VARIANCE = 0.01


class ActiveLatents(keras.metrics.Metric):
    """How many latents are active: the variance of their posterior means over the events is above 0.01.

    A latent whose posterior is the same for all events says nothing of them; where all are so, the decoder does the
    work alone.

    Source: Y. Burda, R. Grosse and R. Salakhutdinov, "Importance weighted autoencoders", 2016
    (https://arxiv.org/abs/1509.00519), section 5.

    Args:
        num_latents: how many there are.
        **kwargs: `name`.
    """

    def __init__(self, num_latents: int, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.events = self.add_variable((), initializer='zeros', name='events')
        self.sums = self.add_variable((num_latents,), initializer='zeros', name='sums')
        self.squares = self.add_variable((num_latents,), initializer='zeros', name='squares')

    def update_state(self, means: tf.Tensor):
        """Counts the posterior means of a batch of events, `[batch, num_latents]`."""
        self.events.assign_add(ops.cast(ops.shape(means)[0], 'float32'))
        self.sums.assign_add(ops.sum(means, axis=0))
        self.squares.assign_add(ops.sum(means**2, axis=0))

    def result(self) -> tf.Tensor:
        events = ops.maximum(self.events, 1.)
        variances = self.squares / events - (self.sums / events)**2
        return ops.sum(ops.cast(variances > LEAST_VARIANCE, 'float32'))
