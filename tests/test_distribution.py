"""The view of a model that TFP understands, seen from the rest of TFP."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import test_util

import tfdgm
from tests.systems import make, some_events
from tfdgm.conditions import Vector

tfd = tfp.distributions


@pytest.fixture
def model(rng):
    model = tfdgm.NADE((2, 2, 1), hidden_units=5, condition=tfdgm.conditions.Label(4))
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


def test_distribution_is_an_honest_one(model):
    dist = model.distribution([0, 3])
    assert isinstance(dist, tfd.Distribution)
    assert dist.dtype == tf.float32 and dist.event_shape == (2, 2, 1) and dist.batch_shape == (2,)
    x = dist.sample(5, seed=1)
    np.testing.assert_allclose(dist.prob(x), np.exp(dist.log_prob(x)), rtol=1e-6)
    np.testing.assert_array_equal(dist.unnormalized_log_prob(x), dist.log_prob(x))
    samples, log_probs = dist.experimental_sample_and_log_prob(3, seed=2)
    np.testing.assert_allclose(log_probs, dist.log_prob(samples), rtol=1e-6)
    assert 'NADE' in repr(dist)


def test_copy_replaces_the_condition(model):
    x = np.zeros([2, 2, 1], 'float32')
    copy = model.distribution([0, 3]).copy(condition=[1])
    np.testing.assert_array_equal(copy.log_prob(x), model.distribution([1]).log_prob(x))
    assert model.distribution(0).copy().batch_shape == ()


def test_slicing_takes_members_of_the_batch(model):
    x = np.zeros([2, 2, 1], 'float32')
    dist = model.distribution([[0, 1], [2, 3]])
    assert dist[1].batch_shape == (2,)
    np.testing.assert_allclose(dist[1, 0].log_prob(x), dist.log_prob(x)[1, 0], rtol=1e-6)


def test_trainable_variables_are_the_models(model):
    dist = model.distribution(0)
    assert len(dist.trainable_variables) == len(model.trainable_variables)
    assert all(isinstance(variable, tf.Variable) for variable in dist.trainable_variables)
    x = np.zeros([1, 2, 2, 1], 'float32')
    before = dist.log_prob(x)
    tfp.math.minimize(
        lambda: -tf.reduce_mean(dist.log_prob(x)), 10, GradientDescent(),
        trainable_variables=dist.trainable_variables)
    assert dist.log_prob(x) > before


class GradientDescent:
    """The least that `tfp.math.minimize` asks of an optimizer."""

    def apply_gradients(self, gradients_and_variables):
        return tf.group(*(variable.assign_sub(0.1 * gradient) for gradient, variable in gradients_and_variables))


def test_works_inside_a_function_with_and_without_xla(model):
    x = np.zeros([3, 2, 2, 1], 'float32')
    wanted = model.distribution(2).log_prob(x)
    for jit_compile in [True, False]:
        function = tf.function(lambda x: model.distribution(2).log_prob(x), jit_compile=jit_compile)
        np.testing.assert_allclose(function(x), wanted, rtol=1e-5)
        sampler = tf.function(lambda: model.distribution(2).sample(4, seed=0), jit_compile=jit_compile)
        np.testing.assert_array_equal(sampler(), model.distribution(2).sample(4, seed=0))


def test_number_of_samples_may_be_unknown_to_the_graph(model):
    sampler = tf.function(lambda n: model.distribution(2).sample(n, seed=0))
    assert sampler(tf.constant(6)).shape == (6, 2, 2, 1)


def test_joint_distribution_of_a_label_and_an_image(model):
    joint = tfd.JointDistributionNamed({
        'label': tfd.Categorical(probs=[0.1, 0.2, 0.3, 0.4]),
        'image': lambda label: model.distribution(label)})
    draw = joint.sample(7, seed=[1, 2])
    assert draw['image'].shape == (7, 2, 2, 1)
    wanted = (tfd.Categorical(probs=[0.1, 0.2, 0.3, 0.4]).log_prob(draw['label'])
              + model.distribution(draw['label']).log_prob(draw['image']))
    np.testing.assert_allclose(joint.log_prob(draw), wanted, rtol=1e-5)


def test_sampling_under_a_tape_gives_constants(model):
    dist = tfdgm.NADE(3, hidden_units=4).distribution()
    joint = tfd.JointDistributionNamed({
        'x': dist, 'y': lambda x: tfd.MultivariateNormalDiag(x, tf.ones(3))})
    draw = joint.sample(4, seed=[0, 1])
    with tf.GradientTape() as tape:
        assert dist.sample(4, seed=0).shape == (4, 3)
        log_prob = tf.reduce_sum(joint.log_prob(draw))
    assert all(gradient is not None for gradient in tape.gradient(log_prob, dist.trainable_variables))
    gaussians = tfdgm.Independent(3, output=tfdgm.outputs.MixtureOfGaussians(1)).distribution()
    with tf.GradientTape() as tape:
        samples = tf.reduce_sum(tf.function(lambda: gaussians.sample(4, seed=0))())
    assert all(gradient is None for gradient in tape.gradient(samples, gaussians.trainable_variables))


@pytest.mark.parametrize('make_condition', [tf.constant, tf.Variable, keras.Variable])
def test_gradients_reach_the_condition(make_condition):
    model = tfdgm.FVSBN(4, condition=tfdgm.conditions.Vector(2))
    model.set_weights([np.ones(weight.shape) for weight in model.get_weights()])
    given, x = make_condition([0.5, -1.]), np.eye(4)[:2]

    def log_prob(condition):
        return tf.reduce_sum(model.distribution(condition).log_prob(x))

    with tf.GradientTape() as tape:
        watched = given.value if isinstance(given, keras.Variable) else given
        tape.watch(watched)
        value = log_prob(given)
    numerical = (log_prob([0.51, -1.]) - log_prob([0.49, -1.])) / 0.02
    np.testing.assert_allclose(tape.gradient(value, watched)[0], numerical, rtol=1e-2)


def test_distributions_around_it_have_its_variables(model):
    dist = model.distribution(1)
    for outer in tfd.Sample(dist, 2), tfd.Independent(model.distribution([1, 2]), 1), tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]), model.distribution([1, 2])):
        assert len(outer.trainable_variables) == len(model.trainable_variables)


def test_large_seeds_are_seeds_of_their_own(model):
    dist = model.distribution(1)
    for seed in 2**31, 2**40:
        assert not np.array_equal(dist.sample(20, seed=seed), dist.sample(20, seed=0))


def test_stateless_seeds_and_none(model):
    dist = model.distribution(1)
    np.testing.assert_array_equal(dist.sample(9, seed=[4, 2]), dist.sample(9, seed=[4, 2]))
    assert not np.array_equal(dist.sample(9), dist.sample(9))
    np.testing.assert_array_equal(dist.sample(9, seed=tf.constant(5)), dist.sample(9, seed=5))


class ContinuousDistribution(test_util.TestCase):
    """TFP's own checks of samples against a density."""

    def test_samples_are_consistent_with_the_density(self):
        model = tfdgm.NADE(2, hidden_units=4, output=tfdgm.outputs.MixtureOfGaussians(2))
        dist = model.distribution()
        samples = dist.sample(100_000, seed=0)
        # E[1 / p(x)] over a box is the box's volume.
        inside = tf.reduce_all(tf.abs(samples) < 1.5, axis=-1)
        volume = tf.reduce_mean(tf.where(inside, 1 / dist.prob(samples), 0.))
        self.assertAllClose(volume, 9., rtol=0.05)

    def test_hamiltonian_monte_carlo_walks_on_it(self):
        model = tfdgm.NADE(2, hidden_units=4, output=tfdgm.outputs.MixtureOfGaussians(1))
        dist = model.distribution()
        kernel = tfp.mcmc.HamiltonianMonteCarlo(dist.log_prob, 0.5, 3)
        states = tf.function(lambda: tfp.mcmc.sample_chain(
            500, tf.zeros([8, 2]), kernel=kernel, num_burnin_steps=50, trace_fn=None, seed=[1, 2]))()
        exact = dist.sample(20_000, seed=0)
        self.assertAllClose(tf.reduce_mean(states, [0, 1]), tf.reduce_mean(exact, 0), atol=0.15)
        self.assertAllClose(tf.math.reduce_std(states, [0, 1]), tf.math.reduce_std(exact, 0), rtol=0.15)


