"""Ordinary differential equations as bijectors, and what solves them."""

import contextlib
import weakref

import keras
import tensorflow as tf

from tfdgm.flows.bijectors import OnePass
from tfdgm.flows.layers import spread


class ContinuousFlow(OnePass):
    """The bijector whose `forward` solves dz/dt = f(z, t) from time 0 to 1, and whose `inverse` goes back.

    Args:
        solve: solves it from the values given, along 1 or against -1 the time: `(values, direction)` -> values at the
            other end, and the log-determinant of each number, which are to be summed.
    """

    def __init__(self, solve, name='continuous_flow'):
        self._solve = solve
        super().__init__(1, name)

    def forward_and_log_det(self, z):
        return self._solved(z, 1)

    def inverse_and_log_det(self, x):
        return self._solved(x, -1)

    def _solved(self, values, direction):
        values, log_det = self._solve(values, direction)
        return values, tf.reduce_sum(log_det, axis=-1)


def runge_kutta(derivative, state, steps):
    """Solves a differential equation from time 0 to 1 by a fixed number of steps of the classical method."""
    def moved(state, slope, share):
        return tf.nest.map_structure(lambda value, change: value + share / steps * change, state, slope)

    # No loop of TensorFlow's: XLA can't find the sizes in its gradient where batches differ in size.
    for step in range(steps):
        first = derivative(step / steps, state)
        second = derivative((step + 0.5) / steps, moved(state, first, 0.5))
        third = derivative((step + 0.5) / steps, moved(state, second, 0.5))
        fourth = derivative((step + 1) / steps, moved(state, third, 1.))
        slope = tf.nest.map_structure(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
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
            inputs = tf.concat([inputs, spread(features, z, 1)], axis=-1)
        layer = network()
        with contextlib.nullcontext() if weights is None else keras.StatelessScope(zip(layer.variables, weights)):
            return direction * layer(z, inputs)

    def derivative(time, state, features=None, signs=None, weights=None):
        z, log_det = state
        if not exact and signs is None:
            return velocity(time, z, features, weights), tf.zeros_like(log_det)
        if exact:
            signs = tf.reshape(tf.eye(size), (size, *[1] * (len(z.shape) - 1), size))
        places = tf.broadcast_to(z, tf.concat([tf.shape(signs)[:1], tf.shape(z)], 0))
        signs = tf.broadcast_to(signs, tf.shape(places))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(places)
            velocities = velocity(time, places, features, weights)
        slopes = tape.gradient(velocities, places, signs)
        energy = velocities[0] ** 2 + tf.reduce_sum(slopes ** 2, axis=0)
        return velocities[0], tf.reduce_sum(signs * slopes, axis=0) - regularization * energy

    return derivative
