"""Activations by the names that Keras knows."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops


def silu(x: tf.Tensor) -> tf.Tensor:
    """x sigmoid(x). TensorFlow's own has a custom gradient, which it keeps for good, and with it graph and weights."""
    return x * ops.sigmoid(x)


def activation_of(name: str | Callable) -> Callable:
    """The activation of a name.

    Raises:
        ValueError: if Keras knows none of it.
    """
    found = keras.activations.get(name)
    return silu if found is keras.activations.silu else found
