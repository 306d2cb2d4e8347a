"""Empty batches. Convolutions, loops and solvers don't take them, so they get one event, of which nothing is kept."""

import tensorflow as tf


def batch_size(values):
    """How many there are along the first axis: a number, where it is known."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def never_empty(function, count, *tensors):
    """What a function makes of tensors `[count, …]`: a structure of tensors `[count, …]`.

    Args:
        function: takes how many events there are, which will be one at least, and the tensors.
        count: how many there are: a number, or a tensor inside a graph.
        *tensors: some may be None, or single numbers, which are passed on.
    """
    known = tf.get_static_value(count)
    if known:
        return function(count, *tensors)
    # In a graph a batch may turn out to be empty; none of its operations may depend on that.
    missing = tf.maximum(1 - count, 0)

    def filled(tensor):
        if tensor is None or tensor.shape.rank == 0:
            return tensor
        shape = tf.concat([[missing], tf.shape(tensor)[1:]], 0)
        return tf.ensure_shape(tf.concat([tensor, tf.zeros(shape, tensor.dtype)], 0), [None, *tensor.shape[1:]])

    results = function(tf.maximum(count, 1), *map(filled, tensors))
    return tf.nest.map_structure(lambda result: result[:count], results)
