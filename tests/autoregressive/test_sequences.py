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
from tfdgm.outputs import Categorical, MixtureOfGaussians

tfd = tfp.distributions
every_system = pytest.mark.parametrize('system', ['gru', *systems.SEQUENCE_SYSTEMS])


def make(system, event_shape, **kwargs):
    if system == 'gru':
        return tfdgm.RecurrentModel(event_shape, cell='GRU', units=6, positions=True, **kwargs)
    return systems.make(system, event_shape, **kwargs)


def sites_seen(model):
    """Which sites the parameters of each site depend on, by gradient: booleans `[sites, sites]`."""
    x = tf.constant(np.random.default_rng(0).normal(size=(1, *model.event_shape)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        parameters = tf.reduce_sum(model.parameters(x)[0] ** 2, axis=-1)
    return tape.jacobian(parameters, x)[:, 0].numpy() != 0


@pytest.mark.parametrize('system', ['recurrent', 'gru', 'transformer'])
def test_a_site_sees_all_before_it(system):
    model = make(system, 12, output=MixtureOfGaussians(1))
    np.testing.assert_array_equal(sites_seen(model), np.tri(12, k=-1, dtype=bool))


@pytest.mark.parametrize('dilations, stacks', [((1, 2), 1), ((1, 2, 4), 2), ((1,), 3)])
def test_wavenet_sees_as_far_as_its_dilations_reach(dilations, stacks):
    model = tfdgm.WaveNet(25, output=MixtureOfGaussians(1), filters=16, dilations=dilations, stacks=stacks)
    assert model.receptive_field == 1 + stacks * sum(dilations)
    distance = np.arange(25)[:, None] - np.arange(25)
    np.testing.assert_array_equal(sites_seen(model), (distance > 0) & (distance <= model.receptive_field))


@pytest.mark.parametrize('system, length', [('recurrent', 999), ('gru', 999), ('wavenet', 3000), ('transformer', 600)])
def test_samples_of_long_sequences_are_those_that_the_parallel_form_draws(system, length):
    if system == 'wavenet':
        model = tfdgm.WaveNet(length, output=Categorical(5), filters=6, stacks=1)
    else:
        model = make(system, length, output=Categorical(5))
    seed = tf.constant([0, 7])
    samples = model.run(model.sample, 2, None, seed)
    uniforms = tfdgm.random.uniforms((length, 2, 1), tfdgm.random.split(seed, 2)[1])
    drawn = model.output.quantile(model.parameters(samples), tf.transpose(uniforms, (1, 0, 2)))
    # A uniform number within rounding of a level's boundary may fall on either side.
    assert np.mean(drawn == samples) > 0.999
    assert len(np.unique(samples)) == 5


@every_system
def test_the_first_site_is_told_apart_from_one_behind_a_zero(system):
    model = make(system, 3, output=MixtureOfGaussians(1))
    parameters = model.parameters(np.zeros([1, 3], 'float32'))[0]
    assert not np.allclose(parameters[0], parameters[1], atol=1e-3)


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
    (lambda: tfdgm.RecurrentModel(5, units=0), 'units of RecurrentModel must be a whole number of at least 1, got 0'),
    (lambda: tfdgm.WaveNet(5, dilations=()), r'dilations of WaveNet must be one or more positive whole numbers'),
    (lambda: tfdgm.WaveNet(5, dropout=1.), 'dropout must be a number from 0 up to, but not, 1, got 1.0'),
    (lambda: tfdgm.WaveNet(5, positions=3), 'positions of WaveNet must be True or False, got 3'),
    (lambda: tfdgm.CausalTransformer(5, width=6, heads=4), 'width .* must be a multiple of heads, got 6 and 4'),
])
def test_arguments_that_make_no_model_are_refused(make_model, message):
    with pytest.raises(ValueError, match=message):
        make_model()


@every_system
def test_step_gives_the_parameters_of_the_parallel_form_of_images_in_any_order(system):
    model = make(system, (3, 4, 2), order='random', output=Categorical(3))
    x = systems.some_events(model, 2)
    wanted = np.reshape(model.parameters(x), (2, 24, -1))
    state, previous = model.initial_state(2), tf.zeros(2)
    for position, site in enumerate(model.visited_sites):
        parameters, state = model.step(state, position, previous)
        np.testing.assert_allclose(parameters, wanted[:, site], atol=1e-4)
        previous = x.reshape(2, 24)[:, site]
