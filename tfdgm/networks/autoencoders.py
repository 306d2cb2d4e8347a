"""The encoder and the decoder of an event's shape: dense for vectors, convolutional for images, or as given."""

import keras

from tfdgm.networks.convolutional import ConvolutionDecoder, ConvolutionEncoder
from tfdgm.networks.dense import DenseDecoder, DenseEncoder
from tfdgm.networks.given import shape_given

# The widths of dense networks where nobody says otherwise, and how many numbers a convolutional encoder gives.
HIDDEN_UNITS, FEATURES = (200, 200), 256


def convolves(event_shape: tuple, hidden_units: tuple | None) -> bool:
    """Whether events go through convolutions: images, unless there are widths of dense networks."""
    return hidden_units is None and len(event_shape) == 3


def encoder_of(given: keras.Model | None, event_shape: tuple, condition_features: int, *, hidden_units: tuple | None,
               filters: int, blocks: int, activation: str, **kwargs):
    """The network from events, with a condition `[events, its features]`, to vectors, and how long these are.

    Args:
        given: a Keras model that takes its place, or None.
        event_shape: shape of one event.
        condition_features: how many features the condition has, or 0.
        hidden_units: the widths of dense layers; None has images go through residual convolutions.
        filters: how many channels these have at the finest scale.
        blocks: how many residual blocks there are at each scale.
        activation: a name that Keras knows.
        **kwargs: `name` and `dtype`.

    Raises:
        ValueError: if the given one does not make vectors of such events.
    """
    if given is not None:
        shape = shape_given(given, 'encoder', event_shape, condition_features)
        if len(shape) != 1:
            raise ValueError(f'The encoder should make a vector of each event, {(None, *event_shape)} -> (None, n); it '
                             f'gives an array of shape {(None, *shape)}.')
        return given, shape[0]
    if convolves(event_shape, hidden_units):
        return ConvolutionEncoder(
            event_shape, condition_features, filters, blocks, FEATURES, activation, **kwargs), FEATURES
    hidden_units = hidden_units or HIDDEN_UNITS
    return DenseEncoder(event_shape, condition_features, hidden_units, activation, **kwargs), hidden_units[-1]


def decoder_of(num_latents: int, condition_features: int, shape: tuple, *, hidden_units: tuple | None, filters: int,
               blocks: int, activation: str, **kwargs):
    """The network from latents, with a condition `[latents, its features]`, to arrays of a shape.

    Args:
        num_latents: how many latents.
        condition_features: how many features the condition has, or 0.
        shape: `(*event_shape, numbers at each site)`.
        **kwargs: as in `encoder_of`; the widths are those of its layers, here in the other order.
    """
    if convolves(shape[:-1], hidden_units):
        return ConvolutionDecoder(num_latents, condition_features, filters, blocks, activation, shape, **kwargs)
    return DenseDecoder(
        num_latents, condition_features, (hidden_units or HIDDEN_UNITS)[::-1], activation, shape, **kwargs)
