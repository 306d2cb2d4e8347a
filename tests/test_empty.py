"""Batches of no events: scores and samples have a shape of (0,), eagerly and in graphs."""

import numpy as np
import pytest
import tensorflow as tf

from tests import systems
from tfdgm.conditions import Label
from tfdgm.flows import UniformDequantization


def calls_of(model, condition):
    """Functions that score or draw nothing, of a condition and the number 0, and the shapes that they should return."""
    event, batch = model.event_shape, condition.shape if model.condition else ()
    x = tf.zeros((0, *event))

    def dist(condition):
        return model.distribution(condition if model.condition else None)

    calls = [
        (lambda condition, zero: dist(condition).log_prob(x), (0,)),
        (lambda condition, zero: dist(condition).log_prob(tf.zeros([zero, *event])), (0,)),
        (lambda condition, zero: model((x, condition) if model.condition else x), (0,)),
        (lambda condition, zero: dist(condition).sample(0, seed=1), (0, *batch, *event)),
        (lambda condition, zero: dist(condition).sample((0, 3), seed=1), (0, 3, *batch, *event)),
        (lambda condition, zero: dist(condition).sample(zero, seed=1), (0, *batch, *event)),
        (lambda condition, zero: dist(condition).experimental_sample_and_log_prob(zero, seed=1)[1], (0, *batch))]
    if model.condition:
        calls += [(lambda condition, zero: dist(condition).sample(2, seed=1), (2, 0, *event)),
                  (lambda condition, zero: dist(condition).log_prob(tf.zeros([3, 1, *event])), (3, 0))]
    return calls


def check(model, jit_compile=None):
    """Calls everything: eagerly, or in a graph that knows the sizes, and in one that does not."""
    condition, number = np.zeros([0], 'int32'), np.int32(0)
    for call, shape in calls_of(model, condition):
        if jit_compile is None:
            assert call(condition, number).shape == shape
            continue
        known = tf.function(lambda call=call: call(condition, number), jit_compile=jit_compile, autograph=False)
        assert known().shape == shape
        if not jit_compile:
            unknown = tf.function(call, autograph=False, input_signature=[
                tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)])
            assert unknown(condition, number).shape == shape


@systems.every_system('pixel_cnn')
def test_no_events_have_no_scores_and_no_samples(system):
    model = systems.make(system, condition=Label(3))
    check(model)
    check(model, jit_compile=False)


@pytest.mark.slow
@pytest.mark.parametrize('system', ['nade', 'wavenet', 'maf', *systems.WITHOUT_CONDITION])
def test_no_events_of_models_without_a_condition(system):
    check(systems.make(system), jit_compile=False)


@pytest.mark.xla
@pytest.mark.slow
@pytest.mark.parametrize('system', ['nade', 'made_masks', 'row_lstm', 'transformer', 'iaf', 'glow'])
def test_no_events_under_xla(system):
    check(systems.make(system, condition=Label(3)), jit_compile=True)


@pytest.mark.slow
def test_no_integers():
    check(systems.make('affine', dequantization=UniformDequantization(4, draws=2), condition=Label(3)), False)


@pytest.mark.parametrize('system', ['pixel_cnn', 'real_nvp'])
def test_a_batch_that_a_graph_does_not_know_is_scored_as_ever(system):
    model = systems.make(system, condition=Label(3))
    x, labels = systems.some_events(model, 4), np.array([0, 1, 2, 0])
    score = tf.function(lambda x, labels: model.distribution(labels).log_prob(x), autograph=False, input_signature=[
        tf.TensorSpec([None, *model.event_shape]), tf.TensorSpec([None], tf.int32)])
    for count in (4, 1, 0):
        expected = model.distribution(labels).log_prob(x)[:count]
        np.testing.assert_allclose(score(x[:count], labels[:count]), expected, rtol=1e-5)


def test_no_data_to_learn_from_are_an_error():
    model = systems.make('nade')
    model.compile()
    for method in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match='Expected at least one event'):
            method(np.zeros([0, *model.event_shape]))