@pytest.mark.parametrize('system', [
    'maf', 'nade', *(pytest.param(system, marks=pytest.mark.slow) for system in ('glow', 'pixel_cnn'))])
def test_a_distribution_follows_a_condition_that_is_a_variable(system):
    """As TFP's own do: their parameters may be variables, which are tracked and have gradients."""
    model = make(system, condition=Vector(2))
    x = some_events(model, 3)
    values, others = np.random.default_rng(0).normal(size=(2, 3, 2)).astype('float32')
    for variable in tf.Variable(values), keras.Variable(values):
        dist = model.distribution(variable)
        tensor = variable.value if isinstance(variable, keras.Variable) else variable
        assert dist.batch_shape == (3,) and any(one is tensor for one in dist.trainable_variables)
        assert any(one is tensor for one in tfd.Independent(dist, 1).trainable_variables)
        np.testing.assert_allclose(dist.log_prob(x), model.distribution(values).log_prob(x), rtol=1e-5)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(dist.log_prob(x))
        assert np.linalg.norm(tape.gradient(loss, tensor)) > 0
        tensor.assign(others)
        np.testing.assert_allclose(dist.log_prob(x), model.distribution(others).log_prob(x), rtol=1e-5)
        np.testing.assert_allclose(dist.sample(seed=0), model.distribution(others).sample(seed=0), rtol=1e-4, atol=1e-4)
        copy = dist.copy()
        tensor.assign(values)
        np.testing.assert_allclose(copy.log_prob(x), model.distribution(values).log_prob(x), rtol=1e-5)
        in_graph = tf.function(lambda dist=dist: dist.log_prob(x))
        np.testing.assert_allclose(in_graph(), copy.log_prob(x), rtol=1e-5)
    deferred = tfp.util.TransformedVariable(values, tfp.bijectors.Scale(2.))
    dist = model.distribution(deferred)
    np.testing.assert_allclose(dist.log_prob(x), model.distribution(values).log_prob(x), rtol=1e-5)
    assert any(one is deferred.trainable_variables[0] for one in dist.trainable_variables)
    with pytest.raises(ValueError, match='Expected a condition of vectors'):
        model.distribution(tf.Variable(values * np.inf))


