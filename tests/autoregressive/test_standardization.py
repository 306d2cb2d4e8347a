"""Real values in units of their own: `adapt`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.autoregressive.systems import make
from tfdgm.outputs import Bernoulli, MixtureOfGaussians

tfb, tfd = tfp.bijectors, tfp.distributions
# One of each kind: with orders of their own, with sites of their own, and with sites that share one network.
systems = pytest.mark.parametrize('system', ['nade', 'made_masks', 'pixel_cnn', 'wavenet'])


def real_data(model, count=500):
    generator = np.random.default_rng(4)
    sites = np.arange(model.num_sites).reshape(model.event_shape)
    return (generator.normal(size=(count, *model.event_shape)) * (2 + sites) + 10 * sites).astype('float32')


def adapted(system, event_shape, **kwargs):
    """Two models with the same weights, of which the first is adapted to data, and the data."""
    models = [make(system, event_shape, output=MixtureOfGaussians(2), **kwargs) for _ in range(2)]
    x = real_data(models[0])
    models[0].adapt(x)
    return *models, x


@systems
def test_an_adapted_model_is_the_transformed_distribution(system):
    model, standard, x = adapted(system, 4)
    axes = None if system in ('pixel_cnn', 'wavenet') else 0
    mean, deviation = (np.broadcast_to(part, model.event_shape) for part in (x.mean(axis=axes), x.std(axis=axes)))
    change = tfb.Chain([tfb.Shift(mean), tfb.Scale(deviation)])
    wanted = tfd.TransformedDistribution(standard.distribution(), change)
    np.testing.assert_allclose(model.distribution().log_prob(x[:50]), wanted.log_prob(x[:50]), rtol=1e-4, atol=1e-3)
    samples = change.forward(standard.distribution().sample(20, seed=0))
    np.testing.assert_allclose(model.distribution().sample(20, seed=0), samples, rtol=1e-3, atol=1e-2)


def test_the_density_of_an_adapted_model_integrates_to_one():
    model, _, x = adapted('nade', 1)
    axis = np.linspace(x.min() - 200, x.max() + 200, 20_001, dtype='float32')
    assert np.sum(model.distribution().prob(axis[:, None])) * (axis[1] - axis[0]) == pytest.approx(1, abs=1e-3)


def test_the_channels_of_an_image_have_scales_of_their_own():
    model = make('pixel_cnn', (2, 3, 2), output=MixtureOfGaussians(1))
    x = real_data(model)
    model.adapt(x)
    np.testing.assert_allclose(np.ravel(model.standardization.mean), x.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(model.standardization.deviation), x.std(axis=(0, 1, 2)), rtol=1e-5)
    assert float(model.standardization(x)[1]) == pytest.approx(-np.mean(np.log(x.std(axis=(0, 1, 2)))), rel=1e-5)


@pytest.mark.parametrize('system', ['independent', 'recurrent'])
def test_mixed_precision_counts_the_change_of_units_in_float32(system):
    models = [make(system, 4, output=MixtureOfGaussians(2), dtype=dtype) for dtype in ('float32', 'mixed_bfloat16')]
    x = real_data(models[0]) * 1e6
    for model in models:
        model.adapt(x)
    full, mixed = (model.predict(x, verbose=0) for model in models)
    assert np.mean(mixed) == pytest.approx(np.mean(full), abs=0.2)
    models[1].compile(jit_compile=False)
    assert np.isfinite(models[1].fit(x, verbose=0).history['loss'][0])


def test_other_units_change_the_likelihood_by_their_logarithm_only():
    reached = []
    for unit in 1, 1000:
        model = tfdgm.NADE(3, output=MixtureOfGaussians(2), hidden_units=4)
        for variable in model.trainable_variables:
            variable.assign(np.random.default_rng(5).normal(size=variable.shape) * 0.1)
        x = unit * real_data(model)
        model.adapt(x)
        model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        model.fit(x, epochs=3, shuffle=False, verbose=0)
        reached.append(model.evaluate(x, return_dict=True, verbose=0)['nll'])
    assert reached[1] == pytest.approx(reached[0] + 3 * np.log(1000), abs=1e-2)


def test_compiled_functions_see_what_adapt_found():
    model = tfdgm.Independent(2, output=MixtureOfGaussians(1))
    x = real_data(model)
    before = model.predict(x, verbose=0), model.distribution().sample(500, seed=0)
    model.adapt(tf.data.Dataset.from_tensor_slices(x))
    assert np.mean(model.predict(x, verbose=0)) > np.mean(before[0])
    samples = model.distribution().sample(500, seed=0)
    assert abs(np.mean(samples[:, 1]) - 10) < 1 < abs(np.mean(before[1][:, 1]) - 10)


def test_saving_keeps_what_adapt_found(tmp_path):
    model, _, x = adapted('made', 3)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_completion_keeps_observed_values_to_the_last_bit():
    model, _, x = adapted('made_masks', 4)
    mask = np.array([1, 0, 1, 0])
    samples = model.distribution().sample(len(x), seed=0, observed=x, mask=mask)
    np.testing.assert_array_equal(samples[:, ::2], x[:, ::2])
    assert not np.any(samples[:, 1::2] == x[:, 1::2])


@pytest.mark.parametrize('output, x, message', [
    (Bernoulli(), np.ones([5, 2]), 'The values of this Independent are discrete, 0 or 1: there is nothing to'),
    (MixtureOfGaussians(1), np.array([[1, 2], [1, 3.]]), r'The values at site \(0,\) are the same in all 2 events'),
    (MixtureOfGaussians(1), np.array([[1, 2], [np.nan, 3.]]), '1 of the 4 values are NaN'),
    (MixtureOfGaussians(1), np.ones([5, 3]), r'Expected events of shape \(2,\)'),
])
def test_what_cannot_be_standardised_is_refused(output, x, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.Independent(2, output=output).adapt(x)
