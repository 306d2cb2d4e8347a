"""PixelRNN: LSTMs that run over an image row by row, or along its diagonals."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.images.causal import CausalConvolution, CausalLayer, ConditionProjection
from tfdgm.autoregressive.images.model import Head, ImageModel
from tfdgm.autoregressive.lstm import hidden_states, lstm_step, neighbours, project
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout
from tfdgm.outputs import Output


class ImageLSTM(CausalLayer):
    """Base class of LSTMs over images: gates that see the features and hidden states nearby.

    Args:
        inputs: how many features come in.
        filters: how many hidden states a site has.
        channels: how many channels an image has.
        **kwargs: `name` and `dtype`.
    """

    # How many columns of features the gates see, up to the site's own, and which sites' hidden states of a step before.
    columns = 1
    offsets = -1, 0

    def __init__(self, inputs, filters, channels, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.to_gates = CausalConvolution(
            inputs, 4 * filters, (1, self.columns), 'left', channels=channels, parts=4, name='to_gates',
            dtype=self.dtype_policy)
        self.recurrent_kernel = self.add_weight(
            shape=(len(self.offsets) * filters, 4 * filters), initializer='orthogonal', name='recurrent_kernel')
        self.built = True

    @property
    def kernel(self):
        """The recurrent kernel as a tensor to compute with."""
        return ops.cast(ops.convert_to_tensor(self.recurrent_kernel), self.compute_dtype)


class RowLSTM(ImageLSTM):
    """An LSTM that goes from row to row, all sites of a row at once.

    A site's gates see the features at and left of it, and three hidden states of the row above: the field of view is a
    triangle above the site.
    """

    columns = 2
    offsets = -1, 0, 1

    def call(self, features: tf.Tensor) -> tf.Tensor:
        gates = ops.transpose(self.to_gates(features), (1, 2, 0, 3))
        return ops.transpose(hidden_states(gates, self.kernel, self.offsets), (2, 0, 1, 3))

    def initial_cache(self, width, batch_size: int):
        zeros = ops.zeros((width, batch_size, self.filters), self.compute_dtype)
        gates = ops.zeros((width, batch_size, 4 * self.filters), self.compute_dtype)
        return {'input': self.to_gates.initial_cache(width, batch_size), 'from_above': gates, 'cell_above': zeros,
                'hidden': zeros, 'cell': zeros}

    def start_row(self, cache):
        from_above = project(neighbours(cache['hidden'], self.offsets), self.kernel)
        return {**cache, 'input': self.to_gates.start_row(cache['input']), 'from_above': from_above,
                'cell_above': cache['cell']}

    def step(self, cache, features: tf.Tensor, column):
        gates, inputs = self.to_gates.step(cache['input'], features, column)
        hidden, cell = lstm_step(gates + cache['from_above'][column], cache['cell_above'][column])
        return hidden, {**cache, 'input': inputs,
                        'hidden': ops.slice_update(cache['hidden'], (column, 0, 0), hidden[None]),
                        'cell': ops.slice_update(cache['cell'], (column, 0, 0), cell[None])}


class DiagonalLSTM(ImageLSTM):
    """An LSTM that goes along the diagonals of an image: a site sees the one beside it and the one above.

    In the parallel form each row is shifted by one site more than the row above, so that diagonals become columns.
    """

    def call(self, features: tf.Tensor) -> tf.Tensor:
        height, width = features.shape[1:3]
        gates = ops.transpose(skew(self.to_gates(features)), (2, 1, 0, 3))
        # Beside the image no gate opens, so that states are zero there.
        inside = skew(np.ones((1, height, width, 1), bool)).transpose(2, 1, 0, 3)
        hidden = hidden_states(ops.where(inside, gates, -1e4), self.kernel, self.offsets)
        return unskew(ops.transpose(hidden, (2, 1, 0, 3)), width)

    def initial_cache(self, width, batch_size: int):
        # With a column of zeros at the left, where no site is.
        zeros = ops.zeros((1 + width, batch_size, self.filters), self.compute_dtype)
        return {'above': zeros, 'hidden': zeros, 'cell': zeros}

    def start_row(self, cache):
        return {**cache, 'above': cache['hidden']}

    def step(self, cache, features: tf.Tensor, column):
        states = ops.concatenate([cache['above'][column + 1], cache['hidden'][column]], axis=-1)
        hidden, cell = lstm_step(self.to_gates(features) + project(states, self.kernel), cache['cell'][column])
        return hidden, {**cache, 'hidden': ops.slice_update(cache['hidden'], (column + 1, 0, 0), hidden[None]),
                        'cell': ops.slice_update(cache['cell'], (column + 1, 0, 0), cell[None])}


class ReverseDiagonalLSTM(DiagonalLSTM):
    """The same from right to left, one row lower: a site gets the state of the site above, and so sees no later one."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        hidden = ops.flip(super().call(ops.flip(features, axis=2)), axis=2)
        return ops.pad(hidden, [[0, 0], [1, 0], [0, 0], [0, 0]])[:, :-1]

    def initial_cache(self, width, batch_size: int):
        return {'row': ops.zeros((width, batch_size, self.filters), self.compute_dtype),
                'gates': ops.zeros((width, batch_size, 4 * self.filters), self.compute_dtype),
                'begun': ops.zeros((), self.compute_dtype)}

    def start_row(self, cache):
        # The row above is known now: run over it from its right end. Above the first row, there is none.
        zeros = ops.zeros_like(cache['row'][0])

        def step(state, inputs):
            gates, above = inputs
            return lstm_step(gates + project(ops.concatenate([above, state[0]], axis=-1), self.kernel), state[1])

        hidden, _ = tf.scan(step, (cache['gates'], cache['row']), (zeros, zeros), reverse=True)
        return {**cache, 'row': hidden * cache['begun'], 'begun': ops.ones_like(cache['begun'])}

    def step(self, cache, features: tf.Tensor, column):
        gates = ops.slice_update(cache['gates'], (column, 0, 0), self.to_gates(features)[None])
        return cache['row'][column], {**cache, 'gates': gates}


