"""MADE's masks, several of them, and orders."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import dependencies, every_event, randomised, step_by_step


@pytest.mark.parametrize('direct_connections', [False, True])
@pytest.mark.parametrize('hidden_units', [(40,), (40, 30), (30, 20, 40)])
def test_each_site_sees_exactly_the_earlier_ones(hidden_units, direct_connections, rng):
    model = randomised(tfdgm.MADE(
        (2, 3, 1), hidden_units=hidden_units, activation='tanh', direct_connections=direct_connections, num_masks=3,
        order='random'), rng)
    for mask, sites in enumerate(model.orderings):
        position = np.argsort(sites)
        seen = dependencies(model, lambda x, mask=mask: model.mask_parameters(x, None, mask))
        np.testing.assert_array_equal(seen, position[:, None] > position[None, :])


def test_several_masks_are_a_mixture(rng):
    model = randomised(tfdgm.MADE(5, hidden_units=(8,), num_masks=3, order='random'), rng)
    x = every_event((5,), 2)
    each = [tf.reduce_sum(model.output.distribution(model.mask_parameters(x, None, mask)).log_prob(x), 1)
            for mask in range(3)]
    wanted = scipy.special.logsumexp(each, axis=0) - np.log(3)
    np.testing.assert_allclose(model.distribution().log_prob(x), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-5)


def test_masks_differ_and_a_seed_fixes_them():
    first, second, other = (tfdgm.MADE(9, hidden_units=(20,), num_masks=2, order='random', seed=seed)
                            for seed in [1, 1, 2])
    np.testing.assert_array_equal(first.orderings, second.orderings)
    assert not np.array_equal(first.orderings, other.orderings)
    assert not np.array_equal(first.orderings[0], first.orderings[1])


def test_an_order_for_each_mask(rng):
    orders = [[0, 1, 2, 3], [3, 2, 1, 0]]
    model = randomised(tfdgm.MADE(4, hidden_units=(9,), num_masks=2, order=orders), rng)
    np.testing.assert_array_equal(model.orderings, orders)
    loaded = tfdgm.MADE.from_config(model.get_config())
    np.testing.assert_array_equal(loaded.orderings, orders)


def test_training_visits_every_mask(rng):
    model = randomised(tfdgm.MADE(4, hidden_units=(9,), num_masks=3), rng)
    x = every_event((4,), 2)
    each = [np.ravel(model.mask_parameters(x, None, mask)) for mask in range(3)]
    seen = set()
    for _ in range(30):
        drawn = np.ravel(model.parameters(x, training=True))
        seen |= {mask for mask in range(3) if np.allclose(drawn, each[mask])}
    assert seen == {0, 1, 2}


def test_dropout_acts_in_training_only(rng):
    model = randomised(tfdgm.MADE(4, hidden_units=(9,), dropout=0.5), rng)
    x = every_event((4,), 2)
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    np.testing.assert_array_equal(model(x), model(x))
    assert np.sum(np.exp(model(x))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('hidden_units', [(3,), (2, 50), (100, 3)])
def test_layers_narrower_and_wider_than_the_event(hidden_units, rng):
    model = randomised(tfdgm.MADE(12, hidden_units=hidden_units), rng)
    x = model.distribution().sample(5, seed=0).numpy()
    np.testing.assert_allclose(step_by_step(model, x), np.reshape(model.parameters(x), (5, 12, 1)), atol=1e-4)
