"""Couplings over a vector: what NICE, RealNVP on vectors and neural spline flows share, and the latter two."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.flows.bijectors import Coupling, Invertible, bounded_affine, permutation
from tfdgm.flows.layers import ActNorm, DenseNetwork, InvertibleConvolution
from tfdgm.flows.model import FlowModel

tfb = tfp.bijectors


class CouplingFlow(FlowModel):
    """Base of the flows that see an event as a vector and change every other number of it, given the rest.

    The numbers fall into those of even and of odd places, which take turns to be changed. A subclass implements
    `transform`, and says how many parameters it takes.

    Args:
        event_shape: shape of one event, of at least two numbers.
        couplings: how many couplings, at least 1.
        hidden_units: the width of each hidden layer of a coupling's network.
        activation: of the hidden units, a name that Keras knows.
        **kwargs: those of `FlowModel`.
    """

    # How many numbers a network gives for each number that is changed.
    num_parameters = 1

    def __init__(self, event_shape, *, couplings, hidden_units, activation, **kwargs):
        super().__init__(event_shape, **kwargs)
        name = type(self).__name__
        self.couplings = checks.whole(couplings, f'couplings of {name}')
        self.hidden_units = checks.wholes(hidden_units, f'hidden_units of {name}')
        self.activation = activation
        even, odd = -(-self.num_sites // 2), self.num_sites // 2
        parts = [((even, odd), (odd, even))[index % 2] for index in range(self.couplings)]
        self.networks = [
            DenseNetwork(kept, self.hidden_units, changed * self.num_parameters, self.condition, activation,
                         name=f'network_{index}')
            for index, (kept, changed) in enumerate(parts)]

    def transform(self, parameters) -> tfb.Bijector:
        """The bijector of the numbers that a coupling changes, from `[…, changed * num_parameters]`."""
        raise NotImplementedError

    def before(self, index: int) -> list:
        """The bijectors between a coupling and the one next to the events: what they see is a whole vector."""
        return []

    def after(self) -> list:
        """The bijectors between the last coupling and the latents."""
        return []

    def flow(self, features, training=False, log_det=True):
        even_first = np.argsort(np.arange(self.num_sites) % 2, kind='stable')
        steps = [tfb.Reshape(self.event_shape, (self.num_sites,)), permutation(even_first)]
        for index, network in enumerate(self.networks):
            steps += self.before(index)
            steps.append(Coupling(
                lambda kept, network=network: self.transform(network(kept, features)),
                network.shape[0], keep_first=index % 2 == 0))
        return tfb.Chain(steps + self.after())


@register_keras_serializable('tfdgm')
class AffineCouplingFlow(CouplingFlow):
    """Affine couplings over a vector: RealNVP without what it adds for images.

        z_kept = x_kept,    z_changed = x_changed * exp(s(x_kept)) + t(x_kept)

    Before each coupling comes an `ActNorm`. Log-scales are bounded by a tanh.

    Source: L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", 2016
    (https://arxiv.org/abs/1605.08803), section 3.

    >>> import tfdgm
    >>> model = tfdgm.AffineCouplingFlow(event_shape=2, hidden_units=(32,))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the networks' hidden layers.
        couplings: how many couplings, at least 1.
        hidden_units: the width of each hidden layer of a coupling's network.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    num_parameters = 2

    def __init__(self, event_shape, *, dequantization=None, condition=None, couplings=8, hidden_units=(64, 64),
                 activation='relu', seed=0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, couplings=couplings,
                         hidden_units=hidden_units, activation=activation, seed=seed, **kwargs)
        self.norms = [ActNorm(self.num_sites, 1, dtype='float32', name=f'norm_{index}')
                      for index in range(self.couplings)]
        self.built = True

    def transform(self, parameters):
        return bounded_affine(parameters)

    def before(self, index):
        return [Invertible(self.norms[index], 1)]


@register_keras_serializable('tfdgm')
class NeuralSplineFlow(CouplingFlow):
    """Couplings that bend each number by a monotone spline, after a linear map of all of them.

    A spline has pieces that are quotients of two quadratic functions, on [-bound, bound]; beyond, it is the identity.
    The linear map is an invertible matrix in its LU decomposition.

    Source: C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, "Neural spline flows", 2019
    (https://arxiv.org/abs/1906.04032).

    >>> import tfdgm
    >>> model = tfdgm.NeuralSplineFlow(event_shape=2, hidden_units=(32,))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it adds to the biases of the networks' hidden layers.
        couplings: how many couplings, at least 1.
        hidden_units: the width of each hidden layer of a coupling's network.
        bins: how many pieces a spline has, at least 2.
        bound: where the splines end, in units of the standardised data.
        activation: of the hidden units, a name that Keras knows.
        seed: of dequantisation and of the linear maps' start.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    # The smallest width, height and slope of a piece, each as a share of the mean one.
    least = 1e-3

    def __init__(self, event_shape, *, dequantization=None, condition=None, couplings=6, hidden_units=(64, 64), bins=8,
                 bound=5., activation='relu', seed=0, **kwargs):
        self.bins = checks.whole(bins, 'bins of NeuralSplineFlow', 2)
        self.bound = checks.positive(bound, 'bound of NeuralSplineFlow')
        super().__init__(event_shape, dequantization=dequantization, condition=condition, couplings=couplings,
                         hidden_units=hidden_units, activation=activation, seed=seed, **kwargs)
        generator = random.random_state(self.seed)
        self.norms = [ActNorm(self.num_sites, 1, dtype='float32', name=f'norm_{index}')
                      for index in range(self.couplings)]
        self.rotations = [InvertibleConvolution(
            self.num_sites, 1, generator, dtype='float32', name=f'rotation_{index}') for index in range(self.couplings)]
        self.built = True

    @property
    def num_parameters(self):
        return 3 * self.bins - 1

    def transform(self, parameters):
        shape = tf.concat([tf.shape(parameters)[:-1], [-1, self.num_parameters]], 0)
        widths, heights, slopes = tf.split(
            tf.reshape(parameters, shape), [self.bins, self.bins, self.bins - 1], axis=-1)

        def lengths(logits):
            return 2 * self.bound * (self.least / self.bins + (1 - self.least) * ops.softmax(logits, axis=-1))

        # Zeros make the identity.
        slopes = self.least + (1 - self.least) * ops.softplus(slopes + np.log(np.e - 1))
        return tfb.RationalQuadraticSpline(lengths(widths), lengths(heights), slopes, range_min=-self.bound)

    def before(self, index):
        return [Invertible(self.norms[index], 1), Invertible(self.rotations[index], 1)]