def skew(features: tf.Tensor) -> tf.Tensor:
    """Shifts each row by one site more than the row above: `[b, height, width, f]` -> `[b, height, width+height-1, f]`.
    """
    library = np if isinstance(features, np.ndarray) else ops
    height, width, filters = features.shape[1:]
    features = library.pad(features, [[0, 0], [0, 0], [0, height], [0, 0]])
    features = library.reshape(features, (-1, height * (width + height), filters))
    return library.reshape(features[:, :height * (width + height - 1)], (-1, height, width + height - 1, filters))


def unskew(features: tf.Tensor, width) -> tf.Tensor:
    """The inverse of `skew`."""
    height, filters = features.shape[1], features.shape[-1]
    features = ops.reshape(features, (-1, height * (width + height - 1), filters))
    features = ops.pad(features, [[0, 0], [0, height], [0, 0]])
    return ops.reshape(features, (-1, height, width + height, filters))[:, :, :width]


CELLS = {'RowLSTM': [RowLSTM], 'DiagonalBiLSTM': [DiagonalLSTM, ReverseDiagonalLSTM]}


class RecurrentBlock(keras.layers.Layer):
    """Features `[…, 2 * filters]` through recurrent layers, whose sum is widened and added to them."""

    def __init__(self, cells, filters, condition_features, channels, dropout, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.recurrent = [cell(2 * filters, filters, channels, name=f'{self.name}_{index}', dtype=dtype)
                          for index, cell in enumerate(cells)]
        self.condition = ConditionProjection(condition_features, filters, dtype=dtype)
        self.dropout = Dropout(dropout, dtype=dtype)
        self.widen = CausalConvolution(filters, 2 * filters, channels=channels, name=f'{self.name}_widen', dtype=dtype)
        self.built = True

    def call(self, features: tf.Tensor, view) -> tf.Tensor:
        hidden = self.condition(sum(view(layer, features) for layer in self.recurrent), view=view)
        return features + self.widen(self.dropout(hidden, training=view.training))


@register_keras_serializable('tfdgm')
class PixelRNN(ImageModel):
    """Residual layers of LSTMs over the image.

    With 'RowLSTM' cells a site sees a triangle above it; with 'DiagonalBiLSTM', which runs along the diagonals from
    both sides, every pixel before (but the last one of the row above, where that is more than three columns away).

    Source: A. van den Oord, N. Kalchbrenner and K. Kavukcuoglu, "Pixel recurrent neural networks", 2016
    (https://arxiv.org/abs/1601.06759).

    >>> import tfdgm
    >>> model = tfdgm.PixelRNN(event_shape=(8, 8, 1), cell='DiagonalBiLSTM', filters=8, blocks=1)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Its log-density has derivatives of any order by `tf.GradientTape`, and none by `tf.autodiff.ForwardAccumulator`.

    Args:
        event_shape: `(height, width, channels)`.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to the hidden states of every layer.
        dropout: dropout rate of the hidden states between layers.
        cell: 'RowLSTM' or 'DiagonalBiLSTM'.
        filters: h of the paper: cells have h hidden states a site, and there are 2h features between them.
        blocks: how many recurrent layers.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if there is no such cell, or the events are no images.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., cell: str = 'RowLSTM', filters: int = 16,
                 blocks: int = 3, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, dropout=dropout, **kwargs)
        if not isinstance(cell, str) or cell not in CELLS:
            raise ValueError(f'cell of PixelRNN must be one of {", ".join(CELLS)}, got {cell!r}.')
        self.cell = cell
        self.filters = checks.integer(filters, 'filters of PixelRNN')
        self.blocks = checks.integer(blocks, 'blocks of PixelRNN')
        filters, shared = self.filters, {'channels': self.channels, 'dtype': self.dtype_policy}
        self.first = CausalConvolution(self.num_inputs, 2 * filters, (4, 7), mask_type='A', name='first', **shared)
        self.stack = [RecurrentBlock(CELLS[cell], filters, self.condition_map.num_features, dropout=self.dropout,
                                     name=f'block_{index}', **shared) for index in range(self.blocks)]
        self.head = Head(2 * filters, 2 * filters, self.num_outputs, name='head', **shared)
        self.built = True

    @property
    def causal_layers(self):
        return [layer for block in self.stack for layer in block.recurrent]

    def horizontal_stack(self, view, above: tf.Tensor):
        features = view(self.first)
        for block in self.stack:
            features = block(features, view=view)
        return self.head(features)
