"""Whole numbers in flows: the noise, the bound, and where there is no probability."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.flows.systems import make, some_events
from tfdgm.flows import UniformDequantization
from tfdgm.random import hashed_uniforms


def test_hashed_numbers_are_uniform_and_independent_and_follow_from_the_event(rng):
    x = rng.integers(256, size=(2000, 5, 4, 1)).astype('float32')
    u = hashed_uniforms(x).numpy()
    assert u.shape == x.shape and u.min() > 0 and u.max() < 1
    assert scipy.stats.kstest(np.ravel(u), 'uniform').pvalue > 1e-3
    correlations = np.corrcoef(u.reshape(2000, 20).T) - np.eye(20)
    assert np.abs(correlations).max() < 5 / 2000 ** 0.5
    np.testing.assert_array_equal(hashed_uniforms(x[7:8])[0], u[7])
    np.testing.assert_array_equal(tf.function(hashed_uniforms, jit_compile=True)(x), u)
    other = hashed_uniforms(x, draw=1).numpy()
    assert abs(np.corrcoef(np.ravel(u), np.ravel(other))[0, 1]) < 5 / u.size ** 0.5
    # Neighbours in the space of events, too.
    beside = hashed_uniforms(x + np.eye(20).reshape(20, 5, 4, 1)[3]).numpy()
    assert abs(np.corrcoef(np.ravel(u), np.ravel(beside))[0, 1]) < 5 / u.size ** 0.5


@pytest.mark.parametrize('logit', [None, 0.05])
def test_a_dequantised_likelihood_is_a_bound_that_draws_tighten(logit):
    """A flow of two numbers of three levels; its exact probabilities come from a fine grid."""
    cells = np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 2).astype('float32')
    bounds = {}
    for draws in (1, 10, 400):
        model = make('affine', 2, dequantization=UniformDequantization(3, draws=draws, logit=logit))
        if logit is None:
            model.norms[0].log_scale.assign([2., 2.])  # So that the density varies within a cell.
        bounds[draws] = model.distribution().log_prob(cells).numpy()
    steps = 100
    axis = (np.arange(steps) + 0.5) / steps
    inside = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype('float32')
    density = model.continuous_distribution().prob((cells[:, None] + inside).reshape(-1, 2)).numpy()
    exact = np.log(density.reshape(9, -1).mean(1))
    probabilities = np.exp(exact)
    assert probabilities.sum() <= 1 + 1e-3
    gaps = [float(probabilities @ (exact - bounds[draws])) for draws in (1, 10, 400)]
    assert gaps[0] > gaps[1] > gaps[2] - 1e-3
    assert gaps[2] == pytest.approx(0, abs=0.02)
    # A mean over many numbers drawn: one draw is below the exact value.
    noise = np.random.default_rng(0).uniform(size=(9, 2000, 2))
    one_draw = model.continuous_distribution().log_prob((cells[:, None] + noise).reshape(-1, 2).astype('float32'))
    assert np.all(np.reshape(one_draw, (9, -1)).mean(1) < exact + 1e-3)
    samples = model.distribution().sample(5000, seed=0).numpy()
    assert np.all(model.support.contains(samples))


def test_the_bound_of_an_event_is_the_same_in_any_batch_and_drawn_anew_in_training():
    model = make('affine', (4, 4, 1), dequantization=UniformDequantization(8))
    x = some_events(model, 6)
    together = model.distribution().log_prob(x)
    continuous = model.continuous_distribution().log_prob(x + 0.5)  # Compiled apart.
    assert np.isfinite(continuous).all() and not np.any(continuous == together)
    np.testing.assert_allclose(model.distribution().log_prob(x[2:4]), together[2:4], rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), together, rtol=1e-5)
    first, second = model(x, training=True), model(x, training=True)
    assert not np.any(np.equal(first, second))
    np.testing.assert_array_equal(model.decode(model.encode(x)), x)


def test_values_outside_the_levels_have_no_probability():
    model = make('affine', 3, dequantization=UniformDequantization(4))
    log_prob = model.distribution().log_prob(np.array([[0, 1, 3], [0, 1, 4], [0, -1, 2], [0.5, 1, 1]], 'float32'))
    np.testing.assert_array_equal(np.isnan(log_prob), [False, True, True, True])
    with pytest.raises(tf.errors.InvalidArgumentError, match='to be an integer from 0 to 3'):
        model.distribution(validate_args=True).log_prob([[0., 1., 4.]])
    with pytest.raises(ValueError, match='outside the support'):
        model.fit(np.full([4, 3], 4.))
    continuous = model.continuous_distribution(validate_args=True)
    assert np.isfinite(continuous.log_prob([[0.5, 1.2, 3.9]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match='to be a finite real number'):
        continuous.log_prob([[0.5, np.inf, 3.9]])
    for system in ('affine', 'nice'):
        assert np.isnan(make(system, 3).distribution().log_prob([[0., np.inf, 1.]]))


def test_what_a_flow_makes_has_a_density_where_its_sigmoid_is_rounded():
    model = make('affine', 2, dequantization=UniformDequantization(17, logit=0.05))
    dist = model.continuous_distribution()
    ends = np.array([0.05, 0.95]) / 0.9 * 17 * [-1, 1]  # Where the sigmoid is 0 and 1.
    for rounded in (ends, np.nextafter(ends, ends * 2, dtype='float32')):
        assert np.isfinite(dist.log_prob(rounded))
    assert np.isneginf(dist.log_prob(ends * 1.01))
    far = dist.sample(100, seed=0, temperature=100.)
    assert np.isfinite(far).all() and np.isfinite(dist.log_prob(far)).all()
