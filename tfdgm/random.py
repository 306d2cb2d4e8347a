"""Random numbers that a seed fixes everywhere: eagerly, in a graph and under XLA."""

import numbers
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm.execution import replicas

# By which the numbers of one draw of an event differ from those of the next.
STRIDE = 0x3c6ef35f


def stateless_seed(seed: int | tf.Tensor | None) -> tf.Tensor:
    """Makes TensorFlow's stateless seed of what people pass: an integer, a stateless seed, or None for a fresh one.

    Raises:
        ValueError: if it is none of them.
    """
    if seed is None:
        return tfp.random.sanitize_seed(None)
    if isinstance(seed, numbers.Integral):
        return _halves(int(seed))
    tensor = seed if tf.is_tensor(seed) else np.asarray(seed)
    if not tf.as_dtype(tensor.dtype).is_integer or tuple(tensor.shape) not in ((), (2,)):
        raise ValueError(f'seed must be an integer, two of them (a stateless seed), or None, got {seed!r}.')
    if len(tensor.shape) == 0:
        value = tf.get_static_value(tensor) if tf.is_tensor(tensor) else tensor
        return _halves(tf.cast(tensor, tf.int64) if value is None else int(value))
    return tfp.random.sanitize_seed(tensor)


def _halves(seed):
    """A stateless seed of an integer: its 31 lower bits, and the 31 bits above them."""
    if isinstance(seed, int):
        return tf.constant([seed // 2**31 % 2**31, seed % 2**31], tf.int32)
    return tf.cast(tf.stack([seed // 2**31 % 2**31, seed % 2**31]), tf.int32)


def in_32_bits(seed: int) -> int:
    """A seed for generators that take 32 bits: a smaller one as it is, and of a larger one a hash."""
    return seed if seed < 2**32 else int(np.random.SeedSequence(seed).generate_state(1)[0])


class Seeds(keras.random.SeedGenerator):
    """A source of stateless seeds, whose place is kept in a variable: a training that is resumed goes on from there.

    All replicas under `tf.distribute` are at the same place. As that of Keras's own layers, it is not in the file of a
    model, which begins with the seed again.

    Args:
        seed: an integer from 0; None has Keras draw one.
    """

    def __init__(self, seed: int | None):
        super().__init__(None if seed is None else in_32_bits(seed))

    def draw(self, shared: bool = False) -> tf.Tensor:
        """A stateless seed, int32 `[2]`, another at each call.

        Args:
            shared: whether all replicas under `tf.distribute` get the same, for what they have in common.
        """
        seed = tf.cast(self.next(), tf.int32)
        return seed if shared else replicas.own_seed(seed)


def random_state(seed: int) -> np.random.RandomState:
    """What a model draws from when it is made: NumPy promises that its numbers never change."""
    return np.random.RandomState(in_32_bits(seed))


def split(seed: tf.Tensor, count: int):
    """`count` independent seeds from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg='philox'))


def fold_in(seed: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """Another seed, which follows from a seed and an integer."""
    return tf.random.experimental.stateless_fold_in(seed, number, alg='philox')


def uniforms(shape: Sequence[int] | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Independent float32 numbers, uniform on the open interval (0, 1).

    Of a seed, the numbers of a larger shape begin with those of a smaller one, if only the first axis differs.

    TensorFlow's integers agree with and without XLA once the algorithm is named; its real numbers do not.
    """
    bits = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg='philox')
    values = to_unit(bits)
    # Nothing is added. XLA would draw the numbers inside of whatever uses them, four times each on a CPU: Philox gives
    # four at once. What two things use, it draws once and before.
    return values + 0. * tf.reduce_sum(tf.reshape(values, [-1])[:1])


def to_unit(bits: tf.Tensor) -> tf.Tensor:
    """Random bits, uint32, as float32 numbers on the open interval (0, 1)."""
    return (tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32) + 0.5) * 2**-23


def hashed_uniforms(x: tf.Tensor, draw: int | tf.Tensor = 0) -> tf.Tensor:
    """Float32 numbers, as if uniform on (0, 1), that follow from the event that they belong to.

    Args:
        x: events of integers, `[batch, *event_shape]`.
        draw: another integer, perhaps a tensor, gives other numbers.

    Returns:
        `[batch, *event_shape]`: the same for the same event, whatever else is in the batch.
    """
    sites = int(np.prod(x.shape[1:]))
    constants = np.random.RandomState(0).randint(2**32, size=(2, sites), dtype='uint32')
    total = _sum_of_values(tf.cast(tf.reshape(x, (-1, sites)), tf.int32), constants[0])
    return tf.reshape(_mixed(total + tf.cast(draw, tf.int32) * STRIDE, constants[1]), tf.shape(x))


def hashed_normals(x: tf.Tensor, first: int | tf.Tensor, draws: int, size: int) -> tf.Tensor:
    """Standard normal float32 numbers, as if independent, that follow from the event that they belong to.

    Args:
        x: events of any numbers, float32 `[batch, *event_shape]`.
        first: the index of the first draw, an integer or a scalar.
        draws: how many draws.
        size: how many numbers a draw has.

    Returns:
        `[draws, batch, size]`: for the same event and index the same, whatever else is in the batch.
    """
    sites = int(np.prod(x.shape[1:]))
    generator = np.random.RandomState(1)
    # The bits of real numbers; minus zero is zero.
    values = tf.bitcast(tf.reshape(x, (-1, sites)) + 0., tf.int32)
    total = _sum_of_values(values, generator.randint(2**32, size=sites, dtype='uint32'))
    indices = tf.cast(first, tf.int32) + tf.range(draws)
    uniforms = _mixed(total + indices[:, None, None] * STRIDE, generator.randint(2**32, size=size, dtype='uint32'))
    return tfp.distributions.Normal(0., 1.).quantile(uniforms)


def seed_of(x: tf.Tensor) -> tf.Tensor:
    """A stateless seed that follows from the first of some events, float32 `[batch, *event_shape]`."""
    generator = np.random.RandomState(2)
    first = tf.bitcast(tf.reshape(tf.cast(x[:1], tf.float32), (1, -1)) + 0., tf.int32)
    factors, constants = (generator.randint(2**32, size=size, dtype='uint32') for size in (first.shape[1], 2))
    # Integers as far as that: XLA rounds otherwise than TensorFlow, and any change would be another seed.
    return tf.cast(_mixed(_sum_of_values(first, factors), constants)[0] * 2**23, tf.int32)


def _sum_of_values(values, factors):
    """A number of each event, `[batch, 1]`: a sum of its values, each times an odd number; all modulo 2^32."""
    return tf.reduce_sum(values * (factors | 1).view('int32'), axis=1, keepdims=True)


def _mixed(total, constants):
    """Uniform numbers of an integer for each event, `[…, 1]`, and one for each place, `[places]`: `[…, places]`."""
    bits = tf.bitwise.bitwise_xor(tf.bitcast(total, tf.uint32), constants)
    # Multiplications and shifts spread a change of any bit over all of them.
    for shift, factor in ((16, 0x7feb352d), (15, 0x846ca68b), (16, 1)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32)))
        bits *= tf.constant(factor, tf.uint32)
    return to_unit(bits)


def normals(shape: Sequence[int] | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Independent standard normal float32 numbers, by `uniforms`."""
    return tfp.distributions.Normal(0., 1.).quantile(uniforms(shape, seed))
