"""CausalTransformer: causal self-attention over the sites."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.sequences.attention import attend, causal_attention
from tfdgm.autoregressive.sequences.model import SequenceModel
from tfdgm.conditions import Condition
from tfdgm.layers import Dropout, dense
from tfdgm.outputs import Output


class TransformerBlock(keras.layers.Layer):
    """Self-attention and a layer at each position, each on normalised features and added to them.

    A position attends to itself and to the `window - 1` before it. Besides what query and key say, each head has a
    learned preference for each distance between them.
    """

    def __init__(self, width, heads, window, condition_features, dropout, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.window = heads, window
        dtype = self.dtype_policy
        self.norms = [keras.layers.LayerNormalization(dtype=dtype, name=f'norm_{index}') for index in range(2)]
        for norm in self.norms:
            norm.build((None, width))
        self.projection = dense(width, 3 * width, 'projection', dtype)
        self.distances = self.add_weight(shape=(heads, window), initializer='zeros', name='distances')
        self.attended = dense(width, width, 'attended', dtype)
        self.condition = dense(condition_features, width, 'condition', dtype, use_bias=False) \
            if condition_features else None
        self.widen = dense(width, 4 * width, 'widen', dtype, activation='gelu')
        self.narrow = dense(4 * width, width, 'narrow', dtype)
        self.dropout = Dropout(dropout, dtype=dtype)
        self.built = True

    def call(self, features: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False,
             event_by_event: bool = False) -> tf.Tensor:
        """`[batch, sites, width]` -> `[batch, sites, width]`."""
        heads = self._heads(features, condition)
        attention = causal_attention(*heads, ops.cast(self.distances, self.compute_dtype), event_by_event)
        attention = ops.transpose(attention, (0, 2, 1, 3))
        return self._behind(features, ops.reshape(attention, (-1, *features.shape[1:])), training)

    def initial_cache(self, batch_size: int):
        """The keys and the values in the window: position i lies in place i modulo its length."""
        shape = batch_size, self.heads, self.window, self.attended.units // self.heads
        return ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)

    def step(self, features: tf.Tensor, condition: tf.Tensor | None, cache, position: tf.Tensor):
        """The same at one position, `[batch, width]`, and the next cache."""
        query, *new = self._heads(features[:, None], condition)
        place = position % self.window
        cache = [ops.slice_update(old, (0, 0, place, 0), part) for old, part in zip(cache, new)]
        distances = (position - ops.arange(self.window, dtype='int32')) % self.window
        bias = ops.take(ops.cast(self.distances, self.compute_dtype), distances, axis=1)
        bias = ops.where(distances <= position, bias, -np.inf)
        attention = ops.reshape(attend(query, *cache, bias[:, None]), ops.shape(features))
        return self._behind(features, attention, False), cache

    def _heads(self, features, condition):
        """Queries, keys and values, each `[batch, heads, sites, width / heads]`."""
        features = self.norms[0](features)
        if condition is not None:
            features = features + self.condition(condition)
        projected = self.projection(features)
        projected = ops.reshape(projected, (-1, projected.shape[1], 3, self.heads, self.attended.units // self.heads))
        return ops.unstack(ops.transpose(projected, (2, 0, 3, 1, 4)), 3)

    def _behind(self, features, attention, training):
        features = features + self.dropout(self.attended(attention), training=training)
        hidden = self.narrow(self.widen(self.norms[1](features)))
        return features + self.dropout(hidden, training=training)


@register_keras_serializable('tfdgm')
class CausalTransformer(SequenceModel):
    """Blocks of self-attention in which each site attends to itself and what lies before.

        attention_i = Σ_{j ≤ i} softmax_j(q_i · k_j / √n + b_{i-j}) v_j

    Sampling keeps the keys and the values of the sites before, so that a site costs one query against them. With a
    `window`, a site attends to the last ones only: a block costs in proportion to the sites rather than their square,
    and the blocks above each other see further.

    Sources: A. Vaswani et al., "Attention is all you need", 2017 (https://arxiv.org/abs/1706.03762); the learned bias
    b for each head and distance, C. Raffel et al., "Exploring the limits of transfer learning with a unified
    text-to-text transformer" (T5), 2019 (https://arxiv.org/abs/1910.10683); windows, I. Beltagy et al., "Longformer:
    the long-document transformer", 2020 (https://arxiv.org/abs/2004.05150); as a model of images in raster order,
    M. Chen et al., "Generative pretraining from pixels" (Image GPT), 2020
    (https://proceedings.mlr.press/v119/chen20s.html).

    >>> import tfdgm
    >>> model = tfdgm.CausalTransformer(event_shape=(8, 8, 1), width=16, heads=2, blocks=2)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: shape of one event: `(length,)`, `(length, channels)`, or that of an image.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to what the attention of every block reads.
        dropout: dropout rate of the features each block adds.
        width: how many features each site has, a multiple of `heads`.
        heads: how many heads the attention has.
        blocks: how many blocks.
        window: how many sites a site attends to, itself and those just before; None for all.
        variable_length: whether events may be shorter than `event_shape`, the longest, and filled up with NaN at the
            end. Their likelihood is that of the part before, given its length.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `width` is no multiple of `heads`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., width: int = 64, heads: int = 4,
                 blocks: int = 4, window: int | None = None, variable_length: bool = False,
                 order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        width = checks.integer(width, 'width of CausalTransformer')
        heads = checks.integer(heads, 'heads of CausalTransformer')
        if width % heads:
            raise ValueError(f'width of CausalTransformer must be a multiple of heads, got {width} and {heads}.')
        # Attention sees a set: without its position, a site would not know the order of what lies before.
        super().__init__(event_shape, width=width, last_width=width, output=output, condition=condition,
                         dropout=dropout, positions=True, variable_length=variable_length, order=order, seed=seed,
                         **kwargs)
        self.width, self.heads = width, heads
        self.blocks = checks.integer(blocks, 'blocks of CausalTransformer')
        self.window = None if window is None else checks.integer(window, 'window of CausalTransformer')
        window = min(self.window or self.num_sites, self.num_sites)
        self.stack = [
            TransformerBlock(width, heads, window, self.features_per_step, self.dropout,
                             dtype=self.dtype_policy, name=f'block_{index}')
            for index in range(self.blocks)]
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name='norm')
        self.norm.build((None, width))
        self.built = True

    @property
    def scoring_batch(self) -> int:
        # Attention makes a number of each pair of sites that see each other, for each head.
        pairs = self.num_sites * self.heads * self.stack[0].window
        return 1 << max(1, min(super().scoring_batch, 2**26 // pairs)).bit_length() - 1

    @property
    def receptive_field(self) -> int:
        """How many values before a site its parameters depend on, at most."""
        return min(self.num_sites - 1, 1 + sum(block.window - 1 for block in self.stack))

    def features(self, inputs: tf.Tensor, condition: tf.Tensor | None, training: bool):
        # A GPU would rather take all events at once.
        event_by_event = self.uses_xla(True) and not tf.config.list_physical_devices('GPU')
        for block in self.stack:
            inputs = block(inputs, condition=condition, training=training, event_by_event=event_by_event)
        return self.norm(inputs)

    def initial_cache(self, batch_size: int):
        return [block.initial_cache(batch_size) for block in self.stack]

    def features_step(self, inputs: tf.Tensor, condition: tf.Tensor | None, cache, position: tf.Tensor):
        condition = None if condition is None else condition[:, None]
        caches = []
        for block, old in zip(self.stack, cache):
            inputs, new = block.step(inputs, condition, old, position)
            caches.append(new)
        return self.norm(inputs), caches
