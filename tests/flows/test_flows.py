"""What flows learn, how they start and where they refuse."""

import copy
import gc
import pickle
import weakref

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.flows.systems import IMAGE_SYSTEMS, VECTOR_SYSTEMS, make, some_events
from tfdgm.conditions import Label, Vector
from tfdgm.flows import UniformDequantization
from tfdgm.flows.layers import ConvolutionNetwork
from tfdgm.random import hashed_uniforms

tfb = tfp.bijectors
tfd = tfp.distributions


@pytest.mark.parametrize('system', [
    system if system == 'maf' else pytest.param(system, marks=pytest.mark.slow)
    for system in VECTOR_SYSTEMS if system != 'nice'])
def test_a_flow_fitted_to_a_normal_distribution_finds_its_entropy(system, rng):
    covariance = np.array([[2.0, 1.2], [1.2, 1.0]])
    normal = scipy.stats.multivariate_normal([1, -3], covariance)
    model = make(system, 2, random_weights=False)
    train, test = (normal.rvs(4000, random_state=seed).astype('float32') for seed in (0, 1))
    model.adapt(train)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(train, epochs=4, batch_size=200, verbose=0)
    model.optimizer.learning_rate = 0.001
    model.fit(train, epochs=2, batch_size=200, verbose=0)
    # On the same events, so that their own deviation from the entropy does not count.
    excess = np.mean(normal.logpdf(test)) - np.mean(model.predict(test, batch_size=1000, verbose=0))
    assert excess == pytest.approx(0, abs=0.05)


# Dequantisation ------------------------------------------------------------------------------------------------------

def test_hashed_numbers_are_uniform_and_independent_and_follow_from_the_event(rng):
    x = rng.integers(256, size=(2000, 5, 4, 1)).astype('float32')
    u = hashed_uniforms(x).numpy()
    assert u.shape == x.shape and u.min() > 0 and u.max() < 1
    assert scipy.stats.kstest(np.ravel(u), 'uniform').pvalue > 1e-3
    correlations = np.corrcoef(u.reshape(2000, 20).T) - np.eye(20)
    assert np.abs(correlations).max() < 5 / 2000 ** 0.5
    np.testing.assert_array_equal(hashed_uniforms(x[7:8])[0], u[7])
    np.testing.assert_array_equal(tf.function(hashed_uniforms, jit_compile=True)(x), u)
    other = hashed_uniforms(x, draw=1).numpy()
    assert abs(np.corrcoef(np.ravel(u), np.ravel(other))[0, 1]) < 5 / u.size ** 0.5
    # Neighbours in the space of events, too.
    beside = hashed_uniforms(x + np.eye(20).reshape(20, 5, 4, 1)[3]).numpy()
    assert abs(np.corrcoef(np.ravel(u), np.ravel(beside))[0, 1]) < 5 / u.size ** 0.5


@pytest.mark.parametrize('logit', [None, 0.05])
def test_a_dequantised_likelihood_is_a_bound_that_draws_tighten(logit):
    """A flow of two numbers of three levels; its exact probabilities come from a fine grid."""
    cells = np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 2).astype('float32')
    bounds = {}
    for draws in (1, 10, 400):
        model = make('affine', 2, dequantization=UniformDequantization(3, draws=draws, logit=logit))
        if logit is None:
            model.norms[0].log_scale.assign([2., 2.])  # So that the density varies within a cell.
        bounds[draws] = model.distribution().log_prob(cells).numpy()
    steps = 100
    axis = (np.arange(steps) + 0.5) / steps
    inside = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype('float32')
    density = model.continuous_distribution().prob((cells[:, None] + inside).reshape(-1, 2)).numpy()
    exact = np.log(density.reshape(9, -1).mean(1))
    probabilities = np.exp(exact)
    assert probabilities.sum() <= 1 + 1e-3
    gaps = [float(probabilities @ (exact - bounds[draws])) for draws in (1, 10, 400)]
    assert gaps[0] > gaps[1] > gaps[2] - 1e-3
    assert gaps[2] == pytest.approx(0, abs=0.02)
    # A mean over many numbers drawn: one draw is below the exact value.
    noise = np.random.default_rng(0).uniform(size=(9, 2000, 2))
    one_draw = model.continuous_distribution().log_prob((cells[:, None] + noise).reshape(-1, 2).astype('float32'))
    assert np.all(np.reshape(one_draw, (9, -1)).mean(1) < exact + 1e-3)
    samples = model.distribution().sample(5000, seed=0).numpy()
    assert np.all(model.dequantization.contains(samples))


