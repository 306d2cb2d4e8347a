"""RecurrentModel: a network that summarises the values before a site in a state."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive import lstm
from tfdgm.autoregressive.sequences.model import SequenceModel
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout, dense
from tfdgm.outputs import Output

CELLS = {'LSTM': keras.layers.LSTM, 'GRU': keras.layers.GRU}


@register_keras_serializable('tfdgm')
class RecurrentModel(SequenceModel):
    """Layers of LSTMs or GRUs over the sites.

        h_i = cell(h_{i-1}, x_{i-1}),    parameters_i = b + V h_i

    The state h has a fixed size, whatever came before: sampling costs the same at every site, and nothing has to be
    kept but the state.

    Sources: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997
    (https://doi.org/10.1162/neco.1997.9.8.1735); K. Cho et al., "Learning phrase representations using RNN
    encoder-decoder for statistical machine translation", 2014 (https://arxiv.org/abs/1406.1078); as a model of
    sequences, A. Graves, "Generating sequences with recurrent neural networks", 2013
    (https://arxiv.org/abs/1308.0850).

    >>> import tfdgm
    >>> model = tfdgm.RecurrentModel(event_shape=(50,), output=tfdgm.outputs.MixtureOfGaussians(2), units=16)
    >>> model.distribution().sample(3, seed=0).shape
    TensorShape([3, 50])

    Args:
        event_shape: shape of one event: `(length,)`, `(length, channels)`, or that of an image.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to what the first layer reads at every site.
        dropout: dropout rate of each layer's features.
        cell: 'LSTM' or 'GRU'.
        units: how many features each layer has.
        blocks: how many layers lie above each other.
        positions: whether the network is told which position it is at, as images need and stationary signals don't.
        variable_length: whether events may be shorter than `event_shape`, the longest, and filled up with NaN at the
            end. Their likelihood is that of the part before, given its length.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `cell` is neither of them.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., cell: str = 'LSTM', units: int = 64,
                 blocks: int = 1, positions: bool = False, variable_length: bool = False,
                 order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        units = checks.integer(units, 'units of RecurrentModel')
        super().__init__(event_shape, width=units, last_width=units, output=output, condition=condition,
                         dropout=dropout, positions=positions, variable_length=variable_length, order=order,
                         seed=seed, **kwargs)
        if cell not in CELLS:
            raise ValueError(f'cell of RecurrentModel must be {" or ".join(map(repr, CELLS))}, got {cell!r}.')
        self.units, self.cell = units, cell
        self.blocks = checks.integer(blocks, 'blocks of RecurrentModel')
        dtype = self.dtype_policy
        self.condition_kernel = condition and dense(
            self.features_per_step, units, 'condition_kernel', dtype, use_bias=False)
        self.recurrent_layers = []
        for index in range(self.blocks):
            layer = CELLS[cell](units, return_sequences=True, dtype=dtype, name=f'layer_{index}')
            layer.build((None, None, units))
            self.recurrent_layers.append(layer)
        self.dropping = Dropout(self.dropout, dtype=dtype)
        self.built = True

    def features(self, inputs: tf.Tensor, condition: tf.Tensor | None, training: bool):
        features = self._conditioned(inputs, condition)
        for layer in self.recurrent_layers:
            features = layer(features) if self.cell == 'GRU' else lstm_outputs(layer.cell, features)
            features = self.dropping(features, training=training)
        return features

    def initial_cache(self, batch_size: int):
        return [layer.cell.get_initial_state(batch_size) for layer in self.recurrent_layers]

    def features_step(self, inputs: tf.Tensor, condition: tf.Tensor | None, cache, position: tf.Tensor):
        features, states = self._conditioned(inputs, condition), []
        for layer, state in zip(self.recurrent_layers, cache):
            features, state = layer.cell(features, state)
            states.append(state)
        return features, states

    def _conditioned(self, inputs, condition):
        return inputs if condition is None else inputs + self.condition_kernel(condition)


def lstm_outputs(cell, inputs: tf.Tensor):
    """What a layer of Keras's `LSTMCell`s gives at all positions: `[batch, sites, n]` -> `[batch, sites, units]`.

    `keras.layers.LSTM` itself would keep every number of every step for its gradient, and multiply step by step what
    `lstm.hidden_states` multiplies at once: sequences of thousands of steps would take long to train.
    """
    def sorted_gates(values):
        input_gate, forget_gate, candidate, output_gate = ops.split(ops.cast(values, inputs.dtype), 4, axis=-1)
        return ops.concatenate([output_gate, forget_gate, input_gate, candidate], axis=-1)

    gates = ops.matmul(inputs, sorted_gates(cell.kernel)) + sorted_gates(cell.bias)
    gates = ops.transpose(gates, (1, 0, 2))[:, None]
    hidden = lstm.hidden_states(gates, sorted_gates(cell.recurrent_kernel), offsets=(0,))
    return ops.transpose(hidden[:, 0], (1, 0, 2))
