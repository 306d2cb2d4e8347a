"""Annealed importance sampling, beside likelihoods in closed form."""

import numpy as np
import pytest
import tensorflow_probability as tfp

import tfdgm
from tests.latent.systems import by_quadrature, exact_log_prob, linear_gaussian, make, randomise, some_events
from tfdgm.latent import annealed_importance_sampling


def test_of_a_linear_model_the_chains_bracket_the_likelihood(rng):
    model = randomise(linear_gaussian(), rng)
    z = model.prior().sample(200, seed=0)
    x = model.decode(z).sample(seed=1).numpy()
    exact = exact_log_prob(model, x)
    gaps = []
    for num_steps in 10, 100:
        below = annealed_importance_sampling(model, x, num_steps=num_steps) - exact
        above = annealed_importance_sampling(model, x, z=z, num_steps=num_steps) - exact
        # Each is a bound in the mean.
        assert np.mean(below) < 3 * np.std(below) / np.sqrt(200)
        assert np.mean(above) > -3 * np.std(above) / np.sqrt(200)
        gaps.append(np.mean(above - below))
    assert gaps[1] < 0.3 * gaps[0]
    assert abs(np.mean(below)) < 0.05 and abs(np.mean(above)) < 0.05


@pytest.mark.slow
def test_of_few_sites_they_are_the_sum_over_a_grid():
    model = tfdgm.VAE(4, num_latents=2, hidden_units=(5,), activation='tanh')
    for variable in model.decoding.network.variables:
        variable.assign(np.random.default_rng(3).normal(size=variable.shape))
    x = some_events(model, 16)
    found = annealed_importance_sampling(model, x, num_chains=64, num_steps=500)
    np.testing.assert_allclose(found, by_quadrature(model, x), atol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize('system', ['flows', 'hierarchical_vae', 'vamp_prior'])
def test_models_of_every_kind_have_them(system):
    model = make(system)
    z = model.prior().sample(6, seed=0)
    x = model.decode(z).sample(seed=1)
    # Of draws of the prior, for the posterior of such random weights is far from the true one.
    draws = model.prior().sample(20_000, seed=2)
    likelihood = model.decode(draws)
    log_likelihoods = np.stack([likelihood.log_prob(event) for event in x.numpy()])
    many = np.mean(tfp.math.reduce_logmeanexp(log_likelihoods, axis=1))
    below = np.mean(annealed_importance_sampling(model, x, num_steps=300))
    above = np.mean(annealed_importance_sampling(model, x, z=z, num_steps=300))
    np.testing.assert_allclose([below, above], many, atol=0.1)


def test_it_follows_from_the_seed_and_heeds_conditions():
    model = make('vae', condition=tfdgm.conditions.Label(3))
    x, labels = some_events(model, 4), np.array([0, 1, 2, 1])
    settings = {'num_steps': 5, 'num_chains': 2, 'num_leapfrog_steps': 2}
    first, again, other = (annealed_importance_sampling(model, x, labels, seed=seed, **settings) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)
    assert first.shape == (4,)


def test_bad_input():
    model = make('vae')
    x = some_events(model, 4)
    for arguments, message in (
            ({'num_steps': 0}, 'num_steps must be an integer of at least 1'),
            ({'num_chains': 2.5}, 'num_chains must be an integer'),
            ({'step_size': 0}, 'step_size must be a finite number above 0'),
            ({'z': np.zeros((3, 3))}, 'latents for each of the 4 events, got 3'),
            ({'z': np.zeros((4, 2))}, r'Expected latents.*\(None, 3\)')):
        with pytest.raises(ValueError, match=message):
            annealed_importance_sampling(model, x, **arguments)
    with pytest.raises(ValueError, match=r'model must be an object such as tfdgm\.VAE'):
        annealed_importance_sampling(tfdgm.NADE((4, 4, 1)), x)
    with pytest.raises(ValueError, match=r'to be 0 or 1'):
        annealed_importance_sampling(model, x + 0.5)
