"""NICE: additive couplings."""

from collections.abc import Sequence

import tensorflow_probability as tfp
from keras.saving import register_keras_serializable

from tfdgm.conditions import Condition
from tfdgm.flows.coupling import CouplingFlow
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import Shift
from tfdgm.flows.layers import Scaling

tfd = tfp.distributions


@register_keras_serializable('tfdgm')
class NICE(CouplingFlow):
    """Additive coupling layers, which keep volumes, and one scale for each number at the end.

        z_kept = x_kept,    z_changed = x_changed + m(x_kept)

    Even and odd dimensions are transformed alternately. The latents have a logistic distribution.

    Source: L. Dinh, D. Krueger and Y. Bengio, "NICE: non-linear independent components estimation", 2014
    (https://arxiv.org/abs/1410.8516).

    >>> import tfdgm
    >>> model = tfdgm.NICE(event_shape=4, hidden_units=(32, 32))
    >>> model.distribution().sample(2, seed=0).shape
    TensorShape([2, 4])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the networks' hidden layers.
        couplings: how many couplings, at least 1; the paper has four.
        hidden_units: the width of each hidden layer of a coupling's network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, couplings: int = 4, hidden_units: Sequence[int] = (500, 500, 500),
                 activation: str = 'relu', seed: int | None = 0, **kwargs):
        shift = Shift()
        super().__init__(event_shape, function=shift, dequantization=dequantization, condition=condition,
                         couplings=couplings, hidden_units=hidden_units, activation=activation, seed=seed, **kwargs)
        self.scaling = Scaling(self.num_sites, name='scaling')
        self.flow = self.alternate(shift, after=[self.scaling])
        self.built = True

    def base(self):
        return tfd.Logistic(0., 1.)
