"""RealNVP: affine coupling layers over images."""

from collections.abc import Sequence

import numpy as np
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.conditions import Condition
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import Affine
from tfdgm.flows.invertible import Permutation, Squeeze
from tfdgm.flows.layers import ActNorm, Coupling
from tfdgm.flows.multiscale import ImageFlow
from tfdgm.flows.networks import ConvolutionNetwork


@register_keras_serializable('tfdgm')
class RealNVP(ImageFlow):
    """Affine couplings over images, at several scales, with masks of two kinds.

        z_kept = x_kept,    z_changed = x_changed * exp(s(x_kept)) + t(x_kept)

    At each scale come couplings that change the pixels of one colour of a chessboard given those of the other, then
    couplings that change half of the channels given the others. Here, 2x2 pixels become one before both, and the
    colours are channels too: the network of a coupling sees the same pixels as under the paper's mask, on a quarter of
    the places. After each coupling `ActNorm` stands for the paper's batch normalisation, which makes the events of a
    batch depend on each other. Log-scales are bounded by a tanh. `AffineCouplingFlow` is for events that are no images.

    Source: L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", 2016
    (https://arxiv.org/abs/1605.08803).

    >>> import tfdgm
    >>> model = tfdgm.RealNVP((8, 8, 1), filters=8, blocks=1)
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 8, 8, 1])

    Args:
        event_shape: `(height, width, channels)`.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the couplings' networks.
        scales: how many scales; the sides of the images must be multiples of 2 to its power.
        couplings: how many couplings of each kind at each scale.
        filters: how many features a coupling's network has.
        blocks: how many residual blocks it has.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    checkerboard = True

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, scales: int = 2, couplings: int = 3, filters: int = 64,
                 blocks: int = 2, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, scales=scales, seed=seed,
                         **kwargs)
        self.couplings = checks.integer(couplings, 'couplings of RealNVP')
        self.filters = checks.integer(filters, 'filters of RealNVP')
        self.blocks = checks.integer(blocks, 'blocks of RealNVP')
        self.norms, self.networks = [], []
        self.flow = self.multiscale()
        self.built = True

    def layers_of_scale(self, scale, shape):
        height, width, channels = shape
        # From the colours of the chessboard, one after the other, back to the corners in their order.
        corners = np.argsort(Squeeze.colours)
        order = np.arange(channels).reshape(4, -1)[corners].ravel()
        layers, half = [], channels // 2
        for index in range(2 * self.couplings):
            if index == self.couplings:
                layers.append(Permutation(order))
            norm = ActNorm(channels, name=f'norm_{scale}_{index}')
            network = ConvolutionNetwork((height, width, half), self.filters, self.blocks, channels,
                                         self.condition_features, name=f'network_{scale}_{index}')
            layers += [Coupling(network, Affine(), half, keep_first=index % 2 == 0), norm]
            self.norms.append(norm)
            self.networks.append(network)
        return layers
