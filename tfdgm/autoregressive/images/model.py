"""ImageModel: autoregressive models of images, in raster order, whose networks are stacks of causal layers."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops, tree

from tfdgm import checks
from tfdgm.autoregressive.images.causal import CausalConvolution, Everywhere, Row, Site
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition, Image
from tfdgm.outputs import Output

CONDITION_FILTERS = 32


class ConditionMap(keras.layers.Layer):
    """Turns a condition into features that every site can see: `[batch, height or 1, width or 1, features]`.

    A label or a vector is the same everywhere. An image is brought to the size of the events and seen through two
    convolutions of 3x3, so that a site knows what lies around it there.
    """

    def __init__(self, condition, event_shape: int | Sequence[int], filters: int, **kwargs):
        super().__init__(**kwargs)
        self.condition = condition
        self.size = event_shape[:2]
        self.convolutions = []
        if isinstance(condition, Image):
            for layer, inputs in enumerate((condition.shape[-1], filters)):
                convolution = keras.layers.Conv2D(
                    filters, 3, padding='same', activation='relu', data_format='channels_last', dtype=self.dtype_policy,
                    name=f'convolution_{layer}')
                convolution.build((None, *self.size, inputs))
                self.convolutions.append(convolution)
        self.num_features = filters if self.convolutions else condition.num_features if condition else 0
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        features = ops.cast(features, self.compute_dtype)
        if not self.convolutions:
            return features[:, None, None]
        features = ops.reshape(features, (-1, *self.condition.shape))
        features = ops.image.resize(features, self.size, interpolation='nearest')
        for convolution in self.convolutions:
            features = convolution(features)
        return features


class Head(keras.layers.Layer):
    """From features to the network's outputs, by two convolutions of 1x1: `[…, inputs]` -> `[…, outputs]`."""

    def __init__(self, inputs, filters, outputs, channels, **kwargs):
        super().__init__(**kwargs)
        shared = {'channels': channels, 'dtype': self.dtype_policy}
        self.penultimate = CausalConvolution(inputs, filters, name='penultimate', **shared)
        self.last = CausalConvolution(filters, outputs, name='last', **shared)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return self.last(ops.relu(self.penultimate(ops.relu(features))))


