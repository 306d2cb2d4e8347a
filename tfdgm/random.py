"""Random numbers that a seed fixes everywhere: eagerly, in a graph and under XLA."""

import numbers

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp


def stateless_seed(seed):
    """Makes TensorFlow's stateless seed of what people pass: an integer, a stateless seed, or None for a fresh one.

    Raises:
        ValueError: if it is none of them.
    """
    if seed is None:
        return tfp.random.sanitize_seed(None)
    if isinstance(seed, numbers.Integral):
        return tf.constant([0, seed % 2**31], tf.int32)
    tensor = seed if tf.is_tensor(seed) else np.asarray(seed)
    if not tf.as_dtype(tensor.dtype).is_integer or tuple(tensor.shape) not in ((), (2,)):
        raise ValueError(f'seed must be a whole number, two of them (a stateless seed), or None, got {seed!r}.')
    if len(tensor.shape) == 0:
        return tf.stack([0, tf.cast(tensor, tf.int32)])
    return tfp.random.sanitize_seed(tensor)


def split(seed, count: int):
    """`count` independent seeds from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg='philox'))


def uniforms(shape, seed):
    """Independent float32 numbers, uniform on the open interval (0, 1).

    TensorFlow's whole numbers agree with and without XLA once the algorithm is named; its real numbers do not.
    """
    bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg='philox')
    return (tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32) + 0.5) * 2**-23
