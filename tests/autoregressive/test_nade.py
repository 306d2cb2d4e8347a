"""NADE and RNADE against the papers' equations, written as loops."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.autoregressive.systems import randomised, step_by_step
from tfdgm.outputs import MixtureOfGaussians

tfd = tfp.distributions


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(model):
    return {variable.name: variable.numpy().astype('float64') for variable in model.trainable_variables}


def test_nade_is_the_papers_loop(rng):
    model = tfdgm.NADE((5, 5, 1), hidden_units=6)
    w = weights_of(randomised(model, rng))
    x = rng.integers(2, size=(4, 25)).astype('float64')
    log_prob = 0
    for site in range(25):
        hidden = sigmoid(w['bias'] + x[:, :site] @ w['kernel'][:site])
        logits = w['output_bias'][site, 0] + hidden @ w['output_kernel'][site, :, 0]
        probability = sigmoid(logits)
        log_prob += np.log(np.where(x[:, site] == 1, probability, 1 - probability))
    given = model.distribution().log_prob(x.reshape(4, 5, 5, 1))
    np.testing.assert_allclose(given, log_prob, rtol=1e-4)


def test_rnade_is_the_papers_loop(rng):
    model = tfdgm.NADE(7, hidden_units=6, output=MixtureOfGaussians(2), activation='relu')
    w = weights_of(randomised(model, rng))
    x = rng.normal(size=(4, 7))
    log_prob = 0
    for site in range(7):
        preactivation = w['bias'] + x[:, :site] @ w['kernel'][:site]
        hidden = np.maximum(w['rescaling'][site] * preactivation, 0)
        logits, locations, scales = np.split(w['output_bias'][site] + hidden @ w['output_kernel'][site], 3, axis=-1)
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits), tfd.Normal(locations + np.array([-1, 1]), np.log1p(np.exp(scales)) + 1e-3))
        log_prob += mixture.log_prob(x[:, site]).numpy()
    np.testing.assert_allclose(model.distribution().log_prob(x), log_prob, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('sites', [1, 2, 3, 17, 50])
def test_blocks_need_not_divide_the_sites(sites, rng):
    model = tfdgm.NADE(sites, hidden_units=3)
    randomised(model, rng)
    dist = model.distribution()
    x = dist.sample(3, seed=0)
    parameters = step_by_step(model, x)
    one_by_one = tf.reduce_sum(tfd.Bernoulli(logits=parameters[..., 0]).log_prob(x), axis=1)
    np.testing.assert_allclose(dist.log_prob(x), one_by_one, rtol=1e-4)
