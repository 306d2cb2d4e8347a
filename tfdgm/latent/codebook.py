"""A codebook: vectors that stand for what is near them, moving averages of it, and a metric of how they are used."""

import keras
import tensorflow as tf
from keras import ops

from tfdgm import random
from tfdgm.execution import replicas

# A code is dead that stands for less than this share of what it would if all were used alike.
LEAST_USE = 0.1


class Codebook(keras.layers.Layer):
    """Vectors, each the moving average of those that were nearest to it in training.

    A code that hardly any vector is near to begins anew, at one of the batch.

    Sources: A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning", 2017
    (https://arxiv.org/abs/1711.00937), appendix A.1; for new beginnings, P. Dhariwal et al., "Jukebox: a generative
    model for music", 2020 (https://arxiv.org/abs/2005.00341).

    Args:
        num_codes: how many.
        size: how many numbers each has.
        decay: of the moving averages.
        **kwargs: `name`.
    """

    def __init__(self, num_codes: int, size: int, decay: float, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.num_codes, self.size, self.decay = num_codes, size, decay

        def averaged(shape, name, initializer='zeros'):
            return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name, autocast=False,
                                   aggregation='only_first_replica')

        # Sums over the vectors near a code, and how many they are: the code is their mean.
        self.vectors = averaged((num_codes, size), 'vectors', 'random_normal')
        self.sums = averaged((num_codes, size), 'sums')
        self.counts = averaged((num_codes,), 'counts')
        self.started = averaged((), 'started')
        self.built = True

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The indices of the nearest codes, int32: `[n, size]` -> `[n]`."""
        products = ops.matmul(vectors, ops.transpose(self.vectors))
        return ops.cast(ops.argmin(ops.sum(self.vectors**2, axis=1) - 2 * products, axis=1), 'int32')

    def call(self, codes: tf.Tensor) -> tf.Tensor:
        """The vectors of codes: integers `[…]` -> `[…, size]`."""
        return ops.take(self.vectors, codes, axis=0)

    def waits_for_data(self) -> bool:
        """Whether the codes are still random."""
        return not self.started.numpy()

    def start(self, vectors: tf.Tensor, seed: tf.Tensor):
        """Takes the codes from vectors `[n, size]` of the first events, some of them twice if there are too few."""
        order = ops.argsort(random.uniforms((vectors.shape[0],), seed))
        chosen = ops.take(vectors, ops.take(order, ops.arange(self.num_codes) % vectors.shape[0]), axis=0)
        for variable, value in ((self.vectors, chosen), (self.sums, chosen), (self.counts, ops.ones_like(self.counts))):
            variable.assign(value)
        self.started.assign(1.)

    def update(self, vectors: tf.Tensor, codes: tf.Tensor, seed: tf.Tensor):
        """Moves the averages by a batch of vectors `[n, size]` and the codes nearest to them, `[n]`."""
        chosen = ops.one_hot(codes, self.num_codes, dtype='float32')
        counts, sums = ops.sum(chosen, axis=0), ops.matmul(ops.transpose(chosen), vectors)
        counts, sums = replicas.summed([counts, sums])
        counts = self.decay * self.counts + (1 - self.decay) * counts
        sums = self.decay * self.sums + (1 - self.decay) * sums
        share = ops.sum(counts) / self.num_codes
        dead = counts < LEAST_USE * share
        places = random.uniforms((self.num_codes,), seed) * ops.cast(ops.shape(vectors)[0], 'float32')
        # They begin as if used like the others, and have the time of an average to show it.
        counts = ops.where(dead, share, counts)
        beginnings = replicas.of_first(ops.take(vectors, ops.cast(places, 'int32'), axis=0))
        sums = ops.where(dead[:, None], share * beginnings, sums)
        self.counts.assign(counts)
        self.sums.assign(sums)
        self.vectors.assign(sums / counts[:, None])


class CodeUse(keras.metrics.Metric):
    """How many codes are in use, as the perplexity of their shares: the exponential of the entropy.

    It is the number of codes where all are used alike, and 1 where one is used for everything.

    Args:
        num_codes: how many there are.
        **kwargs: `name`.
    """

    def __init__(self, num_codes: int, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.num_codes = num_codes
        self.counts = self.add_variable((num_codes,), initializer='zeros', name='counts')

    def update_state(self, codes: tf.Tensor):
        """Counts codes, integers `[n]`."""
        self.counts.assign_add(ops.sum(ops.one_hot(codes, self.num_codes, dtype='float32'), axis=0))

    def result(self) -> tf.Tensor:
        shares = self.counts / ops.maximum(ops.sum(self.counts), 1.)
        return ops.exp(-ops.sum(shares * ops.log(ops.maximum(shares, 1e-20))))


class UsedCodes(CodeUse):
    """How many codes are used at all."""

    def result(self) -> tf.Tensor:
        return ops.sum(ops.cast(self.counts > 0, 'float32'))
