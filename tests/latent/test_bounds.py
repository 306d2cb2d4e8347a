"""Bounds of the likelihood, beside likelihoods in closed form, by quadrature and by enumeration."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.decomposition import PCA

import tfdgm
from tests.autoregressive.systems import every_event
from tests.latent.systems import by_quadrature, exact_log_prob, linear_gaussian, make_posterior_exact, randomise
from tfdgm import random
from tfdgm.latent import ELBO, DoublyReparameterized, ImportanceWeighted

tfd = tfp.distributions


@pytest.fixture
def events(rng):
    return rng.normal(size=(40, 5)).astype('float32') * 2


def test_of_a_linear_model_the_bounds_rise_to_the_likelihood(rng, events):
    model = randomise(linear_gaussian(), rng)
    exact = exact_log_prob(model, events)
    dist = model.distribution()
    means = [np.mean(dist.log_prob(events, num_samples=count)) for count in (1, 4, 16, 64, 256)]
    assert np.all(np.diff(means) > 0)
    assert means[-1] < np.mean(exact)
    elbo = model.elbo(events, num_samples=500)
    assert np.all(elbo.value < exact)
    noise = random.hashed_normals(tf.constant(events), 0, 500, 2)
    draws = model.draws(tf.constant(events), model.encoded(tf.constant(events), None), noise, None)
    np.testing.assert_allclose(np.mean(draws.log_weights()), np.mean(elbo.value), rtol=0.01)
    # With the exact posterior all weights are equal.
    make_posterior_exact(model)
    for count in 1, 100:
        np.testing.assert_allclose(dist.log_prob(events, num_samples=count), exact, atol=2e-3)
    # The nearer the posterior, the sooner the bound is there.
    model.posterior_layer.means.bias.assign_add([0.1, -0.1])
    model.posterior_layer.scales.bias.assign_add([0.4, 0.2])
    means = [np.mean(dist.log_prob(events, num_samples=count)) for count in (1, 5000)]
    assert means[0] < means[1]
    np.testing.assert_allclose(means[-1], np.mean(exact), atol=0.01)


@pytest.mark.slow
def test_training_finds_principal_components(rng):
    hidden = rng.normal(size=(2000, 2))
    x = (hidden @ rng.normal(size=(2, 5)) + rng.normal(size=(2000, 5)) * 0.5 + 1).astype('float32')
    model = linear_gaussian()
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 2400)))
    model.fit(x, batch_size=100, epochs=120, verbose=0)
    best = PCA(2).fit(x).score(x)
    assert best - 0.05 < np.mean(exact_log_prob(model, x)) < best + 1e-3
    assert best - 0.05 < np.mean(model.elbo(x, num_samples=20).value) < best + 0.02


def small_model(seed, **kwargs):
    """A model of four binary sites with weights away from their initial values."""
    model = tfdgm.VAE(4, num_latents=2, hidden_units=(5,), activation='tanh', **kwargs)
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    # Not far from the prior: where a posterior is too narrow, a mean of weights takes very many draws.
    for dense in model.posterior_layer.means, model.posterior_layer.scales:
        dense.kernel.assign(dense.kernel * 0.2)
    model.posterior_layer.scales.bias.assign([1.5, 2.])
    model.compile()
    return model


@pytest.mark.parametrize('seed', range(4))
def test_no_bound_is_above_the_likelihood_of_any_event(seed):
    model, x = small_model(seed), every_event((4,), 2)
    exact = by_quadrature(model, x)
    np.testing.assert_allclose(np.sum(np.exp(exact)), 1, atol=1e-3)
    for count in 1, 5:
        # A bound is one in the mean over draws of latents.
        noise = random.hashed_normals(tf.constant(x), 0, 2000 * count, 2)
        log_weights = model.draws(x, model.encoded(tf.constant(x), None), noise, None).log_weights()
        bounds = tf.reduce_logsumexp(tf.reshape(log_weights, (2000, count, -1)), 1) - np.log(count)
        error = np.std(bounds, axis=0) / np.sqrt(len(bounds))
        assert np.all(np.mean(bounds, axis=0) < exact + 4 * error)
        # And the mean of the weights themselves is the likelihood.
        error = np.std(np.exp(bounds), axis=0) / np.sqrt(len(bounds))
        assert np.all(abs(np.mean(np.exp(bounds), axis=0) - np.exp(exact)) < 5 * error)
    np.testing.assert_allclose(model.distribution().log_prob(x, num_samples=20_000), exact, atol=0.2)


def test_a_posterior_that_is_the_prior_has_no_rate():
    model, x = small_model(0), every_event((4,), 2)
    for dense, bias in (model.posterior_layer.means, 0.), (model.posterior_layer.scales, np.log(np.expm1(1 - 1e-4))):
        dense.kernel.assign(np.zeros(dense.kernel.shape))
        dense.bias.assign(np.full(2, bias))
    np.testing.assert_allclose(model.elbo(x).rate, 0, atol=1e-5)
    assert model.evaluate(x, verbose=0, return_dict=True)['active_latents'] == 0


def test_the_rate_is_that_of_many_draws_and_adds_up_to_the_bound():
    model, x = small_model(1), every_event((4,), 2)
    elbo = model.elbo(x, num_samples=2000)
    posterior = model.posterior(x)
    z = posterior.sample(20_000, seed=1)
    rates = tf.reduce_mean(posterior.log_prob(z) - model.prior().log_prob(z), 0)
    np.testing.assert_allclose(elbo.rate, rates, rtol=0.03, atol=0.02)
    standard = tfd.MultivariateNormalDiag(np.zeros(2, 'f4'), np.ones(2, 'f4'))
    np.testing.assert_allclose(elbo.rate, tfd.kl_divergence(posterior, standard), rtol=1e-5)
    np.testing.assert_allclose(elbo.value, -(elbo.rate + elbo.distortion))
    likelihood = model.decode(tf.reshape(z[:2000], (-1, 2)))
    distortions = -tf.reduce_mean(tf.reshape(likelihood.log_prob(np.tile(x, (2000, 1))), (2000, -1)), 0)
    np.testing.assert_allclose(elbo.distortion, distortions, rtol=0.05)


def test_with_one_draw_the_importance_weighted_bound_is_the_elbo():
    model, x = small_model(2), every_event((4,), 2)
    noise = tf.random.stateless_normal((1, 16, 2), [0, 1])
    one = ImportanceWeighted(1).terms(model, x, None, noise, 1.)
    elbo = ELBO().terms(model, x, None, noise, 1.)
    draws = model.draws(x, model.encoded(x, None), noise, None)
    np.testing.assert_allclose(one['loss'], -draws.log_weights()[0], rtol=1e-5)
    # The two differ by the closed form of the rate alone.
    np.testing.assert_allclose(
        one['loss'] - elbo['loss'], (draws.log_posterior - draws.log_prior)[0] - elbo['rate'], atol=1e-4)


def gradients(model, x, objective, count, kl_weight=1.):
    """Gradients of the encoder and of the decoder under `count` draws of noise: two arrays `[count, numbers]`."""
    parts = [[*model.encoder_network.trainable_variables, *model.posterior_layer.trainable_variables],
             model.decoding.trainable_variables]

    @tf.function
    def gradient(noise):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective.terms(model, x, None, noise, kl_weight)['loss'])
        found = tape.gradient(loss, [variable.value for part in parts for variable in part])
        first = len(parts[0])
        return [tf.concat([tf.reshape(one, [-1]) for one in some], 0) for some in (found[:first], found[first:])]

    draws = [gradient(tf.random.stateless_normal((objective.num_samples, len(x), 2), [0, seed]))
             for seed in range(count)]
    return [np.stack(part) for part in zip(*draws)]


def test_the_doubly_reparameterized_gradient_has_the_same_mean_and_less_variance():
    model, x = small_model(3), every_event((4,), 2)
    model.fit(np.tile(x, (40, 1)), epochs=20, verbose=0)
    usual, decoder = gradients(model, x, ImportanceWeighted(16), 400)
    doubly, same_decoder = gradients(model, x, DoublyReparameterized(16), 400)
    np.testing.assert_allclose(same_decoder, decoder, atol=1e-5)
    error = np.sqrt((usual.var(0) + doubly.var(0)) / len(usual))
    assert np.all(abs(usual.mean(0) - doubly.mean(0)) < 5 * error + 1e-6)
    assert doubly.var(0).sum() < 0.5 * usual.var(0).sum()
    # Also where the KL term has a weight of its own.
    for kl_weight in 0.3, 2.:
        usual, _ = gradients(model, x, ImportanceWeighted(8), 400, kl_weight)
        doubly, _ = gradients(model, x, DoublyReparameterized(8), 400, kl_weight)
        error = np.sqrt((usual.var(0) + doubly.var(0)) / len(usual))
        assert np.all(abs(usual.mean(0) - doubly.mean(0)) < 5 * error + 1e-6)
    noise = tf.random.stateless_normal((16, 16, 2), [0, 1])
    losses = [objective.terms(model, x, None, noise, 1.)['loss']
              for objective in (ImportanceWeighted(16), DoublyReparameterized(16))]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_free_bits_leave_a_low_rate_alone(rng):
    x = rng.integers(2, size=(64, 4)).astype('float32')
    model = small_model(4, free_bits=0.5)
    noise = tf.random.stateless_normal((1, 64, 2), [0, 1])
    rates = model.draws(x, model.encoded(x, None), noise, None).rates
    terms = ELBO().terms(model, x, None, noise, 1.)
    limited = np.where(np.mean(rates, 0) > 0.5, rates, 0.5)
    np.testing.assert_allclose(terms['loss'] - terms['distortion'], limited.sum(1), rtol=1e-4)
    # The figures that are measured are without them, as is validation.
    np.testing.assert_allclose(terms['nll'] - terms['distortion'], np.sum(rates, 1), rtol=1e-4)
    np.testing.assert_allclose(ELBO().terms(model, x, None, noise, 1., training=False)['loss'], terms['nll'], rtol=1e-6)


def test_beta_and_its_warm_up_weigh_the_rate(rng):
    x = rng.integers(2, size=(64, 4)).astype('float32')
    model = small_model(5, beta=2.)
    model.kl_weight.assign(0.25)
    terms = model.training_terms(tf.constant(x), None)
    np.testing.assert_allclose(terms['loss'], terms['distortion'] + 0.5 * terms['rate'], rtol=1e-5)
    np.testing.assert_allclose(terms['nll'], terms['distortion'] + terms['rate'], rtol=1e-5)
    figures = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(figures['loss'], figures['rate'] + figures['distortion'], rtol=1e-5)
