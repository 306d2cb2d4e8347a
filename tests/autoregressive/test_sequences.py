"""What holds for models of sequences besides the family's properties: fields of view, caches, known processes."""

import keras
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.autoregressive import systems
from tfdgm.autoregressive.sequences import recurrent
from tfdgm.autoregressive.sequences.transformer import TransformerBlock
from tfdgm.conditions import Vector, Vectors
from tfdgm.outputs import Categorical, MixtureOfGaussians

tfd = tfp.distributions
every_system = pytest.mark.parametrize('system', ['gru', *systems.SEQUENCE_SYSTEMS])


def make(system, event_shape, **kwargs):
    if system == 'gru':
        return tfdgm.RecurrentModel(event_shape, cell='GRU', units=6, positions=True, **kwargs)
    return systems.make(system, event_shape, **kwargs)


@pytest.mark.parametrize('system', ['recurrent', 'gru', 'transformer'])
def test_a_site_sees_all_before_it(system):
    model = make(system, 12, output=MixtureOfGaussians(1), **({'window': None} if system == 'transformer' else {}))
    np.testing.assert_array_equal(systems.dependencies(model), np.tri(12, k=-1, dtype=bool))


@pytest.mark.parametrize('dilations, stacks', [((1, 2), 1), ((1, 2, 4), 2), ((1,), 3)])
def test_wavenet_sees_as_far_as_its_dilations_reach(dilations, stacks):
    model = tfdgm.WaveNet(25, output=MixtureOfGaussians(1), filters=16, dilations=dilations, stacks=stacks)
    assert model.receptive_field == 1 + stacks * sum(dilations)
    distance = np.arange(25)[:, None] - np.arange(25)
    np.testing.assert_array_equal(systems.dependencies(model), (distance > 0) & (distance <= model.receptive_field))


@pytest.mark.parametrize('window, blocks', [(4, 1), (3, 2), (12, 1), (1, 3)])
def test_transformer_sees_as_far_as_its_windows_reach(window, blocks):
    model = tfdgm.CausalTransformer(
        25, output=MixtureOfGaussians(1), width=16, heads=2, window=window, blocks=blocks)
    assert model.receptive_field == 1 + blocks * (window - 1)
    distance = np.arange(25)[:, None] - np.arange(25)
    np.testing.assert_array_equal(systems.dependencies(model), (distance > 0) & (distance <= model.receptive_field))


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_memories_and_their_gradients_are_those_of_keras(dtype):
    layer = keras.layers.LSTM(5, return_sequences=True, dtype='float32')
    generator = np.random.default_rng(0)
    x = tf.constant(generator.normal(size=(3, 20, 4)), tf.float32)
    layer.build(x.shape)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    results = []
    for function in (layer, lambda x: recurrent.lstm_outputs(layer.cell, tf.cast(x, dtype))):
        with tf.GradientTape() as tape:
            tape.watch(x)
            hidden = tf.cast(function(x), tf.float32)
            total = tf.reduce_sum(hidden * tf.range(5.))
        variables = [variable.value for variable in layer.trainable_variables]
        results.append([hidden, *tape.gradient(total, [x, *variables])])
    tolerance = {'rtol': 1e-4, 'atol': 1e-4} if dtype == 'float32' else {'rtol': 0.1, 'atol': 0.5}
    for wanted, given in zip(*results):
        np.testing.assert_allclose(given, wanted, **tolerance)


