"""LSTMs over rows of sites: each site reads hidden states of its neighbours one step back.

Forward, only the product with the neighbours' states has to wait for the step before. TensorFlow's gradient of such a
loop would keep every number of every step, and sum the gradient of the kernel step by step; the one here computes the
gates of all steps at once from the hidden states, loops back over what has to wait, and takes the gradient of the
kernel in one product.
"""

import tensorflow as tf
from keras import ops

from tfdgm.execution.gradients import with_gradient


def lstm_step(gates: tf.Tensor, cell):
    """One step of an LSTM from its gates `[…, 4 * filters]`: the hidden state and the cell."""
    output_gate, forget_gate, input_gate, candidate = activations(gates)
    cell = forget_gate * cell + input_gate * candidate
    return output_gate * ops.tanh(cell), cell


def activations(gates: tf.Tensor):
    """The output, forget and input gates and the cell candidate, from their preactivations."""
    output_gate, forget_gate, input_gate, candidate = ops.split(gates, 4, axis=-1)
    return ops.sigmoid(output_gate), ops.sigmoid(forget_gate), ops.sigmoid(input_gate), ops.tanh(candidate)


def neighbours(hidden, offsets):
    """Hidden states of the sites that lie `offsets` further side by side: `[…, sites, batch, n * filters]`."""
    return ops.concatenate([shifted(hidden, offset) for offset in offsets], axis=-1)


def shifted(values: tf.Tensor, offset) -> tf.Tensor:
    """`[…, sites, batch, filters]` with each site's values taken from `offset` sites further, zeros beyond the ends."""
    if offset == 0:
        return values
    sites, before, after = values.shape[-3], max(-offset, 0), max(offset, 0)
    padded = ops.pad(values, [[0, 0]] * (len(values.shape) - 3) + [[before, after], [0, 0], [0, 0]])
    return padded[..., after:after + sites, :, :]


def project(values: tf.Tensor, kernel) -> tf.Tensor:
    """A matrix product over the last axis."""
    # Flat, for in half precision `ops.matmul` makes something of more axes that XLA can't differentiate in a loop.
    flat = ops.reshape(values, (-1, values.shape[-1]))
    return ops.reshape(ops.matmul(flat, kernel), (*ops.shape(values)[:-1], kernel.shape[-1]))


def hidden_states(gates: tf.Tensor, kernel, offsets):
    """Hidden states after each step: `[steps, sites, batch, 4 * filters]` -> `[steps, sites, batch, filters]`.

    Args:
        gates: what the input adds to the gates at each step.
        kernel: what the neighbours' hidden states of the step before are multiplied by: `[n * filters, 4 * filters]`.
        offsets: where a site's n neighbours lie.
    """
    zeros = ops.zeros_like(gates[0, ..., :kernel.shape[-1] // 4])

    def delayed(values):
        return ops.concatenate([zeros[None], values[:-1]], axis=0)

    def loop(gates, kernel):

        def step(state, gates):
            hidden, cell = state
            return lstm_step(gates + project(neighbours(hidden, offsets), kernel), cell)

        # keras.ops.scan wants one output a step on TensorFlow; this keeps hidden states and cells.
        hidden, cell = tf.scan(step, gates, (zeros, zeros))

        def gradient(d_hidden):
            states = neighbours(delayed(hidden), offsets)
            output_gate, forget_gate, input_gate, candidate = activations(gates + project(states, kernel))
            squashed = ops.tanh(cell)
            # The derivatives of the hidden state, and of the cell, by the gates' arguments and by the cell before.
            hidden_by_output = squashed * output_gate * (1 - output_gate)
            hidden_by_cell = output_gate * (1 - squashed**2)
            cell_by_gates = ops.concatenate(
                [delayed(cell) * forget_gate * (1 - forget_gate), candidate * input_gate * (1 - input_gate),
                 input_gate * (1 - candidate**2)], -1)

            def step_back(state, inputs):
                d_gates, d_cell = state
                d_hidden, hidden_by_output, hidden_by_cell, cell_by_gates, forget_gate = inputs
                d_states = ops.split(project(d_gates, ops.transpose(kernel)), len(offsets), axis=-1)
                d_hidden += sum(shifted(part, -offset) for part, offset in zip(d_states, offsets))
                d_cell += d_hidden * hidden_by_cell
                d_gates = [d_hidden * hidden_by_output, ops.tile(d_cell, (1, 1, 3)) * cell_by_gates]
                return ops.concatenate(d_gates, -1), d_cell * forget_gate

            inputs = d_hidden, hidden_by_output, hidden_by_cell, cell_by_gates, forget_gate
            d_gates, _ = tf.scan(step_back, inputs, (ops.zeros_like(gates[0]), zeros), reverse=True)
            flat_states, flat_gates = (ops.reshape(values, (-1, values.shape[-1])) for values in (states, d_gates))
            return d_gates, ops.matmul(ops.transpose(flat_states), flat_gates)

        return hidden, gradient

    return with_gradient(loop)(gates, kernel)