def test_the_bound_of_an_event_is_the_same_in_any_batch_and_drawn_anew_in_training():
    model = make('affine', (4, 4, 1), dequantization=UniformDequantization(8))
    x = some_events(model, 6)
    together = model.distribution().log_prob(x)
    np.testing.assert_allclose(model.distribution().log_prob(x[2:4]), together[2:4], rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), together, rtol=1e-5)
    first, second = model(x, training=True), model(x, training=True)
    assert not np.any(np.equal(first, second))
    np.testing.assert_array_equal(model.decode(model.encode(x)), x)


def test_values_outside_the_levels_have_no_probability():
    model = make('affine', 3, dequantization=UniformDequantization(4))
    log_prob = model.distribution().log_prob(np.array([[0, 1, 3], [0, 1, 4], [0, -1, 2], [0.5, 1, 1]], 'float32'))
    np.testing.assert_array_equal(np.isnan(log_prob), [False, True, True, True])
    with pytest.raises(tf.errors.InvalidArgumentError, match='to be a whole number 0 '):
        model.distribution(validate_args=True).log_prob([[0., 1., 4.]])
    with pytest.raises(ValueError, match='outside the support'):
        model.fit(np.full([4, 3], 4.))
    continuous = model.continuous_distribution(validate_args=True)
    assert np.isfinite(continuous.log_prob([[0.5, 1.2, 3.9]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match='to be a finite real number'):
        continuous.log_prob([[0.5, np.inf, 3.9]])
    for system in ('affine', 'nice'):
        assert np.isnan(make(system, 3).distribution().log_prob([[0., np.inf, 1.]]))


def test_what_a_flow_makes_has_a_density_where_its_sigmoid_is_rounded():
    model = make('affine', 2, dequantization=UniformDequantization(17, logit=0.05))
    dist = model.continuous_distribution()
    ends = np.array([0.05, 0.95]) / 0.9 * 17 * [-1, 1]  # Where the sigmoid is 0 and 1.
    for rounded in (ends, np.nextafter(ends, ends * 2, dtype='float32')):
        assert np.isfinite(dist.log_prob(rounded))
    assert np.isnan(dist.log_prob(ends * 1.01))
    far = dist.sample(100, seed=0, temperature=100.)
    assert np.isfinite(far).all() and np.isfinite(dist.log_prob(far)).all()


# Start and latents ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('system', ['affine', *IMAGE_SYSTEMS])
def test_act_norm_starts_from_the_first_events_once(system, rng, tmp_path):
    pipeline = system == 'affine'
    model = make(system, random_weights=False, condition=Label(2))
    x = rng.normal(5, 3, size=(64, *model.event_shape)).astype('float32')
    labels = rng.integers(2, size=64)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    data = (tf.data.Dataset.from_tensor_slices((x, labels)).batch(64),) if pipeline else (x, labels)
    model.fit(*data, verbose=0)
    assert all(norm.has_started() for norm in model.norms)
    first = model.norms[0]
    # The one next to the events sees them after a squeeze, which moves numbers only.
    if system == 'glow':
        seen = x.reshape(64, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4)
    elif system == 'affine':
        seen = x.reshape(64, -1)[:, [0, 2, 1, 3]]
    if system != 'real_nvp':
        z, _ = first(seen)
        np.testing.assert_allclose(np.mean(z, 0), 0, atol=1e-3)
        np.testing.assert_allclose(np.std(z, 0), 1, atol=1e-3)
    weights = model.get_weights()
    model.fit(x * 2, labels, verbose=0)
    model.save(tmp_path / 'flow.keras')
    loaded = keras.saving.load_model(tmp_path / 'flow.keras')
    loaded.fit(x * 3, labels, verbose=0)
    for old, new in zip(weights, loaded.get_weights()):
        if old.dtype == np.float32:
            np.testing.assert_array_equal(old, new)


def test_act_norm_starts_from_events_all_over_an_array_and_from_several_batches(rng):
    # Sorted by class: the first half is nothing like the second.
    x = np.concatenate([rng.normal(size=(300, 4)), rng.normal(9, 2, size=(300, 4))]).astype('float32')
    shuffled = rng.permutation(x)
    for data in (x, tf.data.Dataset.from_tensor_slices(shuffled).batch(2)):
        model = make('affine', 4, random_weights=False)
        model.compile(keras.optimizers.SGD(0.), jit_compile=False)
        model.fit(data, verbose=0)
        z = model.norms[0](x[:, [0, 2, 1, 3]])[0]
        np.testing.assert_allclose(np.mean(z, 0), 0, atol=0.2)
        np.testing.assert_allclose(np.std(z, 0), 1, atol=0.2)


@pytest.mark.parametrize('count', [1, 2, 3])
def test_act_norm_makes_no_absurd_scales_of_few_events(count, rng):
    x = rng.normal(size=(50, 3)).astype('float32')
    model = make('affine', 3, random_weights=False)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    model.train_on_batch(x[:count])
    assert model.evaluate(x, verbose=0, return_dict=True)['nll'] == pytest.approx(4.3, abs=0.5)


def test_act_norm_sees_equal_whole_numbers_spread_as_training_does():
    x = np.zeros((64, 4, 4, 1))
    model = make('glow', random_weights=False, dequantization=UniformDequantization(16))
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    # At the start each level is about as likely as any other, or more so.
    assert model.fit(x, verbose=0).history['bits_per_dim'][0] < np.log2(16)


def test_act_norm_takes_nothing_from_a_generator(rng):
    def batches():
        for _ in range(3):
            seen.append(rng.normal(5, 3, size=(8, 3)).astype('float32'))
            yield seen[-1],

    seen, steps = [], []
    model = make('affine', 3, random_weights=False)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    model.fit(batches(), verbose=0, callbacks=[keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch))])
    assert len(steps) == len(seen) == 3
    np.testing.assert_allclose(np.mean(model.norms[0](np.concatenate(seen)[:, [0, 2, 1]])[0], 0), 0, atol=1e-3)
    with pytest.raises(ValueError, match='values are NaN'):
        make('affine', 3, random_weights=False).fit(tf.data.Dataset.from_tensors(np.full([4, 3], np.nan)))
    with pytest.raises(ValueError, match='at least one batch of events'):
        make('affine', 3, random_weights=False).prepare(iter([]), None)


