"""log Z: by sums, by chains, and when it may be used."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.boltzmann.systems import all_events, make, some_events, spread
from tfdgm.boltzmann.log_partition import LogPartition, log_mean
from tfdgm.boltzmann.model import checked_temperatures
from tfdgm.outputs import MixtureOfGaussians


@pytest.mark.parametrize('system, seeds', [
    ('rbm', 20), ('dbm', 20),
    *(pytest.param(system, 100, marks=pytest.mark.slow) for system in (
        'rbm', 'centered_rbm', 'categorical_rbm', 'gaussian_rbm', 'dbm'))])
def test_chains_both_ways_bracket_the_sum(system, seeds):
    model = make(system, (8,))
    exact = model.estimate_log_partition().value
    inside = []
    for seed in range(seeds):
        found = model.estimate_log_partition(100, 50, burn_in=100, exact=False, seed=seed)
        assert not found.is_exact and 2 < found.effective_sample_size <= 100
        inside.append(found.value - 3 * found.standard_error < exact < found.reverse + 3 * found.reverse_standard_error)
    assert np.mean(inside) >= 0.95


def test_more_temperatures_bring_both_ends_nearer():
    model = spread(tfdgm.RBM(8, hidden_units=6), scale=2.)
    exact = model.estimate_log_partition().value
    errors = [model.estimate_log_partition(200, temperatures, exact=False).standard_error for temperatures in (20, 500)]
    assert errors[1] < 0.3 * errors[0]
    assert abs(model.log_partition.value - exact) < 3 * errors[1]
    uneven = model.estimate_log_partition(200, np.linspace(0, 1, 501)**0.5, exact=False)
    assert abs(uneven.value - exact) < 4 * uneven.standard_error


def test_the_base_has_the_means_of_the_data():
    """Of a model that is no more than its biases, every chain gives log Z itself."""
    x = (np.random.default_rng(0).random([500, 6]) < [0.1, 0.2, 0.5, 0.6, 0.8, 0.9]).astype('float32')
    model = tfdgm.RBM(6, hidden_units=4)
    model.initialized_from(x)
    model.kernels[0].assign(np.zeros([6, 4]))
    found = model.estimate_log_partition(10, 5, exact=False)
    np.testing.assert_allclose(found.value, model.exact_log_partition(), rtol=1e-5)
    assert found.standard_error < 1e-5


def test_reverse_annealing_is_too_low_on_average_and_comes_near():
    model = spread(tfdgm.RBM(8, hidden_units=6), scale=1.5)
    model.initialized_from(some_events(model, 50))
    x = model.distribution().sample(200, seed=0)
    exact = model.distribution().log_prob(x).numpy()
    few, many = (tfdgm.boltzmann.reverse_annealing(model, x, num_chains=chains, temperatures=temperatures) - exact
                 for chains, temperatures in ((2, 5), (20, 300)))
    assert np.mean(few) < -0.1
    assert -0.1 < np.mean(many) < 3 * np.std(many) / np.sqrt(200)


def test_reverse_annealing_is_of_rbms():
    with pytest.raises(ValueError, match='takes an RBM'):
        tfdgm.boltzmann.reverse_annealing(make('dbm'), np.ones([1, 2, 2, 1]))
    with pytest.raises(ValueError, match='0 or 1'):
        tfdgm.boltzmann.reverse_annealing(make('rbm'), np.full([1, 2, 2, 1], 0.5))


def large():
    """A model of which no side can be summed over."""
    return tfdgm.RBM(30, hidden_units=25)


def test_log_prob_waits_for_log_z_and_says_what_to_call():
    model = large()
    x, dist = some_events(model), model.distribution()
    assert dist.unnormalized_log_prob(x).shape == (8,)
    never = r'up to a constant, log Z, which was never estimated: call model\.estimate_log_partition\(\)'
    for use in (lambda: dist.log_prob(x), lambda: model.predict(x, verbose=0), lambda: model(x),
                lambda: tf.function(dist.log_prob)(x), lambda: model.log_partition, lambda: dist.prob(x),
                lambda: model.predict(tf.data.Dataset.from_tensors(x), verbose=0)):
        with pytest.raises(RuntimeError, match=never):
            use()
    model.compile('sgd')
    history = model.fit(x, verbose=0, validation_data=(x,)).history
    assert set(history) == {'loss', 'val_loss'}
    assert set(model.evaluate(x, verbose=0, return_dict=True)) == {'loss'}


def test_log_z_of_other_weights_is_refused(tmp_path):
    model = large()
    x, dist = some_events(model), model.distribution()
    model.compile('sgd')
    model.estimate_log_partition(10, 20)
    known = dist.log_prob(x)
    traced = tf.function(dist.log_prob)
    np.testing.assert_allclose(traced(x), known, rtol=1e-5)
    assert set(model.evaluate(x, verbose=0, return_dict=True)) == {'loss', 'nll', 'bits_per_dim'}
    model.save_weights(tmp_path / 'model.weights.h5')
    kernel = model.kernels[0].numpy()
    stale = r'The weights of this RBM have changed since its log Z was estimated: call .* again'
    for change in (lambda: model.fit(x, verbose=0), lambda: model.kernels[0].assign(kernel[::-1]),
                   lambda: model.kernels[0].assign(-kernel),
                   lambda: model.unit_biases[1].assign_add(np.full(25, 1e-3))):
        change()
        with pytest.raises(RuntimeError, match=stale):
            dist.log_prob(x)
        with pytest.raises(RuntimeError, match=stale):
            model.predict(x, verbose=0)
        # A function that was traced before can't raise an error any more, and gives no number.
        assert np.all(np.isnan(traced(x)))
        assert set(model.evaluate(x, verbose=0, return_dict=True)) == {'loss'}
        model.load_weights(tmp_path / 'model.weights.h5')
        np.testing.assert_allclose(dist.log_prob(x), known, rtol=1e-6)
    model.fit(x, verbose=0)
    model.estimate_log_partition(10, 20)
    assert np.all(np.isfinite(traced(x)))


def test_a_sum_is_found_by_itself_after_every_change():
    model = make('rbm')
    x = all_events(model)
    model.compile('sgd')
    for _ in range(2):
        model.fit(x, verbose=0)
        np.testing.assert_allclose(np.sum(np.exp(model.distribution().log_prob(x))), 1, rtol=1e-4)


def test_chains_are_no_parameters():
    assert tfdgm.RBM(6, hidden_units=4, num_chains=50).count_params() == 6 * 4 + 6 + 4


def test_the_smaller_side_is_summed_over():
    for sizes in (30, 8), (8, 30):
        model = spread(tfdgm.RBM(sizes[0], hidden_units=sizes[1]), scale=0.3)
        assert model.can_enumerate
        found = model.estimate_log_partition().value
        chains = model.estimate_log_partition(200, 200, exact=False)
        assert abs(chains.value - found) < 4 * chains.standard_error + 1e-3
    assert not large().can_enumerate
    assert tfdgm.RBM(30, output=MixtureOfGaussians(1), hidden_units=20).can_enumerate
    assert not tfdgm.RBM(3, output=MixtureOfGaussians(1), hidden_units=21).can_enumerate


@pytest.mark.parametrize('arguments, message', [
    ({'num_chains': 1}, 'num_chains must be an integer of at least 2'),
    ({'temperatures': 0}, 'temperatures must be an integer of at least 1'),
    ({'temperatures': 2.5}, 'temperatures must be an integer of at least 1'),
    ({'temperatures': [0.]}, 'rising from 0 to 1'), ({'temperatures': [0., 0.5]}, 'rising from 0 to 1'),
    ({'temperatures': [0.1, 1.]}, 'rising from 0 to 1'), ({'temperatures': [0., 0.7, 0.7, 1.]}, 'rising from 0 to 1'),
    ({'temperatures': [0., np.nan, 1.]}, 'rising from 0 to 1'), ({'temperatures': [0, 'a', 1]}, 'rising from 0 to 1'),
    ({'burn_in': -1}, 'burn_in must be an integer of at least 0'),
    ({'exact': 'no'}, 'exact must be True or False'), ({'exact': True}, 'too many states for log Z to be a sum')])
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        large().estimate_log_partition(**arguments)


def test_chains_that_diverge_give_nothing():
    model = tfdgm.EnergyModel(2, hidden_units=(16,), step_size=3.)
    for draw in (lambda: model.distribution().sample(3), lambda: model.chain(200)):
        with pytest.raises(RuntimeError, match=r'diverged.*Lower step_size'):
            draw()
    for weights in model.last.weights:
        weights.assign(np.full(weights.shape, np.nan))
    with pytest.raises(RuntimeError, match='diverged, and nothing is kept'):
        model.estimate_log_partition(20, 20)
    assert not model.knows_log_partition()


def test_estimates_that_contradict_themselves_are_warned_of():
    model = spread(tfdgm.RBM(30, hidden_units=25), scale=3.)
    with pytest.warns(UserWarning, match=r'RBM is not sure of its constant: log Z (by|rests).*more temperatures'):
        model.estimate_log_partition(10, 2)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        spread(tfdgm.RBM(30, hidden_units=25), scale=0.3).estimate_log_partition(100, 500)
    assert LogPartition(1., 0.1, 1.5, 0.1, 20.).doubt is None
    assert 'further apart' in LogPartition(1., 0.1, 3., 0.1, 20.).doubt
    assert 'further apart' in LogPartition(3., 0.1, 1., 0.1, 20.).doubt
    assert 'as many as 1.2 ' in LogPartition(1., 0.1, 1.5, 0.1, 1.2).doubt


def test_no_estimate_inside_a_function():
    with pytest.raises(RuntimeError, match=r'inside a tf\.function'):
        tf.function(large().estimate_log_partition)()


def test_temperatures():
    np.testing.assert_allclose(checked_temperatures(4), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(checked_temperatures([0, 0.9, 1]), [0, 0.9, 1])


def test_means_of_logarithms():
    values = np.random.default_rng(0).gamma(2., size=1000)
    mean, error, size = log_mean(np.log(values) - 5000)
    np.testing.assert_allclose(mean, np.log(np.mean(values)) - 5000)
    np.testing.assert_allclose(error, np.std(values, ddof=1) / np.mean(values) / np.sqrt(1000))
    np.testing.assert_allclose(size, np.sum(values)**2 / np.sum(values**2))
    found = LogPartition.of_chains(np.log(values), -np.log(values))
    np.testing.assert_allclose((found.value, found.reverse), (np.log(np.mean(values)), -np.log(np.mean(values))))


def test_a_training_that_is_resumed_has_its_chains(tmp_path):
    x = some_events(make('rbm'), 40)

    def model_after(epochs, checkpoint=None):
        model = make('rbm')
        model.compile(keras.optimizers.SGD(0.1))
        model.initialized_from(x)
        saved = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        if checkpoint is not None:
            model.fit(x, epochs=1, batch_size=10, shuffle=False, verbose=0)
            saved.read(checkpoint).assert_consumed()
        model.fit(x, epochs=epochs, batch_size=10, shuffle=False, verbose=0)
        return model, saved

    whole, _ = model_after(2)
    _, saved = model_after(1)
    resumed, _ = model_after(1, saved.write(str(tmp_path / 'state')))
    np.testing.assert_array_equal(resumed.chains[0], whole.chains[0])
    np.testing.assert_array_equal(resumed.kernels[0], whole.kernels[0])
