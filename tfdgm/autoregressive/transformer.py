"""CausalTransformer: self-attention that sees only what lies before."""

import keras
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.autoregressive.layers import Dropout, dense
from tfdgm.autoregressive.sequences import SequenceModel


class TransformerBlock(keras.layers.Layer):
    """Self-attention and a layer at each position, each on normalised features and added to them."""

    def __init__(self, width, heads, condition_features, dropout, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        dtype = self.dtype_policy
        self.norms = [keras.layers.LayerNormalization(dtype=dtype, name=f'norm_{index}') for index in range(2)]
        for norm in self.norms:
            norm.build((None, width))
        self.projection = dense(width, 3 * width, 'projection', dtype)
        self.attended = dense(width, width, 'attended', dtype)
        self.condition = dense(condition_features, width, 'condition', dtype, use_bias=False) \
            if condition_features else None
        self.widen = dense(width, 4 * width, 'widen', dtype, activation='gelu')
        self.narrow = dense(4 * width, width, 'narrow', dtype)
        self.dropout = Dropout(dropout, dtype=dtype)
        self.built = True

    def call(self, features, condition=None, training=False):
        """`[batch, sites, width]` -> `[batch, sites, width]`."""
        query, key, value = self._heads(features, condition)
        attention = ops.dot_product_attention(query, key, value, is_causal=True, flash_attention=False)
        return self._behind(features, attention, training)

    def initial_cache(self, sites, batch_size):
        """The keys and the values of all positions, zeros where they are to come."""
        shape = batch_size, sites, self.heads, self.attended.units // self.heads
        return ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)

    def at(self, features, condition, cache, position):
        """The same at one position, `[batch, width]`, and the next cache."""
        features = features[:, None]
        query, *new = self._heads(features, condition)
        keys, values = (ops.slice_update(old, (0, position, 0, 0), part) for old, part in zip(cache, new))
        mask = ops.reshape(ops.arange(keys.shape[1]) <= position, (1, 1, 1, -1))
        attention = ops.dot_product_attention(query, keys, values, mask=mask, flash_attention=False)
        return self._behind(features, attention, False)[:, 0], (keys, values)

    def _heads(self, features, condition):
        """Queries, keys and values, each `[batch, sites, heads, width / heads]`."""
        features = self.norms[0](features)
        if condition is not None:
            features = features + self.condition(condition)
        projected = self.projection(features)
        projected = ops.reshape(projected, (*ops.shape(projected)[:2], 3, self.heads, -1))
        return ops.unstack(projected, axis=2)

    def _behind(self, features, attention, training):
        attention = ops.reshape(attention, ops.shape(features))
        features = features + self.dropout(self.attended(attention), training=training)
        hidden = self.narrow(self.widen(self.norms[1](features)))
        return features + self.dropout(hidden, training=training)


@register_keras_serializable('tfdgm')
class CausalTransformer(SequenceModel):
    """Blocks of self-attention in which each site attends to itself and what lies before.

    Sampling keeps the keys and the values of the sites before, so that a site costs one query against them.

    Sources: A. Vaswani et al., "Attention is all you need", 2017 (https://arxiv.org/abs/1706.03762); as a model of
    images in raster order, M. Chen et al., "Generative pretraining from pixels" (Image GPT), 2020
    (https://proceedings.mlr.press/v119/chen20s.html).

    >>> import tfdgm
    >>> model = tfdgm.CausalTransformer(event_shape=(8, 8, 1), width=16, heads=2, blocks=2)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: shape of one event: `(length,)`, `(length, channels)`, or that of an image.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on; it adds to what the attention of every block reads.
        dropout: the share of the features each block adds that is left out at each training step.
        width: how many features each site has, a multiple of `heads`.
        heads: how many heads the attention has.
        blocks: how many blocks.
        variable_length: whether events may be shorter than `event_shape`, the longest, and filled up with NaN at the
            end. Their likelihood is that of the part before, given its length.
        order: order of the sites, as in `AutoregressiveModel`.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `width` is no multiple of `heads`.
    """

    def __init__(self, event_shape, *, output=None, condition=None, dropout=0., width=64, heads=4, blocks=4,
                 variable_length=False, order='natural', seed=0, **kwargs):
        width = checks.whole(width, 'width of CausalTransformer')
        if width % checks.whole(heads, 'heads of CausalTransformer'):
            raise ValueError(f'width of CausalTransformer must be a multiple of heads, got {width} and {heads}.')
        # Attention sees a set: without its position, a site would not know the order of what lies before.
        super().__init__(event_shape, width=width, last_width=width, output=output, condition=condition,
                         dropout=dropout, positions=True, variable_length=variable_length, order=order, seed=seed,
                         **kwargs)
        self.width, self.heads = width, heads
        self.stack = [
            TransformerBlock(width, heads, condition.num_features if condition else 0, dropout,
                             dtype=self.dtype_policy, name=f'block_{index}')
            for index in range(checks.whole(blocks, 'blocks of CausalTransformer'))]
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name='norm')
        self.norm.build((None, width))
        self.built = True

    def features(self, inputs, condition, training):
        for block in self.stack:
            inputs = block(inputs, condition=condition, training=training)
        return self.norm(inputs)

    def initial_cache(self, batch_size):
        return [block.initial_cache(self.num_sites, batch_size) for block in self.stack]

    def next_features(self, inputs, condition, cache, position):
        condition = None if condition is None else condition[:, None]
        caches = []
        for block, old in zip(self.stack, cache):
            inputs, new = block.at(inputs, condition, old, position)
            caches.append(new)
        return self.norm(inputs), caches
