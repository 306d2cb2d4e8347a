"""What holds for every model with latent variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.latent.systems import SYSTEMS, make, some_events
from tests.systems import every_of
from tfdgm.conditions import Label, Vector
from tfdgm.outputs import Categorical, MixtureOfGaussians, MixtureOfLogistics

tfd = tfp.distributions

# What shared machinery gives to all alike is tested by default with one.
every_system = every_of(SYSTEMS, 'vae')
LABEL, VECTOR = (Label(3), [0, 2]), (Vector(2), [[0.5, -1.], [2., 0.]])


@every_system
def test_the_bound_follows_from_the_event_alone(system):
    model, x = make(system), some_events(make(system))
    dist = model.distribution()
    together = dist.log_prob(x, num_samples=70)
    assert together.shape == (8,)
    assert np.all(np.isfinite(together))
    alone = [dist.log_prob(event, num_samples=70) for event in x]
    np.testing.assert_allclose(alone, together, rtol=1e-4)
    np.testing.assert_allclose(model.predict(x, verbose=0), dist.log_prob(x, num_samples=64), rtol=1e-5)
    np.testing.assert_allclose(tf.function(dist.log_prob)(x), dist.log_prob(x), rtol=1e-4)


@pytest.mark.xla
@pytest.mark.parametrize('system', ['vae', pytest.param('flows', marks=pytest.mark.slow)])
def test_it_is_the_same_under_xla(system):
    model, x = make(system), some_events(make(system))
    model.compile(jit_compile=True)
    with_xla = model.distribution().log_prob(x, num_samples=200)
    samples = model.distribution().sample(20, seed=3)
    model.compile(jit_compile=False)
    np.testing.assert_allclose(model.distribution().log_prob(x, num_samples=200), with_xla, rtol=1e-4)
    np.testing.assert_array_equal(model.distribution().sample(20, seed=3), samples)


@every_system
def test_it_learns_and_is_saved(system, tmp_path):
    model = make(system, random_weights=False)
    x = np.tile(some_events(model, 4), (16, 1, 1, 1))
    model.compile(keras.optimizers.Adam(0.01))
    model.initialized_from(x)
    before = model.evaluate(x, verbose=0, return_dict=True)
    assert set(before) == {'loss', 'nll', 'bits_per_dim', 'rate', 'distortion', 'active_latents'}
    weights = [variable.numpy() for variable in model.trainable_variables]
    model.fit(x, epochs=8, batch_size=16, verbose=0)
    assert model.evaluate(x, verbose=0, return_dict=True)['nll'] < before['nll']
    # All parts learn, but for weights without a use, such as a flow's of the first number's network.
    moved = [not np.array_equal(old, new) for old, new in zip(weights, model.trainable_variables)]
    assert np.mean(moved) > 0.8
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    np.testing.assert_array_equal(loaded.distribution().log_prob(x[:4]), model.distribution().log_prob(x[:4]))
    np.testing.assert_array_equal(loaded.distribution().sample(3, seed=0), model.distribution().sample(3, seed=0))
    assert len(loaded.trainable_variables) == len(model.trainable_variables)


@every_system
def test_samples_follow_from_the_seed(system):
    dist = make(system).distribution()
    samples = dist.sample((3, 2), seed=1)
    assert samples.shape == (3, 2, 4, 4, 1)
    np.testing.assert_array_equal(samples, dist.sample((3, 2), seed=1))
    assert set(np.unique(samples)) <= {0., 1.}


@every_system
def test_the_latent_space(system):
    model = make(system)
    x = some_events(model)
    z = model.encode(x)
    size = model.num_latents
    assert z.shape == (8, size)
    posterior, prior = model.posterior(x), model.prior()
    assert posterior.batch_shape == (8,) and posterior.event_shape == prior.event_shape == (size,)
    assert prior.sample(5, seed=0).shape == (5, size)
    np.testing.assert_allclose(model.encode(x[:2]), z[:2], atol=1e-5)
    if system not in ('flows', 'hierarchical_vae'):
        np.testing.assert_allclose(posterior.mean(), z, rtol=1e-6)
    likelihood = model.decode(z)
    assert likelihood.batch_shape == (8,) and likelihood.event_shape == model.event_shape
    # The parts make up the bound.
    elbo = model.elbo(x, num_samples=200)
    latents = posterior.sample(200, seed=0)
    log_joint = [model.decode(some).log_prob(x) + prior.log_prob(some) for some in latents]
    draws = tf.stack(log_joint) - posterior.log_prob(latents)
    # Two means of 200 draws each differ by a tenth of one draw's standard deviation.
    differences = (elbo.value - tf.reduce_mean(draws, 0)) / (0.1 * tf.math.reduce_std(draws, 0))
    np.testing.assert_array_less(np.abs(differences), 4)
    reconstructed = model.reconstruct(x)
    assert reconstructed.shape == x.shape and np.all((reconstructed >= 0) & (reconstructed <= 1))
    between, along = model.interpolate(x[:2], x[2:4], 5), model.traverse(x[:2], 1, [z[0, 1], 0.5])
    assert between.shape == (2, 5, 4, 4, 1) and along.shape == (2, 2, 4, 4, 1)
    if system != 'pixel_vae':  # Whose decoder has no means, but draws a sample.
        np.testing.assert_allclose(between[:, 0], reconstructed[:2], atol=1e-5)
        np.testing.assert_allclose(along[0, 0], reconstructed[0], atol=1e-5)


@pytest.mark.parametrize('system, condition, values', [
    ('vae', *LABEL), ('convolutions', *VECTOR),
    *(pytest.param(system, *values, marks=pytest.mark.slow) for system, values in (
        ('vae', VECTOR), ('convolutions', LABEL), ('flows', LABEL), ('pixel_vae', VECTOR),
        ('hierarchical_vae', LABEL)))])
def test_conditions(system, condition, values):
    model = make(system, condition=condition)
    x = some_events(model, 2)
    values = np.array(values)
    dist = model.distribution(values)
    assert dist.sample(3, seed=0).shape == (3, 2, 4, 4, 1)
    log_probs = dist.log_prob(x)
    other = model.distribution(values[::-1]).log_prob(x)
    assert not np.any(np.isclose(log_probs, other))
    np.testing.assert_allclose(model.predict([x, values], verbose=0), log_probs, rtol=1e-5)
    assert model.elbo(x, values).rate.shape == (2,)
    assert model.reconstruct(x, values).shape == x.shape
    assert model.decode(np.zeros((2, model.num_latents)), values).log_prob(x).shape == (2,)
    model.compile()
    model.fit(x, values, verbose=0)


def test_a_prior_may_have_the_models_condition():
    prior = tfdgm.MAF(3, blocks=1, hidden_units=(6,), condition=Label(2))
    model = tfdgm.VAE(4, num_latents=3, condition=Label(2), prior=prior)
    x = some_events(model, 6)
    model.compile()
    model.fit(x, np.array([0, 1] * 3), verbose=0)
    assert model.prior([0, 1]).sample(seed=0).shape == (2, 3)
    assert model.distribution(1).sample(2, seed=0).shape == (2, 4)


@pytest.mark.parametrize('output', [Categorical(5), MixtureOfLogistics(5, 2), MixtureOfGaussians(1),
                                    MixtureOfGaussians(2)], ids=lambda output: type(output).__name__)
def test_every_output(output):
    model = tfdgm.VAE((3,), num_latents=2, output=output, hidden_units=(6,))
    x = some_events(model, 50)
    if not model.support.is_discrete:
        x = x * [3, 1, 2] + 10
        model.adapt(x)
    model.compile()
    model.fit(x, verbose=0)
    samples = model.distribution().sample(7, seed=0)
    assert np.all(model.support.contains(samples.numpy()))
    z = model.encode(x)
    assert np.all(np.isfinite(model.decode(z).log_prob(x)))
    # The likelihood in the latent space is the one of the bound.
    noise = np.zeros((1, 50, 2), 'float32')
    draws = model.draws(tf.cast(x, tf.float32), model.encoded(tf.cast(x, tf.float32), None), noise, None)
    np.testing.assert_allclose(draws.log_likelihood[0], model.decode(z).log_prob(tf.cast(x, tf.float32)), rtol=1e-4)
    np.testing.assert_allclose(np.mean(samples), np.mean(x), rtol=0.6)
    assert model.reconstruct(x).shape == x.shape


def test_any_two_keras_models(tmp_path):
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(5),
                                keras.layers.Dropout(0.5)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    model = tfdgm.VAE((4, 4, 1), num_latents=2, encoder=encoder, decoder=decoder)
    x = some_events(model)
    model.compile()
    model.fit(x, epochs=2, verbose=0)
    # Dropout is for training alone.
    np.testing.assert_array_equal(model.encode(x), model.encode(x))
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize('system', ['vae', pytest.param('hierarchical_vae', marks=pytest.mark.slow)])
def test_mixed_precision_stays_near(system):
    model, half = make(system), make(system, dtype='mixed_bfloat16')
    half.set_weights(model.get_weights())
    x = some_events(model)
    np.testing.assert_allclose(half.distribution().log_prob(x), model.distribution().log_prob(x), rtol=0.02)
    half.compile()
    half.fit(x, verbose=0)


def test_a_mixture_of_posteriors_is_their_mean():
    model = make('vamp_prior')
    prior, z = model.prior(), np.random.default_rng(0).normal(size=(6, 3)).astype('float32')
    events = np.clip(model.prior_layer.events, 0, 1)
    parts = tfd.MultivariateNormalDiag(*model.posterior_layer(model.encoder_network(events)))
    expected = tf.reduce_logsumexp(parts.log_prob(z[:, None]), axis=1) - np.log(4)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)
    samples = model.draw_prior(20_000, None, tf.constant([0, 1]))
    np.testing.assert_allclose(np.mean(samples, 0), tf.reduce_mean(parts.mean(), 0), atol=0.05)


def test_the_entropy_says_what_it_would_be():
    with pytest.raises(NotImplementedError, match='too high by what the bound lacks'):
        make('vae').distribution().entropy()
