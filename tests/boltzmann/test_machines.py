"""RBM and DBM: their gradients, their training, and what is made of them."""

import keras
import numpy as np
import pytest
import sklearn.neural_network
import tensorflow as tf

import tfdgm
from tests.boltzmann.systems import all_events, log_joint, log_marginal, make, some_events, spread, states_of
from tfdgm.boltzmann.pretraining import Copies
from tfdgm.outputs import Categorical, MixtureOfGaussians, MixtureOfLogistics


def test_scikit_learn_has_the_same_free_energies_and_hidden_units():
    model = spread(tfdgm.RBM(8, hidden_units=6))
    theirs = sklearn.neural_network.BernoulliRBM(n_components=6)
    theirs.components_ = model.kernels[0].numpy().T
    theirs.intercept_visible_, theirs.intercept_hidden_ = (bias.numpy() for bias in model.unit_biases)
    x = some_events(model)
    np.testing.assert_allclose(
        model.distribution().unnormalized_log_prob(x), -theirs._free_energy(x), rtol=1e-5)
    np.testing.assert_allclose(model.encode(x), theirs.transform(x), rtol=1e-5)


@pytest.mark.parametrize('system', ['rbm', 'centered_rbm', 'categorical_rbm'])
def test_with_exact_samples_the_gradient_is_that_of_the_likelihood(system):
    """And of centred units, the one that their weights have."""
    model = make(system, num_chains=40_000)
    x, states = some_events(model), states_of(model)
    events = all_events(model)
    log_joints = np.array([log_joint(model, np.repeat(event[None], len(states), 0), states) for event in events])
    log_states = np.logaddexp.reduce(log_joints, axis=0)
    probabilities = np.exp(log_states - np.logaddexp.reduce(log_states))
    generator = np.random.default_rng(0)
    model.chains[0].assign(states[generator.choice(len(states), size=40_000, p=probabilities / probabilities.sum())])
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model.training_terms(x, None)['loss'])
    found = tape.gradient(loss, variables)
    with tf.GradientTape() as tape:
        log_partition = tf.reduce_logsumexp(model.unnormalized_log_prob(events))
        loss = log_partition - tf.reduce_mean(model.unnormalized_log_prob(x))
    for one, other in zip(found, tape.gradient(loss, variables)):
        np.testing.assert_allclose(one, other, atol=0.03)


def test_without_persistence_chains_start_at_the_batch():
    """Of an event that the weights make certain, a step stays there, and there is nothing to learn."""
    model = tfdgm.RBM(4, hidden_units=3, persistent=False)
    model.kernels[0].assign(np.zeros([4, 3]))
    model.unit_biases[0].assign([20., -20., 20., -20.])
    terms = model.training_terms(tf.constant([[1., 0., 1., 0.]]), None)
    np.testing.assert_allclose(terms['loss'], 0, atol=1e-4)


def test_more_steps_go_further():
    """One step of a chain of strong weights hardly leaves its mode, and many do."""
    def moved(gibbs_steps):
        model = spread(tfdgm.RBM(6, hidden_units=4, num_chains=500, gibbs_steps=gibbs_steps), scale=1.5)
        model.chains[0].assign(np.tile(model.chains[0][:1], (500, 1)))
        states = model.training_terms(some_events(model, 4), None)['chains_0']
        return np.mean(states != model.chains[0])

    assert moved(50) > 1.1 * moved(1)


def bars_and_stripes(size):
    """Images whose rows or whose columns are each of one value, every one once."""
    rows = np.array([[index >> bit & 1 for bit in range(size)] for index in range(2**size)])
    images = [np.tile(row[:, None], (1, size)) for row in rows]
    return np.unique([*images, *(image.T for image in images)], axis=0).astype('float32')[..., None]