def test_attention_is_that_of_keras_with_a_mask_and_a_bias():
    """`keras.ops.dot_product_attention` over all pairs, against the pieces and the cache that stand for it."""
    window, sites, heads = 5, 17, 2
    block = TransformerBlock(8, heads, window, 0, 0.)
    generator = np.random.default_rng(0)
    for variable in block.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    x = tf.constant(generator.normal(size=(3, sites, 8)), tf.float32)
    query, key, value = (tf.transpose(part, (0, 2, 1, 3)) for part in block._heads(x, None))
    distance = np.arange(sites)[:, None] - np.arange(sites)
    seen = (distance >= 0) & (distance < window)
    bias = np.where(seen, block.distances.numpy()[:, np.clip(distance, 0, window - 1)], -np.inf)
    attention = keras.ops.dot_product_attention(query, key, value, bias=bias[None].astype('float32'))
    wanted = block._behind(x, tf.reshape(attention, (3, sites, 8)), False)
    np.testing.assert_allclose(block(x), wanted, rtol=1e-4, atol=1e-4)
    cache = block.initial_cache(3)
    for position in range(sites):
        features, cache = block.step(x[:, position], None, cache, position)
        np.testing.assert_allclose(features, wanted[:, position], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('system, length', [
    ('wavenet', 3000), *(pytest.param(system, length, marks=pytest.mark.slow) for system, length in (
        ('recurrent', 999), ('gru', 999), ('transformer', 600)))])
def test_samples_of_long_sequences_are_those_that_the_parallel_form_draws(system, length):
    if system == 'wavenet':
        model = tfdgm.WaveNet(length, output=Categorical(5), filters=6, stacks=1)
    else:
        model = make(system, length, output=Categorical(5))
    seed = tf.constant([0, 7])
    samples = model.run(model.sample, 2, None, seed, jit_compile=False)
    uniforms = tfdgm.random.uniforms((2, length, 1), tfdgm.random.split(seed, 2)[1])
    drawn = model.output.quantile(model.parameters(samples), uniforms)
    # A uniform number within rounding of a level's boundary may fall on either side.
    assert np.mean(drawn == samples) > 0.999
    assert len(np.unique(samples)) == 5


@every_system
def test_the_first_site_is_told_apart_from_one_behind_a_zero(system):
    model = make(system, 3, output=MixtureOfGaussians(1))
    parameters = model.parameters(np.zeros([1, 3], 'float32'))[0]
    assert not np.allclose(parameters[0], parameters[1], atol=1e-3)


@pytest.mark.slow
def test_known_autoregressive_process_reaches_its_entropy():
    """An AR(2) process in its stationary state, whose density is that of a normal distribution."""
    length, generator = 40, np.random.default_rng(0)
    coefficients = 1.2, -0.6
    # The autocovariances of the process, from its Yule-Walker equations.
    first, second = coefficients
    correlations = [1, first / (1 - second)]
    for _ in range(length - 2):
        correlations.append(first * correlations[-1] + second * correlations[-2])
    variance = 1 / (1 - first * correlations[1] - second * correlations[2])
    exact = scipy.stats.multivariate_normal(cov=variance * scipy.linalg.toeplitz(correlations))
    train, test = (exact.rvs(count, random_state=generator).astype('float32') for count in (2000, 1000))
    model = tfdgm.WaveNet(length, output=MixtureOfGaussians(1), filters=16, dilations=(1, 2), stacks=1, positions=True)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 600)))
    model.fit(train, batch_size=100, epochs=30, verbose=0)
    reached = -np.mean(model.predict(test, verbose=0))
    assert reached == pytest.approx(-np.mean(exact.logpdf(test)), rel=0.02)


@pytest.mark.slow
def test_known_hidden_chain_reaches_its_entropy():
    """A hidden chain of two states, whose likelihood is TFP's, by the forward algorithm."""
    chain = tfd.HiddenMarkovModel(
        tfd.Categorical(probs=[0.5, 0.5]), tfd.Categorical(probs=[[0.95, 0.05], [0.1, 0.9]]),
        tfd.Bernoulli(probs=[0.1, 0.8], dtype=tf.float32), num_steps=30)
    train, test = chain.sample(4000, seed=[0, 1]).numpy(), chain.sample(1000, seed=[0, 2]).numpy()
    model = tfdgm.RecurrentModel(30, units=16)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 800)))
    model.fit(train, batch_size=100, epochs=20, verbose=0)
    reached, exact = -np.mean(model.predict(test, verbose=0)), -np.mean(chain.log_prob(test))
    assert reached == pytest.approx(exact, rel=0.02)
    # A chain of order 1 does not: the test would otherwise say little.
    markov = tfdgm.MarkovChain(30)
    markov.compile(keras.optimizers.Adam(0.02))
    markov.fit(train, batch_size=100, epochs=20, verbose=0)
    assert -np.mean(markov.predict(test, verbose=0)) > 1.03 * exact


