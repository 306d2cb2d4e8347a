"""Linear layers that exist when they are made, and the linear part that a condition adds."""

import keras
import tensorflow as tf

from tfdgm.layers.activations import activation_of


class ConditionBias(keras.layers.Layer):
    """The learned linear part that a condition adds to a bias: features `[batch, n]` -> `[batch, *shape]`.

    Without a condition it has no weights and adds nothing.
    """

    def __init__(self, condition_features: int, shape: tuple, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.kernel = self.add_weight(
            shape=(condition_features, *self.shape), initializer='zeros', name='kernel') if condition_features else None
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        if self.kernel is None:
            return keras.ops.zeros((1, *self.shape), self.compute_dtype)
        return keras.ops.tensordot(keras.ops.cast(features, self.compute_dtype), self.kernel, axes=1)


def dense(inputs: int, units: int, name: str, dtype: keras.DTypePolicy | str, **kwargs) -> keras.layers.Dense:
    """A `keras.layers.Dense` whose weights exist."""
    if 'activation' in kwargs:
        kwargs['activation'] = activation_of(kwargs['activation'])
    layer = keras.layers.Dense(units, name=name, dtype=dtype, **kwargs)
    layer.build((None, inputs))
    return layer
