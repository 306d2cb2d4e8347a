"""Causal self-attention with a learned bias for each distance, over all sites before or over the last ones."""

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.execution import internals
from tfdgm.execution.gradients import with_gradient

# How many queries attend at once: few enough that most products with the keys behind them need not be made.
CHUNK = 196
# From how many pairs of sites, in all heads, it pays to take one event after the other.
PAIRS = 2**17


def causal_attention(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, bias: tf.Tensor,
                     event_by_event: bool = False) -> tf.Tensor:
    """Attention of each site to itself and the sites before it, as many as there are distances.

    Args:
        query: `[batch, heads, sites, n]`, as `key` and `value`.
        key: what queries are compared with.
        value: what is averaged.
        bias: `[heads, window]`, what is added to the logits at each distance.
        event_by_event: whether large events may attend one after the other: see `one_by_one`.
    """
    (heads, window), sites = bias.shape, query.shape[2]
    if window >= sites:
        attention, biases = in_chunks, biases_of_chunks(bias[:, :sites], sites)
    else:
        attention, biases = in_windows, [biases_of_windows(bias, sites)]
    if event_by_event and heads * sites * min(window, sites) >= PAIRS:
        attention = one_by_one(attention)
    return attention(query, key, value, *biases)


def in_chunks(query, key, value, *biases):
    """Attention to all sites before: the bias of each chunk of queries is `[heads, queries, keys up to them]`."""
    parts, end = [], 0
    for bias in biases:
        start, end = end, bias.shape[-1]
        parts.append(attend(query[:, :, start:end], key[:, :, :end], value[:, :, :end], bias))
    return ops.concatenate(parts, axis=2)


def biases_of_chunks(bias, sites):
    pairs = pairs_by_distance(bias, sites, sites)
    ends = [min(start + CHUNK, sites) for start in range(0, sites, CHUNK)]
    return [pairs[:, start:end, :end] for start, end in zip([0, *ends], ends)]


def in_windows(query, key, value, bias):
    """Attention to the last sites only: `bias` is `[heads, pieces, window, 2 * window]`.

    The sites are cut into pieces as long as the window: a piece sees itself and the one before.
    """
    (heads, pieces, window, _), (sites, width) = bias.shape, query.shape[2:]
    filling = [[0, 0], [0, 0], [0, pieces * window - sites], [0, 0]]
    query, *seen = (ops.reshape(ops.pad(part, filling), (-1, heads, pieces, window, width))
                    for part in (query, key, value))
    seen = [ops.concatenate([ops.pad(part[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0]]), part], axis=3)
            for part in seen]
    return ops.reshape(attend(query, *seen, bias), (-1, heads, pieces * window, width))[:, :, :sites]


def biases_of_windows(bias, sites):
    window = bias.shape[1]
    pieces = -(-sites // window)
    # Before the first piece there is none.
    is_there = np.arange(2 * window) >= np.where(np.arange(pieces) == 0, window, 0)[:, None]
    return ops.where(is_there[:, None], pairs_by_distance(bias, window, 2 * window)[:, None], -np.inf)


def attend(query, key, value, bias):
    """`[…, queries, n]`, twice `[…, keys, n]`, and a bias of the logits `[…, queries, keys]` -> like the queries."""
    # TensorFlow's product takes the keys as they lie, where `keras.ops` would transpose them first.
    logits = tf.matmul(query * query.shape[-1] ** -0.5, key, transpose_b=True) + bias
    return ops.matmul(ops.softmax(logits), value)


def pairs_by_distance(bias, queries, keys):
    """What depends on the distance alone, for each pair: `[heads, window]` -> `[heads, queries, keys]`.

    The last query stands at the last key. Pairs farther apart than the window, and keys behind their query, get -inf.
    """
    window = bias.shape[1]
    # From the largest distance, `keys`, to the smallest, `-queries`. Each row of the matrix is a piece of this vector
    # that begins one further left: so does each row of its repetitions, cut into rows that are one shorter.
    vector = ops.pad(ops.flip(bias, axis=1), [[0, 0], [keys - window + 1, queries]], constant_values=-np.inf)
    rows = ops.tile(vector, (1, queries))[:, :queries * (queries + keys)]
    return ops.reshape(rows, (-1, queries, queries + keys))[:, :, queries:]


# One event after the other --------------------------------------------------------------------------------------------

def one_by_one(attention):
    """An attention that takes one event after the other, in loops that XLA compiles, forwards and backwards.

    What one event makes of all pairs of sites stays in a CPU's cache, and the way back computes it anew, as T. Dao et
    al. do in blocks of sites: "FlashAttention: fast and memory-efficient exact attention", 2022
    (https://arxiv.org/abs/2205.14135). Where the step around them is not XLA's, blocks of a model share both programs.
    """
    def function(*args):
        with internals.without_tapes():  # They would want the values of the loop out of XLA's function.
            result = forwards(attention, *args)
        return result, lambda d_result: backwards(attention, d_result, *args)

    return with_gradient(function)


@tf.function(jit_compile=True, autograph=False)
def forwards(attention, query, key, value, *biases):
    """The attention of all events, `[batch, heads, sites, n]`."""
    return tf.map_fn(lambda event: attention(*(part[None] for part in event), *biases)[0], (query, key, value),
                     fn_output_signature=tf.TensorSpec(query.shape[1:], query.dtype), parallel_iterations=1)


@tf.function(jit_compile=True, autograph=False)
def backwards(attention, d_result, *args):
    """The gradients by queries, keys and values, and by each bias, from that by the result."""
    parts, biases = args[:3], args[3:]
    count = tf.shape(d_result)[0]

    def visit(index, totals, arrays):
        event = [part[index][None] for part in parts]
        with tf.GradientTape() as tape:
            tape.watch([event, biases])
            result = attention(*event, *biases)
        of_event, of_biases = tape.gradient(result, [event, list(biases)], d_result[index][None])
        totals = [total + tf.cast(gradient, total.dtype) for total, gradient in zip(totals, of_biases)]
        return index + 1, totals, [array.write(index, part[0]) for array, part in zip(arrays, of_event)]

    totals = [tf.zeros(bias.shape, tf.float32) for bias in biases]
    arrays = [tf.TensorArray(part.dtype, count, element_shape=part.shape[1:]) for part in parts]
    _, totals, arrays = tf.while_loop(lambda *_: True, visit, (0, totals, arrays), parallel_iterations=1,
                                      maximum_iterations=count)
    return *(array.stack() for array in arrays), *(
        tf.cast(total, bias.dtype) for total, bias in zip(totals, biases))