@pytest.mark.parametrize('make_model, message', [
    (lambda: tfdgm.RecurrentModel(5, cell='RNN'), "cell of RecurrentModel must be 'LSTM' or 'GRU', got 'RNN'"),
    (lambda: tfdgm.RecurrentModel(5, units=0), 'units of RecurrentModel must be an integer of at least 1, got 0'),
    (lambda: tfdgm.WaveNet(5, dilations=()), r'dilations of WaveNet must be one or more positive integers'),
    (lambda: tfdgm.WaveNet(5, dropout=1.), r'dropout of WaveNet must be a number in \[0, 1\), got 1.0'),
    (lambda: tfdgm.WaveNet(5, positions=3), 'positions of WaveNet must be True or False, got 3'),
    (lambda: tfdgm.WaveNet(5, condition=Vectors(2, 1)), 'Events of 5 steps have no 2 equal parts'),
    (lambda: tfdgm.CausalTransformer(5, window=0), 'window of CausalTransformer must be an integer of at least 1'),
    (lambda: tfdgm.CausalTransformer(5, width=6, heads=4), 'width .* must be a multiple of heads, got 6 and 4'),
])
def test_arguments_that_make_no_model_are_refused(make_model, message):
    with pytest.raises(ValueError, match=message):
        make_model()


@every_system
@pytest.mark.parametrize('condition', [None, Vectors(3, 2)])
def test_step_gives_the_parameters_of_the_parallel_form_of_images_in_any_order(system, condition):
    model = make(system, (3, 4, 2), order='random', output=Categorical(3), condition=condition)
    x, given = systems.some_events(model, 2), systems.some_condition(condition, (2,))
    wanted = np.reshape(model.parameters(x, given), (2, 24, -1))
    np.testing.assert_allclose(systems.step_by_step(model, x, given), wanted, atol=1e-4)


# Local conditions -----------------------------------------------------------------------------------------------------

@every_system
def test_a_vector_acts_on_its_own_part_and_those_behind(system):
    model = make(system, 6, output=MixtureOfGaussians(1), condition=Vectors(3, 2))
    x, given = systems.some_events(model, 1), systems.some_condition(model.condition, (1,))
    before = model.parameters(x, given)
    for step in range(3):
        changed = given.copy()
        changed[:, step] += 1
        differs = np.any(model.parameters(x, changed) != before, axis=(0, 2))
        assert not differs[:2 * step].any() and differs[2 * step:2 * step + 2].all()


@every_system
def test_equal_vectors_act_as_a_vector_for_all_steps(system):
    local = make(system, 6, output=Categorical(3), condition=Vectors(3, 2))
    everywhere = make(system, 6, output=Categorical(3), condition=Vector(2))
    everywhere.set_weights(local.get_weights())
    x, vector = systems.some_events(local), systems.some_condition(everywhere.condition)
    np.testing.assert_allclose(local.distribution(np.tile(vector, (3, 1))).log_prob(x),
                               everywhere.distribution(vector).log_prob(x), rtol=1e-5)
    np.testing.assert_array_equal(local.distribution(np.tile(vector, (3, 1))).sample(5, seed=0),
                                  everywhere.distribution(vector).sample(5, seed=0))


@pytest.mark.slow
def test_a_model_learns_what_its_local_condition_says():
    generator = np.random.default_rng(0)
    given = generator.normal(size=(600, 6, 1)).astype('float32')
    x = given.repeat(2, axis=1)[:, :, 0] + 0.1 * generator.normal(size=(600, 12)).astype('float32')
    model = tfdgm.WaveNet(12, output=MixtureOfGaussians(1), condition=Vectors(6, 1), filters=8, dilations=(1, 2),
                          stacks=1)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 600)), jit_compile=False)
    model.fit(x[:500], given[:500], batch_size=50, epochs=60, verbose=0)
    reached = -np.mean(model.predict([x[500:], given[500:]], verbose=0))
    assert reached == pytest.approx(12 * np.log(0.1 * np.sqrt(2 * np.pi * np.e)), abs=1.5)
    line = np.linspace(-1, 1, 6, dtype='float32')[:, None]
    samples = model.distribution(line).sample(100, seed=0)
    np.testing.assert_allclose(np.mean(samples, axis=0), line.repeat(2), atol=0.1)


# Events of several lengths --------------------------------------------------------------------------------------------

def padded(x, lengths):
    steps = np.arange(x.shape[1]).reshape(1, -1, *[1] * (x.ndim - 2))
    return np.where(steps < np.reshape(lengths, (-1, *[1] * (x.ndim - 1))), x, np.nan).astype('float32')


