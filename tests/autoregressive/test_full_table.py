"""The full table: any distribution of a few sites, learned by counting and by `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import every_event
from tfdgm.conditions import Label
from tfdgm.outputs import Categorical, MixtureOfGaussians, MixtureOfLogistics

SHAPES = pytest.mark.parametrize('event_shape, output, levels', [((5,), None, 2), ((2, 2, 1), Categorical(3), 3)])


def table(event_shape, output, levels, rng, **kwargs):
    model = tfdgm.FullTable(event_shape, output=output, **kwargs)
    logits = rng.normal(size=model.logits.shape).astype('float32')
    model.logits.assign(logits)
    exact = np.exp(np.concatenate([[0], logits], dtype='float64'))
    return model, exact / exact.sum()


@pytest.mark.parametrize('sites', [1, 2, 10, 20])
def test_it_has_a_free_parameter_less_than_there_are_events(sites):
    assert tfdgm.FullTable(sites).count_params() == 2**sites - 1


@SHAPES
def test_log_prob_is_that_of_the_table(event_shape, output, levels, rng):
    model, exact = table(event_shape, output, levels, rng)
    x = every_event(event_shape, levels)
    np.testing.assert_allclose(model.distribution().log_prob(x), np.log(exact), atol=1e-5)
    turned, exact = table(event_shape, output, levels, rng, order=list(range(len(x[0].ravel())))[::-1])
    flat = every_event((x[0].size,), levels)[:, ::-1].reshape(x.shape)
    np.testing.assert_allclose(turned.distribution().log_prob(flat), np.log(exact), atol=1e-5)


@SHAPES
def test_samples_follow_it_and_completion_is_exact(event_shape, output, levels, rng):
    model, exact = table(event_shape, output, levels, rng)
    x = every_event(event_shape, levels)
    samples = model.distribution().sample(20_000, seed=0).numpy()
    counts = [(samples == event).reshape(len(samples), -1).all(axis=1).sum() for event in x]
    assert np.sum((counts - len(samples) * exact) ** 2 / (len(samples) * exact)) < len(x) + 5 * np.sqrt(2 * len(x))
    first = x.reshape(len(x), -1)[:, 0]
    mask = (np.arange(x[0].size) == 0).reshape(event_shape)
    given = model.distribution().sample(20_000, seed=1, observed=np.ones(event_shape), mask=mask).numpy()
    last = given.reshape(len(given), -1)[:, -1]
    conditional = [exact[(first == 1) & (x.reshape(len(x), -1)[:, -1] == level)].sum() for level in range(levels)]
    np.testing.assert_allclose([np.mean(last == level) for level in range(levels)],
                               np.array(conditional) / np.sum(conditional), atol=0.015)


def test_counting_is_maximum_likelihood_and_fit_finds_it_too(rng):
    x = every_event((3,), 2)[rng.choice(8, p=[0.05, 0.3, 0.1, 0.15, 0.1, 0.1, 0.05, 0.15], size=1000)]
    frequencies = np.array([(x == event).all(axis=1).mean() for event in every_event((3,), 2)])
    counted, fitted = tfdgm.FullTable(3), tfdgm.FullTable(3)
    counted.count(x)
    np.testing.assert_allclose(counted.distribution().prob(every_event((3,), 2)), frequencies, rtol=1e-5)
    fitted.compile(keras.optimizers.Adam(0.1))
    fitted.fit(tf.data.Dataset.from_tensors(x).repeat(150), verbose=0)
    np.testing.assert_allclose(fitted.distribution().prob(every_event((3,), 2)), frequencies, atol=2e-3)
    entropy = -np.sum(frequencies * np.log(frequencies))
    for model in counted, fitted:
        model.compile()
        assert model.evaluate(x, verbose=0, return_dict=True)['nll'] == pytest.approx(entropy, abs=1e-3)


def test_what_never_occurs_is_all_but_impossible_also_the_first_event():
    for seen in ([0, 0], [1, 1]):
        model = tfdgm.FullTable(2)
        model.count([seen])
        np.testing.assert_allclose(model.distribution().prob(every_event((2,), 2)),
                                   (every_event((2,), 2) == seen).all(axis=1), atol=1e-30)
        assert np.all(np.isfinite(model.logits))


def test_a_condition_has_a_table_of_its_own(rng):
    model = tfdgm.FullTable(3, condition=Label(2))
    kernel = rng.normal(size=(2, 7))
    model.condition_bias.kernel.assign(kernel)
    exact = np.exp(np.pad(kernel, [[0, 0], [1, 0]]))
    exact /= exact.sum(axis=1, keepdims=True)
    for label in range(2):
        np.testing.assert_allclose(model.distribution(label).prob(every_event((3,), 2)), exact[label], rtol=1e-4)
    with pytest.raises(ValueError, match='conditional and no condition'):
        model.count([[0, 0, 0]])


@pytest.mark.parametrize('make, message', [
    (lambda: tfdgm.FullTable(21), 'at most 1,048,576 events; 21 sites of 2 values have 2'),
    (lambda: tfdgm.FullTable((28, 28, 1), output=Categorical(256)), '784 sites of 256 values'),
    (lambda: tfdgm.FullTable(2, output=MixtureOfGaussians(1)), 'a logit for every value'),
    (lambda: tfdgm.FullTable(2, output=MixtureOfLogistics(15, 5)), 'a logit for every value'),
    (lambda: tfdgm.FullTable(2).count([[0, 2]]), 'outside the support'),
])
def test_what_no_table_can_hold_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