def test_networks_over_images_do_not_extrapolate(rng):
    network = ConvolutionNetwork((4, 4, 1), 8, 1, 2)
    network.set_weights([rng.normal(size=weight.shape) for weight in network.get_weights()])
    x = rng.normal(size=(1, 4, 4, 1)).astype('float32')
    unlikely, limit, likely = (network(np.where(np.eye(4)[:, :, None] > 0, value, x)) for value in (1e4, 10., 9.))
    np.testing.assert_array_equal(unlikely, limit)
    assert np.abs(limit - likely).max() > 0.1


def test_a_temperature_may_be_a_tensor_and_gradients_pass_through_encode_and_decode():
    model = make('affine', 3)
    x = tf.constant(some_events(model, 4))
    dist = model.distribution()
    for temperature in (tf.constant(0.5), np.array(0.5), np.float32(0.5)):
        np.testing.assert_array_equal(dist.sample(2, seed=0, temperature=temperature),
                                      dist.sample(2, seed=0, temperature=0.5))
    traced = tf.function(lambda temperature: dist.sample(2, seed=0, temperature=temperature))
    np.testing.assert_allclose(traced(tf.constant(0.5)), dist.sample(2, seed=0, temperature=0.5), atol=1e-5)
    for method in (model.encode, model.decode):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(method(x) ** 2)
        assert np.all(tape.gradient(total, x) != 0)
        with pytest.raises(RuntimeError, match=r'tf\.function .* use bijector\(condition\)'):
            tf.function(method)(x)


