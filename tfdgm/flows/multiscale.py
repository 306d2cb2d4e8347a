"""ImageFlow: what flows of images share, squeezes and splits over several scales."""

import tensorflow_probability as tfp

from tfdgm import checks
from tfdgm.flows.bijectors import Join, squeezed
from tfdgm.flows.model import FlowModel

tfb = tfp.bijectors


class ImageFlow(FlowModel):
    """Base of the flows that look at an image at several scales.

    At each scale, 2x2 pixels become one with four times the channels, a stack of bijectors follows, and half of the
    channels become latents; the others go on to the next scale. A subclass implements `stack`.

    Args:
        event_shape: `(height, width, channels)`.
        scales: how many scales, at least 1.
        **kwargs: those of `FlowModel`.

    Raises:
        ValueError: if events are not images, or the scales don't divide their sides.
    """

    # Whether a squeeze gives the colours of a chessboard one after the other: see `squeezed`.
    checkerboard = False

    def __init__(self, event_shape, *, scales, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.scales = checks.whole(scales, f'scales of {type(self).__name__}')
        if len(self.event_shape) != 3:
            raise ValueError(f'{type(self).__name__} is for images: event_shape must be (height, width, channels), '
                             f'such as (28, 28, 1), got {self.event_shape}.')
        factor = 2 ** self.scales
        if any(side % factor for side in self.event_shape[:2]):
            raise ValueError(f'With scales={self.scales}, the sides of the images must be multiples of {factor}; got '
                             f'event_shape {self.event_shape}. Use fewer scales, or pad the images.')

    def scale_shape(self, scale: int) -> tuple:
        """The shape of what the stack of a scale, counted from 0, sees: `(height, width, channels)`."""
        height, width, channels = self.event_shape
        return height // 2 ** (scale + 1), width // 2 ** (scale + 1), channels * 2 ** (scale + 2)

    def stack(self, scale, features) -> list:
        """The bijectors of one scale, on images of `scale_shape(scale)`; the one next to the events comes first."""
        raise NotImplementedError

    def second(self, scale, first, features) -> tfb.Bijector:
        """The bijector of the half of the channels that become latents after a scale, given the other half."""
        return tfb.Identity()

    def flow(self, features, training=False, log_det=True):
        return self._flow(0, self.event_shape, features)

    def _flow(self, scale, shape, features):
        """The bijector from a vector to images of a shape, from one scale on."""
        height, width, channels = after = self.scale_shape(scale)
        steps = [squeezed(shape, self.checkerboard), *self.stack(scale, features)]
        if scale == self.scales - 1:
            steps.append(tfb.Reshape(after, (height * width * channels,)))
        else:
            kept = channels // 2
            inner = self._flow(scale + 1, (height, width, kept), features)
            steps.append(Join(
                inner, lambda first: self.second(scale, first, features), after, kept))
        return tfb.Chain(steps)
