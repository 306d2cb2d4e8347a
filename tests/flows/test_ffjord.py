"""Continuous flows: their solvers, the trace and the regularization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.flows.systems import make
from tfdgm.conditions import Vector
from tfdgm.flows import UniformDequantization


@pytest.mark.parametrize('solver, calls', [
    ('runge_kutta', (
        lambda model, x: model(x), lambda model, x: model.evaluate(x, verbose=0),
        lambda model, x: model.distribution().sample(3), lambda model, x: model.bijector().inverse(x),
        lambda model, x: model.distribution().experimental_sample_and_log_prob(3))),
    pytest.param('dormand_prince', (
        lambda model, x: model.predict(x, verbose=0), lambda model, x: model.encode(x),
        lambda model, x: model.train_on_batch(x), lambda model, x: model.test_on_batch(x),
        lambda model, x: model.predict_on_batch(x), lambda model, x: model.fit(x, verbose=0)), marks=pytest.mark.slow)])
def test_a_solver_that_gives_up_says_what_to_change(solver, calls, rng):
    x = rng.normal(size=(16, 2)).astype('float32')
    model = make('ffjord', 2, solver=solver, max_steps=2, tolerance=1e-7)
    model.compile()
    for call in calls:
        with pytest.raises(RuntimeError, match=r'max_steps=2 at tolerance=1e-07.*more of either'):
            call(model, x)


@pytest.mark.slow
def test_solvers_agree_and_hutchinson_trains(rng):
    x = rng.normal(size=(64, 2)).astype('float32')
    fixed = make('ffjord', 2)
    np.testing.assert_allclose(fixed(x, training=True), fixed.distribution().log_prob(x), atol=1e-3)
    fixed = make('ffjord', 2, trace='hutchinson')
    fixed.compile(keras.optimizers.Adam(0.01))
    history = fixed.fit(x, epochs=10, verbose=0).history['loss']
    assert history[-1] < history[0]
    estimate = tf.function(lambda: fixed(x, training=True))
    estimates = np.mean([estimate() for _ in range(200)], axis=0)
    fixed.flow.layers[-1].trace_seeds = None
    np.testing.assert_allclose(estimates, fixed(x, training=True), atol=0.2)


def test_hutchinsons_estimate_is_unbiased_also_of_dequantised_events():
    """Its signs must not follow from the noise of dequantisation, the places where the trace is taken."""
    model = tfdgm.FFJORD(2, trace='hutchinson', dequantization=UniformDequantization(2), steps=1)
    # The slope of each velocity along the other axis grows with both, so it has the sign of noises that agree.
    ode = model.flow.layers[-1]
    ode.velocity = lambda z, time: z * z[..., ::-1] ** 2
    x, start = np.zeros((10_000, 2)), model._noise_seeds.state.numpy()
    log_probs = {}
    for trace, seeds in (('hutchinson', ode.trace_seeds), ('exact', None)):
        ode.trace_seeds = seeds
        model._noise_seeds.state.assign(start)
        log_probs[trace] = model(x, training=True).numpy()
    errors = log_probs['hutchinson'] - log_probs['exact']
    assert 0 < abs(errors.mean()) < 3 * errors.std() / len(x) ** 0.5


@pytest.mark.slow
def test_gradients_reach_the_condition_through_the_adaptive_solver():
    model, x = make('ffjord', 2, condition=Vector(2)), np.float32([[0.3, -0.4]])

    def log_prob(values):
        return tf.reduce_sum(model.distribution(values).log_prob(x))

    values = tf.constant([[0.5, -1.]])
    for function in (log_prob, tf.function(log_prob)):
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = function(values)
        numerical = [(log_prob(values + step) - log_prob(values - step)) / 0.02 for step in 0.01 * np.eye(2, dtype='f')]
        np.testing.assert_allclose(tape.gradient(value, values)[0], numerical, rtol=0.02, atol=1e-3)


@pytest.mark.slow
def test_regularization_of_a_continuous_flow_is_the_energy_along_its_paths(rng):
    x = rng.normal(size=(8, 2)).astype('float32')
    free, bound = (make('ffjord', 2, regularization=weight, steps=16) for weight in (0., 0.25))
    bound.set_weights(free.get_weights())
    # A path of the latents at 200 times, and what it costs at the middle of each piece.
    z, energy, pieces = tf.constant(free.encode(x)), 0., 200
    for time in (np.arange(pieces) + 0.5) / pieces:
        time = tf.fill((len(x), 1), np.float32(time))
        with tf.GradientTape() as tape:
            tape.watch(z)
            velocity = free.velocity(z, time)
        slopes = tape.batch_jacobian(velocity, z)
        energy += (tf.reduce_sum(velocity ** 2, 1) + tf.reduce_sum(slopes ** 2, (1, 2))) / pieces
        z = z + velocity / pieces
    np.testing.assert_allclose(z, x, atol=0.02)
    np.testing.assert_allclose(free(x, training=True) - bound(x, training=True), 0.25 * energy, rtol=0.02)
    np.testing.assert_array_equal(bound(x), free(x))
    np.testing.assert_array_equal(bound.encode(x), free.encode(x))