def test_interpolation_goes_from_one_event_to_the_other():
    model = make('affine', (2, 2, 1), condition=Label(2), dequantization=UniformDequantization(5))
    x = some_events(model, 4)
    way = model.interpolate(x[:2], x[2:], steps=5, condition=[0, 1])
    assert way.shape == (2, 5, 2, 2, 1)
    np.testing.assert_array_equal(way[:, 0], x[:2])
    np.testing.assert_array_equal(way[:, -1], x[2:])


# Inside TFP ----------------------------------------------------------------------------------------------------------

def test_the_bijector_preconditions_a_markov_chain():
    model = make('affine', 2)
    target = tfd.MultivariateNormalDiag([1., -1.], [1., 2.])
    kernel = tfp.mcmc.TransformedTransitionKernel(
        tfp.mcmc.HamiltonianMonteCarlo(target.log_prob, step_size=0.2, num_leapfrog_steps=4), model.bijector())
    states = tf.function(lambda: tfp.mcmc.sample_chain(
        400, tf.zeros([20, 2]), kernel=kernel, num_burnin_steps=100, trace_fn=None, seed=[0, 1]))()
    np.testing.assert_allclose(np.mean(states, (0, 1)), [1, -1], atol=0.25)


def test_a_flow_is_a_surrogate_posterior_and_part_of_a_joint_distribution():
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]], 'float32')
    target = tfd.MultivariateNormalTriL([2., 0.], np.linalg.cholesky(covariance))
    model = make('iaf', 2, random_weights=False)
    surrogate = model.distribution()
    losses = tfp.vi.fit_surrogate_posterior(
        target.log_prob, surrogate, optimizer=keras.optimizers.Adam(0.02), num_steps=300, sample_size=64,
        seed=[0, 1])
    assert float(losses[-1]) == pytest.approx(0, abs=0.1) and losses[0] > 1
    np.testing.assert_allclose(np.cov(surrogate.sample(4000, seed=0).numpy().T), covariance, atol=0.15)
    joint = tfd.JointDistributionSequential([surrogate, lambda x: tfd.Normal(x[..., 0], 1.)])
    assert joint.log_prob(joint.sample(3, seed=1)).shape == (3,)


@pytest.mark.parametrize('dequantization', [None, UniformDequantization(4)])
def test_what_is_made_of_a_flow_s_distribution_has_the_model_s_variables(dequantization):
    model = make('affine', 2, condition=Label(2), dequantization=dequantization)
    dist, pair = model.distribution(1), model.distribution([0, 1])
    module = tf.Module()
    module.prior = dist
    around = [tfd.Sample(dist, 3), tfd.Independent(pair, 1), tfd.JointDistributionSequential([dist]), module,
              tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), pair),
              tfd.Mixture(tfd.Categorical(probs=[0.5, 0.5]), [dist, dist])]
    if dequantization is None:
        around.append(tfd.TransformedDistribution(dist, tfb.Exp()))
    expected = {id(variable.value) for variable in model.trainable_variables}
    for outer in around:
        assert {id(variable) for variable in outer.trainable_variables} == expected, outer


