"""CouplingFlow: base class of flows with coupling layers over vectors; AffineCouplingFlow."""

from collections.abc import Sequence

import numpy as np
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.conditions import Condition
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import Affine
from tfdgm.flows.invertible import Chain, Permutation, Reshape
from tfdgm.flows.layers import ActNorm, Coupling
from tfdgm.flows.model import FlowModel
from tfdgm.flows.networks import DenseNetwork


class CouplingFlow(FlowModel):
    """Base class of flows that transform even and odd dimensions of a vector alternately, each given the other.

    A subclass sets `flow` to the chain that `alternate` makes.

    Args:
        event_shape: shape of one event, of at least two numbers.
        function: what changes a number, one of `tfdgm.flows.elementwise`.
        couplings: how many coupling layers, at least 1.
        hidden_units: the width of each hidden layer of a conditioner.
        activation: of the hidden units, a name that Keras knows.
        **kwargs: those of `FlowModel`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, function, couplings: int, hidden_units, activation: str,
                 **kwargs):
        super().__init__(event_shape, **kwargs)
        name = type(self).__name__
        self.couplings = checks.integer(couplings, f'couplings of {name}')
        self.hidden_units = checks.integers(hidden_units, f'hidden_units of {name}')
        self.activation = activation
        even, odd = -(-self.num_sites // 2), self.num_sites // 2
        parts = [((even, odd), (odd, even))[index % 2] for index in range(self.couplings)]
        self.networks = [
            DenseNetwork(kept, self.hidden_units, changed * function.num_parameters, self.condition_features,
                         activation, name=f'network_{index}')
            for index, (kept, changed) in enumerate(parts)]

    def alternate(self, function, before=(), after=()) -> Chain:
        """The chain of all coupling layers.

        Args:
            function: as the constructor's.
            before: the layers that come before each coupling layer: as many lists.
            after: the layers that come after the last.
        """
        even_first = np.argsort(np.arange(self.num_sites) % 2, kind='stable')
        layers = [Reshape(self.event_shape, (self.num_sites,)), Permutation(even_first)]
        for index, network in enumerate(self.networks):
            layers += before[index] if before else []
            layers.append(Coupling(network, function, network.inputs, keep_first=index % 2 == 0))
        return Chain([*layers, *after])


@register_keras_serializable('tfdgm')
class AffineCouplingFlow(CouplingFlow):
    """Affine coupling layers over a vector: RealNVP without what it adds for images.

        z_kept = x_kept,    z_changed = x_changed * exp(s(x_kept)) + t(x_kept)

    Before each coupling layer comes an `ActNorm`. Log-scales are bounded by a tanh.

    Source: L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", 2016
    (https://arxiv.org/abs/1605.08803), section 3.

    >>> import tfdgm
    >>> model = tfdgm.AffineCouplingFlow(event_shape=2, hidden_units=(32,))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the conditioners' hidden layers.
        couplings: how many coupling layers, at least 1.
        hidden_units: the width of each hidden layer of a conditioner.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, couplings: int = 8, hidden_units: Sequence[int] = (64, 64),
                 activation: str = 'relu', seed: int | None = 0, **kwargs):
        function = Affine()
        super().__init__(event_shape, function=function, dequantization=dequantization, condition=condition,
                         couplings=couplings, hidden_units=hidden_units, activation=activation, seed=seed, **kwargs)
        self.norms = [ActNorm(self.num_sites, name=f'norm_{index}') for index in range(self.couplings)]
        self.flow = self.alternate(function, before=[[norm] for norm in self.norms])
        self.built = True
