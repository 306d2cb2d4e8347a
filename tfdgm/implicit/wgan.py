"""WGAN: the critic's scores change no faster than events do, and estimate the Wasserstein distance."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.execution import internals
from tfdgm.implicit.generator import GeneratorModel


@register_keras_serializable('tfdgm')
class WGAN(GeneratorModel):
    """The Wasserstein GAN: the critic's scores rise by no more than 1 over a distance of 1.

    The difference of the mean scores of events and of samples, the metric `wasserstein`, is then the Wasserstein-1
    distance, in the units in which networks see events, if the critic is the best one. A gradient penalty leaves such a
    critic a slope above 1, by about the distance over twice the penalty's weight, and the metric is too large by that.

    Sources: M. Arjovsky, S. Chintala and L. Bottou, "Wasserstein GAN", 2017 (https://arxiv.org/abs/1701.07875);
    I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin and A. Courville, "Improved training of Wasserstein GANs", 2017
    (https://arxiv.org/abs/1704.00028).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.WGAN(2, num_latents=4, hidden_units=(16,))
    >>> model.compile()
    >>> history = model.fit(np.random.default_rng(0).normal(size=[100, 2]), verbose=0)
    >>> sorted(history.history), model.distribution().sample(3, seed=0).shape
    (['generator_loss', 'loss', 'wasserstein'], TensorShape([3, 2]))

    Args:
        event_shape: shape of one event.
        gradient_penalty: the weight of (norm of the gradient - 1)², between events and samples, in the critic's loss; 0
            for none. By default 10, and none with `clip`.
        clip: None, or how large the critic's weights may be: after each of its steps they are clipped.
        critic_steps: after how many steps of the critic the generator takes one.
        **kwargs: see `GeneratorModel`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    divergence_name = 'wasserstein'

    def __init__(self, event_shape: int | Sequence[int], *, gradient_penalty: float | None = None,
                 clip: float | None = None, critic_steps: int = 5, **kwargs):
        super().__init__(event_shape, critic_steps=critic_steps, **kwargs)
        self.clip = None if clip is None else checks.positive(clip, 'clip')
        if gradient_penalty is None:
            gradient_penalty = 10. if clip is None else 0.
        self.gradient_penalty = checks.not_negative(gradient_penalty, 'gradient_penalty')
        if self.gradient_penalty and any(isinstance(layer, keras.layers.BatchNormalization)
                                         for layer in internals.layers_within(self.critic_layer)):
            raise ValueError('With a gradient penalty, the score of an event must not depend on others: take '
                             'keras.layers.LayerNormalization in the critic, or gradient_penalty=0.')

    def critic_losses(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        return generated - real

    def generator_losses(self, generated: tf.Tensor) -> tf.Tensor:
        return -generated

    def divergence(self, real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
        return real - generated

    def penalties(self, x: tf.Tensor, generated: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor):
        if not self.gradient_penalty:
            return 0.
        shape = ops.shape(x)[0], *[1] * len(self.event_shape)
        share = tf.random.stateless_uniform(shape, seed, alg='philox')
        between = x + share * (generated - x)
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.scores(between, condition, training=True)
        squares = ops.sum(tape.gradient(scores, between)**2, axis=tuple(range(1, 1 + len(self.event_shape))))
        # A norm of zero has no gradient.
        return self.gradient_penalty * (ops.sqrt(squares + 1e-12) - 1)**2

    def after_critics(self, terms: dict):
        super().after_critics(terms)
        if self.clip is not None:
            for weight in self.critic_layer.trainable_weights:
                weight.assign(ops.clip(weight, -self.clip, self.clip))