def test_a_flow_s_distribution_goes_through_functions_and_copies():
    model, other = (make('affine', 2, condition=Label(2)) for _ in range(2))
    other.set_weights([weight * 0.5 for weight in other.get_weights()])
    x = some_events(model, 4)
    score = tf.function(lambda dist: dist.log_prob(x))
    for dist in (model.distribution(1), other.distribution(1), model.distribution(0), other.distribution([1, 0, 0, 1])):
        for same in (copy.copy, copy.deepcopy, lambda dist: pickle.loads(pickle.dumps(dist)),
                     lambda dist: tf.function(lambda: dist)(),
                     lambda dist: tf.nest.map_structure(lambda part: part, dist, expand_composites=True)):
            np.testing.assert_allclose(same(dist).log_prob(x), dist.log_prob(x), rtol=1e-5)
        np.testing.assert_allclose(score(dist), dist.log_prob(x), rtol=1e-5)
    assert score.experimental_get_tracing_count() == 3  # Only the third is like another: the first.
    copied = copy.deepcopy(model.distribution(1))
    assert copied.model is not model
    with pytest.raises(TypeError, match='temperature'):
        model.distribution(1).experimental_sample_and_log_prob(2, temperature=0.5)


@pytest.mark.parametrize('name', ['cdf', 'log_cdf', 'survival_function', 'log_survival_function', 'quantile'])
def test_what_a_flow_does_not_have_is_said(name):
    with pytest.raises(NotImplementedError, match='only a density: estimate them from samples'):
        getattr(make('affine', 2).distribution(), name)([0.5, 0.5])