@every_system
@pytest.mark.parametrize('output', [Categorical(3), MixtureOfGaussians(2)])
@pytest.mark.parametrize('event_shape', [(6,), (6, 2)])
def test_the_likelihood_of_a_short_event_is_that_of_a_short_model(system, output, event_shape):
    model = make(system, event_shape, output=output, variable_length=True)
    x = systems.some_events(model, 4) * 2 % 3
    lengths = [6, 4, 1, 3]
    if not model.support.is_discrete:
        model.adapt(padded(x, lengths))
        there = np.concatenate([np.ravel(event[:length]) for event, length in zip(x, lengths)])
        assert np.ravel(model.standardization.mean)[0] == pytest.approx(there.mean(), abs=1e-5)
        assert np.ravel(model.standardization.deviation)[0] == pytest.approx(there.std(), abs=1e-5)
    given = model.distribution().log_prob(padded(x, lengths))
    assert np.all(np.isfinite(given))
    for event, length, log_prob in zip(x, lengths, given):
        short = make(system, (length, *event_shape[1:]), output=output)
        # Positions and distances that the short model does not have.
        short.set_weights([value[tuple(slice(size) for size in shorter.shape)]
                           for shorter, value in zip(short.weights, model.get_weights())])
        np.testing.assert_allclose(short.distribution().log_prob(event[:length]), log_prob, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('system', [
    'wavenet', *(pytest.param(system, marks=pytest.mark.slow) for system in ('gru', 'recurrent', 'transformer'))])
def test_training_and_metrics_count_what_is_there(system):
    model = make(system, 8, output=MixtureOfGaussians(1), variable_length=True)
    x = padded(np.random.default_rng(0).normal(size=(20, 8)), np.arange(20) % 5 + 1)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    losses = model.fit(x, epochs=4, batch_size=10, verbose=0).history['loss']
    assert losses[-1] < losses[0]
    results = model.evaluate(x, return_dict=True, verbose=0)
    log_probs = model.predict(x, verbose=0)
    assert results['nll'] == pytest.approx(-np.mean(log_probs), rel=1e-4)
    assert results['bits_per_dim'] == pytest.approx(-np.sum(log_probs) / np.sum(~np.isnan(x)) / np.log(2), rel=1e-4)
    held_out = tfdgm.evaluate.held_out(model, tf.data.Dataset.from_tensor_slices(x))
    assert held_out['bits_per_dim'] == pytest.approx(results['bits_per_dim'], rel=1e-4)


@every_system
def test_samples_have_the_length_asked_for(system):
    model = make(system, (7, 2), output=Categorical(3), variable_length=True)
    dist = model.distribution()
    whole = dist.sample(4, seed=0).numpy()
    np.testing.assert_array_equal(dist.sample(4, seed=0, length=[7, 3, 1, 5]), padded(whole, [7, 3, 1, 5]))
    short = dist.sample((2, 4), seed=1, length=3).numpy()
    assert not np.isnan(short[:, :, :3]).any() and np.isnan(short[:, :, 3:]).all()
    assert np.all(np.isfinite(dist.log_prob(short)))
    model.compile(jit_compile=False)
    np.testing.assert_array_equal(dist.sample(4, seed=0, length=[7, 3, 1, 5]), padded(whole, [7, 3, 1, 5]))
    known = dist.sample(4, seed=2, observed=whole, mask=np.arange(7)[:, None] < 2, length=4).numpy()
    np.testing.assert_array_equal(known[:, :2], whole[:, :2])
    assert np.isnan(known[:, 4:]).all()


def test_whole_numbers_and_booleans_are_events_too():
    model = tfdgm.WaveNet(6, filters=2, dilations=(1,), stacks=1, variable_length=True)
    model.compile(jit_compile=False)
    for dtype in int, bool:
        assert np.isfinite(model.fit(np.ones([4, 6], dtype), verbose=0).history['loss'][0])


def test_a_pipeline_fills_all_events_up_to_the_length_of_the_model():
    model = tfdgm.WaveNet(6, filters=2, dilations=(1,), stacks=1, variable_length=True)
    model.compile(jit_compile=False)
    events = tf.data.Dataset.from_generator(
        lambda: (np.ones(length, 'float32') for length in (3, 2, 3, 1)), output_signature=tf.TensorSpec([None]))
    with pytest.raises(ValueError, match=r"padded_batch\(…, padded_shapes=\(6,\), padding_values=float\('nan'\)"):
        model.fit(events.padded_batch(2, padding_values=float('nan')))
    history = model.fit(events.padded_batch(2, padded_shapes=(6,), padding_values=float('nan')), verbose=0).history
    assert np.isfinite(history['bits_per_dim'][0])


def test_no_events_are_drawn_where_none_are_asked_for():
    assert tfdgm.RecurrentModel(3, units=4).distribution().sample(0).shape == (0, 3)


@pytest.mark.parametrize('jit_compile', [True, False])
def test_in_a_graph_nothing_comes_of_a_length_that_no_event_has(jit_compile):
    dist = tfdgm.WaveNet(4, filters=2, dilations=(1,), stacks=1, variable_length=True).distribution()

    @tf.function(jit_compile=jit_compile)
    def sample(length):
        return dist.sample(3, seed=0, length=length)

    np.testing.assert_array_equal(np.isnan(sample(tf.constant([4, 9, 0]))), np.array([[0], [1], [1]]).repeat(4, 1))


@pytest.mark.parametrize('event, message', [
    ([1, np.nan, 1], '1 of the 3 values are NaN, the first in event 0'),
    ([np.nan] * 3, 'Event 0 is empty: all of it is NaN'),
    ([1, 5, np.nan], '1 of the 3 values lie outside the support, such as 5.0'),
])
def test_only_the_end_of_an_event_may_be_missing(event, message):
    model = tfdgm.WaveNet(3, filters=4, dilations=(1,), stacks=1, variable_length=True)
    with pytest.raises(ValueError, match=message):
        model.fit(np.array([event]))
    assert np.isnan(model.distribution().log_prob(np.array(event, 'float32')))
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.distribution(validate_args=True).log_prob(np.array(event, 'float32'))


@pytest.mark.parametrize('length, message', [
    (0, 'length must be integers from 1 to 3, got 0'), (4, 'from 1 to 3, got 4'), (1.5, 'integers'),
    ([1, 2, 3], r'length must have a shape that broadcasts to \(2,\), got \(3,\)')])
def test_lengths_that_no_event_has_are_refused(length, message):
    model = tfdgm.WaveNet(3, filters=4, dilations=(1,), stacks=1, variable_length=True)
    with pytest.raises(ValueError, match=message):
        model.distribution().sample(2, length=length)


def test_what_is_known_lies_in_the_event():
    dist = tfdgm.WaveNet(4, filters=4, dilations=(1,), stacks=1, variable_length=True).distribution()
    mask = np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match=r'mask is 1 at step 2, counted from 0, of an event .* length of 2'):
        dist.sample(2, seed=0, length=[4, 2], observed=np.ones(4), mask=mask)
    sample = dist.sample(2, seed=0, length=[4, 3], observed=np.ones(4), mask=mask * [1, 1, 1, 0])
    assert (sample.numpy()[:, 2] == 1).all() and np.isnan(sample[1, 3])


