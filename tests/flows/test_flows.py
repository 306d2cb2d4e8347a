"""What flows learn, their latents, and their place inside TFP."""

import copy
import pickle

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tests.flows.systems import VECTOR_SYSTEMS, make, some_events
from tfdgm.conditions import Label
from tfdgm.flows import UniformDequantization
from tfdgm.flows.networks import ConvolutionNetwork

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


@pytest.mark.slow
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