# Bad input -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('make_model, message', [
    (lambda: tfdgm.NICE(1), 'needs at least two'),
    (lambda: tfdgm.Glow((28, 28, 1), scales=3), 'multiples of 8.*Use fewer scales, or pad'),
    (lambda: tfdgm.RealNVP((28, 27, 1)), 'multiples of 4'),
    (lambda: tfdgm.Glow(16), 'is for images'),
    (lambda: tfdgm.Glow((8, 8, 1), steps=0), 'steps of Glow must be a whole number of at least 1'),
    (lambda: tfdgm.NICE(4, dequantization=256), r'UniformDequantization\(256\), got 256'),
    (lambda: UniformDequantization(1), 'levels .* at least 2'),
    (lambda: UniformDequantization(4, draws=0), 'draws .* at least 1'),
    (lambda: UniformDequantization(4, logit=0.5), 'between 0 and 0.5'),
    (lambda: tfdgm.FFJORD(2, solver='euler'), "one of 'runge_kutta', 'dormand_prince'; got 'euler'"),
    (lambda: tfdgm.FFJORD(2, trace='rough'), "one of 'exact', 'hutchinson'"),
    (lambda: tfdgm.FFJORD(2, regularization=-1), 'regularization of FFJORD must be a finite number from 0'),
    (lambda: tfdgm.NeuralSplineFlow(2, bins=1), 'bins .* at least 2'),
    (lambda: tfdgm.NeuralSplineFlow(2, bound=-1), 'bound .* above 0'),
    (lambda: tfdgm.FFJORD(2, solver='dormand_prince').compile(jit_compile=True), "can't train through an adaptive"),
    (lambda: make('affine', 2).distribution().sample(temperature=0), 'temperature must be a finite number above 0'),
    (lambda: make('affine', 2).decode(np.zeros([3, 3])), r'Expected latents, .* of shape \(None, 2\)'),
    (lambda: make('affine', 2).decode([[0., np.nan]]), 'finite in float32, got nan, the first in row 0'),
    (lambda: make('affine', 2).encode(3), r'Expected events of shape \(2,\)'),
    (lambda: make('affine', 2).decode([['a', 'b']]), 'Expected latents, .* type <U1'),
    (lambda: make('affine', 2).decode([[1e300, 0.]]), 'finite in float32, got 1e[+]300, the first in row 0'),
    (lambda: make('glow').decode(np.zeros([0, 16])), 'Expected latents, at least one'),
    (lambda: make('affine', 2).encode([[0., 1e300]]), '1e[+]300 in event 0.* a finite real number'),
    (lambda: make('affine', 2, condition=Vector(1)).encode([[0., 1.]], [[1e300]]), 'finite .*, got 1e[+]300'),
    *((lambda values=values, score=score: getattr(make('affine', 2).distribution(), score)(values),
       f'numbers that are real, got values of type {kind}') for score in ('log_prob', 'prob') for values, kind in (
        ([[1j, 0]], 'complex128'), (np.array([1j, 0]), 'complex128'), (tf.constant([1j, 0]), 'complex128'),
        (np.array(['2020-01-01'] * 2, 'datetime64[D]'), 'datetime64'), ([None] * 2, 'object'))),
    (lambda: make('affine', 2).distribution().log_prob([[1.], [1., 2.]]), 'parts that differ in shape'),
    (lambda: make('affine', 2).distribution().sample(temperature=tf.Variable(-1.)), 'temperature must be .* got -1.0'),
    (lambda: make('affine', 2).distribution().sample(temperature=None), 'temperature must be .* got None'),
    (lambda: UniformDequantization(2**20), 'levels .* at most 65536, got 1048576'),
    (lambda: make('affine', 2).train_on_batch(np.stack([np.arange(16.), np.ones(16)], 1)),
     r'site \(1,\) are the same in all 16 events'),
    (lambda: make('affine', 2, condition=Label(3)).decode(np.zeros([2, 2]), [1]), 'one condition for each of the 2'),
    (lambda: make('affine', 2, dequantization=UniformDequantization(4)).adapt(np.ones([3, 2])), 'are discrete'),
    (lambda: make('affine', 2).interpolate(np.zeros([3, 2]), np.ones([4, 2])), r'as many .*\(3, 2\) and \(4, 2'),
    (lambda: make('affine', 2, condition=Label(3)).encode(np.zeros([3, 2])), 'no condition was given'),
    (lambda: make('affine', 2, condition=Label(3)).bijector(5), 'from 0 to 2|0 … 2'),
    *((lambda system=system: make(system, 2, condition=Label(3)).bijector([0, 1]).inverse(np.zeros([3, 2], 'float32')),
       r'batch shape \(2,\) does not broadcast to the batch shape \(3,\)') for system in ('affine', 'maf', 'ffjord')),
])
def test_bad_input_is_refused_with_what_to_do(make_model, message):
    with pytest.raises(ValueError, match=message):
        make_model()


@pytest.mark.parametrize('dequantization', [None, UniformDequantization(4)])
def test_a_temperature_that_only_a_graph_sees_makes_no_samples_where_it_is_none(dequantization):
    dist = make('affine', 2, dequantization=dequantization).distribution()
    sample = tf.function(lambda temperature: dist.sample(3, temperature=temperature))
    for temperature in (0., -1., np.nan, np.inf):
        assert np.isnan(sample(tf.constant(temperature))).all()
    assert np.isfinite(sample(tf.constant(0.5))).all()


@pytest.mark.parametrize('system', VECTOR_SYSTEMS)
def test_an_odd_number_of_features_has_uneven_halves(system):
    model = make(system, 5)
    model.compile(jit_compile=False)
    x = some_events(model, 4)
    np.testing.assert_allclose(model.decode(model.encode(x)), x, atol=1e-4)


