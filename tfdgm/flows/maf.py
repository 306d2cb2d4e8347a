"""MAF and IAF: flows on masked networks, each the inverse of the other."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.conditions import Vector
from tfdgm.flows.bijectors import Invertible, OnePass, bounded
from tfdgm.flows.layers import ActNorm, flattened
from tfdgm.flows.model import FlowModel
from tfdgm.masked import MaskedNetwork

tfb = tfp.bijectors


class Autoregressive(OnePass):
    """The bijector whose inverse moves and scales each number as a masked network says, given the earlier ones.

        z_i = x_i * exp(s_i(x_<i)) + t_i(x_<i)

    The inverse is one pass of the network. `forward` finds one number after the other and computes each hidden unit
    once, where TFP's `MaskedAutoregressiveFlow` makes one full pass for each number.
    """

    def __init__(self, network, features, name='autoregressive'):
        self._network, self._features = network, features
        super().__init__(1, name)

    def inverse_and_log_det(self, x):
        flat, features, outer = flattened(x, self._features, 1)
        parameters = self._network(flat, features)
        shift, log_scale = parameters[..., 0], bounded(parameters[..., 1])
        return (tf.reshape(flat * tf.exp(log_scale) + shift, tf.shape(x)),
                tf.reshape(tf.reduce_sum(log_scale, axis=-1), outer))

    def forward_and_log_det(self, z):
        flat, features, outer = flattened(z, self._features, 1)
        sites, size = self._network.visited_sites[0], self._network.num_sites
        ordered = tf.transpose(tf.gather(flat, sites, axis=1))
        state = self._network.initial_state(tf.zeros_like(flat[:, 0], tf.int32), features)

        def visit(position, previous, log_det, state, values):
            parameters, state = self._network.step(state, position, previous)
            log_scale = bounded(parameters[:, 1])
            value = (ordered[position] - parameters[:, 0]) * tf.exp(-log_scale)
            return position + 1, value, log_det - log_scale, state, values.write(position, value)

        values = tf.TensorArray(tf.float32, size, element_shape=flat.shape[:1])
        zeros = tf.zeros_like(flat[:, 0])
        _, _, log_det, _, values = tf.while_loop(
            lambda *_: True, visit, (0, zeros, zeros, state, values), maximum_iterations=size)
        x = tf.gather(tf.transpose(values.stack()), np.argsort(sites), axis=1)
        return tf.reshape(x, tf.shape(z)), tf.reshape(log_det, outer)


class MaskedFlow(FlowModel):
    """Base of the flows on masked networks: blocks of an ActNorm and an `Autoregressive`, in alternating order."""

    def __init__(self, event_shape, *, dequantization=None, condition=None, blocks=5, hidden_units=(128, 128),
                 activation='relu', seed=0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, seed=seed, **kwargs)
        name = type(self).__name__
        self.blocks = checks.whole(blocks, f'blocks of {name}')
        self.hidden_units = checks.wholes(hidden_units, f'hidden_units of {name}')
        self.activation = activation
        # The networks get a condition's features, whatever the condition.
        features = None if condition is None else Vector(condition.num_features)
        order = np.arange(self.num_sites)
        # In float32 under every policy: each way rounds elsewhere, and one must undo the other.
        self.networks = [
            MaskedNetwork((order if index % 2 == 0 else order[::-1])[None], 2, self.hidden_units, condition=features,
                          activation=activation, output_initializer='zeros', dtype='float32',
                          name=f'network_{index}')
            for index in range(self.blocks)]
        self.norms = [ActNorm(self.num_sites, 1, dtype='float32', name=f'norm_{index}')
                      for index in range(self.blocks)]
        self.built = True

    def block(self, network, features) -> tfb.Bijector:
        """The bijector of one network."""
        raise NotImplementedError

    def flow(self, features, training=False, log_det=True):
        steps = [tfb.Reshape(self.event_shape, (self.num_sites,))]
        for norm, network in zip(self.norms, self.networks):
            steps += [Invertible(norm, 1), self.block(network, features)]
        return tfb.Chain(steps)


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
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of every layer.
        blocks: how many networks, in the natural order of the numbers and its reverse by turns.
        hidden_units: the width of each hidden layer of a network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def block(self, network, features):
        return Autoregressive(network, features)


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
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of every layer.
        blocks: how many networks, in the natural order of the numbers and its reverse by turns.
        hidden_units: the width of each hidden layer of a network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def block(self, network, features):
        return tfb.Invert(Autoregressive(network, features))
