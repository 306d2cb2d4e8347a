"""Causal attention against its definition, site by site, all events at once and one by one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tfdgm.autoregressive.sequences import attention
from tfdgm.autoregressive.sequences.attention import causal_attention


def inputs(sites, window, batch=3, heads=2, width=4):
    generator = np.random.default_rng(0)
    return (*(generator.normal(size=(batch, heads, sites, width)).astype('float32') for _ in range(3)),
            generator.normal(size=(heads, window)).astype('float32'))


def by_definition(query, key, value, bias):
    result = np.zeros_like(query)
    for event, head, site in np.ndindex(query.shape[:3]):
        seen = range(max(0, site - bias.shape[1] + 1), site + 1)
        logits = np.array([query[event, head, site] @ key[event, head, other] / np.sqrt(query.shape[-1])
                           + bias[head, site - other] for other in seen])
        weights = np.exp(logits - logits.max())
        result[event, head, site] = weights / weights.sum() @ value[event, head, list(seen)]
    return result


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(attention, 'CHUNK', 4)
    monkeypatch.setattr(attention, 'PAIRS', 0)


@pytest.mark.parametrize('sites, window', [(11, 11), (11, 16), (11, 4), (12, 4), (5, 1), (1, 1)])
def test_it_is_what_its_definition_says(sites, window):
    given = inputs(sites, window)
    np.testing.assert_allclose(causal_attention(*map(tf.constant, given)), by_definition(*given), atol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize('sites, window, in_graph', [(11, 11, True), (11, 4, False), *(
    pytest.param(*case, marks=pytest.mark.slow) for case in (
        (11, 11, False), (11, 4, True), (12, 4, True), (5, 1, True)))])
def test_events_one_by_one_are_the_same_with_the_same_gradients(sites, window, in_graph):
    given = [tf.constant(part) for part in inputs(sites, window)]

    def gradients(event_by_event, given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            result = causal_attention(*given, event_by_event)
            loss = tf.reduce_sum(tf.sin(result))
        return result, *tape.gradient(loss, given)

    one_by_one = tf.function(gradients, autograph=False) if in_graph else gradients
    for own, expected in zip(one_by_one(True, given), gradients(False, given)):
        np.testing.assert_allclose(own, expected, atol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize('asked', ['auto', pytest.param(True, marks=pytest.mark.slow)])
def test_a_transformer_trains_alike_however_its_events_attend(asked):
    x = np.random.default_rng(0).integers(2, size=(8, 16)).astype('float32')

    def trained(asked):
        keras.utils.set_random_seed(0)
        model = tfdgm.CausalTransformer(16, width=8, heads=2, blocks=2, window=5)
        model.compile(keras.optimizers.SGD(0.1), jit_compile=asked)
        model.fit(x, batch_size=4, epochs=2, shuffle=False, verbose=0)
        return *model.get_weights(), model.predict(x, verbose=0), model.distribution().log_prob(x)

    for own, expected in zip(trained(asked), trained(False)):
        np.testing.assert_allclose(own, expected, atol=1e-4)


@pytest.mark.xla
@pytest.mark.slow
def test_half_precision_attends_one_by_one_too():
    given = [tf.cast(part, 'bfloat16') for part in inputs(11, 11)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        result = causal_attention(*given, True)
    assert result.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(result, 'float32'), by_definition(*inputs(11, 11)), atol=0.05)
    assert all(gradient.dtype == tf.bfloat16 for gradient in tape.gradient(result, given))