def learned(model, x, steps=4000):
    """The model, trained on all of a few events in each step."""
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, steps, 0.)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), steps_per_execution=100)
    model.fit(np.tile(x, (100, *[1] * (x.ndim - 1))), batch_size=len(x), epochs=steps // 100, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize('centered', [pytest.param(False, marks=pytest.mark.slow), True])
def test_bars_and_stripes_are_learned_up_to_their_entropy(centered):
    x = bars_and_stripes(3)
    assert len(x) == 14
    model = learned(tfdgm.RBM((3, 3, 1), hidden_units=20, num_chains=300, gibbs_steps=5, centered=centered), x)
    nll = -np.mean(model.distribution().log_prob(x))
    assert np.log(14) <= nll < 1.05 * np.log(14)


def test_hidden_units_come_near_the_sparsity_that_is_asked_for():
    x = bars_and_stripes(4)
    shares = []
    for target in None, 0.1:
        model = tfdgm.RBM((4, 4, 1), hidden_units=16, sparsity_target=target, sparsity_weight=1.)
        model.compile(keras.optimizers.SGD(0.1), steps_per_execution=50)
        model.fit(np.tile(x, (50, 1, 1, 1)), batch_size=30, epochs=10, verbose=0)
        shares.append(np.mean(model.encode(x)))
    assert abs(shares[1] - 0.1) < 0.05 < abs(shares[0] - 0.1)


def test_real_values_are_learned_with_their_noise():
    generator = np.random.default_rng(0)
    centres = np.array([[-3., 1.], [3., 0.], [0., 4.]])
    x = centres[generator.integers(3, size=3000)] + 0.3 * generator.normal(size=[3000, 2])
    model = tfdgm.RBM(2, output=MixtureOfGaussians(1), hidden_units=8, num_chains=300)
    model.adapt(x)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 3000)), steps_per_execution=50)
    model.fit(x, batch_size=100, epochs=100, verbose=0)
    # The entropy of such data is 1.53 nats, and that of one normal distribution 4.4.
    assert -np.mean(model.distribution().log_prob(x)) < 2.5
    samples = model.distribution().sample(500, seed=0).numpy()
    distances = np.min(np.linalg.norm(samples[:, None] - centres, axis=2), axis=1)
    assert np.mean(distances < 1.2) > 0.7


@pytest.mark.parametrize('make_model', [
    lambda: tfdgm.RBM(3, output=MixtureOfGaussians(1), hidden_units=4),
    lambda: tfdgm.EnergyModel(3, hidden_units=(4,), langevin_steps=2)])
def test_values_that_are_not_standardised_are_refused_with_advice(make_model):
    x = np.random.default_rng(0).normal(100, 20, size=[64, 3])
    model = make_model()
    model.compile('sgd')
    with pytest.raises(ValueError, match=r'takes values of mean 0 and standard deviation 1.*call model\.adapt'):
        model.fit(x, verbose=0)
    model.adapt(x)
    model.fit(x, verbose=0)


# DBM ------------------------------------------------------------------------------------------------------------------

def test_the_mean_field_bounds_the_marginal_and_is_near_it():
    model = make('dbm')
    x = all_events(model)
    gaps = log_marginal(model, x) - model.distribution().unnormalized_log_prob(x)
    assert np.all(gaps > 0) and np.mean(gaps) < 0.3
    assert model.is_bound
    few = make('dbm', mean_field_steps=1)
    assert np.mean(few.distribution().unnormalized_log_prob(x)) < np.mean(model.distribution().unnormalized_log_prob(x))
    exact = np.logaddexp.reduce(log_marginal(model, x))
    np.testing.assert_allclose(model.log_partition.value, exact, rtol=1e-5)


@pytest.mark.slow
def test_a_dbm_learns_bars_and_stripes():
    x = bars_and_stripes(3)
    model = learned(tfdgm.DBM((3, 3, 1), hidden_units=(16, 8), num_chains=300, gibbs_steps=10), x)
    assert -np.mean(model.distribution().log_prob(x)) < 1.1 * np.log(14)


def test_copies_are_a_machine_with_shared_weights():
    """A sum over both copies of the hidden units, of events that come twice."""
    for centered in False, True:
        pair = spread(Copies(3, 2, (2, 2), centered=centered))
        kernel, below, above = pair.of_one()
        np.testing.assert_array_equal(pair.kernel(0), np.tile(kernel, (2, 2)))
        x = some_events(pair, 5)
        states = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
        total = (x @ np.tile(below, 2))[:, None] + states @ np.tile(above, 2) + x @ np.tile(kernel, (2, 2)) @ states.T
        np.testing.assert_allclose(
            pair.unnormalized_log_prob(x), np.logaddexp.reduce(total, axis=1), rtol=1e-4)


@pytest.mark.parametrize('centered', [False, True])
def test_pretraining_begins_nearer_to_the_data(centered):
    x = np.tile(bars_and_stripes(4), (20, 1, 1, 1))
    untrained, model = (tfdgm.DBM((4, 4, 1), hidden_units=(12, 8), centered=centered) for _ in range(2))
    untrained.initialized_from(x)
    histories = model.pretrain(x, learning_rate=0.2, epochs=40, batch_size=30, verbose=0)
    assert len(histories) == 2
    scores = [np.mean(each.distribution().log_prob(x)) for each in (untrained, model)]
    assert scores[1] > scores[0] + 1
    model.compile('sgd')
    model.fit(x, verbose=0)


