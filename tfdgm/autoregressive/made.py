"""MADE: the masked autoencoder for distribution estimation."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.layers import ConditionBias, Dropout


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


@register_keras_serializable('tfdgm')
class MADE(AutoregressiveModel):
    """A fully connected network whose masked weights let each site see only the earlier ones.

    Every hidden unit has a degree d and sees the positions up to d of the chain; a connection stands where degrees do
    not fall. Each site of the output sees the hidden units of smaller degree. The degrees of a layer are spread evenly
    over the positions, so that each unit is computed once when sampling: when the last input arrives that it may see.

    With several masks, every mask shuffles which unit has which degree (and, with `order='random'`, has an order of
    its own). Training draws one mask for each step; the model's density is the mean of the masks' densities, and a
    sample comes from a mask drawn at random.

    Source: M. Germain, K. Gregor, I. Murray and H. Larochelle, "MADE: masked autoencoder for distribution
    estimation", 2015 (https://arxiv.org/abs/1502.03509).

    >>> import tfdgm
    >>> model = tfdgm.MADE(event_shape=(8, 8, 1), hidden_units=(32, 32), num_masks=2, order='random')
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: shape of one event.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to the biases of every layer.
        hidden_units: the width of each hidden layer, any number of them.
        activation: of the hidden units, a name that Keras knows.
        num_masks: how many masks, at least 1.
        direct_connections: whether the outputs also see the earlier sites directly, as in FVSBN.
        dropout: the share of the hidden units that is left out at each training step.
        order: order of the sites, as in `AutoregressiveModel`; or `[num_masks, sites]`, one for each mask.
        seed: of the masks and random orders.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if there is no mask or no hidden layer, or the order does not fit.
    """

    def __init__(self, event_shape, *, output=None, condition=None, hidden_units=(500,), activation='relu',
                 num_masks=1, direct_connections=False, dropout=0., order='natural', seed=0, **kwargs):
        if not isinstance(hidden_units, Sequence) or not hidden_units:
            raise ValueError(
                f'MADE needs at least one hidden layer, such as hidden_units=(500,); got {hidden_units!r}.')
        self.num_masks = checks.whole(num_masks, 'num_masks of MADE')
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        self.hidden_units = tuple(checks.whole(units, 'hidden_units of MADE') for units in hidden_units)
        self.activation = activation
        self.direct_connections = direct_connections
        self.dropout = dropout
        self._activate = keras.activations.get(activation)
        self._dropout = Dropout(dropout, seed=self.seed, dtype=self.dtype_policy, name='dropout')
        self._mask_draws = keras.random.SeedGenerator(self.seed)
        self._degrees = [self._layer_degrees(units) for units in self.hidden_units]
        sites, size = self.num_sites, self.output.num_parameters
        positions = np.argsort(self.visited_sites, axis=1)
        outputs = np.repeat(positions, size, axis=1)
        degrees = [positions, *self._degrees]
        self.kernels, self.biases, self.condition_biases = [], [], []
        for layer, units in enumerate(self.hidden_units):
            self.kernels.append(self.add_weight(
                shape=(degrees[layer].shape[1], units), name=f'kernel_{layer}',
                initializer=Reachable(degrees[layer], degrees[layer + 1])))
            self.biases.append(self.add_weight(shape=(units,), initializer='zeros', name=f'bias_{layer}'))
            self.condition_biases.append(ConditionBias(
                condition, (units,), dtype=self.dtype_policy, name=f'condition_bias_{layer}'))
        self.output_kernel = self.add_weight(
            shape=(self.hidden_units[-1], sites * size), name='output_kernel',
            initializer=Reachable(degrees[-1], outputs, strict=True))
        self.direct_kernel = self.add_weight(
            shape=(sites, sites * size), initializer='zeros', name='direct_kernel') if direct_connections else None
        self.output_bias = self.add_weight(shape=(sites * size,), initializer='zeros', name='output_bias')
        self.output_condition_bias = ConditionBias(
            condition, (sites * size,), dtype=self.dtype_policy, name='output_condition_bias')
        self.built = True

    # The order of each mask ------------------------------------------------------------------------------------------

    def _visited_sites(self):
        """The site at each position, for each mask: `[masks, sites]`."""
        one_each = isinstance(self.order, list) and bool(self.order) and isinstance(self.order[0], list)
        orders = self.order if one_each else [self.order] * self.num_masks
        if len(orders) != self.num_masks:
            raise ValueError(
                f'order holds {len(orders)} orders for {self.num_masks} masks; give one, or one for each mask.')
        return np.stack([self._permutation(order) for order in orders])

    def _layer_degrees(self, units: int) -> np.ndarray:
        """The last position that each unit sees, for each mask: `[masks, units]`."""
        even = np.sort(np.arange(units) * max(self.num_sites - 1, 1) // units)
        if self.num_masks == 1:
            return even[None]
        return np.stack([self._random.permutation(even) for _ in range(self.num_masks)])

    # All sites at once -----------------------------------------------------------------------------------------------

    def _masked(self, kernel, input_degrees, output_degrees, strict=False):
        """Zeroes the weights that would let a unit see a position beyond its degree."""
        rows, columns = ops.expand_dims(input_degrees, 1), ops.expand_dims(output_degrees, 0)
        return ops.where(rows < columns if strict else rows <= columns, kernel, ops.zeros((), kernel.dtype))

    def mask_parameters(self, x, condition, mask, training=False):
        """The parameters at every site under one mask: `[batch, *event_shape, num_parameters]`."""
        positions = ops.take(np.argsort(self.visited_sites, axis=1).astype('int32'), mask, axis=0)
        values = ops.cast(self.output.scale(ops.reshape(x, (-1, self.num_sites))), self.compute_dtype)
        hidden, degrees = values, positions
        layers = zip(self.kernels, self.biases, self.condition_biases, self._degrees)
        for kernel, bias, condition_bias, layer_degrees in layers:
            layer_degrees = ops.take(layer_degrees.astype('int32'), mask, axis=0)
            kernel = self._masked(ops.convert_to_tensor(kernel), degrees, layer_degrees)
            hidden = self._activate(ops.matmul(hidden, kernel) + bias + condition_bias(condition))
            hidden = self._dropout(hidden, training=training)
            degrees = layer_degrees
        outputs = ops.repeat(positions, self.output.num_parameters)
        kernel = self._masked(ops.convert_to_tensor(self.output_kernel), degrees, outputs, strict=True)
        result = ops.matmul(hidden, kernel) + self.output_bias + self.output_condition_bias(condition)
        if self.direct_kernel is not None:
            kernel = self._masked(ops.convert_to_tensor(self.direct_kernel), positions, outputs, strict=True)
            result = result + ops.matmul(values, kernel)
        return ops.reshape(result, (-1, *self.event_shape, self.output.num_parameters))

    def parameters(self, x, condition=None, training=False):
        """The parameters under one mask: in training one drawn at random, else the first."""
        mask = keras.random.randint((), 0, self.num_masks, seed=self._mask_draws) if (
            training and self.num_masks > 1) else 0
        return self.mask_parameters(x, condition, mask, training)

    def standardized_log_prob(self, x, condition, training):
        if training or self.num_masks == 1:
            return super().standardized_log_prob(x, condition, training)

        log_probs = tf.map_fn(
            lambda mask: self.log_prob_given(self.mask_parameters(x, condition, mask), x),
            tf.range(self.num_masks), fn_output_signature=tf.float32)
        return ops.logsumexp(log_probs, axis=0) - np.log(self.num_masks)

    # One position at a time ------------------------------------------------------------------------------------------

    def _unit_tables(self):
        """For each layer, which units each position completes: `[masks, sites, most]`, and which of those exist.

        Units of degree d are complete once the value at position d is known, so they are computed at position d + 1.
        """
        tables = []
        for degrees in self._degrees:
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

    def initial_state(self, batch_size, condition=None, seed=None):
        if self.num_masks > 1 and seed is not None:
            masks = tf.random.stateless_uniform((batch_size,), seed, maxval=self.num_masks, dtype='int32', alg='philox')
        else:
            masks = ops.zeros((batch_size,), 'int32')

        def start(bias, condition_bias):
            return ops.broadcast_to(bias + condition_bias(condition), (batch_size, *bias.shape))

        preactivations = [start(*biases) for biases in zip(self.biases, self.condition_biases)]
        return {'masks': masks, 'preactivations': preactivations,
                'hidden': ops.zeros((batch_size, self.hidden_units[-1])),
                'outputs': start(self.output_bias, self.output_condition_bias)}

    def step(self, state, position, previous):
        masks, size = state['masks'], self.output.num_parameters
        sites = ops.take(self.visited_sites.astype('int32'), masks, axis=0)
        site, last_site = sites[:, position], sites[:, ops.maximum(position - 1, 0)]
        value = self.output.scale(previous)[:, None]
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
        batch = ops.arange(ops.shape(rows)[0])[:, None]
        hidden = tf.tensor_scatter_nd_add(
            state['hidden'], ops.stack([ops.broadcast_to(batch, ops.shape(rows)), rows], -1), arrived[..., 0])
        outputs = state['outputs']
        if self.direct_kernel is not None:
            outputs = outputs + value * ops.take(ops.convert_to_tensor(self.direct_kernel), last_site, axis=0)
        columns = site[:, None] * size + ops.arange(size)
        weights = ops.take(ops.transpose(self.output_kernel), columns, axis=0)
        parameters = ops.einsum('bh,bph->bp', hidden, weights) + ops.take_along_axis(outputs, columns, axis=1)
        return parameters, {
            'masks': masks, 'preactivations': preactivations, 'hidden': hidden, 'outputs': outputs}

    def chain_of_samples(self, x, state):
        sites = ops.take(self.visited_sites.astype('int32'), state['masks'], axis=0)
        return ops.take_along_axis(ops.reshape(x, (-1, self.num_sites)), sites, axis=1)

    def samples_from_chain(self, values, state):
        positions = ops.take(np.argsort(self.visited_sites, axis=1).astype('int32'), state['masks'], axis=0)
        return ops.reshape(ops.take_along_axis(values, positions, axis=1), (-1, *self.event_shape))
