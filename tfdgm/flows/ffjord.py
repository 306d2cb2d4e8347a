"""FFJORD: a flow that is the solution of a differential equation."""

import contextlib
import functools
import itertools

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.flows.layers import Network
from tfdgm.flows.model import FlowModel
from tfdgm.flows.ode import ContinuousFlow, adaptive, differential_equation, runge_kutta
from tfdgm.layers import dense

tfb = tfp.bijectors

class TimeNetwork(Network):
    """The velocity at a place and a time: fully connected layers that time and condition scale and move.

        h -> activation((W h + b) * sigmoid(G [t, condition]) + S [t, condition])

    Args:
        size: how many numbers a place has.
        hidden_units: the width of each hidden layer.
        num_features: how many a condition has, or 0.
        activation: of the hidden units, a name that Keras knows; smooth ones suit a solver.
        **kwargs: `name`.
    """

    def __init__(self, size, hidden_units, num_features, activation, **kwargs):
        super().__init__((size,), **kwargs)
        widths, self.layers = (size, *hidden_units, size), []
        for index, (before, units) in enumerate(itertools.pairwise(widths)):
            last = {'kernel_initializer': 'zeros'} if index == len(hidden_units) else {}
            self.layers.append((
                dense(before, units, f'dense_{index}', 'float32', **last),
                dense(1 + num_features, units, f'gate_{index}', 'float32'),
                dense(1 + num_features, units, f'shift_{index}', 'float32', use_bias=False,
                      kernel_initializer='zeros')))
        self.activation = keras.activations.get(activation)
        self.built = True

    def evaluate(self, x, features):
        for index, (layer, gate, shift) in enumerate(self.layers):
            x = self.activation(x) if index else x
            x = layer(x) * ops.sigmoid(gate(features)) + shift(features)
        return x


def explained(name):
    """The method of `FlowModel`, with what the solver says put in words."""
    @functools.wraps(getattr(FlowModel, name))
    def method(self, *args, **kwargs):
        with self._explaining():
            return getattr(super(FFJORD, self), name)(*args, **kwargs)

    return method


