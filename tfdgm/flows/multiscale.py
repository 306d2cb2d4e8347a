"""ImageFlow: base class of multi-scale flows of images."""

import abc
from collections.abc import Sequence

from tfdgm import checks
from tfdgm.flows.invertible import Chain, Reshape, Squeeze
from tfdgm.flows.layers import Split
from tfdgm.flows.model import FlowModel


class ImageFlow(FlowModel):
    """Base class of flows that look at an image at several scales.

    At each scale, 2x2 pixels become one with four times the channels, invertible layers follow, and half of the
    channels become latents; the others go on to the next scale. A subclass implements `layers_of_scale`, and sets
    `flow` to the chain that `multiscale` makes.

    Args:
        event_shape: `(height, width, channels)`.
        scales: how many scales, at least 1.
        **kwargs: those of `FlowModel`.

    Raises:
        ValueError: if events are not images, or the scales don't divide their sides.
    """

    # TensorFlow's kernels train convolutions faster than XLA does on CPUs.
    trains_with_xla = scores_with_xla = False
    # Whether a squeeze gives the colours of a chessboard one after the other: see `Squeeze`.
    checkerboard = False

    def __init__(self, event_shape: int | Sequence[int], *, scales: int, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.scales = checks.integer(scales, f'scales of {type(self).__name__}')
        if len(self.event_shape) != 3:
            raise ValueError(f'{type(self).__name__} is for images: event_shape must be (height, width, channels), '
                             f'such as (28, 28, 1), got {self.event_shape}.')
        factor = 2 ** self.scales
        if any(side % factor for side in self.event_shape[:2]):
            raise ValueError(f'With scales={self.scales}, the sides of the images must be multiples of {factor}; got '
                             f'event_shape {self.event_shape}. Use fewer scales, or pad the images.')

    def multiscale(self, scale: int = 0, shape: tuple | None = None) -> Chain:
        """The chain from images of a shape, by default events, to latents, from one scale on."""
        height, width, channels = shape = shape or self.event_shape
        squeezed = height // 2, width // 2, 4 * channels
        layers = [Squeeze(shape, self.checkerboard), *self.layers_of_scale(scale, squeezed)]
        if scale == self.scales - 1:
            return Chain([*layers, Reshape(squeezed, (height * width * channels,))])
        kept = 2 * channels
        next_shape = *squeezed[:2], kept
        prior = self.split_prior(scale, next_shape, kept)
        return Chain([*layers, Split(squeezed, kept, self.multiscale(scale + 1, next_shape), prior)])

    @abc.abstractmethod
    def layers_of_scale(self, scale: int, shape: tuple) -> list:
        """Makes the layers of one scale, counted from 0, for squeezed images of a shape `(height, width, channels)`."""

    def split_prior(self, scale: int, shape: tuple, factored: int):
        """Makes the prior of the channels that are factored out after a scale, or None: see `Split`.

        Args:
            scale: counted from 0.
            shape: of the images that go on, `(height, width, channels)`.
            factored: how many channels don't.
        """
        return
