"""The simplest chains against closed forms and TFP's own distributions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.linear_model import LogisticRegression

import tfdgm
from tests.autoregressive.systems import every_event
from tfdgm.outputs import Bernoulli, Categorical, MixtureOfGaussians

tfd = tfp.distributions


@pytest.mark.parametrize('sites', [1, 2, 5, 784])
def test_parameter_counts_of_binary_sites(sites):
    assert tfdgm.Independent(sites).count_params() == sites
    assert tfdgm.MarkovChain(sites).count_params() == 2 * sites - 1


def test_a_single_site_is_a_chain_too():
    for model in [tfdgm.Independent(1), tfdgm.MarkovChain(1), tfdgm.FVSBN(1), tfdgm.NADE(1), tfdgm.MADE(1)]:
        assert np.sum(model.distribution().prob([[0.], [1.]])) == pytest.approx(1)
        assert model.distribution().sample(3, seed=0).shape == (3, 1)


@pytest.mark.parametrize('output, exact', [
    (Bernoulli(), lambda p: tfd.Bernoulli(logits=p[..., 0])),
    (Categorical(3), lambda p: tfd.Categorical(logits=p)),
    (MixtureOfGaussians(1), lambda p: tfd.Normal(p[..., 1], np.log1p(np.exp(p[..., 2])) + 1e-3)),
])
def test_independent_is_tfp_independent(output, exact, rng):
    model = tfdgm.Independent(3, output=output)
    bias = rng.normal(size=(3, output.num_parameters)).astype('float32')
    model.trainable_variables[0].assign(bias)
    x = rng.integers(2, size=(5, 3)).astype('float32')
    wanted = tfd.Independent(exact(bias), 1).log_prob(x)
    np.testing.assert_allclose(model.distribution().log_prob(x), wanted, rtol=1e-5)


def test_markov_chain_is_tfp_markov_chain(rng):
    model = tfdgm.MarkovChain(6, output=Categorical(4))
    first, table = rng.normal(size=4), rng.normal(size=(4, 4))
    bias = np.concatenate([first[None], np.repeat(table[:1], 5, axis=0)])
    model.set_weights([bias, np.repeat((table[1:] - table[0])[None], 5, axis=0)])
    exact = tfd.MarkovChain(
        tfd.Categorical(logits=first.astype('float32')),
        lambda _, previous: tfd.Categorical(logits=table.astype('float32')[previous]), 6)
    x = rng.integers(4, size=(50, 6))
    np.testing.assert_allclose(
        model.distribution().log_prob(x), [exact.log_prob(event) for event in x], rtol=1e-5)


def test_markov_chain_learns_the_transition_frequencies(rng):
    x = every_event((2,), 2)[rng.choice(4, p=[0.1, 0.4, 0.3, 0.2], size=2000)]
    model = tfdgm.MarkovChain(2)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, epochs=30, batch_size=200, verbose=0)
    observed = [np.mean((x == event).all(axis=1)) for event in every_event((2,), 2)]
    np.testing.assert_allclose(model.distribution().prob(every_event((2,), 2)), observed, atol=2e-3)


def test_fvsbn_is_a_chain_of_logistic_regressions(rng):
    images = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'train', binarization='threshold'))[:, 2:4, 2:5]
    x = images.reshape(-1, 6)
    model = tfdgm.FVSBN(6)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(tf.data.Dataset.from_tensors(x).repeat(200), verbose=0)
    parameters = np.asarray(model.parameters(x))[..., 0]
    for site in range(1, 6):
        regression = LogisticRegression(C=np.inf, max_iter=1000).fit(x[:, :site], x[:, site])
        np.testing.assert_allclose(
            1 / (1 + np.exp(-parameters[:, site])), regression.predict_proba(x[:, :site])[:, 1], atol=0.02)
