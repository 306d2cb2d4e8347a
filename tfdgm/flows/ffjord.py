"""FFJORD: a flow that is the solution of a differential equation."""

import collections
import contextlib
import functools
import itertools

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.flows.layers import Network, spread
from tfdgm.flows.model import FlowModel
from tfdgm.layers import dense

tfb = tfp.bijectors

Solution = collections.namedtuple('Solution', 'states')


def runge_kutta(steps):
    """A solver that makes a fixed number of steps of the classical Runge-Kutta method, as `tfb.FFJORD` takes it."""
    def solve(ode_fn, initial_time, initial_state, solution_times):
        size = (solution_times[-1] - initial_time) / steps

        def moved(state, slope, share):
            return tf.nest.map_structure(lambda value, change: value + share * size * change, state, slope)

        state = initial_state
        # No loop of TensorFlow's: XLA can't find the sizes in its gradient where batches differ in size.
        for index in range(steps):
            time = initial_time + size * index
            first = ode_fn(time, state)
            second = ode_fn(time + size / 2, moved(state, first, 0.5))
            third = ode_fn(time + size / 2, moved(state, second, 0.5))
            fourth = ode_fn(time + size, moved(state, third, 1.))
            slope = tf.nest.map_structure(
                lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
            state = moved(state, slope, 1.)
        return Solution(tf.nest.map_structure(lambda value: value[None], state))

    return solve


def along(ode_fn, directions, regularization=0.):
    """Adds Σ_r r * (r ∂f/∂z) over directions r, `[directions, …]`, to a differential equation dz/dt = f.

    Summed over the last axis too, it is the trace of the Jacobian if the directions are the unit vectors, and an
    estimate of it if there is one of random signs. `regularization` is the weight of ‖f‖² + ‖∂f/∂z‖², by the same
    directions, which are taken from it.
    """
    def augmented(time, state):
        places = tf.broadcast_to(state[0], tf.concat([tf.shape(directions)[:1], tf.shape(state[0])], 0))
        signs = tf.broadcast_to(directions, tf.shape(places))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(places)
            velocities = ode_fn(time, places)
        slopes = tape.gradient(velocities, places, signs)
        energy = velocities[0] ** 2 + tf.reduce_sum(slopes ** 2, axis=0)
        return velocities[0], tf.reduce_sum(signs * slopes, axis=0) - regularization * energy

    return augmented


def without_trace(ode_fn, shape, dtype):
    """The differential equation of values whose log-determinants are not asked for, as `tfb.FFJORD` takes it."""
    return lambda time, state: (ode_fn(time, state[0]), tf.zeros_like(state[1]))


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
        self._trace_seeds = keras.random.SeedGenerator(self.seed + 1)
        self.built = True

    @property
    def piece_size(self):
        # The exact trace sees an event once for each of its numbers.
        return max(1, min(super().piece_size, 2**24 // self.num_sites**2))

    def flow(self, features, training=False, log_det=True):
        def velocity(time, z):
            time = tf.fill(tf.concat([tf.shape(z)[:-1], [1]], 0), tf.cast(time, tf.float32))
            if features is None:
                return self.velocity(z, time)
            return self.velocity(z, tf.concat([time, spread(features, z, 1)], axis=-1))

        return tfb.Chain([tfb.Reshape(self.event_shape, (self.num_sites,)), tfb.FFJORD(
            velocity, ode_solve_fn=self._solve(training),
            trace_augmentation_fn=self._trace(training) if log_det else without_trace)])

    def _solve(self, training):
        """What solves a differential equation, as `tfb.FFJORD` takes it."""
        if training and self.solver == 'runge_kutta':
            return runge_kutta(self.steps)
        solver = tfp.math.ode.DormandPrince(rtol=self.tolerance, atol=self.tolerance, max_num_steps=self.max_steps)

        def solve(*args, **kwargs):
            with self._explaining():
                return solver.solve(*args, **kwargs)

        return solve

    def _trace(self, training):
        """What adds the trace of the Jacobian to a differential equation, as `tfb.FFJORD` takes it.

        TFP's own two go over directions by `tf.vectorized_map`, whose gradient XLA does not compile.
        """
        if training and self.trace == 'hutchinson':
            seed = ops.cast(self._trace_seeds.next(), 'int32')

            def directions(shape):
                return tf.where(random.uniforms(tf.concat([[1], shape], 0), seed) < 0.5, -1., 1.)
        else:
            def directions(shape):
                rank = shape.shape[0]
                return tf.reshape(tf.eye(self.num_sites), (self.num_sites, *[1] * (rank - 1), self.num_sites))

        # Training goes from events to latents, where TFP's velocity is -f; so the energy lowers the density.
        regularization = self.regularization if training else 0.
        return lambda ode_fn, shape, dtype: along(ode_fn, directions(shape), regularization)

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
