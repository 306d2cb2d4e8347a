"""ODE: an invertible layer that solves an ordinary differential equation, and its solvers."""

import contextlib
import functools
import weakref

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm import random
from tfdgm.flows.invertible import InvertibleLayer, ValuesAndLogDet


class ODE(InvertibleLayer):
    """The solution of dz/dt = f(z, t), latents at time 0 and data at time 1.

        dz/dt = f(z, t),    d log p(z(t))/dt = -tr(∂f/∂z)

    Training solves it by a fixed number of Runge-Kutta steps, or adaptively as everything else does.

    Args:
        velocity: f, a network of places `[…, size]`, and of time and a condition's features `[…, 1 + n]`.
        size: how many numbers a place has.
        tolerance: the error that the adaptive solver accepts in a step, absolute and relative.
        max_steps: how many steps it makes before it gives up.
        steps: how many steps training makes; None for the adaptive solver.
        trace_seeds: `random.Seeds`, with which training estimates the trace from one product with the
            Jacobian, by random signs (Hutchinson's estimator); None to compute it.
        regularization: weight of ‖f‖² + ‖∂f/∂z‖² in training, which is taken from the log-determinant.
        **kwargs: `name`.
    """

    def __init__(self, velocity, size: int, tolerance: float, max_steps: int, steps: int | None = None,
                 trace_seeds=None, regularization: float = 0., **kwargs):
        super().__init__(**kwargs)
        self.velocity, self.size, self.steps = velocity, size, steps
        self.tolerance, self.max_steps = tolerance, max_steps
        self.trace_seeds, self.regularization = trace_seeds, regularization

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> ValuesAndLogDet:
        return self.solve(x, -1, features, training)

    def inverse(self, z: tf.Tensor, features: tf.Tensor | None = None) -> ValuesAndLogDet:
        return self.solve(z, 1, features)

    def solve(self, values: tf.Tensor, direction: int, features: tf.Tensor | None = None, training: bool = False,
              log_det=True) -> ValuesAndLogDet:
        """The values at the other end, along time (1) or against it (-1), and the log-determinant of the Jacobian.

        Without `log_det` that is 0, and the values cost much less.
        """
        estimates = training and log_det and self.trace_seeds is not None
        derivative = differential_equation(
            self.velocity, direction, self.size, log_det and not estimates, self.regularization if training else 0.)
        state, constants = (values, tf.zeros_like(values)), {} if features is None else {'features': features}
        if estimates:
            shape = tf.concat([[1], tf.shape(values)], 0)
            seed = self.trace_seeds.draw()
            constants['signs'] = tf.where(random.uniforms(shape, seed) < 0.5, -1., 1.)
        if training and self.steps is not None:
            values, log_dets = runge_kutta(functools.partial(derivative, **constants), state, self.steps)
        else:
            constants['weights'] = [tf.convert_to_tensor(variable.value) for variable in self.velocity.variables]
            solver = tfp.math.ode.DormandPrince(
                rtol=self.tolerance, atol=self.tolerance, max_num_steps=self.max_steps)
            with self.explaining():
                values, log_dets = adaptive(derivative, state, constants, solver)
        return values, tf.reduce_sum(log_dets, axis=-1)

    @contextlib.contextmanager
    def explaining(self):
        """Says of the adaptive solver's error what to do."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if 'max_num_steps exceeded' not in str(error):
                raise
            raise RuntimeError(
                f'The solver did not reach the end within max_steps={self.max_steps} at tolerance={self.tolerance}: '
                'the flow has become stiff, or both are small. Make the model anew with more of either and '
                'set_weights, or train with a lower learning rate.') from None


def runge_kutta(derivative, state, steps: int):
    """Solves a differential equation from time 0 to 1 by a fixed number of steps of the classical method."""
    def moved(state, slope, step):
        return tf.nest.map_structure(lambda value, change: value + step / steps * change, state, slope)

    # No loop of TensorFlow's: XLA can't find the sizes in its gradient where batches differ in size.
    for step in range(steps):
        k1 = derivative(step / steps, state)
        k2 = derivative((step + 0.5) / steps, moved(state, k1, 0.5))
        k3 = derivative((step + 0.5) / steps, moved(state, k2, 0.5))
        k4 = derivative((step + 1) / steps, moved(state, k3, 1.))
        slope = tf.nest.map_structure(lambda *k: (k[0] + 2 * k[1] + 2 * k[2] + k[3]) / 6, k1, k2, k3, k4)
        state = moved(state, slope, 1.)
    return state


def adaptive(derivative, state, constants, solver):
    """Solves a differential equation from time 0 to 1 by one of TFP's solvers.

    TensorFlow keeps for good what a solver's gradient needs in a graph: here that is a graph of its own, which reads
    no weights, and a derivative that holds no model.
    """
    def solved(state, constants):
        states = solver.solve(derivative, 0., state, solution_times=[1.], constants=constants).states
        return tf.nest.map_structure(lambda values: values[0], states)

    return (solved if tf.executing_eagerly() else tf.function(solved, autograph=False))(state, constants)


def differential_equation(network, direction, size, exact=False, regularization=0.):
    """The derivatives by time of values `[…, size]`, and of the log-determinant's share of each of them.

    The second are r * (r ∂f/∂z), summed over directions r: summed over the last axis too, they are the trace of the
    Jacobian if the directions are the unit vectors (`exact`), and an estimate of it if there is one of random signs.
    Without either they are zero. `regularization` is the weight of ‖f‖² + ‖∂f/∂z‖², by the same directions, which are
    taken from it.

    Returns:
        A function of the time, the state, and of what the velocity depends on: features of a condition, random signs
        `[1, …, size]`, and values in place of the network's weights, each of which may be left out. It does not keep
        the network in memory.
    """
    network = weakref.ref(network)

    def velocity(time, z, features, weights):
        time = tf.cast(time if direction == 1 else 1 - time, tf.float32)
        inputs = tf.fill(tf.concat([tf.shape(z)[:-1], [1]], 0), time)
        if features is not None:
            features = tf.broadcast_to(features, tf.concat([tf.shape(z)[:-1], features.shape[-1:]], 0))
            inputs = tf.concat([inputs, features], axis=-1)
        layer = network()
        with contextlib.nullcontext() if weights is None else keras.StatelessScope(zip(layer.variables, weights)):
            rows = layer(tf.reshape(z, (-1, size)), tf.reshape(inputs, (-1, inputs.shape[-1])))
        return direction * tf.reshape(rows, tf.shape(z))

    def derivative(time, state, features=None, signs=None, weights=None):
        z, log_det = state
        if not exact and signs is None:
            return velocity(time, z, features, weights), tf.zeros_like(log_det)
        if exact:
            signs = tf.reshape(tf.eye(size), (size, *[1] * (len(z.shape) - 1), size))
        directions = tf.broadcast_to(signs, tf.concat([tf.shape(signs)[:1], tf.shape(z)], 0))
        repeated = tf.broadcast_to(z, tf.shape(directions))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(repeated)
            velocities = velocity(time, repeated, features, weights)
        slopes = tape.gradient(velocities, repeated, directions)
        energy = velocities[0] ** 2 + tf.reduce_sum(slopes ** 2, axis=0)
        return velocities[0], tf.reduce_sum(signs * slopes, axis=0) - regularization * energy

    return derivative
