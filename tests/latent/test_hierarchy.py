"""HierarchicalVAE: layers of latents, each given those above."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import every_event
from tests.flows.systems import moved
from tests.latent.systems import by_quadrature, make, some_events
from tfdgm import random
from tfdgm.conditions import Label
from tfdgm.outputs import Categorical, MixtureOfGaussians


def two_layers(seed=0, **kwargs):
    """A model of four binary sites with two layers of one latent each, so that a grid holds them."""
    model = tfdgm.HierarchicalVAE((4,), filters=6, stochastic_layers=2, latent_channels=1, **kwargs)
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.25)
    model.compile()
    return model


def test_it_has_latents_at_every_scale():
    model = tfdgm.HierarchicalVAE((28, 28, 1), filters=2, stochastic_layers=(1, 3, 2), latent_channels=(16, 4, 1))
    assert model.top_down.scales == [(1, 1, 16), (7, 7, 8), (14, 14, 4)]
    assert model.num_latents == 16 + 3 * 49 * 4 + 2 * 196
    assert tfdgm.HierarchicalVAE(5, filters=2, stochastic_layers=3, latent_channels=2).num_latents == 6
    # An image that is small has latents at its own size.
    assert tfdgm.HierarchicalVAE((3, 2, 1), filters=2, latent_channels=1).num_latents == 1 + 6


def test_a_posterior_begins_as_its_prior():
    model = tfdgm.HierarchicalVAE((4, 4, 1), filters=4, stochastic_layers=2, latent_channels=3)
    x = some_events(model)
    np.testing.assert_allclose(model.elbo(x).rate, 0, atol=1e-4)
    model.compile()
    assert model.evaluate(x, verbose=0, return_dict=True)['active_latents'] == 0


@pytest.mark.parametrize('seed', [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_bound_is_not_above_the_likelihood_of_any_event(seed):
    model, x = two_layers(seed), every_event((4,), 2)
    exact = by_quadrature(model, x)
    np.testing.assert_allclose(np.sum(np.exp(exact)), 1, atol=1e-3)
    elbo = model.elbo(x, num_samples=2000).value
    assert np.all(elbo < exact + 0.02)
    bounds = model.distribution().log_prob(x, num_samples=5000)
    np.testing.assert_allclose(bounds, exact, atol=0.1)
    # The prior is a density: of two latents, over a grid.
    axis = np.linspace(-8, 8, 201, dtype='float32')
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    np.testing.assert_allclose(np.sum(np.exp(model.prior().log_prob(z))) * 0.08**2, 1, atol=1e-3)


def test_the_rate_is_that_of_many_draws():
    model, x = make('hierarchical_vae'), some_events(make('hierarchical_vae'))
    noise = random.hashed_normals(tf.constant(x), 0, 4000, model.num_latents)
    draws = model.draws(x, model.encoded(x, None), noise, None)
    differences = draws.log_posterior - draws.log_prior
    error = np.std(differences, axis=0) / np.sqrt(4000)
    assert draws.rates.shape == (8, model.num_latents)
    assert np.all(abs(np.mean(differences, 0) - np.sum(draws.rates, axis=1)) < 5 * error)
    np.testing.assert_allclose(draws.log_weights(), draws.log_likelihood - differences, rtol=1e-4)


def test_layers_depend_on_those_above():
    model = two_layers()
    z = np.array([[0., 0.], [3., 0.]], 'float32')
    path = model.top_down(None, None, z=tf.constant(z))
    first, second = path.prior[0].numpy()
    np.testing.assert_allclose(first[0], second[0], rtol=1e-5)
    assert abs(first[1] - second[1]) > 1e-4
    samples = model.prior().sample(20_000, seed=0)
    expected = model.top_down(None, None, z=samples).prior[0]
    np.testing.assert_allclose(np.mean(samples, 0), np.mean(expected, 0), atol=0.05)


@pytest.mark.parametrize('output', [
    pytest.param(Categorical(5), marks=pytest.mark.slow), MixtureOfGaussians(1)],
    ids=lambda output: type(output).__name__)
def test_outputs_and_conditions(output):
    model = moved(tfdgm.HierarchicalVAE((3,), filters=4, latent_channels=2, output=output, condition=Label(2)))
    x, labels = some_events(model, 20), np.arange(20) % 2
    if not model.support.is_discrete:
        model.adapt(x)
    model.compile()
    model.fit(x, labels, verbose=0)
    assert np.all(model.support.contains(model.distribution([0, 1]).sample(5, seed=0).numpy()))
    prior = model.prior([0, 1])
    assert prior.batch_shape == (2,) and prior.sample(7, seed=0).shape == (7, 2, 2)
    assert prior.log_prob(np.zeros((7, 2, 2), 'float32')).shape == (7, 2)
    likelihood = model.decode(model.encode(x, labels), labels).log_prob(x)
    assert likelihood.shape == (20,) and np.all(np.isfinite(likelihood))


@pytest.mark.parametrize('arguments, message', [
    ({'stochastic_layers': (1, 2)}, r'an integer, or one for each of the 3 scales of such events, 1x1, 7x7, 14x14'),
    ({'latent_channels': 0}, 'latent_channels must be an integer of at least 1'),
    ({'filters': 0}, 'filters must be an integer of at least 1'),
    ({'objective': tfdgm.latent.DoublyReparameterized(3)}, 'take ImportanceWeighted'),
    ({'output': 'grey'}, 'output must be an object such as'),
], ids=lambda value: value[:30] if isinstance(value, str) else None)
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.HierarchicalVAE((28, 28, 1), **{'filters': 2, **arguments})
