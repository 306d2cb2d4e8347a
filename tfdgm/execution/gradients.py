"""Gradients of one's own, for functions whose gradient by TensorFlow would keep too much.

`tf.custom_gradient` and `keras.remat` put what they compute with in a graph into a table of TensorFlow's that is never
emptied: the graph, the weights that it reads and often the model itself would stay in memory for good. Here the graph
alone keeps it, and the table has one entry for all, which finds it there.
"""

import numpy as np
import tensorflow as tf

NAME = 'TfdgmGradient'


@tf.RegisterGradient(NAME)
@tf.autograph.experimental.do_not_convert
def _registered_gradient(operation, *gradients):
    if operation is None:
        # A graph is being saved, and there is no place for the gradient in a file: that of a graph that was loaded is
        # an error, or, under XLA, which leaves out assertions, NaN.
        message = 'A graph that was saved and loaded has no gradient of this model: take it of the model itself.'
        lost = tf.debugging.Assert(False, [message])
        with tf.control_dependencies([lost]):
            return None, *(gradient * np.nan for gradient in gradients[1:])
    gradient, = operation.graph.get_collection(operation.name)
    # The operation passes on the result, and behind it the arguments, whose gradients are asked for.
    return None, *gradient(gradients[0])


def with_gradient(function):
    """A function of tensors with a gradient of its own, as `tf.custom_gradient` makes it.

    Args:
        function: gives, for its arguments, a tensor and the function from the gradient by it to those by each argument,
            a tuple. It depends on tensors among its arguments only.
    """
    def in_graph(*args):
        result, gradient = function(*args)
        graph = tf.compat.v1.get_default_graph()
        with graph.gradient_override_map({'IdentityN': NAME}):
            result, *_ = tf.identity_n([result, *args])
        graph.add_to_collection(result.op.name, gradient)
        return result

    def call(*args):
        if tf.executing_eagerly():
            return tf.custom_gradient(function)(*args)  # Outside graphs the table is not used.
        # A graph of its own: a tape in the graph around it would take the gradient of `tf.identity_n`.
        return tf.function(in_graph, autograph=False)(*args)

    return call


def recomputed(function):
    """A function of tensors whose backward pass computes it anew, instead of keeping all values of the forward pass.

    As `keras.remat`, for functions that depend on tensors among their arguments only.
    """
    def with_recomputation(*args):
        def gradient(d_result):
            with tf.GradientTape() as tape:
                tape.watch(args)
                result = function(*args)
            return tape.gradient(result, args, d_result, unconnected_gradients='zero')

        return function(*args), gradient

    in_graph = with_gradient(with_recomputation)

    def call(*args):
        return tf.recompute_grad(function)(*args) if tf.executing_eagerly() else in_graph(*args)

    return call


def shaped(gradients: list, weights: list) -> list:
    """Gradients whose shapes are known: TensorFlow loses those of products in batches of an unknown size.

    Optimizers such as Muon ask for them.
    """
    for gradient, weight in zip(gradients, weights):
        if tf.is_tensor(gradient) and not isinstance(gradient, tf.IndexedSlices):
            gradient.set_shape(weight.shape)
    return gradients
