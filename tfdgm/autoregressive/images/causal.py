"""Causal layers over images, each in two forms: all sites at once, or one site from what earlier ones left in a cache.

A network of such layers is written once, as a function of a *view*: `view(layer, features)` applies a causal layer in
the form that the view stands for, and all other layers work on the last axis alone. There are three views:

- `Everywhere`: features are `[batch, height, width, filters]`; likelihood and training;
- `Site`: features are `[batch, filters]` of one site, and causal layers read what they keep of the sites before;
- `Row`: features are `[width, batch, filters]` of one row, for stacks that look at the rows above only: such a stack is
  known for a whole row as soon as the row above is.
"""

import abc

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm.layers import dense


class CausalLayer(keras.layers.Layer, abc.ABC):
    """Base class of layers whose result at a site depends on earlier sites. Calling one is the form for all sites."""

    @abc.abstractmethod
    def initial_cache(self, width: int, batch_size: int):
        """What the other forms remember before the first row: a structure of tensors."""

    @abc.abstractmethod
    def start_row(self, cache):
        """What is remembered when a row begins, from what was at the end of the row before."""

    @abc.abstractmethod
    def step(self, cache, features: tf.Tensor, column):
        """The result `[batch, filters]` at one site, from `[batch, inputs]` there; and the next cache."""


