"""Glow: flows of images with invertible 1x1 convolutions."""

from collections.abc import Sequence

from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import Affine
from tfdgm.flows.invertible import Chain
from tfdgm.flows.layers import ActNorm, Coupling, InvertibleConvolution
from tfdgm.flows.multiscale import ImageFlow
from tfdgm.flows.networks import ConvolutionNetwork


class FlowStep(Chain):
    """One step of the flow: an ActNorm, an invertible 1x1 convolution and an affine coupling layer.

    Args:
        shape: of the image, `(height, width, channels)`.
        filters: how many features the conditioner has.
        blocks: how many residual blocks it has.
        condition_features: how many features the condition has, or 0.
        random: draws the rotation that the convolution starts as.
        name: of the step, a part of the names of its layers.
    """

    def __init__(self, shape, filters, blocks, condition_features, random, name):
        height, width, channels = shape
        kept = channels // 2
        self.norm = ActNorm(channels, name=f'norm_{name}')
        self.rotation = InvertibleConvolution(channels, random, name=f'rotation_{name}')
        self.network = ConvolutionNetwork((height, width, kept), filters, blocks, 2 * (channels - kept),
                                          condition_features, name=f'network_{name}')
        super().__init__([self.norm, self.rotation, Coupling(self.network, Affine(), kept)])


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
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of all networks.
        scales: how many scales; the sides of the images must be multiples of 2 to its power.
        steps: how many steps at each scale.
        filters: how many features a coupling's network has.
        blocks: how many residual blocks it has.
        seed: of dequantisation and of the rotations that the 1x1 convolutions start as.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, scales: int = 2, steps: int = 8, filters: int = 64,
                 blocks: int = 1, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, scales=scales, seed=seed,
                         **kwargs)
        self.steps = checks.integer(steps, 'steps of Glow')
        self.filters = checks.integer(filters, 'filters of Glow')
        self.blocks = checks.integer(blocks, 'blocks of Glow')
        self._random = random.random_state(self.seed)
        self.norms, self.rotations, self.networks, self.priors = [], [], [], []
        self.flow = self.multiscale()
        self.built = True

    def layers_of_scale(self, scale, shape):
        steps = []
        for index in range(self.steps):
            step = FlowStep(
                shape, self.filters, self.blocks, self.condition_features, self._random, f'{scale}_{index}')
            self.norms.append(step.norm)
            self.rotations.append(step.rotation)
            self.networks.append(step.network)
            steps.append(step)
        return steps

    def split_prior(self, scale, shape, factored):
        self.priors.append(ConvolutionNetwork(
            shape, self.filters, 0, 2 * factored, self.condition_features, name=f'prior_{scale}'))
        return self.priors[-1]
