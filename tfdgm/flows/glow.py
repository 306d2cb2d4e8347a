"""Glow: flows of images with invertible 1x1 convolutions."""

from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.flows.bijectors import Coupling, Invertible, bounded_affine
from tfdgm.flows.layers import ActNorm, ConvolutionNetwork, InvertibleConvolution
from tfdgm.flows.multiscale import ImageFlow


@register_keras_serializable('tfdgm')
class Glow(ImageFlow):
    """Steps of ActNorm, an invertible 1x1 convolution and an affine coupling, at several scales.

    The latents that leave at a scale have a mean and a scale that follow from what goes on. A coupling's network has
    residual blocks of a 3x3 and a 1x1 convolution.

    Source: D. Kingma and P. Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", 2018
    (https://arxiv.org/abs/1807.03039).

    >>> import tfdgm
    >>> model = tfdgm.Glow((8, 8, 1), steps=2, filters=8, blocks=1)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: `(height, width, channels)`.
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of all networks.
        scales: how many scales; the sides of the images must be multiples of 2 to its power.
        steps: how many steps at each scale.
        filters: how many features a coupling's network has.
        blocks: how many residual blocks it has.
        seed: of dequantisation and of the rotations that the 1x1 convolutions start as.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape, *, dequantization=None, condition=None, scales=2, steps=8, filters=64, blocks=1,
                 seed=0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, scales=scales, seed=seed,
                         **kwargs)
        self.steps = checks.whole(steps, 'steps of Glow')
        self.filters = checks.whole(filters, 'filters of Glow')
        self.blocks = checks.whole(blocks, 'blocks of Glow')
        scales, steps, filters, blocks = self.scales, self.steps, self.filters, self.blocks
        generator = random.random_state(self.seed)
        self.norms, self.rotations, self.networks, self.priors = [], [], [], []
        for scale in range(scales):
            height, width, channels = self.scale_shape(scale)
            kept = channels // 2
            for step in range(steps):
                name = f'{scale}_{step}'
                self.norms.append(ActNorm(channels, 3, dtype='float32', name=f'norm_{name}'))
                self.rotations.append(InvertibleConvolution(
                    channels, 3, generator, dtype='float32', name=f'rotation_{name}'))
                self.networks.append(ConvolutionNetwork(
                    (height, width, kept), filters, blocks, 2 * (channels - kept), condition,
                    name=f'network_{name}'))
            if scale < scales - 1:
                self.priors.append(ConvolutionNetwork(
                    (height, width, kept), filters, 0, 2 * (channels - kept), condition,
                    name=f'prior_{scale}'))
        self.built = True

    def stack(self, scale, features):
        kept = self.scale_shape(scale)[2] // 2
        steps = range(scale * self.steps, (scale + 1) * self.steps)
        return [bijector for step in steps for bijector in (
            Invertible(self.norms[step], 3), Invertible(self.rotations[step], 3),
            Coupling(lambda first, network=self.networks[step]: bounded_affine(
                network(first, features)), kept, event_ndims=3))]

    def second(self, scale, first, features):
        return bounded_affine(self.priors[scale](first, features))
