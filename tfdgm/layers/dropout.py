"""Dropout with random numbers that XLA draws quickly on a CPU, too."""

import keras
import tensorflow as tf

from tfdgm import checks, random


class Dropout(keras.layers.Layer):
    """Sets features to zero at the dropout rate in steps of training, as `keras.layers.Dropout` does.

    Keras leaves the random numbers' algorithm to the device. XLA's choice on a CPU takes many times as long as Philox,
    and a step of training mostly waits for it.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checks.rate(rate, 'dropout')
        self.seeds = random.Seeds(seed)
        self.built = True

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.rate == 0:
            return features
        uniforms = random.uniforms(keras.ops.shape(features), self.seeds.draw())
        return keras.ops.where(uniforms < self.rate, keras.ops.zeros_like(features), features / (1 - self.rate))