class ImageModel(AutoregressiveModel):
    """Base class of systems that go through images row by row, in a row from left to right, in a pixel by channel.

    A subclass writes its network once, for every view of it (see `tfdgm.autoregressive.images.causal`):

    - `causal_layers`: the causal layers that keep a cache;
    - `vertical_stack`: the part that looks at the rows above only, if it has one;
    - `horizontal_stack`: the rest, up to the output's parameters.

    Args:
        event_shape: `(height, width, channels)`.
        output: the family of each site, one of `tfdgm.outputs`.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        dropout: dropout rate of the features inside its blocks.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if the events are no images, or an order or no share as dropout is given.
    """

    # TensorFlow's kernels train convolutions faster than XLA does on CPUs.
    trains_with_xla = scores_with_xla = False
    # How far beyond the image its layers look.
    margin = 3
    # Whether its layers see no channel of a pixel before all of them: then one evaluation serves them all.
    sees_whole_pixels = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, dropout: float = 0., **kwargs):
        super().__init__(event_shape, output=output, condition=condition, **kwargs)
        self.dropout = checks.rate(dropout, f'dropout of {type(self).__name__}')
        if self.order != 'natural':
            raise ValueError(f'{type(self).__name__} visits the pixels row by row; it takes no order.')
        if len(self.event_shape) != 3:
            raise ValueError(f'{type(self).__name__} needs images, event_shape=(height, width, channels); '
                             f'got {self.event_shape}.')
        self.channels = self.event_shape[-1]
        self.condition_map = ConditionMap(
            condition, self.event_shape, CONDITION_FILTERS, dtype=self.dtype_policy, name='condition_map')

    @property
    def standardization_shape(self):
        return 1, 1, self.event_shape[-1]

    @property
    def row_length(self):
        return self.event_shape[1] * self.channels

    @property
    def pixel_length(self):
        return self.channels if self.sees_whole_pixels else 1

    @property
    def num_inputs(self) -> int:
        """How many numbers the network sees of a pixel."""
        return self.channels * self.output.num_inputs

    @property
    def num_outputs(self) -> int:
        """How many numbers the network gives for a pixel."""
        return self.channels * self.output.num_parameters

    @property
    @abc.abstractmethod
    def causal_layers(self) -> list:
        """The causal layers that keep a cache."""

    def vertical_stack(self, view) -> tf.Tensor:
        """Features that the sites of a row share: a list, each depending on the rows above only."""
        return []

    @abc.abstractmethod
    def horizontal_stack(self, view, above: tf.Tensor):
        """The network's outputs, from which `of_pixel` makes parameters: `[…, num_outputs]`."""

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        image = ops.cast(self._inputs(ops.convert_to_tensor(x)), self.compute_dtype)
        view = Everywhere(image, self._condition_map(condition), training)
        outputs = ops.cast(self.horizontal_stack(view, self.vertical_stack(view)), 'float32')
        return self.of_pixel(outputs, ops.cast(x, 'float32'))

    def _inputs(self, values):
        """What the network sees of pixels: `[…, channels]` -> `[…, num_inputs]`."""
        return ops.reshape(self.output.inputs(values), (*ops.shape(values)[:-1], self.num_inputs))

    def _condition_map(self, condition):
        return None if condition is None else self.condition_map(self.encode_condition(condition))

    def of_pixel(self, outputs: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """The sites' parameters `[…, channels, num_parameters]` from the outputs at a pixel, `[…, num_outputs]`.

        `values` are the pixel's own, `[…, channels]`: a channel's parameters may depend on earlier channels.
        """
        return ops.reshape(outputs, (*ops.shape(outputs)[:-1], self.channels, self.output.num_parameters))

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        height, width, _ = self.event_shape
        state = {
            'image': ops.full((height + self.margin, width + 2 * self.margin, batch_size, self.channels),
                              self.output.unseen, 'float32'),
            'outputs': ops.zeros((batch_size, self.num_outputs), 'float32'),
            'caches': {layer.name: layer.initial_cache(width, batch_size) for layer in self.causal_layers}}
        if condition is not None:
            state['condition'] = self._condition_map(condition)
        # Before the first row there is nothing in them; a loop needs to know their shapes.
        view = Row(self._known(state['image']), state.get('condition'), state['caches'], 0)
        state['above'] = self.vertical_stack(view)
        return state

    def _pixel(self, position):
        """The row and the column of a position."""
        return position // self.row_length, position % self.row_length // self.channels

    def _with_value(self, image, position, value):
        """Puts the value of a position into the image; before the first position there is none."""
        position = ops.maximum(position, 0)
        row, column = self._pixel(position)
        start = row + self.margin, column + self.margin, 0, position % self.channels
        return ops.slice_update(image, start, ops.cast(value, image.dtype)[None, None, :, None])

    def _known(self, image):
        return image, self.margin, self._inputs

    def start_row(self, state, row, previous: tf.Tensor):
        image = self._with_value(state['image'], row * self.row_length - 1, previous)
        caches = {layer.name: layer.start_row(state['caches'][layer.name]) for layer in self.causal_layers}
        view = Row(self._known(image), state.get('condition'), caches, row)
        above = self.vertical_stack(view)
        return {**state, 'image': image, 'above': above, 'caches': view.caches}

    def start_pixel(self, state, position: tf.Tensor, previous: tf.Tensor):
        image = self._with_value(state['image'], position - 1, previous)
        row, column = self._pixel(position)
        view = Site(self._known(image), state.get('condition'), state['caches'], row, column)
        outputs = self.horizontal_stack(
            view, tree.map_structure(lambda features: features[column], state['above']))
        return {**state, 'image': image, 'caches': view.caches, 'outputs': ops.cast(outputs, 'float32')}

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        image = self._with_value(state['image'], position - 1, previous)
        row, column = self._pixel(position)
        parameters = self.of_pixel(state['outputs'], image[row + self.margin, column + self.margin])
        return parameters[:, position % self.channels], {**state, 'image': image}
