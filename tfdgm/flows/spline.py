"""NeuralSplineFlow: coupling layers that bend numbers by splines."""

from collections.abc import Sequence

from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.flows.coupling import CouplingFlow
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import Spline
from tfdgm.flows.layers import ActNorm, InvertibleConvolution


@register_keras_serializable('tfdgm')
class NeuralSplineFlow(CouplingFlow):
    """Coupling layers that bend each number by a monotone spline, after a linear map of all of them.

    A spline has bins on which it is a quotient of two quadratic functions, on [-bound, bound]; beyond, it is the
    identity. The linear map is an invertible matrix in its LU decomposition.

    Source: C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, "Neural spline flows", 2019
    (https://arxiv.org/abs/1906.04032).

    >>> import tfdgm
    >>> model = tfdgm.NeuralSplineFlow(event_shape=2, hidden_units=(32,))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the conditioners' hidden layers.
        couplings: how many coupling layers, at least 1.
        hidden_units: the width of each hidden layer of a conditioner.
        bins: how many bins a spline has, at least 2.
        bound: where the splines end, in units of the standardised data.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation and of the linear maps' initial rotations.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    # XLA gains nothing in training on CPUs, where it takes long to compile the splines' gradients.
    trains_with_xla = False

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, couplings: int = 6, hidden_units: Sequence[int] = (64, 64),
                 bins: int = 8, bound: float = 5., activation: str = 'relu', seed: int | None = 0, **kwargs):
        bins = checks.integer(bins, 'bins of NeuralSplineFlow', 2)
        bound = checks.positive(bound, 'bound of NeuralSplineFlow')
        spline = Spline(bins, bound)
        super().__init__(event_shape, function=spline, dequantization=dequantization, condition=condition,
                         couplings=couplings, hidden_units=hidden_units, activation=activation, seed=seed, **kwargs)
        self.bins, self.bound = bins, bound
        generator = random.random_state(self.seed)
        self.norms = [ActNorm(self.num_sites, name=f'norm_{index}') for index in range(self.couplings)]
        self.rotations = [InvertibleConvolution(self.num_sites, generator, name=f'rotation_{index}')
                          for index in range(self.couplings)]
        self.flow = self.alternate(spline, before=list(zip(self.norms, self.rotations)))
        self.built = True