@pytest.mark.parametrize('centered', [False, True])
def test_a_dbm_that_begins_with_an_rbm_has_its_density(centered):
    rbm = spread(tfdgm.RBM(6, hidden_units=4, num_chains=20, centered=True))
    model = tfdgm.DBM(6, hidden_units=(4, 3), num_chains=20, centered=centered)
    model.kernels[1].assign(np.zeros([4, 3]))
    model.begin_with(rbm)
    x = all_events(model)
    np.testing.assert_allclose(model.distribution().log_prob(x), rbm.distribution().log_prob(x), rtol=1e-4)
    np.testing.assert_array_equal(model.chains[0], rbm.chains[0])
    for other, message in ((tfdgm.RBM(6, hidden_units=5), 'num_chains of the first layer here, 20; it has 100'),
                           (make('dbm'), 'rbm must be an object such as')):
        with pytest.raises(ValueError, match=message):
            model.begin_with(other)


# Layers ---------------------------------------------------------------------------------------------------------------

def test_a_belief_network_makes_a_classifier_that_starts_at_its_features():
    x = tfdgm.data.load('digits', 'train', binarization='threshold', labels=True)
    x, labels = tfdgm.data.as_arrays(x)
    rbms = tfdgm.boltzmann.deep_belief_network(x, (64, 32), epochs=5, batch_size=50, verbose=0)
    network = tfdgm.boltzmann.classifier(rbms, 10)
    features = rbms[1].encode((np.asarray(rbms[0].encode(x[:5])) > 0.5).astype('float32'))
    assert network.layers[-2].output.shape[1] == features.shape[1]
    first = network.layers[1](np.reshape(x[:5], (5, 64)))
    np.testing.assert_allclose(first, rbms[0].encode(x[:5]), rtol=1e-4, atol=1e-6)
    network.compile(keras.optimizers.Adam(0.01), loss='sparse_categorical_crossentropy', metrics=['accuracy'])
    network.fit(x, labels, epochs=15, verbose=0)
    assert network.evaluate(x, labels, verbose=0)[1] > 0.95


def test_what_does_not_make_a_classifier():
    rbm = tfdgm.RBM(4, hidden_units=3)
    with pytest.raises(ValueError, match='of 4 follows 3 hidden units'):
        tfdgm.boltzmann.classifier([rbm, rbm], 2)
    with pytest.raises(ValueError, match=r'rbms must be one tfdgm\.RBM or more'):
        tfdgm.boltzmann.classifier([], 2)
    with pytest.raises(ValueError, match='num_classes must be an integer of at least 2'):
        tfdgm.boltzmann.classifier([rbm], 1)
    for output in Categorical(3), MixtureOfGaussians(1):
        with pytest.raises(ValueError, match='A layer stands for binary units'):
            tfdgm.RBM(4, output=output, hidden_units=3).as_layer()


@pytest.mark.parametrize('system, arguments, message', [
    (tfdgm.RBM, {'hidden_units': 0}, 'hidden_units must be an integer of at least 1'),
    (tfdgm.RBM, {'hidden_units': (3, 2)}, 'hidden_units must be an integer'),
    (tfdgm.RBM, {'num_chains': 1}, 'num_chains must be an integer of at least 2'),
    (tfdgm.RBM, {'gibbs_steps': 0}, 'gibbs_steps must be an integer of at least 1'),
    (tfdgm.RBM, {'sparsity_target': 1.}, 'sparsity_target must be a number in'),
    (tfdgm.RBM, {'sparsity_target': 0.}, 'sparsity_target must be above 0'),
    (tfdgm.RBM, {'output': MixtureOfGaussians(2)}, r'output must be Bernoulli\(\), Categorical'),
    (tfdgm.RBM, {'output': MixtureOfLogistics(4)}, r'output must be Bernoulli\(\), Categorical'),
    (tfdgm.RBM, {'condition': tfdgm.conditions.Label(3)}, 'RBM takes no condition'),
    (tfdgm.DBM, {'hidden_units': (3,)}, r'two layers or more.*tfdgm\.RBM'),
    (tfdgm.DBM, {'mean_field_steps': 0}, 'mean_field_steps must be an integer'),
    (tfdgm.EnergyModel, {'step_size': 0.}, 'step_size must be a finite number above 0'),
    (tfdgm.EnergyModel, {'restarts': 1.}, 'restarts must be a number in'),
    (tfdgm.EnergyModel, {'network': keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])},
     'should give one energy for each event'),
    (tfdgm.EnergyModel, {'network': 'dense'}, 'network must be an object such as')])