def test_a_solver_that_gives_up_says_what_to_change(rng):
    x = rng.normal(size=(16, 2)).astype('float32')
    for solver in ('runge_kutta', 'dormand_prince'):
        model = make('ffjord', 2, solver=solver, max_steps=2, tolerance=1e-7)
        model.compile()
        for call in (lambda model: model.distribution().sample(3), lambda model: model.predict(x, verbose=0),
                     lambda model: model.evaluate(x, verbose=0), lambda model: model.encode(x),
                     lambda model: model(x), lambda model: model.bijector().inverse(x),
                     lambda model: model.distribution().experimental_sample_and_log_prob(3),
                     lambda model: model.test_on_batch(x), lambda model: model.predict_on_batch(x)):
            with pytest.raises(RuntimeError, match=r'max_steps=2 at tolerance=1e-07.*more of either'):
                call(model)


@pytest.mark.slow
def test_solvers_agree_and_hutchinson_trains(rng):
    x = rng.normal(size=(64, 2)).astype('float32')
    fixed = make('ffjord', 2)
    np.testing.assert_allclose(fixed(x, training=True), fixed.distribution().log_prob(x), atol=1e-3)
    fixed = make('ffjord', 2, trace='hutchinson')
    fixed.compile(keras.optimizers.Adam(0.01))
    history = fixed.fit(x, epochs=10, verbose=0).history['loss']
    assert history[-1] < history[0]
    estimate = tf.function(lambda: fixed(x, training=True))
    estimates = np.mean([estimate() for _ in range(200)], axis=0)
    fixed.trace = 'exact'
    np.testing.assert_allclose(estimates, fixed(x, training=True), atol=0.2)


def test_hutchinsons_estimate_is_unbiased_also_of_dequantised_events():
    """Its signs must not follow from the noise of dequantisation, the places where the trace is taken."""
    model = tfdgm.FFJORD(2, trace='hutchinson', dequantization=UniformDequantization(2), steps=1)
    # The slope of each velocity along the other axis grows with both, so it has the sign of noises that agree.
    model.velocity = lambda z, time: z * z[..., ::-1] ** 2
    x, start = np.zeros((10_000, 2)), model._noise_seeds.state.numpy()
    log_probs = {}
    for model.trace in ('exact', 'hutchinson'):
        model._noise_seeds.state.assign(start)
        log_probs[model.trace] = model(x, training=True).numpy()
    errors = log_probs['hutchinson'] - log_probs['exact']
    assert 0 < abs(errors.mean()) < 3 * errors.std() / len(x) ** 0.5


def test_regularization_of_a_continuous_flow_is_the_energy_along_its_paths(rng):
    x = rng.normal(size=(8, 2)).astype('float32')
    free, bound = (make('ffjord', 2, regularization=weight, steps=16) for weight in (0., 0.25))
    bound.set_weights(free.get_weights())
    # A path of the latents at 200 times, and what it costs at the middle of each piece.
    z, energy, pieces = tf.constant(free.encode(x)), 0., 200
    for time in (np.arange(pieces) + 0.5) / pieces:
        time = tf.fill((len(x), 1), np.float32(time))
        with tf.GradientTape() as tape:
            tape.watch(z)
            velocity = free.velocity(z, time)
        slopes = tape.batch_jacobian(velocity, z)
        energy += (tf.reduce_sum(velocity ** 2, 1) + tf.reduce_sum(slopes ** 2, (1, 2))) / pieces
        z = z + velocity / pieces
    np.testing.assert_allclose(z, x, atol=0.02)
    np.testing.assert_allclose(free(x, training=True) - bound(x, training=True), 0.25 * energy, rtol=0.02)
    np.testing.assert_array_equal(bound(x), free(x))
    np.testing.assert_array_equal(bound.encode(x), free.encode(x))


@pytest.mark.parametrize('system', ['affine', 'glow'])
def test_a_model_that_was_used_is_freed(system):
    """TFP's caches would keep the graphs of its functions, and them the model."""
    model = make(system)
    model.compile(jit_compile=False)
    model.distribution().log_prob(some_events(model))
    model.distribution().sample(2)
    model.decode(model.encode(some_events(model)))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
