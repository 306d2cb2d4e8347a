"""Real events far from the data: a number or -inf, never NaN, and nothing that other events notice."""

import numpy as np
import pytest
import tensorflow as tf

from tests import systems
from tests.autoregressive import systems as autoregressive
from tests.flows import systems as flows
from tfdgm.conditions import Label
from tfdgm.flows import UniformDequantization
from tfdgm.outputs import MixtureOfGaussians

SIZES = 1e4, 1e12, 1e30, 3.4e38, 1e300


def far_events(ordinary):
    """Events with a value at one site, the last or all that is far from those of an ordinary one."""
    events = []
    for value in (sign * size for size in SIZES for sign in (1, -1)):
        for sites in (slice(1, 2), slice(-1, None), slice(None)):
            event = ordinary.astype('float64').ravel()
            event[sites] = value
            events.append(event.reshape(ordinary.shape))
    return np.stack(events)


def real_system(name, **kwargs):
    output = {} if name in flows.SYSTEMS else {'output': MixtureOfGaussians(2)}
    return systems.make(name, **output, **kwargs)


@systems.every_system('markov_chain', 'nade', 'pixel_cnn', 'wavenet', 'nice', 'maf', 'spline')
def test_far_events_have_a_log_probability_and_do_not_disturb_the_others(system):
    model = real_system(system)
    ordinary = systems.some_events(model, 3)
    x = np.concatenate([ordinary, far_events(ordinary[0])])
    dist, values = model.distribution(), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(values)
        log_probs = dist.log_prob(values)
        loss = tf.reduce_sum(log_probs[:3])
    by_values, *by_weights = tape.gradient(loss, [values, *dist.trainable_variables])
    far = log_probs[3:].numpy()
    assert not np.isnan(far).any() and np.all(far < -10)
    assert np.all(np.isneginf(far.reshape(len(SIZES), -1)[-3:])), 'no density in float32'
    np.testing.assert_allclose(log_probs[:3], dist.log_prob(np.resize(ordinary, x.shape))[:3], rtol=1e-4)
    assert np.isfinite(by_values).all() and np.all(by_values[3:] == 0) and np.all(by_values[:3] != 0)
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in by_weights if gradient is not None)


@systems.every_of([name for name in autoregressive.SYSTEMS if name != 'made_masks'],  # It has several orders.
                  'markov_chain', 'nade', 'pixel_cnn', 'transformer')
def test_sites_of_far_events_sum_to_what_the_event_has(system):
    model = real_system(system)
    ordinary = systems.some_events(model, 1)
    x = np.float32(np.clip(np.concatenate([ordinary, far_events(ordinary[0])]), -3.4e38, 3.4e38))
    of_sites = model.log_prob_of_sites(tf.constant(x)).numpy()
    assert not np.isnan(of_sites).any() and np.isfinite(of_sites[0]).all()
    np.testing.assert_allclose(of_sites.reshape(len(x), -1).sum(1), model.predict(x, verbose=0), rtol=1e-4)
    x[:, 0] = np.nan
    assert np.isnan(model.log_prob_of_sites(tf.constant(x)).numpy()[:, 0]).all()


@pytest.mark.parametrize('system', ['nade', 'affine'])
def test_what_is_no_number_stays_none_beside_what_is_far(system):
    model = real_system(system, condition=Label(3))
    x = np.repeat(systems.some_events(model, 1), 4, axis=0)
    x[1:, 0], x[2, 1], x[3, 1] = 1e30, np.nan, np.inf
    for score in (model.distribution(1).log_prob, tf.function(model.distribution(1).log_prob)):
        log_probs = score(x).numpy()
        assert np.isfinite(log_probs[0]) and np.isneginf(log_probs[1]) and np.isnan(log_probs[2:]).all()
    # A condition that is not valid, and a weight that is not finite, make no number and no -inf either.
    in_graph = tf.function(lambda label: model.distribution(label).log_prob(x))
    assert np.isnan(in_graph(tf.constant(3))).all()
    model.trainable_variables[0].assign(np.full(model.trainable_variables[0].shape, np.nan))
    assert np.isnan(model.distribution(1).log_prob(x)).all()


@pytest.mark.parametrize('system', ['made', 'maf'])
def test_far_is_measured_in_units_of_the_data(system):
    model = real_system(system)
    x = systems.some_events(model, 16) * 1e20
    assert np.isneginf(model.distribution().log_prob(x)).all()
    model.adapt(x)
    assert np.isfinite(model.distribution().log_prob(x)).all()
    assert np.isneginf(model.distribution().log_prob(x * 1e15)).all()


def test_the_model_itself_and_predict_agree():
    model = real_system('nade')
    model.compile(jit_compile=False)
    x = np.zeros([2, *model.event_shape])
    x[1] = 1e300
    np.testing.assert_array_equal(np.isneginf(model(x)), [False, True])
    np.testing.assert_array_equal(np.isneginf(model.predict(np.float32(x[:, ...] / 1e262), verbose=0)), [False, True])
    with pytest.raises(ValueError, match='a finite real number'):
        model.predict(x, verbose=0)  # Data of a whole set that float32 does not hold are a mistake.


@pytest.mark.parametrize('logit', [None, 0.05])
def test_real_values_around_whole_numbers(logit):
    model = systems.make('affine', dequantization=UniformDequantization(4, logit=logit))
    x = np.full([8, *model.event_shape], 1.5)
    x[1:, 0, 0, 0] = [-1, 5, 1e5, 1e30, -3.4e38, 1e300, np.inf]
    log_probs = model.continuous_distribution().log_prob(x).numpy()
    assert np.isfinite(log_probs[0]) and np.isneginf(log_probs[4:7]).all() and np.isnan(log_probs[7])
    assert np.isneginf(log_probs[1:4]).all() if logit else np.isfinite(log_probs[1:4]).all()