@pytest.mark.parametrize('dist', [
    lambda: tfdgm.Independent(2).distribution(), lambda: tfdgm.NICE(2, hidden_units=(2,)).distribution(),
    lambda: tfdgm.NICE(2, hidden_units=(2,), dequantization=tfdgm.flows.UniformDequantization(4)).distribution()])
@pytest.mark.parametrize('name, arguments', [
    *((name, ()) for name in ('entropy', 'mean', 'variance', 'stddev', 'covariance', 'mode')),
    *((name, ([0.5, 0.5],)) for name in (
        'cdf', 'log_cdf', 'survival_function', 'log_survival_function', 'quantile'))])
def test_what_has_no_closed_form_is_estimated_from_samples(dist, name, arguments):
    with pytest.raises(NotImplementedError, match=r'has no closed form of `\w+`.* x = dist\.sample\(10_000\)'):
        getattr(dist(), name)(*arguments)


def test_divergences_have_no_closed_form_and_an_estimate():
    flow, other = (tfdgm.NICE(2, hidden_units=(2,)).distribution() for _ in range(2))
    grid = tfdgm.NICE(2, hidden_units=(2,), dequantization=tfdgm.flows.UniformDequantization(4)).distribution()
    chain, normal = tfdgm.Independent(2).distribution(), tfd.MultivariateNormalDiag([0., 0.])
    pairs = [(a, b) for a in (flow, grid, chain) for b in (flow, other, grid, chain, normal)]
    for a, b in [*pairs, *((normal, b) for b in (flow, grid, chain))]:
        for divergence in (tfd.kl_divergence, lambda a, b: a.kl_divergence(b)):
            with pytest.raises(NotImplementedError, match=r'KL divergence of \w+ from \w+ has no closed form'):
                divergence(a, b)
    for a, b in pairs:
        with pytest.raises(NotImplementedError, match='no closed form of `cross_entropy`: estimate it from samples'):
            a.cross_entropy(b)
    # The estimate that the message names.
    flow.model.scaling.log_scale.assign([0.5, 0.])
    x = flow.sample(10_000, seed=0)
    estimate = tf.reduce_mean(flow.log_prob(x) - other.log_prob(x), 0)
    u = (np.arange(200_000) + 0.5) / 200_000
    z = np.log(u / (1 - u))  # One logistic number; the other has the same distribution in both.
    log_density = [scipy.stats.logistic.logpdf(z * np.exp(-0.5) * scale) + np.log(scale) for scale in (np.exp(0.5), 1.)]
    assert float(estimate) == pytest.approx(np.mean(log_density[0] - log_density[1]), abs=0.02)
