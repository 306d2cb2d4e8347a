"""Completion of any part of events, against exact conditional distributions."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import every_event
from tests.autoregressive.systems import make as made_of
from tests.boltzmann.systems import make as machine
from tfdgm.applications import Completion, complete

X = every_event((2, 2, 1), 2)


def moved(model, scale):
    """The model, with its weights moved away from their initial values at random."""
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + generator.normal(size=variable.shape) * scale)
    return model


def shares(events, of=X):
    """How often each of the events `of` comes among others."""
    return np.array([np.mean(np.all(events == event, axis=tuple(range(1, events.ndim)))) for event in of])


def conditional(log_probs, fits):
    """Probabilities of all events given that they fit."""
    values = np.where(fits, log_probs, -np.inf)
    return np.exp(values - np.logaddexp.reduce(values))


def fitting(mask, event):
    return np.all((event == X) | (mask == 0), axis=(1, 2, 3))


@pytest.mark.parametrize('known, exact', [([1, 0, 0, 0], True), ([1, 1, 0, 0], True), ([0, 0, 0, 1], False),
                                          ([0, 1, 0, 1], False), ([0, 0, 0, 0], True), ([1, 1, 1, 1], True)])
def test_an_autoregressive_model_follows_the_exact_conditional(known, exact):
    model = made_of('made', (2, 2, 1))
    mask = np.reshape(known, (2, 2, 1))
    for event in X[[5, 12]]:
        found = complete(model, event[None], mask, 4000, num_proposals=8000, seed=0)
        assert found.is_exact == exact and found.events.shape == (4000, 1, 2, 2, 1)
        expected = conditional(model.predict(X, verbose=0), fitting(mask, event))
        np.testing.assert_allclose(shares(found.events[:, 0]), expected, atol=0.04)
        assert (found.effective_sample_size is None) == exact
        if not exact:
            assert 100 < found.effective_sample_size[0] <= 8000


def test_known_first_is_meant_in_the_model_s_own_order():
    model = made_of('nade', (2, 2, 1), order=[3, 2, 1, 0])
    assert complete(model, X[:1], np.reshape([0, 0, 0, 1], (2, 2, 1))).is_exact
    assert not complete(model, X[:1], np.reshape([1, 0, 0, 0], (2, 2, 1)), num_proposals=5).is_exact


@pytest.mark.parametrize('system', ['rbm', 'energy'])
def test_chains_hold_what_is_known(system):
    model = machine(system)
    mask = np.reshape([0, 1, 0, 1], (2, 2, 1))
    found = complete(model, X[:3], mask, 2, num_steps=20, seed=0)
    assert found.events.shape == (2, 3, 2, 2, 1) and not found.is_exact
    known = np.broadcast_to(X[:3][:, mask == 1], (2, 3, 2))
    np.testing.assert_allclose(found.events[:, :, mask == 1], known, rtol=1e-5)


@pytest.mark.parametrize('label', [None, pytest.param(1, marks=pytest.mark.slow)])
def test_an_autoencoder_s_latents_go_where_what_is_known_comes_from(label):
    model = tfdgm.VAE((2, 2, 1), num_latents=1, hidden_units=(8,),
                      condition=None if label is None else tfdgm.conditions.Label(2))
    moved(model, 2.)
    # log p(x) by a sum over the plane of latents.
    z = np.linspace(-8, 8, 2001, dtype='float32')[:, None]
    labels = None if label is None else np.full(len(z), label)
    likelihood = model.likelihood(z, labels).log_prob(X[:, None]).numpy()
    log_probs = np.logaddexp.reduce(likelihood - z[:, 0]**2 / 2, axis=1)
    mask = np.reshape([0, 1, 0, 1], (2, 2, 1))
    events = X[[5, 12]]
    found = complete(model, events, mask, 2000, num_steps=800, seed=0,
                     condition=None if label is None else [label, label])
    assert 0.4 < found.acceptance_rate < 1 and found.potential_scale_reduction.shape == (2,)
    assert np.all(found.potential_scale_reduction < 1.3)
    for index, event in enumerate(events):
        np.testing.assert_allclose(
            shares(found.events[:, index]), conditional(log_probs, fitting(mask, event)), atol=0.05)


def test_a_flow_of_real_values_moves_what_is_missing():
    model = moved(tfdgm.AffineCouplingFlow(2, couplings=2, hidden_units=(8,)), 0.5)
    model.standardization.mean.assign([3., -1.])
    model.standardization.deviation.assign([2., 0.5])
    found = complete(model, np.array([[2., np.nan]]), [1, 0], 2000, num_steps=300, seed=0)
    assert np.all(found.events[..., 0] == 2)
    axis = np.linspace(-6, 4, 4000, dtype='float32')
    density = np.exp(model.predict(np.stack([np.full(4000, 2.), axis], 1), verbose=0).astype('float64'))
    density /= density.sum()
    mean = density @ axis
    np.testing.assert_allclose(found.events[..., 1].mean(), mean, atol=0.04)
    np.testing.assert_allclose(found.events[..., 1].std(), np.sqrt(density @ (axis - mean)**2), rtol=0.1)


def test_a_flow_of_integers_moves_within_their_levels():
    model = moved(tfdgm.AffineCouplingFlow(
        2, dequantization=tfdgm.flows.UniformDequantization(3), couplings=2, hidden_units=(8,)), 0.5)
    found = complete(model, np.array([[1., 0.]]), [1, 0], 2000, num_steps=400, seed=0)
    assert np.all(found.events[..., 0] == 1) and set(np.unique(found.events)) <= {0, 1, 2}
    axis = (np.arange(300, dtype='float32') + 0.5) / 100
    grid = np.stack(np.meshgrid(1 + axis[:100], axis, indexing='ij'), -1).reshape(-1, 2)
    density = np.exp(model.continuous_distribution().log_prob(grid).numpy().astype('float64'))
    expected = density.reshape(100, 3, 100).sum((0, 2))
    found = np.bincount(found.events[:, 0, 1].astype(int), minlength=3) / 2000
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.05)


@pytest.mark.parametrize('model, message', [
    (lambda: tfdgm.GAN(4), 'A GAN like this one completes nothing: take an autoregressive model'),
    (lambda: tfdgm.MADE(4, num_masks=2), 'completes nothing: take an autoregressive model with one order'),
    (lambda: tfdgm.VQVAE((4, 4, 1)), 'completes nothing')])
def test_models_that_complete_nothing(model, message):
    with pytest.raises(ValueError, match=message):
        complete(model(), np.ones([2, 4]), np.ones(4))


@pytest.mark.parametrize('arguments, message', [
    ({'mask': np.ones([3, 2, 1])}, r'mask must have a shape that broadcasts to \(16, 2, 2, 1\), got \(3, 2, 1\)'),
    ({'mask': None}, 'mask must be 1 where'), ({'mask': 'left'}, 'mask must be 1 where'),
    ({'mask': np.full([2, 2, 1], 0.5)}, 'mask must be 1 where observed is known and 0 elsewhere, got 0.5'),
    ({'x': X + 0.5}, 'observed holds 0.5 where mask is 1'), ({'x': X[0]}, 'Expected events of shape'),
    ({'x': X[:0]}, 'Expected events of shape'), ({'x': 'text'}, 'real'), ({'num_samples': 0}, 'num_samples must be'),
    ({'num_steps': -1}, 'num_steps must be'), ({'condition': [1]}, 'This model has no condition')])
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        complete(**{'model': made_of('made', (2, 2, 1)), 'x': X, 'mask': np.ones([2, 2, 1]), **arguments})


def test_what_is_missing_may_be_anything():
    model = made_of('made', (2, 2, 1))
    mask = np.reshape([1, 1, 0, 0], (2, 2, 1))
    results = [complete(model, np.where(mask == 1, X, filling), mask, 2, seed=0).events for filling in (np.nan, 7.)]
    np.testing.assert_array_equal(*results)
    assert not np.any(np.isnan(results[0]))
    np.testing.assert_array_equal(complete(model, tf.constant(X), tf.constant(mask), 2, seed=0).events, results[0])


def test_doubtful_completions_say_so():
    model = moved(tfdgm.VAE((2, 2, 1), num_latents=1, hidden_units=(8,)), 2.)
    found = Completion(np.ones([2, 1, 2, 2, 1]), 'chains', False, acceptance_rate=0.9)
    assert found.doubt is None
    for doubtful, message in ((found._replace(acceptance_rate=0.04), 'only 4% of the proposals'),
                              (found._replace(potential_scale_reduction=np.array([1., 12.])), 'R-hat goes up to 12'),
                              (found._replace(effective_sample_size=np.array([1.2])), '1.2 have all the weight')):
        assert message in doubtful.doubt
    with pytest.warns(UserWarning, match='These completions are doubtful: .* take more'):
        complete(made_of('made', (2, 2, 1)), X[:2], np.reshape([0, 0, 0, 1], (2, 2, 1)), num_proposals=1)
    assert complete(model, X[:2], np.ones([2, 2, 1]), 2, num_steps=200, seed=0).events.shape == (2, 2, 2, 2, 1)
