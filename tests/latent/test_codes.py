"""VQVAE: codes, their moving averages, and the prior over them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.flows.systems import moved
from tfdgm.conditions import Label
from tfdgm.latent.codebook import Codebook, CodeUse, UsedCodes
from tfdgm.outputs import Categorical, MixtureOfGaussians, MixtureOfLogistics


def small(event_shape=(4, 4, 1), num_codes=6, **kwargs):
    prior = tfdgm.GatedPixelCNN((2, 2, 1), output=Categorical(max(num_codes, 2), ordered=False), filters=4, blocks=1,
                                condition=kwargs.get('condition'))
    return tfdgm.VQVAE(event_shape, **{'num_codes': num_codes, 'code_size': 3, 'halvings': 1, 'filters': 4,
                                       'prior': prior, **kwargs})


def images(count=40, shape=(4, 4, 1), levels=2):
    return np.random.default_rng(1).integers(levels, size=(count, *shape)).astype('float32')


def prepared(fit_prior=True, **kwargs):
    """A small model whose codes come from events, with random weights."""
    model = small(**kwargs)
    x = images()
    moved(model)
    model.codebook.started.assign(0.)
    model.compile()
    model.initialized_from(x)
    model.prior_is_fitted.assign(float(fit_prior))
    return model, x


@pytest.fixture
def book(rng):
    book = Codebook(5, 3, decay=0.9)
    book.vectors.assign(rng.normal(size=(5, 3)))
    book.sums.assign(book.vectors * 2)
    book.counts.assign(np.full(5, 2.))
    return book


def test_the_nearest_code_is_that_of_brute_force(book, rng):
    vectors = rng.normal(size=(200, 3)).astype('float32')
    distances = np.sum((vectors[:, None] - book.vectors.numpy())**2, axis=-1)
    np.testing.assert_array_equal(book.nearest(vectors), np.argmin(distances, axis=1))


def test_codes_move_as_by_hand(book):
    vectors = np.array([[1., 2., 3.], [3., 2., 1.], [0., 0., 6.]], 'float32')
    before = book.vectors.numpy()
    book.update(tf.constant(vectors), tf.constant([0, 0, 3]), tf.constant([0, 1]))
    counts = 0.9 * 2 + 0.1 * np.array([2, 0, 0, 1, 0])
    sums = 0.9 * 2 * before + 0.1 * np.array([[4., 4., 4.], [0, 0, 0], [0, 0, 0], [0., 0., 6.], [0, 0, 0]])
    np.testing.assert_allclose(book.counts, counts, rtol=1e-6)
    np.testing.assert_allclose(book.vectors, sums / counts[:, None], rtol=1e-5)


def test_dead_codes_begin_anew_in_the_batch(book, rng):
    book.counts.assign([10., 0.1, 10., 10., 10.])
    vectors = rng.normal(size=(7, 3)).astype('float32') + 20
    book.update(tf.constant(vectors), tf.constant([0] * 7), tf.constant([0, 1]))
    assert np.any(np.all(np.isclose(book.vectors[1], vectors, rtol=1e-5), axis=1))
    assert book.counts[1] > 5
    assert 1 in set(book.nearest(tf.constant(vectors)).numpy())
    # A model whose codes all lie elsewhere comes back to using them.
    model, x = prepared(num_codes=8)
    model.codebook.vectors.assign(model.codebook.vectors + 50)
    model.codebook.sums.assign(model.codebook.vectors * 1.)
    before = model.evaluate(x, verbose=0, return_dict=True)
    history = model.fit(x, batch_size=8, epochs=60, verbose=0).history
    assert before['used_codes'] < 3 and before['perplexity'] < 3
    assert history['perplexity'][-1] > 4


def test_the_use_of_codes_is_measured():
    perplexity, used = CodeUse(8), UsedCodes(8)
    for metric in perplexity, used:
        metric.update_state(tf.constant([0, 0, 1]))
        metric.update_state(tf.constant([1]))
    assert used.result() == 2
    np.testing.assert_allclose(perplexity.result(), 2, rtol=1e-6)
    perplexity.update_state(tf.constant([2] * 4))
    np.testing.assert_allclose(perplexity.result(), np.exp(1.5 * np.log(2)), rtol=1e-6)


def test_the_gradient_passes_the_code_by():
    model, x = prepared()
    vectors = tf.Variable(model.vectors(tf.constant(x), None))
    chosen = model._vectors_of(model.quantised(vectors))
    weights = [weight.value for weight in model.encoder_network.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(chosen)
        by_code = tf.reduce_sum(model.decoding.log_prob(tf.constant(x), chosen, None))
    at_code = tape.gradient(by_code, chosen)
    model.commitment = 0.
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.training_terms(tf.constant(x), None)['loss'])
    found = tape.gradient(loss, weights)
    with tf.GradientTape() as tape:
        # As if the decoder had seen the vector where it saw the code.
        straight = -tf.reduce_sum(model.vectors(tf.constant(x), None) * at_code)
    for one, other in zip(found, tape.gradient(straight, weights)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_commitment_is_the_squared_distance():
    model, x = prepared()
    terms = model.training_terms(tf.constant(x), None)
    vectors = terms['vectors'].numpy()
    chosen = np.take(model.codebook.vectors, terms['codes'].numpy()[..., 0], axis=0)
    squares = np.sum((vectors - chosen)**2, axis=(1, 2, 3))
    np.testing.assert_allclose(terms['loss'] - terms['distortion'], 0.25 * squares, rtol=1e-3)


def test_the_bound_is_that_of_the_code_found():
    model, x = prepared()
    codes = model.encode(x)
    assert codes.shape == (40, 2, 2, 1) and codes.dtype == tf.int32
    by_parts = model.decode(codes).log_prob(x) + model.prior().log_prob(codes)
    np.testing.assert_allclose(model.distribution().log_prob(x), by_parts, rtol=1e-5)
    elbo = model.elbo(x)
    np.testing.assert_allclose(elbo.value, by_parts, rtol=1e-5)
    np.testing.assert_allclose(model.posterior(x).log_prob(tf.cast(codes, tf.float32)), 0)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_parts, rtol=1e-5)
    # It is the largest of the terms of which the likelihood is the sum, or a smaller one.
    every = np.stack(np.meshgrid(*[np.arange(6)] * 4, indexing='ij'), -1).reshape(-1, 2, 2, 1)
    log_prior = model.prior().log_prob(every)
    np.testing.assert_allclose(tf.reduce_logsumexp(log_prior), 0, atol=1e-3)
    for event, bound in zip(x[:3], by_parts):
        exact = tf.reduce_logsumexp(model.decode(every).log_prob(event) + log_prior)
        assert bound <= exact + 1e-4
    model.prior_is_fitted.assign(0.)
    np.testing.assert_allclose(model.elbo(x).rate, 4 * np.log(6), rtol=1e-5)


def test_fitting_the_prior_changes_the_prior_alone():
    model, x = prepared(fit_prior=False)
    before = {id(weight): weight.numpy() for weight in model.weights}
    model.fit(x, batch_size=8, verbose=0)
    assert all(np.array_equal(before[id(weight)], weight) for weight in model.prior_layer.weights)
    rate = np.mean(model.elbo(x).rate)
    others = [weight.numpy() for weight in model.encoder_network.weights + model.codebook.weights]
    model.fit_prior(x, epochs=20, batch_size=8, validation_data=x[:8], verbose=0)
    for old, new in zip(others, model.encoder_network.weights + model.codebook.weights):
        np.testing.assert_array_equal(old, new)
    assert np.mean(model.elbo(x).rate) < rate
    # A pipeline of batches does as well.
    model.fit_prior(tf.data.Dataset.from_tensor_slices(x).batch(16), verbose=0)


def test_it_is_saved_with_its_prior(tmp_path):
    model, x = prepared(prior=tfdgm.RecurrentModel((2, 2, 1), output=Categorical(6), units=5))
    model.fit(x, verbose=0)
    model.fit_prior(x, verbose=0)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    np.testing.assert_array_equal(loaded.distribution().log_prob(x), model.distribution().log_prob(x))
    np.testing.assert_array_equal(loaded.distribution().sample(3, seed=0), model.distribution().sample(3, seed=0))
    loaded.fit(x, verbose=0)


def test_the_latent_space():
    model, x = prepared()
    codes = model.encode(x)
    rebuilt = model.reconstruct(x)
    assert rebuilt.shape == x.shape
    between = model.interpolate(x[:3], x[3:6], 4)
    assert between.shape == (3, 4, 4, 4, 1)
    np.testing.assert_allclose(between[:, 0], rebuilt[:3], atol=1e-5)
    np.testing.assert_allclose(between[:, -1], rebuilt[3:6], atol=1e-5)
    along = model.traverse(x[:2], 3, [0, 5])
    changed = codes[:2].numpy().reshape(2, 4)
    changed[:, 3] = 5
    np.testing.assert_allclose(along[:, 1], model.decode_batch(changed.reshape(2, 2, 2, 1), None), atol=1e-5)


@pytest.mark.slow
def test_conditions():
    model, labels = small(condition=Label(3)), np.arange(40) % 3
    x = images()
    model.compile()
    model.fit(x, labels, verbose=0)
    model.fit_prior(x, labels, validation_data=(x, labels), verbose=0)
    moved(model)
    assert model.distribution([0, 2]).sample(3, seed=0).shape == (3, 2, 4, 4, 1)
    log_probs = model.distribution([0, 2]).log_prob(x[:2])
    assert not np.any(np.isclose(log_probs, model.distribution([2, 0]).log_prob(x[:2])))
    assert small(condition=Label(3), prior=None).prior_layer.condition == Label(3)


@pytest.mark.slow
def test_a_prior_may_do_without_the_condition():
    model, x, labels = small(condition=Label(3), prior=small().prior_layer), images(), np.arange(40) % 3
    model.compile()
    model.fit(x, labels, verbose=0)
    model.fit_prior(x, labels, verbose=0)
    assert model.distribution(1).sample(2, seed=0).shape == (2, 4, 4, 1)


@pytest.mark.parametrize('output', [
    Categorical(5), *(pytest.param(output, marks=pytest.mark.slow) for output in (
        MixtureOfLogistics(5, 2), MixtureOfGaussians(1)))], ids=lambda output: type(output).__name__)
def test_every_output(output):
    model, x = small(output=output), images(levels=5)
    if not model.support.is_discrete:
        x = x + np.random.default_rng(2).normal(size=x.shape).astype('float32')
        model.adapt(x)
    model.compile()
    model.fit(x, verbose=0)
    model.fit_prior(x, verbose=0)
    samples = model.distribution().sample(5, seed=0)
    assert np.all(model.support.contains(samples.numpy()))
    assert np.all(np.isfinite(model.distribution().log_prob(x)))


@pytest.mark.slow
def test_vectors_by_networks_that_are_given():
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(12), keras.layers.Reshape((4, 3))])
    decoder = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(6)])
    model = small((6,), encoder=encoder, decoder=decoder,
                  prior=tfdgm.RecurrentModel((4,), output=Categorical(6), units=5))
    x = images(shape=(6,))
    model.compile()
    model.fit(x, verbose=0)
    model.fit_prior(x, verbose=0)
    assert model.encode(x).shape == (40, 4) and model.distribution().sample(3, seed=0).shape == (3, 6)


@pytest.mark.slow
def test_mixed_precision_stays_near():
    model, x = prepared()
    half, _ = prepared(dtype='mixed_bfloat16')
    np.testing.assert_allclose(half.distribution().log_prob(x), model.distribution().log_prob(x), rtol=0.3)
    half.fit(x, verbose=0)


def test_a_step_that_is_not_finite_changes_no_code():
    model, x = prepared()
    before = [weight.numpy() for weight in model.codebook.weights]
    model.decoding.network.last.bias.assign([np.nan])
    with pytest.raises(tfdgm.errors.NonFiniteError):
        model.fit(x, verbose=0)
    for old, new in zip(before, model.codebook.weights):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize('arguments, message', [
    ({'num_codes': 1}, 'num_codes must be an integer of at least 2'),
    ({'commitment': -1.}, 'commitment must be a finite number from 0'),
    ({'decay': 1.5}, 'decay'),
    ({'event_shape': (6,)}, r'networks for images.*\(6,\) give an encoder, a decoder and a prior'),
    ({'encoder': keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])},
     r'vectors of 3 numbers .* \(None, …, 3\); it gives .*\(None, 16\)'),
    ({'decoder': keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten()])},
     r'\(None, 2, 2, 3\) -> \(None, 4, 4, 1, 1\); it gives an array of shape \(None, 12\)'),
    ({'prior': tfdgm.GatedPixelCNN((2, 2, 1), output=Categorical(5), filters=4, blocks=1)},
     r'each value an integer from 0 to 5.*this GatedPixelCNN has \(2, 2, 1\), each value an integer from 0 to 4'),
    ({'prior': tfdgm.GatedPixelCNN((3, 2, 1), output=Categorical(6), filters=4, blocks=1)}, r'has \(3, 2, 1\)'),
    ({'prior': tfdgm.GatedPixelCNN((2, 2, 1), output=Categorical(6), filters=4, blocks=1, condition=Label(2))},
     'condition of a prior is None or that of the model, None'),
], ids=lambda value: value[:30] if isinstance(value, str) else None)
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_the_likelihood_draws_nothing():
    model, x = prepared(fit_prior=False)
    with pytest.raises(TypeError, match='log_prob of VQVAE takes no num_samples'):
        model.distribution().log_prob(x, num_samples=5)


def test_the_prior_is_fitted_as_models_are():
    model, x = prepared(fit_prior=False)
    pipeline = tf.data.Dataset.from_tensor_slices(x).batch(8)
    curves = model.fit_prior(
        pipeline.repeat(), steps_per_epoch=2, epochs=2, validation_data=pipeline, verbose=0).history
    assert len(curves['val_nll']) == 2
    model.prior_layer.compile(keras.optimizers.SGD(0.))
    weights = np.where(np.arange(len(x)) < 9, 2., 0.).astype('float32')
    weighed = tf.data.Dataset.from_tensors({'events': x, 'sample_weight': weights})
    losses = [fit['loss'][0] for fit in (
        model.fit_prior(x, sample_weight=weights, batch_size=len(x), verbose=0).history,
        model.fit_prior(weighed, verbose=0).history)]
    some = model.fit_prior(x[:9], verbose=0).history['loss'][0]
    np.testing.assert_allclose(losses, 2 * some * 9 / len(x), rtol=1e-4)
    curves = model.fit_prior(x, validation_data=(x, None, weights), batch_size=len(x), verbose=0).history
    np.testing.assert_allclose(curves['val_loss'][0], losses[0], rtol=1e-4)
    for events, message in ((None, 'no events'), (x[:0], 'at least one event'),
                            (pipeline.take(0), 'at least one batch'),
                            (pipeline.map(lambda x: x + 0.5), 'NaN or outside the support'),
                            ((batch for batch in [x]), 'fit_prior takes arrays or a tf.data.Dataset')):
        with pytest.raises(ValueError, match=message):
            model.fit_prior(events, verbose=0)
    untrained = small()
    with pytest.raises(RuntimeError, match='codes of this VQVAE have not been trained: call fit first'):
        untrained.fit_prior(x)
    for value in 1.5, np.nan:
        with pytest.raises(ValueError, match=r'Expected (codes|latents)'):
            model.traverse(x[:1], 0, [value])


def test_bad_input():
    model = small(num_codes=200)
    model.compile()
    with pytest.raises(ValueError, match='40 events have 160 vectors, 4 each, which are fewer than the 200 codes'):
        model.fit(images(), verbose=0)
    with pytest.raises(ValueError, match='40 events have 160 vectors'):
        model.fit(tf.data.Dataset.from_tensor_slices(images()).batch(8), verbose=0)
    model, x = prepared(fit_prior=False)
    with pytest.raises(RuntimeError, match=r'never fitted, .* call model.fit_prior\(events\)'):
        model.distribution().sample(3)
    assert np.all(np.isnan(tf.function(lambda: model.distribution().sample(3, seed=0))()))
    with pytest.raises(ValueError, match='0 or 1'):
        model.fit_prior(x + 0.5, verbose=0)
    with pytest.raises(ValueError, match='Expected codes, each an integer from 0 to 5; got 6'):
        model.decode(np.full((1, 2, 2, 1), 6))
    with pytest.raises(ValueError, match=r'Expected latents.*\(None, 2, 2, 1\)'):
        model.decode(np.zeros((1, 4)))
    assert np.all(np.isnan(model.distribution().log_prob(x + 0.5)))