def test_bad_arguments(system, arguments, message):
    with pytest.raises(ValueError, match=message):
        system(4, **arguments)


def test_grey_values_are_refused():
    model = tfdgm.RBM(4, hidden_units=3)
    model.compile('sgd')
    with pytest.raises(ValueError, match=r'such as 0\.5 in event 0: this RBM needs every value to be 0 or 1'):
        model.fit(np.full([3, 4], 0.5), verbose=0)
    assert np.isnan(model.distribution().unnormalized_log_prob([0.5, 0, 1, 1]))
    assert np.isnan(tfdgm.RBM(2, output=Categorical(3), hidden_units=3).distribution().unnormalized_log_prob([3., 0]))


# Arguments ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('arguments, message', [
    ({'x': np.zeros([0, 6])}, 'at least one event'), ({'x': np.full([4, 6], 0.5)}, '0 or 1'),
    ({'x': tf.data.Dataset.from_tensors(np.ones([4, 6]))}, 'pass an array'), ({'x': 3}, 'pass an array'),
    ({'learning_rate': 0.}, 'learning_rate must be'), ({'learning_rate': 'high'}, 'learning_rate must be'),
    ({'seed': -1}, 'seed must be'), ({'epochs': 0}, 'epochs must be'), ({'batch_size': 2.5}, 'batch_size must be')])
def test_layers_are_not_trained_on_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.boltzmann.deep_belief_network(**{'x': np.ones([4, 6]), 'hidden_units': (3,), **arguments})
    if 'seed' not in arguments:
        with pytest.raises(ValueError, match=message):
            make('dbm', (6,)).pretrain(**{'x': np.ones([4, 6]), **arguments})


def test_a_classifier_is_made_of_machines():
    for rbms in (None, [], 'rbm', tfdgm.RBM(4, hidden_units=3), [keras.layers.Dense(3)]):
        with pytest.raises(ValueError, match=r'rbms must be one tfdgm\.RBM or more'):
            tfdgm.boltzmann.classifier(rbms, 2)


def test_states_are_kept_where_chains_begin_at_the_batch():
    model = make('rbm', persistent=False)
    x = some_events(model, 12)
    before = model.chains[0].numpy()
    model.compile('sgd')
    model.fit(x, batch_size=12, verbose=0)
    after = model.chains[0].numpy()
    assert after.shape == before.shape
    np.testing.assert_array_equal(after[12:], before[:8])


@pytest.mark.parametrize('observed', [
    np.ones([2, 2, 1], complex), 'abcd', tf.ones([2, 2, 1], tf.complex64), tf.fill([2, 2, 1], 'a'),
    tf.ragged.constant([[1.], [1., 2.]]), [[1], [1, 2]], tf.sparse.from_dense(np.ones([2, 2]))])
def test_observed_values_are_numbers(observed):
    with pytest.raises(ValueError, match='observed must be an array of numbers'):
        make('rbm').distribution().sample(2, observed=observed, mask=np.ones([2, 2, 1]))


def test_chains_of_a_number_that_is_not_known():
    model = make('rbm')
    with pytest.raises(ValueError, match='which are 8, and num_chains is 7'):
        model.chain(2, 7, start=some_events(model))
    with pytest.raises(ValueError, match=r'known when a tf\.function is traced'):
        tf.function(lambda count: model.distribution().sample(count, thinning=2))(tf.constant(3))


# Energies of integers -------------------------------------------------------------------------------------------------

def test_the_density_of_integers_ends_where_their_levels_end():
    model = make('integer_energy', (2,))
    found = model.estimate_log_partition(300, 100, burn_in=200)
    assert abs(found.value - found.reverse) < 4 * (found.standard_error + found.reverse_standard_error)
    axis = (np.arange(400, dtype='float32') + 0.5) / 200 - 1
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(model.log_density(grid).numpy().astype('float64'))
    np.testing.assert_allclose(found.value, np.log(np.mean(density) * 4), atol=4 * found.standard_error)
    assert np.all(np.isinf(model.log_density(np.array([[1.1, 0.], [0., -1.01]], 'float32'))))
    # The chances of the integers, and those among samples.
    cells = (density / density.sum()).reshape(4, 100, 4, 100).sum((1, 3))
    samples = model.distribution().sample(4000, seed=0, burn_in=400).numpy().astype(int)
    counts = np.zeros([4, 4])
    np.add.at(counts, (samples[:, 1], samples[:, 0]), 1 / 4000)
    np.testing.assert_allclose(counts, cells, atol=0.04)
