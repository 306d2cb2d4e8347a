"""MAF and IAF: flows on masked networks, each the inverse of the other."""

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.conditions import Condition
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.elementwise import bounded
from tfdgm.flows.invertible import Chain, Inverse, InvertibleLayer, Reshape, ValuesAndLogDet
from tfdgm.flows.layers import ActNorm
from tfdgm.flows.model import FlowModel
from tfdgm.layers import MaskedNetwork


class MaskedAffine(InvertibleLayer):
    """Shifts and scales each number as a masked network says, given the earlier ones.

        z_i = x_i * exp(s_i(x_<i)) + t_i(x_<i)

    That is one pass of the network. The inverse finds one number after the other and computes each hidden unit once,
    where TFP's `MaskedAutoregressiveFlow` makes one full pass for each number.

    Args:
        network: a `tfdgm.layers.MaskedNetwork` with two parameters for each number.
        **kwargs: `name`.
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        parameters = self.network(x, features)
        shift, log_scale = parameters[..., 0], bounded(parameters[..., 1])
        return x * ops.exp(log_scale) + shift, ops.sum(log_scale, axis=-1)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        ordering, size = self.network.orderings[0], self.network.num_sites
        ordered = tf.transpose(tf.gather(z, ordering, axis=1))
        state = self.network.initial_state(tf.zeros_like(z[:, 0], tf.int32), features)

        def visit(position, previous, log_det, state, values):
            parameters, state = self.network.step(state, position, previous)
            log_scale = bounded(parameters[:, 1])
            value = (ordered[position] - parameters[:, 0]) * tf.exp(-log_scale)
            return position + 1, value, log_det - log_scale, state, values.write(position, value)

        values = tf.TensorArray(tf.float32, size, element_shape=z.shape[:1])
        zeros = tf.zeros_like(z[:, 0])
        _, _, log_det, _, values = tf.while_loop(
            lambda *_: True, visit, (0, zeros, zeros, state, values), maximum_iterations=size)
        return tf.gather(tf.transpose(values.stack()), np.argsort(ordering), axis=1), log_det


class MaskedFlow(FlowModel):
    """Base class of flows on masked networks: blocks of an ActNorm and a `MaskedAffine`, in alternating order."""

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, blocks: int = 5, hidden_units: Sequence[int] = (128, 128),
                 activation: str = 'relu', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, seed=seed, **kwargs)
        name = type(self).__name__
        self.blocks = checks.integer(blocks, f'blocks of {name}')
        self.hidden_units = checks.integers(hidden_units, f'hidden_units of {name}')
        self.activation = activation
        order = np.arange(self.num_sites)
        # In float32 under every policy: each way rounds elsewhere, and one must undo the other.
        self.networks = [
            MaskedNetwork((order if index % 2 == 0 else order[::-1])[None], 2, self.hidden_units,
                          condition_features=self.condition_features, activation=activation,
                          output_initializer='zeros', dtype='float32', name=f'network_{index}')
            for index in range(self.blocks)]
        self.norms = [ActNorm(self.num_sites, name=f'norm_{index}')
                      for index in range(self.blocks)]
        layers = [Reshape(self.event_shape, (self.num_sites,))]
        for norm, network in zip(self.norms, self.networks):
            layers += [norm, self.block(network)]
        self.flow = Chain(layers)
        self.built = True

    @abc.abstractmethod
    def block(self, network) -> InvertibleLayer:
        """The invertible layer of one network."""


@register_keras_serializable('tfdgm')
class MAF(MaskedFlow):
    """The masked autoregressive flow: each latent follows from a number of the event and the numbers before it.

    Likelihood and training take one pass of each network. Sampling finds one number after the other, which costs the
    arithmetic of about one pass.

    Source: G. Papamakarios, T. Pavlakou and I. Murray, "Masked autoregressive flow for density estimation", 2017
    (https://arxiv.org/abs/1705.07057); `ActNorm` stands for its batch normalisation.

    >>> import tfdgm
    >>> model = tfdgm.MAF(event_shape=6, hidden_units=(32,))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 6])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of every layer.
        blocks: how many networks, in the natural order of the numbers and its reverse by turns.
        hidden_units: the width of each hidden layer of a network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def block(self, network):
        return MaskedAffine(network)


@register_keras_serializable('tfdgm')
class IAF(MaskedFlow):
    """The inverse autoregressive flow: each number of an event follows from a latent and the latents before it.

    Sampling takes one pass of each network, and so does the density of a sample: what variational inference needs.
    The density of given events takes one number after the other.

    Source: D. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever and M. Welling, "Improving variational
    inference with inverse autoregressive flow", 2016 (https://arxiv.org/abs/1606.04934).

    >>> import tfdgm
    >>> model = tfdgm.IAF(event_shape=6, hidden_units=(32,))
    >>> samples, log_probs = model.distribution().experimental_sample_and_log_prob(5, seed=0)

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of integers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of every layer.
        blocks: how many networks, in the natural order of the numbers and its reverse by turns.
        hidden_units: the width of each hidden layer of a network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def block(self, network):
        return Inverse(MaskedAffine(network))
