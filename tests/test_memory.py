"""What is let go of is freed: models, and the memory of their weights."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests import systems
from tfdgm.conditions import Vector
from tfdgm.execution.gradients import recomputed, with_gradient


def use(model, x):
    """Scores, differentiates, trains, and draws, eagerly and in graphs."""
    conditional = model.condition is not None
    dist = model.distribution([0.5, -0.5] if conditional else None)
    condition = np.tile(np.float32([0.5, -0.5]), (len(x), 1)) if conditional else None
    if isinstance(model, tfdgm.DensityModel):
        with tf.GradientTape() as tape:
            log_prob = tf.reduce_sum(dist.log_prob(x))
        tape.gradient(log_prob, dist.trainable_variables)
        tf.function(dist.log_prob)(x)
        model.predict([x, condition] if conditional else x, verbose=0)
    tf.function(lambda: dist.sample(2, seed=0))()
    dist.sample(2, seed=0)
    model.compile()
    model.fit(x, condition, verbose=0)
    if hasattr(model, 'encode'):
        model.decode(model.encode(x, condition), condition)
    if hasattr(model, 'bijector'):
        model.bijector(condition).inverse(x)


def references_to_used(system):
    """Names of a model that was used and of its weights, and weak references to it and to their memory."""
    condition = {} if system in systems.WITHOUT_CONDITION else {'condition': Vector(2)}
    model = systems.make(system, **condition)
    use(model, systems.some_events(model, 4))
    names = 'model', *(variable.path for variable in model.variables)
    return names, [weakref.ref(part) for part in (model, *(variable.value.handle for variable in model.variables))]


# Those whose gradients are not TensorFlow's own, and one of the others.
@systems.every_system('nade', 'nice', 'gsn', 'rbm', 'energy', also=systems.WITHOUT_DENSITY + systems.WITHOUT_CONDITION)
def test_a_model_that_was_used_is_freed_with_its_weights(system):
    names, references = references_to_used(system)
    gc.collect()
    assert not [name for name, reference in zip(names, references) if reference() is not None]


def test_a_continuous_flow_that_scored_is_freed():
    """Its solver has a gradient that TensorFlow keeps."""
    def reference_to_used():
        model = systems.make('ffjord', 2, condition=Vector(2))
        model.distribution([0.5, -0.5]).log_prob(systems.some_events(model, 4))
        return weakref.ref(model)

    reference = reference_to_used()
    gc.collect()
    assert reference() is None


@pytest.mark.xla
def test_a_model_that_was_compiled_by_xla_is_freed():
    _, references = references_to_used('nade')
    gc.collect()
    assert not any(reference() is not None for reference in references)


@pytest.mark.parametrize('jit_compile', [None, False, pytest.param(True, marks=pytest.mark.xla)])
def test_a_gradient_of_one_s_own_is_used_in_graphs_and_outside(jit_compile):
    def cubed(x, y):
        return x**3 * y, lambda gradient: (7 * gradient * y, tf.reduce_sum(gradient * x**3))

    def looped(x, y):
        return tf.scan(lambda total, part: total + with_gradient(cubed)(part, y), x, tf.zeros(()))[-1]

    x, y = tf.constant([2., 3.]), tf.constant(5.)
    for function in (lambda x, y: tf.reduce_sum(with_gradient(cubed)(x, y)), looped):
        def gradients(x, y, function=function):
            with tf.GradientTape() as tape:
                tape.watch([x, y])
                value = function(x, y)
            return tape.gradient(value, [x, y])

        # Of a tape inside the graph, and of one outside it.
        inside = gradients if jit_compile is None else tf.function(gradients, jit_compile=jit_compile)
        outside = function if jit_compile else tf.function(function)
        for by_x, by_y in (inside(x, y), gradients(x, y, outside)):
            np.testing.assert_allclose(by_x, [35, 35])
            np.testing.assert_allclose(by_y, 8 + 27)


def test_what_is_recomputed_keeps_its_gradient_and_no_values():
    calls = []

    def layer(x, kernel):
        calls.append(tf.executing_eagerly())
        return tf.tanh(x @ kernel) * tf.exp(x)

    x, kernel = tf.random.stateless_normal((4, 3), [0, 1]), tf.random.stateless_normal((3, 3), [0, 2])

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            value = tf.reduce_sum(function(x, kernel) ** 2)
        return tape.gradient(value, [x, kernel])

    expected = gradients(layer)
    calls.clear()
    for run in (gradients, lambda function: tf.function(lambda: gradients(function))()):
        for given, wanted in zip(run(recomputed(layer)), expected):
            np.testing.assert_allclose(given, wanted, rtol=1e-5)
    assert calls.count(True) == 2 and calls.count(False) >= 2, 'once forward, once backward'


def test_the_gradient_of_a_graph_that_was_saved_says_what_is_missing(tmp_path):
    model = systems.make('nade', 4)
    model.export(tmp_path / 'saved', verbose=False)
    loaded, x = tf.saved_model.load(tmp_path / 'saved'), tf.zeros([2, 4])
    log_prob = loaded.signatures['log_prob']
    np.testing.assert_allclose(log_prob(events=x)['log_prob'], model(x), rtol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = log_prob(events=x)['log_prob']
    with pytest.raises(tf.errors.InvalidArgumentError, match='take it of the model itself'):
        tape.gradient(value, x)
