"""What holds for every autoregressive system, with every output, condition and order."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import (
    CONDITIONS,
    IMAGE_SYSTEMS,
    ORDERS,
    OUTPUTS,
    SYSTEMS,
    SYSTEMS_AND_CASES,
    SYSTEMS_AND_CASES_TO_FIT,
    SYSTEMS_AND_ORDERS,
    chains,
    every_event,
    make,
    some_condition,
    some_events,
    step_by_step,
)

every_system = pytest.mark.parametrize('system', SYSTEMS)
every_output = pytest.mark.parametrize('output', ['bernoulli', 'categorical', 'gaussians'])
every_system_and_order = pytest.mark.parametrize('system, order', SYSTEMS_AND_ORDERS)
every_system_and_case = pytest.mark.parametrize('system, output, condition, order', SYSTEMS_AND_CASES)
discrete_output = pytest.mark.parametrize('output', ['bernoulli', 'categorical'])
with_and_without_condition = pytest.mark.parametrize('condition', ['unconditional', 'label'])


def distribution(model, batch_shape=(), **kwargs):
    return model.distribution(some_condition(model.condition, batch_shape), **kwargs)


@every_system
@pytest.mark.parametrize('output, condition', [
    ('bernoulli', 'unconditional'), ('bernoulli', 'vector'), ('categorical', 'label'), ('categorical', 'unconditional'),
    ('logistics', 'label')])
def test_probabilities_of_all_events_sum_to_one(system, output, condition):
    model = make(system, (2, 2, 1), output=OUTPUTS[output], condition=CONDITIONS[condition], order='random')
    events = every_event((2, 2, 1), getattr(model.output, 'levels', 2))
    assert np.sum(distribution(model).prob(events)) == pytest.approx(1, abs=1e-5)


@every_system
@with_and_without_condition
def test_continuous_density_integrates_to_one(system, condition):
    model = make(system, 2, output=OUTPUTS['gaussians'], condition=CONDITIONS[condition])
    # The inputs of a step of the chain are unbounded, so its locations are too: a wide grid, fine enough for the
    # narrowest component; networks of images, whose weights are smaller here and whose passes cost more, need less.
    axis = np.linspace(-25, 25, 401 if system in IMAGE_SYSTEMS else 1001, dtype='float32')
    grid = np.stack(np.meshgrid(axis, axis, indexing='ij'), axis=-1).reshape(-1, 2)
    grid = grid.reshape(-1, *model.event_shape)
    integral = np.sum(distribution(model).prob(grid), dtype='float64') * (axis[1] - axis[0]) ** 2
    assert integral == pytest.approx(1, abs=2e-3)


@every_system_and_order
@every_output
def test_parameters_depend_on_earlier_sites_only(system, output, order):
    model = make(system, (2, 3, 1), output=OUTPUTS[output], order=ORDERS[order])
    x, other = np.split(some_events(model, 2), 2)
    other = x + 1 if output == 'gaussians' else (x + 1) % getattr(model.output, 'levels', 2)
    for parameters, sites in chains(model):
        before = np.reshape(parameters(x, None), (6, -1))
        for position, site in enumerate(sites):
            changed = x.ravel().copy()
            changed[sites[position:]] = other.ravel()[sites[position:]]
            after = np.reshape(parameters(changed.reshape(x.shape), None), (6, -1))
            np.testing.assert_array_equal(after[site], before[site])
            if position > 0 and system != 'independent':
                changed = x.ravel().copy()
                changed[sites[position - 1]] = other.ravel()[sites[position - 1]]
                after = np.reshape(parameters(changed.reshape(x.shape), None), (6, -1))
                assert not np.array_equal(after[site], before[site]), 'the last site before should matter'


@every_system_and_case
def test_step_gives_the_parameters_of_the_parallel_form(system, output, condition, order):
    model = make(system, (2, 3, 1), output=OUTPUTS[output], condition=CONDITIONS[condition], order=ORDERS[order])
    x, values = some_events(model, 8), some_condition(model.condition, (8,))
    for mask, (parameters, _) in enumerate(chains(model)):
        wanted = np.reshape(parameters(x, values), (8, 6, -1))
        mask = mask if isinstance(model, tfdgm.MADE) else None
        np.testing.assert_allclose(step_by_step(model, x, values, mask), wanted, atol=1e-4)


@every_system
@discrete_output
@with_and_without_condition
def test_sample_frequencies_match_probabilities(system, output, condition):
    model = make(system, (2, 2, 1), output=OUTPUTS[output], condition=CONDITIONS[condition], order='random')
    levels, count = getattr(model.output, 'levels', 2), 20_000
    dist = distribution(model)
    expected = count * dist.prob(every_event((2, 2, 1), levels)).numpy().astype('float64')
    codes = dist.sample(count, seed=0).numpy().reshape(count, 4) @ levels ** np.arange(4)[::-1]
    observed = np.bincount(codes.astype(int), minlength=levels ** 4)
    # The test wants at least about five expected in a cell: pool the rare ones.
    rare = expected < 5
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    assert scipy.stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


@every_system
@with_and_without_condition
def test_continuous_samples_follow_the_density(system, condition):
    model = make(system, 1, output=OUTPUTS['gaussians'], condition=CONDITIONS[condition])
    dist = distribution(model)
    samples = np.ravel(dist.sample(5000, seed=0))
    axis = np.linspace(-20, 20, 20_001, dtype='float32')
    cumulative = np.cumsum(dist.prob(axis.reshape(-1, *model.event_shape)).numpy()) * (axis[1] - axis[0])
    assert scipy.stats.kstest(samples, lambda x: np.interp(x, axis, cumulative)).pvalue > 1e-3


@pytest.mark.xla
@every_system
@every_output
def test_a_seed_means_the_same_samples_with_xla_and_without(system, output):
    model = make(system, (2, 3, 1), output=OUTPUTS[output])
    dist = model.distribution()
    first = dist.sample(50, seed=3)
    np.testing.assert_array_equal(dist.sample(50, seed=3), first)
    np.testing.assert_array_equal(model.distribution().sample(50, seed=tf.constant([0, 3])), first)
    assert not np.array_equal(dist.sample(50, seed=4), first)
    assert not np.array_equal(dist.sample(50), dist.sample(50))
    model.compile('adam', jit_compile=False)
    np.testing.assert_allclose(dist.sample(50, seed=3), first, atol=1e-5)
    in_graph = tf.function(lambda: model.distribution().sample(50, seed=3))
    np.testing.assert_allclose(in_graph(), first, atol=1e-5)


@every_system_and_case
def test_saving_keeps_every_log_probability(system, output, condition, order, tmp_path):
    arguments = {'output': OUTPUTS[output], 'condition': CONDITIONS[condition], 'order': ORDERS[order], 'seed': 5}
    model = make(system, (2, 3, 1), **arguments)
    x, values = some_events(model), some_condition(model.condition, (16,))
    wanted = model.distribution(values).log_prob(x)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    np.testing.assert_array_equal(loaded.distribution(values).log_prob(x), wanted)
    model.save_weights(tmp_path / 'model.weights.h5')
    fresh = make(system, (2, 3, 1), random_weights=False, **arguments)
    fresh.load_weights(tmp_path / 'model.weights.h5')
    np.testing.assert_array_equal(fresh.distribution(values).log_prob(x), wanted)


@every_system_and_case
def test_gradients_reach_every_weight(system, output, condition, order):
    model = make(system, (2, 3, 1), output=OUTPUTS[output], condition=CONDITIONS[condition], order=ORDERS[order])
    x, values = some_events(model), some_condition(model.condition, (16,))
    dist = model.distribution(values)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(dist.log_prob(x))
    gradients = tape.gradient(loss, dist.trainable_variables)
    assert len(gradients) == len(model.trainable_variables) > 0
    for gradient, variable in zip(gradients, model.trainable_variables):
        assert gradient is not None, variable.path
        assert np.any(gradient.numpy() != 0), variable.path


@every_system
@pytest.mark.parametrize('condition, batch_shape', [('label', ()), ('vector', (2,)), ('label', (3, 2))])
def test_shapes_are_those_that_tfp_documents(system, condition, batch_shape):
    model = make(system, (2, 2, 1), condition=CONDITIONS[condition])
    model.compile(jit_compile=False)  # Shapes don't depend on XLA, which would compile each of them.
    values = some_condition(model.condition, batch_shape)
    dist = model.distribution(values)
    assert dist.batch_shape == batch_shape and dist.event_shape == (2, 2, 1)
    assert tuple(dist.batch_shape_tensor()) == batch_shape and tuple(dist.event_shape_tensor()) == (2, 2, 1)
    for sample_shape in [(), (4,), (2, 3)]:
        samples = dist.sample(sample_shape, seed=0)
        assert samples.shape == (*sample_shape, *batch_shape, 2, 2, 1)
        assert dist.log_prob(samples).shape == (*sample_shape, *batch_shape)
    # One event against the whole batch, and each member of the batch alone.
    event = some_events(model, 1)[0]
    together = dist.log_prob(event).numpy()
    assert together.shape == batch_shape
    for index in np.ndindex(batch_shape):
        alone = model.distribution(values[index]).log_prob(event)
        np.testing.assert_allclose(together[index], alone, rtol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize('system, output, condition, order', SYSTEMS_AND_CASES_TO_FIT)
def test_fit_under_xla_lowers_the_loss(system, output, condition, order):
    model = make(system, (2, 3, 1), output=OUTPUTS[output], condition=CONDITIONS[condition], order=ORDERS[order])
    x, values = some_events(model, 64), some_condition(model.condition, (64,))
    model.compile(keras.optimizers.Adam(0.01), jit_compile=True)
    history = model.fit(x, values, epochs=5, batch_size=16, verbose=0).history
    assert history['loss'][-1] < history['loss'][0]
    np.testing.assert_allclose(history['loss'], history['nll'], rtol=1e-5)
    np.testing.assert_allclose(history['bits_per_dim'], np.array(history['nll']) / 6 / np.log(2), rtol=1e-5)


@every_system
def test_two_fits_with_one_seed_give_the_same_weights(system):
    def fitted():
        keras.utils.set_random_seed(7)
        model = make(system, (2, 3, 1), random_weights=False)
        model.compile('adam')
        model.fit(some_events(model, 64), epochs=2, batch_size=16, verbose=0)
        return model.get_weights()

    for first, second in zip(fitted(), fitted()):
        np.testing.assert_array_equal(first, second)


@every_system
def test_mixed_precision_trains_and_sums_in_float32(system):
    event_shape = (14, 14, 1) if system in IMAGE_SYSTEMS else (28, 28, 1)
    model = make(system, event_shape, dtype='mixed_bfloat16')
    exact = make(system, event_shape)
    exact.set_weights(model.get_weights())
    x = some_events(model, 8)
    log_prob = model.distribution().log_prob(x)
    assert log_prob.dtype == tf.float32
    assert all(variable.dtype == 'float32' for variable in model.trainable_variables)
    # Hundreds of terms that are each rounded to 8 bits, processors differ in how often; but not their sum.
    np.testing.assert_allclose(log_prob, exact.distribution().log_prob(x), rtol=1e-2)
    assert np.any(log_prob != tf.cast(tf.cast(log_prob, 'bfloat16'), 'float32'))
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(x, epochs=5, verbose=0).history
    assert history['loss'][-1] < history['loss'][0]
    assert np.all(np.isfinite(model.distribution().log_prob(model.distribution().sample(2, seed=0))))