@register_keras_serializable('tfdgm')
class FFJORD(FlowModel):
    """A continuous flow: latents at time 0 become events at time 1 along a velocity that a network gives.

        dz/dt = f(z, t),    log p(x) = log p(z) - ∫ tr(∂f/∂z) dt

    The trace is exact, at the cost of one product with the Jacobian for each number of an event; training can estimate
    it from one product (Hutchinson's estimator), with noise drawn anew at each step. A fixed number of Runge-Kutta
    steps trains under XLA. Their likelihood is wrong where the flow bends faster than the steps follow, and training
    would find such places. `regularization` keeps paths straight and velocities smooth, so that the steps do follow:

        loss = -log p(x) + λ ∫ ‖f‖² + ‖∂f/∂z‖² dt

    It is in what `fit` reports of the training data, and in nothing else. Scoring and sampling, also of validation
    data, are by an adaptive solver, which makes as many steps as its tolerance asks for. It can train as well, without
    XLA.

    Sources: W. Grathwohl, R. Chen, J. Bettencourt, I. Sutskever and D. Duvenaud, "FFJORD: free-form continuous dynamics
    for scalable reversible generative models", 2018 (https://arxiv.org/abs/1810.01367); regularization: C. Finlay, J.
    Jacobsen, L. Nurbekyan and A. Oberman, "How to train your neural ODE: the world of Jacobian and kinetic
    regularization", 2020 (https://arxiv.org/abs/2002.02798).

    >>> import tfdgm
    >>> model = tfdgm.FFJORD(event_shape=2, hidden_units=(32, 32))
    >>> model.distribution().sample(5, seed=0).shape
    TensorShape([5, 2])

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: of whole numbers, see `FlowModel`.
        condition: what the events depend on; it scales and moves the features of every layer, as time does.
        hidden_units: the width of each hidden layer of the network.
        activation: of the hidden units, a name that Keras knows; smooth ones suit a solver.
        trace: of the Jacobian in training, 'exact' or 'hutchinson'; elsewhere it is exact.
        regularization: λ in training, from 0; where the densities of training and of scoring differ, it is too small.
        solver: of training, 'runge_kutta', with a fixed number of steps, or 'dormand_prince', the adaptive one.
        steps: how many steps the first makes; XLA takes longer to compile more of them.
        tolerance: the error that the second accepts in a step, absolute and relative.
        max_steps: how many steps the second makes before it gives up; a function of your own under XLA, which has no
            assertions, goes on to the end.
        seed: of dequantisation and of Hutchinson's noise.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if `trace` or `solver` is not one of these.
    """

    def __init__(self, event_shape, *, dequantization=None, condition=None, hidden_units=(64, 64, 64),
                 activation='tanh', trace='exact', regularization=0., solver='runge_kutta', steps=8, tolerance=1e-5,
                 max_steps=1000, seed=0, **kwargs):
        super().__init__(event_shape, dequantization=dequantization, condition=condition, seed=seed, **kwargs)
        self.hidden_units = checks.wholes(hidden_units, 'hidden_units of FFJORD')
        self.activation = activation
        self.trace = checks.one_of(trace, ('exact', 'hutchinson'), 'trace of FFJORD')
        self.regularization = checks.not_negative(regularization, 'regularization of FFJORD')
        self.solver = checks.one_of(solver, ('runge_kutta', 'dormand_prince'), 'solver of FFJORD')
        self.steps = checks.whole(steps, 'steps of FFJORD')
        self.tolerance = checks.positive(tolerance, 'tolerance of FFJORD')
        self.max_steps = checks.whole(max_steps, 'max_steps of FFJORD')
        self.velocity = TimeNetwork(
            self.num_sites, self.hidden_units, condition.num_features if condition else 0, activation,
            name='velocity')
        # Another seed than that of dequantisation's noise: signs that follow from it bias the estimate.
        self._trace_seeds = keras.random.SeedGenerator(random.in_32_bits(self.seed + 1))
        self.built = True

    @property
    def scoring_batch(self):
        # The exact trace sees an event once for each of its numbers.
        return max(1, min(super().scoring_batch, 2**24 // self.num_sites**2))

    def flow(self, features, training=False, log_det=True):
        estimates = log_det and training and self.trace == 'hutchinson'
        seed = ops.cast(self._trace_seeds.next(), 'int32') if estimates else None
        given = {} if features is None else {'features': features}

        def solve(values, direction):
            # Training goes from events to latents, so the energy lowers the density.
            derivative = differential_equation(
                self.velocity, direction, self.num_sites, log_det and not estimates,
                self.regularization if training else 0.)
            constants, state = dict(given), (values, tf.zeros_like(values))
            if estimates:
                shape = tf.concat([[1], tf.shape(values)], 0)
                constants['signs'] = tf.where(random.uniforms(shape, seed) < 0.5, -1., 1.)
            if training and self.solver == 'runge_kutta':
                return runge_kutta(functools.partial(derivative, **constants), state, self.steps)
            constants['weights'] = [tf.convert_to_tensor(variable.value) for variable in self.velocity.variables]
            with self._explaining():
                return adaptive(derivative, state, constants, tfp.math.ode.DormandPrince(
                    rtol=self.tolerance, atol=self.tolerance, max_num_steps=self.max_steps))

        return tfb.Chain([tfb.Reshape(self.event_shape, (self.num_sites,)), ContinuousFlow(solve)])

    def compile(self, optimizer='adam', *args, jit_compile='auto', **kwargs):
        """`GenerativeModel.compile`; with an adaptive solver, without XLA.

        Raises:
            ValueError: if XLA is asked for and the solver is adaptive.
        """
        if self.solver == 'dormand_prince':
            if jit_compile is True:
                raise ValueError("XLA can't train through an adaptive solver: leave jit_compile out, or make the model "
                                 "with solver='runge_kutta'.")
            jit_compile = False
        super().compile(optimizer, *args, jit_compile=jit_compile, **kwargs)

    # XLA leaves out assertions: the adaptive solver would give a number where it gave up.

    def make_test_function(self, *args, **kwargs):
        with self._without_xla():
            return super().make_test_function(*args, **kwargs)

    def make_predict_function(self, *args, **kwargs):
        with self._without_xla():
            return super().make_predict_function(*args, **kwargs)

    @contextlib.contextmanager
    def _without_xla(self):
        jit_compile, self.jit_compile = self.jit_compile, False
        try:
            yield
        finally:
            self.jit_compile = jit_compile

    @contextlib.contextmanager
    def _explaining(self):
        """Says for people that the adaptive solver gave up."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if 'max_num_steps exceeded' not in str(error):
                raise
            raise RuntimeError(
                f'The solver did not reach the end within max_steps={self.max_steps} at tolerance={self.tolerance}: '
                'the flow has become stiff, or both are small. Make the model anew with more of either and '
                'set_weights, or train with a lower learning rate.') from None

    def run(self, method, *args, jit_compile=False):
        """`GenerativeModel.run`, without XLA, whatever is asked for."""
        with self._explaining():
            return super().run(method, *args, jit_compile=False)

    fit, evaluate, predict, train_on_batch, test_on_batch, predict_on_batch = map(explained, (
        'fit', 'evaluate', 'predict', 'train_on_batch', 'test_on_batch', 'predict_on_batch'))
