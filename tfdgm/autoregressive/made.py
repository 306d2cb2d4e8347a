"""MADE: the masked autoencoder for distribution estimation."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition
from tfdgm.layers import MaskedNetwork
from tfdgm.outputs import Output


@register_keras_serializable('tfdgm')
class MADE(AutoregressiveModel):
    """A fully connected network whose masked weights let each site see only the earlier ones.

    `tfdgm.layers.MaskedNetwork` is the network; when sampling, it computes each hidden unit once. With several masks,
    every mask shuffles what each unit sees (and, with `order='random'`, has an order of its own). Training draws one
    mask for each step; the model's density is the mean of the masks' densities, and a sample comes from a mask drawn at
    random.

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
        dropout: dropout rate of the hidden units.
        order: order of the sites, as in `AutoregressiveModel`; or `[num_masks, sites]`, one for each mask.
        seed: of the masks and random orders.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if there is no mask or no hidden layer, or the order does not fit.
    """

    takes_codes = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, hidden_units: Sequence[int] = (500,), activation: str = 'relu',
                 num_masks: int = 1, direct_connections: bool = False, dropout: float = 0.,
                 order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        if not isinstance(hidden_units, Sequence | np.ndarray) or not len(hidden_units):
            raise ValueError(
                f'MADE needs at least one hidden layer, such as hidden_units=(500,); got {hidden_units!r}.')
        self.num_masks = checks.integer(num_masks, 'num_masks of MADE')
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        self.hidden_units = checks.integers(hidden_units, 'hidden_units of MADE')
        self.activation = activation
        self.direct_connections = checks.flag(direct_connections, 'direct_connections of MADE')
        self.dropout = checks.rate(dropout, 'dropout of MADE')
        self._mask_draws = random.Seeds(self.seed)
        self.network = MaskedNetwork(
            self.orderings, self.output.num_parameters, self.hidden_units, condition_features=self.condition_features,
            activation=activation, direct_connections=self.direct_connections, dropout=self.dropout,
            random=self._random, seed=random.in_32_bits(self.seed), dtype=self.dtype_policy, name='network')
        self.built = True

    def _orderings(self):
        one_each = isinstance(self.order, list) and bool(self.order) and isinstance(self.order[0], list)
        orders = self.order if one_each else [self.order] * self.num_masks
        if len(orders) != self.num_masks:
            raise ValueError(
                f'order holds {len(orders)} orders for {self.num_masks} masks; give one, or one for each mask.')
        return np.stack([self._permutation(order) for order in orders])

    @property
    def scoring_batch(self) -> int:
        # Every piece masks all weights anew, and an event takes little memory: larger pieces than of other models.
        widest = max(*self.hidden_units, self.num_sites * self.output.num_parameters)
        return max(super().scoring_batch, 1 << (2**25 // widest).bit_length() - 1)

    def mask_parameters(self, x: tf.Tensor, condition: tf.Tensor | None, mask, training: bool = False) -> tf.Tensor:
        """The parameters at every site under one mask: `[batch, *event_shape, num_parameters]`."""
        values = ops.cast(self.output.scale(ops.reshape(x, (-1, self.num_sites))), self.compute_dtype)
        result = self.network(values, self.encode_condition(condition), mask_index=mask, training=training)
        return ops.reshape(result, (-1, *self.event_shape, self.output.num_parameters))

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """The parameters under one mask: in training one drawn at random, else the first."""
        mask = keras.random.randint((), 0, self.num_masks, seed=self._mask_draws) if (
            training and self.num_masks > 1) else 0
        return self.mask_parameters(x, condition, mask, training)

    def standardized_log_prob(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool) -> tf.Tensor:
        if training or self.num_masks == 1:
            return super().standardized_log_prob(x, condition, training)

        log_probs = tf.map_fn(
            lambda mask: self.log_prob_given(self.mask_parameters(x, condition, mask), x),
            tf.range(self.num_masks), fn_output_signature=tf.float32)
        return ops.logsumexp(log_probs, axis=0) - np.log(self.num_masks)

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        if self.num_masks > 1 and seed is not None:
            masks = tf.random.stateless_uniform((batch_size,), seed, maxval=self.num_masks, dtype='int32', alg='philox')
        else:
            masks = ops.zeros((batch_size,), 'int32')
        return self.network.initial_state(masks, self.encode_condition(condition))

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        return self.network.step(state, position, self.output.scale(previous))

    def chain_of_samples(self, x: tf.Tensor, state) -> tf.Tensor:
        sites = ops.take(self.orderings.astype('int32'), state['masks'], axis=0)
        return ops.take_along_axis(ops.reshape(x, (-1, self.num_sites)), sites, axis=1)

    def samples_from_chain(self, values: tf.Tensor, state) -> tf.Tensor:
        positions = ops.take(np.argsort(self.orderings, axis=1).astype('int32'), state['masks'], axis=0)
        return ops.reshape(ops.take_along_axis(values, positions, axis=1), (-1, *self.event_shape))