class CausalConvolution(CausalLayer):
    """A convolution whose kernel holds the rows down to the site's own, and sees nothing after the site.

    In a kernel as wide as high, half the rows would be zeros. The order goes on inside a pixel: where an image has
    several channels, features are divided into as many groups, and a group sees its pixel's features of earlier
    groups, and of its own with type B.

    Source: A. van den Oord, N. Kalchbrenner and K. Kavukcuoglu, "Pixel recurrent neural networks", 2016
    (https://arxiv.org/abs/1601.06759), section 3.4, for types and groups.

    Args:
        inputs: how many features come in.
        filters: how many come out.
        size: `(rows, columns)` of the kernel; its last row is the site's own.
        region: what it sees of that row: 'raster', the sites to the left, and the columns lie around the site;
            'left', the sites to the left, and the columns end with the site; 'rows', the whole row, for features
            that depend on the rows above only.
        mask_type: 'B', or 'A' for a layer that reads the image itself and must not see the site ('rows': its row).
        channels: how many channels an image has.
        parts: how many runs of groups come out, where a gate or a cell cuts its input into parts.
        dilation: how many rows and columns lie from one that it sees to the next.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, inputs, filters, size=(1, 1), region='raster', mask_type='B', channels=1, parts=1, dilation=1,
                 **kwargs):
        super().__init__(**kwargs)
        self.dilation = dilation
        # What the kernel spans, of which it sees every `dilation`-th row and column.
        self.rows, self.columns = (dilation * (length - 1) + 1 for length in size)
        self.region, self.mask_type = region, mask_type
        self.inputs, self.filters = inputs, filters
        self.right = 0 if region == 'left' else self.columns // 2
        self.left = self.columns - 1 - self.right
        self.down = int(region == 'rows' and mask_type == 'A')
        self.size = size
        self.mask = self._mask(size, channels, parts)
        # A matrix, from all that one site sees: optimizers that treat matrices as such take it for one.
        self.kernel = self.add_weight(shape=self.mask.shape, initializer='glorot_uniform', name='kernel')
        self.bias = self.add_weight(shape=(filters,), initializer='zeros', name='bias')
        self.built = True

    def _mask(self, size, channels, parts):
        mask = np.ones((*size, self.inputs, self.filters), 'float32')
        if self.region != 'rows':
            centre = self.left // self.dilation
            mask[-1, centre + 1:] = 0
            before = np.arange(self.inputs)[:, None] * channels // self.inputs
            after = np.tile(np.arange(self.filters // parts) * channels // (self.filters // parts), parts)
            mask[-1, centre] = before < after if self.mask_type == 'A' else before <= after
        return mask.reshape(-1, self.filters)

    def _weights(self):
        kernel = self.kernel if self.mask.all() else self.kernel * self.mask
        return ops.cast(kernel, self.compute_dtype), ops.cast(self.bias, self.compute_dtype)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        kernel, bias = self._weights()
        if (self.rows, self.columns) == (1, 1):
            return ops.matmul(features, kernel) + bias
        padded = ops.pad(features, [[0, 0], [self.rows - 1 + self.down, 0], [self.left, self.right], [0, 0]])
        padded = padded[:, :-self.down] if self.down else padded
        kernel = ops.reshape(kernel, (*self.size, self.inputs, self.filters))
        return ops.conv(padded, kernel, padding='valid', data_format='channels_last',
                        dilation_rate=self.dilation) + bias

    def initial_cache(self, width, batch_size: int):
        rows = self.rows - (self.region == 'rows')
        return ops.zeros((rows, width + self.left + self.right, batch_size, self.inputs), self.compute_dtype)

    def start_row(self, cache):
        return cache if self.region == 'rows' else ops.concatenate([cache[1:], ops.zeros_like(cache[:1])], axis=0)

    def step(self, cache, features: tf.Tensor, column):
        if (self.rows, self.columns) == (1, 1):
            return self(features), cache
        features = ops.cast(features, self.compute_dtype)
        cache = ops.slice_update(cache, (self.rows - 1, column + self.left, 0, 0), features[None, None])
        return self._of_window(cache, 0, column), cache

    def row_step(self, cache, features: tf.Tensor):
        """The results `[width, batch, filters]` of a row, from `[width, batch, inputs]` there; and the next cache."""
        features = ops.pad(ops.cast(features, self.compute_dtype), [[self.left, self.right], [0, 0], [0, 0]])
        rows = ops.concatenate([cache, features[None]], axis=0)
        return self._of_rows(rows), rows[1:]

    def step_from_image(self, image, margin, inputs, row, column=None):
        """The result at one site, or without a column in one row, of a layer of type A, from the image itself.

        Args:
            image: `[margin + height, width + 2 * margin, batch, channels]`, the values that are known.
            margin: how many rows and columns it has around it.
            inputs: what the network sees of values, `[…, channels]` -> `[…, inputs]`; zeros where nothing is known yet.
            row: which row.
            column: which site in it, or None for all.
        """
        top, left = row + margin - (self.rows - 1) - self.down, margin - self.left
        width = image.shape[1] - 2 * margin + self.left + self.right
        if column is not None:
            left, width = left + column, self.columns
        rows = ops.slice(image, (top, left, 0, 0), (self.rows, width, -1, -1))
        rows = ops.cast(inputs(rows), self.compute_dtype)
        return self._of_rows(rows) if column is None else self._of_window(rows, 0, 0)

    def _of_window(self, values, top, left):
        window = ops.slice(values, (top, left, 0, 0), (self.rows, self.columns, -1, self.inputs))
        window = window[::self.dilation, ::self.dilation]
        kernel, bias = self._weights()
        window = ops.reshape(ops.transpose(window, (2, 0, 1, 3)), (-1, kernel.shape[0]))
        return ops.matmul(window, kernel) + bias

    def _of_rows(self, rows):
        kernel, bias = self._weights()
        width = rows.shape[1] - self.left - self.right
        starts = range(0, self.columns, self.dilation)
        windows = ops.stack([rows[::self.dilation, start:start + width] for start in starts])
        kernel = ops.reshape(kernel, (*self.size, self.inputs, self.filters))
        return ops.einsum('krwbi,rkio->wbo', windows, kernel) + bias


class View(abc.ABC):
    """How a network is looked at. `view(layer, features)` applies a causal layer; without features it reads the image.

    `view.condition` holds the condition's features, in the view's own layout, or None; `view.training` says whether
    dropout is due. Views of one row or site know the image so far, `known`: its values, its margin and what the network
    sees of values (see `CausalConvolution.step_from_image`).
    """

    training = False

    @abc.abstractmethod
    def __call__(self, layer, features=None):
        """Applies a causal layer."""


class Everywhere(View):
    """All sites at once: `image` is `[batch, height, width, channels]`, scaled."""

    def __init__(self, image, condition, training):
        self.image, self.condition, self.training = image, condition, training

    def __call__(self, layer, features=None):
        return layer(self.image if features is None else features)


class Site(View):
    """One site. `caches` are those of the causal layers, by name; it becomes what the next site needs."""

    def __init__(self, known, condition, caches, row, column):
        self.known, self.caches, self.row, self.column = known, dict(caches), row, column
        self.condition = None
        if condition is not None:
            height, width = condition.shape[1:3]
            self.condition = condition[:, row if height > 1 else 0, column if width > 1 else 0]

    def __call__(self, layer, features=None):
        if features is None:
            return layer.step_from_image(*self.known, self.row, self.column)
        result, self.caches[layer.name] = layer.step(self.caches[layer.name], features, self.column)
        return result


class Row(View):
    """One row, for layers that look at the rows above only."""

    def __init__(self, known, condition, caches, row):
        self.known, self.caches, self.row = known, dict(caches), row
        self.condition = None
        if condition is not None:
            self.condition = ops.swapaxes(condition[:, row if condition.shape[1] > 1 else 0], 0, 1)

    def __call__(self, layer, features=None):
        if features is None:
            return layer.step_from_image(*self.known, self.row)
        result, self.caches[layer.name] = layer.row_step(self.caches[layer.name], features)
        return result


class ConditionProjection(keras.layers.Layer):
    """Adds a learned linear function of a view's condition to features."""

    def __init__(self, condition_features, filters, **kwargs):
        super().__init__(**kwargs)
        self.dense = dense(condition_features, filters, 'dense', self.dtype_policy, use_bias=False,
                           kernel_initializer='zeros') if condition_features else None
        self.built = True

    def call(self, features: tf.Tensor, view) -> tf.Tensor:
        return features if self.dense is None else features + self.dense(view.condition)
