"""A pool of events that were made earlier, so that critics do not forget what they have seen."""

import keras
import tensorflow as tf
from keras import ops

from tfdgm import random
from tfdgm.execution import replicas


class Pool(keras.layers.Layer):
    """Keeps some of the events that it is shown, and gives back an earlier one in the place of every other.

    Source: A. Shrivastava et al., "Learning from simulated and unsupervised images through adversarial training", 2017
    (https://arxiv.org/abs/1612.07828).

    Args:
        size: how many events it keeps; 0 for none.
        event_shape: shape of one event.
        **kwargs: `name`.
    """

    def __init__(self, size: int, event_shape: tuple, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.size = size
        first = {'initializer': 'zeros', 'trainable': False, 'aggregation': 'only_first_replica'}
        self.events = self.add_weight(shape=(size, *event_shape), name='events', **first)
        self.filled = self.add_weight(shape=(size,), name='filled', **first)
        self.built = True

    def call(self, x: tf.Tensor, seed: tf.Tensor) -> tuple:
        """Events `[batch, *event_shape]` -> as many, old and new ones, and the next contents of the pool."""
        if not self.size:
            return x, None
        order_seed, choice_seed = random.split(seed, 2)
        # What does not fit in the pool is passed on.
        count = ops.minimum(ops.shape(x)[0], self.size)
        slots = ops.argsort(random.uniforms((self.size,), order_seed))[:count]
        kept, filled = tf.gather(self.events, slots), tf.gather(self.filled, slots) > 0
        old = filled & (random.uniforms((self.size,), choice_seed)[:count] < 0.5)
        column = (-1, *[1] * (len(x.shape) - 1))
        shown = ops.where(ops.reshape(old, column), kept, x[:count])
        stored = ops.where(ops.reshape(filled & ~old, column), kept, x[:count])
        places = slots[:, None]
        return ops.concatenate([shown, x[count:]], axis=0), (
            tf.tensor_scatter_nd_update(self.events.value, places, stored),
            tf.tensor_scatter_nd_update(self.filled.value, places, tf.ones(tf.shape(slots))))

    def keep(self, contents: tuple | None):
        """Takes over the contents that `call` gave."""
        if contents is not None:
            contents = replicas.of_first(contents)
            self.events.assign(contents[0])
            self.filled.assign(contents[1])
