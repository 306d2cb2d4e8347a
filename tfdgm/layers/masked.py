"""MaskedNetwork: fully connected layers in which each output sees earlier inputs only, all at once or one by one."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks
from tfdgm.layers.activations import activation_of
from tfdgm.layers.dropout import Dropout
from tfdgm.layers.linear import ConditionBias


class Reachable(keras.initializers.GlorotUniform):
    """Glorot's initial weights where some mask lets them count, and zeros elsewhere.

    There they stay zero, and take no room in a compressed file. It takes the degrees of a layer's inputs and outputs,
    `[masks, units]` each.
    """

    def __init__(self, input_degrees, output_degrees, strict=False):
        super().__init__()
        compare = np.less if strict else np.less_equal
        self.reachable = np.zeros((input_degrees.shape[1], output_degrees.shape[1]), bool)
        for rows, columns in zip(input_degrees, output_degrees):
            self.reachable |= compare(rows[:, None], columns[None])

    def __call__(self, shape, dtype=None):
        return ops.where(self.reachable, super().__call__(shape, dtype), 0.)


def biased(bias, condition_bias, features):
    """A bias, with what the condition adds to it where there is one."""
    return ops.convert_to_tensor(bias) if features is None else bias + condition_bias(features)


class MaskedNetwork(keras.layers.Layer):
    """The network of MADE, whose masked weights let the outputs of each site see only earlier sites.

    The sites are visited in an order, and the place of a site in it is its position. Every hidden unit has a degree d
    and sees the positions up to d; a connection stands where degrees do not fall. The outputs of a site see the hidden
    units of smaller degree. The degrees of a layer are spread evenly over the positions, so that each unit is computed
    once when one position is known after the other: when the last input arrives that it may see.

    With several masks, every mask has an order of its own and shuffles which unit has which degree.

    Source: M. Germain, K. Gregor, I. Murray and H. Larochelle, "MADE: masked autoencoder for distribution
    estimation", 2015 (https://arxiv.org/abs/1502.03509).

    Args:
        orderings: the site at each position, for each mask: `[masks, sites]`.
        num_parameters: how many outputs a site has.
        hidden_units: the width of each hidden layer, one or more.
        condition_features: how many features the condition has, or 0; they add to the biases of every layer.
        activation: of the hidden units, a name that Keras knows.
        direct_connections: whether the outputs also see the earlier sites directly.
        dropout: dropout rate of the hidden units.
        random: a `numpy.random.RandomState` that shuffles the degrees of several masks.
        seed: of dropout.
        output_initializer: None, or that of the output's weights.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, orderings, num_parameters, hidden_units, *, condition_features=0, activation='relu',
                 direct_connections=False, dropout=0., random=None, seed=0, output_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.orderings, self.num_parameters = orderings, num_parameters
        self.hidden_units = tuple(checks.integer(units, 'each of the hidden_units') for units in hidden_units)
        self.num_masks, self.num_sites = orderings.shape
        policy = self.dtype_policy
        self._activate = activation_of(activation)
        self._dropout = Dropout(dropout, seed=seed, dtype=policy, name='dropout')
        positions = np.argsort(orderings, axis=1)
        outputs = np.repeat(positions, num_parameters, axis=1)
        degrees = [positions, *(self._layer_degrees(units, random) for units in self.hidden_units)]
        # Of inputs, hidden units and outputs, for each mask.
        self._degrees = [of_masks.astype('int32') for of_masks in (*degrees, outputs)]
        self.kernels, self.biases, self.condition_biases = [], [], []
        for layer, units in enumerate(self.hidden_units):
            self.kernels.append(self.add_weight(
                shape=(degrees[layer].shape[1], units), name=f'kernel_{layer}',
                initializer=Reachable(degrees[layer], degrees[layer + 1])))
            self.biases.append(self.add_weight(shape=(units,), initializer='zeros', name=f'bias_{layer}'))
            self.condition_biases.append(ConditionBias(
                condition_features, (units,), dtype=policy, name=f'condition_bias_{layer}'))
        size = self.num_sites * num_parameters
        self.output_kernel = self.add_weight(
            shape=(self.hidden_units[-1], size), name='output_kernel',
            initializer=output_initializer or Reachable(degrees[-1], outputs, strict=True))
        self.direct_kernel = self.add_weight(
            shape=(self.num_sites, size), initializer='zeros', name='direct_kernel') if direct_connections else None
        self.output_bias = self.add_weight(shape=(size,), initializer='zeros', name='output_bias')
        self.output_condition_bias = ConditionBias(
            condition_features, (size,), dtype=policy, name='output_condition_bias')
        self.built = True

    def _layer_degrees(self, units: int, random) -> np.ndarray:
        """The last position that each unit sees, for each mask: `[masks, units]`."""
        even = np.sort(np.arange(units) * max(self.num_sites - 1, 1) // units)
        if self.num_masks == 1:
            return even[None]
        return np.stack([random.permutation(even) for _ in range(self.num_masks)])

    # All sites at once -----------------------------------------------------------------------------------------------

    def _masked(self, kernel, input_degrees, output_degrees, strict=False):
        """Zeroes the weights that would let a unit see a position beyond its degree."""
        # Of degrees, not a mask that is made before: it would be a constant as large as the weights in every graph.
        rows, columns = ops.convert_to_tensor(input_degrees[:, None]), ops.convert_to_tensor(output_degrees[None])
        kernel = ops.convert_to_tensor(kernel)
        return tf.where(rows < columns if strict else rows <= columns, kernel, tf.zeros((), kernel.dtype))

    def call(self, values: tf.Tensor, features: tf.Tensor | None = None, mask_index: int | tf.Tensor = 0,
             training: bool = False) -> tf.Tensor:
        """The outputs of every site under one mask: `[batch, sites]` -> `[batch, sites, num_parameters]`."""
        positions, *degrees, outputs = (
            of_masks[mask_index] if isinstance(mask_index, int) else ops.take(of_masks, mask_index, axis=0)
            for of_masks in self._degrees)
        hidden, known = values, positions
        for kernel, bias, condition_bias, layer_degrees in zip(
                self.kernels, self.biases, self.condition_biases, degrees):
            hidden = ops.matmul(hidden, self._masked(kernel, known, layer_degrees))
            hidden = self._activate(hidden + biased(bias, condition_bias, features))
            hidden = self._dropout(hidden, training=training)
            known = layer_degrees
        result = ops.matmul(hidden, self._masked(self.output_kernel, known, outputs, strict=True))
        result = result + biased(self.output_bias, self.output_condition_bias, features)
        if self.direct_kernel is not None:
            result = result + ops.matmul(values, self._masked(self.direct_kernel, positions, outputs, strict=True))
        return ops.reshape(result, (-1, self.num_sites, self.num_parameters))

    # One position at a time ------------------------------------------------------------------------------------------

    def _unit_tables(self):
        """For each layer, which units each position completes: `[masks, sites, most]`, and which of those exist.

        Units of degree d are complete once the value at position d is known, so they are computed at position d + 1.
        """
        tables = []
        for degrees in self._degrees[1:-1]:
            by_degree = np.argsort(degrees, axis=1, kind='stable')
            counts = np.bincount(degrees[0], minlength=self.num_sites)[:self.num_sites - 1]
            starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else np.zeros(0, int)
            places = starts[:, None] + np.arange(max(counts, default=1))
            exist = np.arange(places.shape[1]) < counts[:, None]
            units = by_degree[:, np.where(exist, places, 0)]
            nothing = np.zeros((1, places.shape[1]), int)
            tables.append((np.concatenate([np.repeat(nothing[None], self.num_masks, 0), units], 1).astype('int32'),
                           np.concatenate([nothing, exist]).astype('float32')))
        return tables

    def initial_state(self, masks, features: tf.Tensor | None = None):
        """The state before the first position, of events that each have a mask: int32 `[batch]`."""
        batch_size = ops.shape(masks)[0]

        def start(bias, condition_bias):
            return ops.broadcast_to(biased(bias, condition_bias, features), (batch_size, *bias.shape))

        preactivations = [start(*biases) for biases in zip(self.biases, self.condition_biases)]
        return {'masks': masks, 'preactivations': preactivations,
                'hidden': ops.zeros((batch_size, self.hidden_units[-1]), 'float32'),
                'outputs': start(self.output_bias, self.output_condition_bias)}

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        """The outputs at one position, `[batch, num_parameters]`, given the value at the one before, `[batch]`."""
        masks, size = state['masks'], self.num_parameters
        sites = ops.take(self.orderings.astype('int32'), masks, axis=0)
        site, last_site = sites[:, position], sites[:, ops.maximum(position - 1, 0)]
        value = previous[:, None]
        # What has just arrived: first the previous value, then the units that it completes, layer by layer.
        arrived, rows = value[:, :, None], last_site[:, None]
        preactivations = []
        for preactivation, kernel, (units, exist) in zip(
                state['preactivations'], self.kernels, self._unit_tables()):
            weights = ops.take(ops.convert_to_tensor(kernel), rows, axis=0)
            preactivation = preactivation + ops.sum(arrived * weights, axis=1)
            preactivations.append(preactivation)
            rows = ops.take(units, masks, axis=0)[:, position]
            complete = self._activate(ops.take_along_axis(preactivation, rows, axis=1))
            arrived = ops.expand_dims(complete * ops.convert_to_tensor(exist)[position], -1)
        batch = ops.arange(ops.shape(rows)[0], dtype='int32')[:, None]
        hidden = tf.tensor_scatter_nd_add(
            state['hidden'], ops.stack([ops.broadcast_to(batch, ops.shape(rows)), rows], -1), arrived[..., 0])
        outputs = state['outputs']
        if self.direct_kernel is not None:
            outputs = outputs + value * ops.take(ops.convert_to_tensor(self.direct_kernel), last_site, axis=0)
        columns = site[:, None] * size + ops.arange(size, dtype='int32')
        weights = ops.take(ops.transpose(self.output_kernel), columns, axis=0)
        parameters = ops.einsum('bh,bph->bp', hidden, weights) + ops.take_along_axis(outputs, columns, axis=1)
        return parameters, {
            'masks': masks, 'preactivations': preactivations, 'hidden': hidden, 'outputs': outputs}