def test_models_whose_events_have_one_length_say_so():
    with pytest.raises(ValueError, match=r'All events of this NADE have the shape \(3,\); for events of several'):
        tfdgm.NADE(3, hidden_units=4).distribution().sample(2, length=2)
    with pytest.raises(ValueError, match='WaveNet with variable_length=True visits the sites from the first to the'):
        tfdgm.WaveNet(3, variable_length=True, order='random')


def test_several_labels_act_as_the_sum_of_their_biases():
    condition = tfdgm.conditions.Labels((3, 2))
    model = systems.make('recurrent', 4, condition=condition)
    joint = tfdgm.RecurrentModel(4, units=6, blocks=2, condition=tfdgm.conditions.Label(6))
    pairs = np.array([[first, second] for first in range(3) for second in range(2)])
    kernel = model.condition_kernel.get_weights()[0]
    for layer, other in zip(model.layers, joint.layers):
        if layer.name != 'condition_kernel':
            other.set_weights(layer.get_weights())
    joint.condition_kernel.set_weights([np.stack([kernel[first] + kernel[3 + second] for first, second in pairs])])
    x = systems.some_events(model, 6)
    np.testing.assert_allclose(model.distribution(pairs).log_prob(x),
                               joint.distribution(np.arange(6)).log_prob(x), rtol=1e-5)
    assert model.distribution(pairs).batch_shape == (6,)
    assert model.distribution([2, 1]).sample(5, seed=0).shape == (5, 4)
