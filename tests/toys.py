"""Two small models that are none of the library's families, to prove what the base class takes.

The first learns by a loss that is no likelihood, the second by two optimizers.
"""

import keras
import tensorflow as tf
from keras import ops

import tfdgm
from tfdgm.execution.guard import apply_unless, are_finite
from tfdgm.support import Reals


def similarities(a, b):
    """The mean of a fixed kernel between each row of one matrix and all rows of another: `[rows of a]`."""
    distances = ops.sum((a[:, None] - b[None]) ** 2, axis=-1)
    return ops.mean(1 / (1 + distances), axis=1)


@keras.saving.register_keras_serializable('tests')
class KernelMatcher(tfdgm.GenerativeModel):
    """An affine function of uniform noise, whose samples come to resemble the events by a kernel: MMD."""

    support = Reals()

    def __init__(self, event_shape, *, noise=3, seed=0, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.noise, self.seed = noise, seed
        self.kernel = self.add_weight(shape=(noise, self.num_sites), initializer='glorot_uniform', name='kernel')
        self.bias = self.add_weight(shape=(self.num_sites,), initializer='zeros', name='bias')
        self.draws = keras.random.SeedGenerator(seed)
        self.built = True

    def sample(self, batch_size, condition, seed):
        noise = tfdgm.random.uniforms((batch_size, self.noise), seed) * 2 - 1
        return ops.reshape(ops.matmul(noise, self.kernel) + self.bias, (-1, *self.event_shape))

    def samples_beside(self, x):
        """Events and as many samples, flat."""
        samples = self.sample(ops.shape(x)[0], None, ops.cast(self.draws.next(), 'int32'))
        return ops.reshape(x, (-1, self.num_sites)), ops.reshape(samples, (-1, self.num_sites))

    def training_loss(self, x, condition):
        x, samples = self.samples_beside(x)
        return similarities(x, x) - 2 * similarities(x, samples) + similarities(samples, samples)


@keras.saving.register_keras_serializable('tests')
class Duel(KernelMatcher):
    """The same samples against a critic, each with an optimizer of its own: the smallest Wasserstein GAN."""

    def __init__(self, event_shape, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.critic = self.add_weight(shape=(self.num_sites,), initializer='zeros', name='critic')

    def compile(self, optimizer='adam', *args, critic_optimizer='adam', **kwargs):
        super().compile(optimizer, *args, **kwargs)
        self.critic_optimizer = keras.optimizers.get(critic_optimizer)

    def get_compile_config(self):
        config = super().get_compile_config()  # None before `compile`.
        if config:
            config['critic_optimizer'] = keras.saving.serialize_keras_object(self.critic_optimizer)
        return config

    def optimized(self):
        return [(self.optimizer, [self.kernel, self.bias]), (self.critic_optimizer, [self.critic])]

    def train_step(self, data):
        x, condition, sample_weight = self.unpacked(data)
        with tf.GradientTape(persistent=True) as tape:
            events, samples = self.samples_beside(x)
            # A critic that is linear, and kept small, sees the means.
            differences = ops.matmul(samples - events, ops.expand_dims(self.critic, 1))[:, 0]
            losses = [-differences, differences + 0.5 * ops.sum(self.critic ** 2)]
            means = [self.mean_loss(one, sample_weight) for one in losses]
        steps = [(optimizer, weights, tape.gradient(mean, weights))
                 for (optimizer, weights), mean in zip(self.optimized(), means)]
        fault = self.guard.has_fault(*(are_finite(gradients) for _, _, gradients in steps))
        logs = self.measured(means[0], {'loss': losses[0]}, fault, x, condition, sample_weight)
        for optimizer, weights, gradients in steps:
            apply_unless(fault, optimizer, gradients, weights)
        return logs
