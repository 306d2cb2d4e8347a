"""What holds for every model that is known up to a constant."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.boltzmann.systems import MACHINES, SYSTEMS, all_events, log_joint, log_marginal, make, some_events, states_of
from tests.systems import every_of

every_system = every_of(SYSTEMS, 'rbm', 'energy')
every_machine = every_of(MACHINES, *MACHINES)
EXACT = [system for system in MACHINES if system != 'dbm']


@pytest.mark.parametrize('system', EXACT)
def test_the_free_energy_is_the_sum_over_hidden_states(system):
    model = make(system)
    x = some_events(model)
    np.testing.assert_allclose(model.distribution().unnormalized_log_prob(x), log_marginal(model, x), rtol=1e-4)


@pytest.mark.parametrize('system', ['rbm', 'centered_rbm', 'categorical_rbm'])
def test_probabilities_sum_to_one(system):
    model = make(system)
    x = all_events(model)
    log_probs = model.distribution().log_prob(x).numpy()
    np.testing.assert_allclose(np.sum(np.exp(log_probs)), 1, rtol=1e-4)
    np.testing.assert_allclose(model.log_partition.value, np.logaddexp.reduce(log_marginal(model, x)), rtol=1e-5)
    assert model.log_partition.is_exact and model.log_partition.standard_error == 0


@pytest.mark.parametrize('system', ['gaussian_rbm', 'energy'])
def test_densities_integrate_to_one(system):
    model = make(system, (2,))
    model.standardization.mean.assign([1., -2.])
    model.standardization.deviation.assign([2., 0.5])
    if system == 'energy':
        found = model.estimate_log_partition(num_chains=300, temperatures=100, burn_in=100)
        assert abs(found.value - found.reverse) < 4 * (found.standard_error + found.reverse_standard_error)
    axes = [np.linspace(mean - 12 * scale, mean + 12 * scale, 600, dtype='float32')
            for mean, scale in ((1, 2), (-2, 0.5))]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    density = np.exp(model.distribution().log_prob(grid).numpy().astype('float64'))
    integral = np.sum(density) * np.prod([axis[1] - axis[0] for axis in axes])
    assert abs(integral - 1) < (1e-3 if system == 'gaussian_rbm' else 4 * model.log_partition.standard_error)


@every_machine
def test_gibbs_chains_draw_from_the_density(system):
    model = make(system, burn_in=50)
    if not model.support.is_discrete:
        pytest.skip('real values have no table of frequencies')
    x = all_events(model)
    # The bound of a DBM lies below by another amount for each event.
    log_probs = log_marginal(model, x)
    probabilities = np.exp(log_probs - np.logaddexp.reduce(log_probs))
    samples = model.distribution().sample(4000, seed=0).numpy()
    powers = model.support.levels ** np.arange(model.num_sites)[::-1]
    counts = np.bincount((samples.reshape(-1, model.num_sites) @ powers).astype(int), minlength=len(x))
    expected = 4000 * probabilities
    common = expected >= 5
    statistic = np.sum((counts - expected)[common]**2 / expected[common])
    degrees = np.sum(common)
    assert statistic < degrees + 4 * np.sqrt(2 * degrees)
    chain = model.chain(2000, 2, burn_in=50, seed=1).numpy()
    np.testing.assert_allclose(chain.mean((0, 1)), np.tensordot(probabilities, x, 1), atol=0.1)
    assert np.all(tfdgm.evaluation.mixing(chain).potential_scale_reduction < 1.1)


def test_the_chains_of_real_values_have_their_moments():
    for system in 'gaussian_rbm', 'energy':
        model = make(system, (2,), burn_in=200)
        axis = np.linspace(-12, 12, 400, dtype='float32')
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        density = np.exp(model.distribution().unnormalized_log_prob(grid).numpy().astype('float64'))
        density /= density.sum()
        mean = density @ grid
        samples = model.distribution().sample(4000, seed=0).numpy()
        np.testing.assert_allclose(samples.mean(0), mean, atol=0.15)
        np.testing.assert_allclose(samples.var(0), density @ (grid - mean)**2, rtol=0.15)


@pytest.mark.parametrize('system', ['rbm', 'categorical_rbm', pytest.param('dbm', marks=pytest.mark.slow)])
def test_clamped_samples_follow_the_exact_conditional(system):
    model = make(system, burn_in=50)
    x = all_events(model)
    mask = np.array([1, 0, 0, 1]).reshape(2, 2, 1)
    fits = np.all((x == 1) | (mask == 0), axis=(1, 2, 3))
    log_probs = log_marginal(model, x[fits])
    probabilities = np.exp(log_probs - np.logaddexp.reduce(log_probs))
    samples = model.distribution().sample(3000, seed=0, observed=np.ones([2, 2, 1]), mask=mask).numpy()
    assert np.all(samples[:, mask == 1] == 1)
    found = np.array([np.mean(np.all(samples == event, axis=(1, 2, 3))) for event in x[fits]])
    np.testing.assert_allclose(found, probabilities, atol=4 * np.sqrt(0.25 / 3000))


def test_clamped_real_values_stay_and_the_others_follow_them():
    model = make('energy', (2,), burn_in=300)
    samples = model.distribution().sample(3000, seed=0, observed=[0.7, 0.], mask=[1, 0]).numpy()
    np.testing.assert_allclose(samples[:, 0], 0.7, rtol=1e-5)
    axis = np.linspace(-6, 6, 400, dtype='float32')
    density = np.exp(model.distribution().unnormalized_log_prob(np.stack([np.full(400, 0.7), axis], 1)).numpy())
    assert abs(samples[:, 1].mean() - density @ axis / density.sum()) < 0.1


@every_system
def test_it_learns_and_is_saved_with_its_chains(system, tmp_path):
    model = make(system, random_weights=False)
    x = np.tile(some_events(model, 4), (16, 1, 1, 1))
    model.compile(keras.optimizers.Adam(0.02))
    weights = [variable.numpy() for variable in (*model.trainable_variables, *model.variables)]
    history = model.fit(x, epochs=6, batch_size=16, verbose=0, validation_data=(x,)).history
    enumerable = model.can_enumerate
    assert set(history) >= {'loss', 'val_loss'} and ('val_nll' in history) == enumerable and 'nll' not in history
    assert all(np.any(old != new) for old, new in zip(weights, model.trainable_variables))
    if enumerable:
        assert history['val_nll'][-1] < history['val_nll'][0]
    model.estimate_log_partition(num_chains=10, temperatures=20)
    figures = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(figures['nll'], -np.mean(model.distribution().log_prob(x)), rtol=1e-5)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    scores = [each.distribution().log_prob(x[:4]) for each in (loaded, model)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    np.testing.assert_array_equal(loaded.distribution().sample(3, seed=0), model.distribution().sample(3, seed=0))
    assert loaded.log_partition == model.log_partition
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


@every_system
def test_samples_and_scores_are_the_same_everywhere(system):
    model = make(system, burn_in=5)
    model.estimate_log_partition(num_chains=10, temperatures=20)
    dist, x = model.distribution(), some_events(model)
    samples = dist.sample(5, seed=3).numpy()
    np.testing.assert_array_equal(dist.sample(3, seed=3), samples[:3])
    np.testing.assert_allclose(tf.function(lambda: dist.sample(5, seed=3))(), samples, rtol=1e-5)
    assert np.any(dist.sample(5, seed=3, burn_in=9) != samples)
    assert dist.sample((2, 3), seed=0, thinning=2).shape == (2, 3, 2, 2, 1)
    together = dist.log_prob(x)
    np.testing.assert_allclose([dist.log_prob(event) for event in x], together, rtol=1e-5)
    np.testing.assert_allclose(tf.function(dist.log_prob)(x), together, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), together, rtol=1e-5)
    np.testing.assert_allclose(together - dist.unnormalized_log_prob(x), -model.log_partition.value, rtol=1e-4)
    start = model.chain(3, start=x, seed=0)
    assert start.shape == (3, 8, 2, 2, 1) and np.all(model.support.contains(start.numpy()))


@pytest.mark.xla
@every_of(SYSTEMS, 'rbm')
def test_it_is_the_same_under_xla(system):
    model, x = make(system, burn_in=5), some_events(make(system))
    settings = {'num_chains': 10, 'temperatures': 20, 'exact': False}
    model.compile(jit_compile=True)
    found, samples = model.estimate_log_partition(**settings), model.distribution().sample(20, seed=3)
    scores = model.distribution().log_prob(x)
    model.compile(jit_compile=False)
    np.testing.assert_allclose(model.distribution().log_prob(x), scores, rtol=1e-4)
    np.testing.assert_allclose(model.distribution().sample(20, seed=3), samples, rtol=1e-4, atol=1e-4)
    if system in MACHINES:  # The moves of TensorFlow Probability's chains are others under XLA.
        np.testing.assert_allclose(model.estimate_log_partition(**settings), found, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('system', ['rbm', 'dbm', 'energy'])
def test_mixed_precision_stays_near(system):
    model, half = make(system), make(system, dtype='mixed_bfloat16')
    half.set_weights(model.get_weights())
    x = some_events(model)
    scores = [each.distribution().unnormalized_log_prob(x) for each in (half, model)]
    np.testing.assert_allclose(*scores, rtol=0.05, atol=0.05)
    half.compile()
    half.fit(x, verbose=0)


def test_the_latents_of_an_event_are_probabilities_of_hidden_units():
    model = make('rbm')
    x = some_events(model)
    # Of each hidden unit, by all states of the others.
    z = model.encode(x)
    assert z.shape == (8, 6)

    states = states_of(model)
    for event, probabilities in zip(x, z.numpy()):
        log_joints = log_joint(model, np.repeat(event[None], len(states), 0), states)
        shares = np.exp(log_joints - np.logaddexp.reduce(log_joints))
        np.testing.assert_allclose(shares @ states, probabilities, atol=1e-5)
    logits = states[:5] @ model.kernels[0].numpy().T + model.unit_biases[0].numpy()
    np.testing.assert_allclose(model.decode(states[:5]).numpy().reshape(5, 4), 1 / (1 + np.exp(-logits)), rtol=1e-5)
    assert model.reconstruct(x).shape == x.shape
    assert model.interpolate(x[:2], x[2:4], 3).shape == (2, 3, 2, 2, 1)
