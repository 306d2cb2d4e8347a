"""Real events so far out that float32 has no density of them: their log-density is -inf, and no other event notices."""

import numpy as np
import tensorflow as tf
from keras import ops

LARGEST = float(np.finfo('float32').max)
# In units of standardised values. Beyond the first, squares of what a network makes of a value may overflow, so none is
# evaluated. Short of the second they don't: what is not finite there is an error, such as a weight that is NaN.
FARTHEST, ORDINARY = 1e10, 1e3


def in_float32(x, integers: bool = False):
    """Casts numbers, an array or a tensor, to float32.

    A finite one that is too large becomes the largest of its sign. Where integers are expected, NaN takes the place of
    what float32 would have to round: 0.999999999 is no 1.
    """
    x = tf.convert_to_tensor(x)
    if x.dtype != tf.float64:
        return tf.cast(x, tf.float32)
    rounded = tf.cast(tf.where(tf.math.is_finite(x), tf.clip_by_value(x, -LARGEST, LARGEST), x), tf.float32)
    return tf.where(tf.cast(rounded, tf.float64) == x, rounded, np.nan) if integers else rounded


def log_density(evaluate, values, distances, valid=True, padding=False):
    """Log-densities of events, `[batch]`: numbers or -inf where all values are finite, and NaN elsewhere.

    A value that is too far is not evaluated: where it overflows, a gradient of zero becomes zero times infinity, which
    is NaN, and with it the gradients of the other events.

    Args:
        evaluate: gives the log-densities `[batch]` of events that have other values where a mask is False.
        values: of the events, `[batch, …]`.
        distances: of the values from the middle of the data, in units of order 1.
        valid: whether what each event depends on besides is valid, `[batch]`.
        padding: which values only fill events up.
    """
    def any_of(flags):
        return ops.any(ops.reshape(flags, (ops.shape(flags)[0], -1)), axis=1)

    finite = ops.isfinite(values) | padding
    near = (finite & (abs(distances) <= FARTHEST)) | padding
    log_probs = evaluate(near)
    far = ops.isfinite(log_probs) & any_of(finite & ~near)
    overflown = ~ops.isfinite(log_probs) & any_of(near & (abs(distances) > ORDINARY)) & valid
    return ops.where(any_of(~finite), np.nan, ops.where(far | overflown, -np.inf, log_probs))


def log_densities_of_sites(evaluate, values, distances):
    """Log-densities of sites, `[batch, …]`: NaN where the value is no number, and -inf where it is too far.

    Args:
        evaluate: gives the log-densities `[batch, …]` of events that have other values where a mask is False.
        values: of the events, `[batch, …]`.
        distances: of the values from the middle of the data, in units of order 1.
    """
    near = abs(distances) <= FARTHEST
    log_probs = evaluate(near)
    # What depends on a value far out may overflow where its own value is ordinary.
    strange = ops.any(ops.reshape(abs(distances) > ORDINARY, (ops.shape(values)[0], -1)), axis=1)
    strange = ops.reshape(strange, (-1, *[1] * (len(values.shape) - 1)))
    log_probs = ops.where(~near | (~ops.isfinite(log_probs) & strange), -np.inf, log_probs)
    return ops.where(ops.isfinite(values), log_probs, np.nan)
