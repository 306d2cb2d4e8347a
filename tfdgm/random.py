"""Random numbers that a seed fixes everywhere: eagerly, in a graph and under XLA."""

import numbers

import tensorflow as tf
import tensorflow_probability as tfp


def stateless_seed(seed):
    """Makes TensorFlow's stateless seed of what people pass: an integer, a stateless seed, or None for a fresh one."""
    if isinstance(seed, numbers.Integral):
        return tf.constant([0, seed % 2**31], tf.int32)
    if tf.is_tensor(seed) and seed.shape.rank == 0:
        return tf.stack([0, tf.cast(seed, tf.int32)])
    return tfp.random.sanitize_seed(seed)


def split(seed, count: int):
    """`count` independent seeds from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg='philox'))


def uniforms(shape, seed):
    """Independent float32 numbers, uniform on the open interval (0, 1).

    TensorFlow's whole numbers agree with and without XLA once the algorithm is named; its real numbers do not.
    """
    bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg='philox')
    return (tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32) + 0.5) * 2**-23
