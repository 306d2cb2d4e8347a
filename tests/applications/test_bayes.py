"""BayesClassifier: Bayes' rule over enumerable events, and scikit-learn's conventions."""

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tfdgm
from tests.autoregressive.systems import every_event
from tests.autoregressive.systems import make as made_of
from tfdgm.applications import BayesClassifier, OutlierDetector

X = every_event((2, 2, 1), 2)
Y = np.arange(16) % 3


def conditional():
    return made_of('made', (2, 2, 1), condition=tfdgm.conditions.Label(3))


def gaussians(event_shape):
    return tfdgm.Independent(event_shape, output=tfdgm.outputs.MixtureOfGaussians(1))


@pytest.fixture(scope='module')
def blobs():
    generator = np.random.default_rng(0)
    y = generator.integers(3, size=300)
    return generator.normal(size=[300, 2]) + 4 * np.stack([y == 1, y == 2], axis=1), y


@pytest.mark.parametrize('prior', ['frequencies', 'uniform', [0.7, 0.2, 0.1], [0.5, 0.5, 0.]])
@pytest.mark.parametrize('several', [False, True])
def test_it_is_bayes_rule_over_all_events(prior, several):
    models = [made_of('made', (2, 2, 1)), made_of('nade', (2, 2, 1)), made_of('fvsbn', (2, 2, 1))]
    model = models if several else conditional()
    classifier = BayesClassifier(model, prior).fit(X, Y)
    p_y = {'frequencies': [6 / 16, 5 / 16, 5 / 16], 'uniform': np.ones(3) / 3}.get(str(prior), prior)
    joint = np.stack([
        p_y[label] * np.exp(models[label].predict(X, verbose=0) if several else
                            model.predict([X, np.full(16, label)], verbose=0)) for label in range(3)], axis=1)
    evidence = joint.sum(axis=1)
    np.testing.assert_allclose(evidence.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(classifier.score_samples(X)), evidence, rtol=1e-4)
    np.testing.assert_allclose(classifier.predict_proba(X), joint / evidence[:, None], rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(classifier.predict(X), np.argmax(joint, axis=1))


def test_it_refuses_the_least_likely():
    classifier = BayesClassifier(conditional(), 'uniform', reject=0.25).fit(X, Y)
    predicted = classifier.predict(X)
    least = np.argsort(classifier.score_samples(X))[:4]
    assert set(np.flatnonzero(predicted == -1)) == set(least)
    named = BayesClassifier(gaussians, reject=0.1, rejected_label='none', random_state=0)
    x = np.random.default_rng(0).normal(size=[200, 2])
    labels = np.where(x[:, 0] > 0, 'right', 'left')
    assert set(named.fit(x, labels).predict([[1., 0.], [-1., 0.], [0., 50.]])) == {'right', 'left', 'none'}


def test_models_that_are_made_here_learn(blobs):
    x, y = blobs
    classifier = BayesClassifier(gaussians, fit_options={'epochs': 2}, random_state=0).fit(x, y)
    assert classifier.score(x, y) > 0.9
    # The rule of two normal distributions, by their own moments.
    parts = [x[y == label] for label in range(3)]
    joint = np.stack([np.log(len(part)) - np.sum((x - part.mean(0))**2 / part.var(0) + np.log(part.var(0)), 1) / 2
                      for part in parts], axis=1)
    assert np.mean(np.argmax(joint, axis=1) == classifier.predict(x)) > 0.97


@pytest.mark.slow
def test_it_works_inside_pipelines_and_searches(blobs):
    x, y = blobs
    pipeline = make_pipeline(StandardScaler(), BayesClassifier(gaussians, random_state=0))
    search = GridSearchCV(pipeline, {'bayesclassifier__prior': ['uniform', 'frequencies']}, cv=2).fit(x, y)
    assert search.best_score_ > 0.9
    trained = clone(BayesClassifier(conditional(), 'uniform')).fit(X, Y)
    np.testing.assert_allclose(trained.predict_proba(X), BayesClassifier(conditional(), 'uniform').fit(
        X, Y).predict_proba(X), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('estimator', [
    BayesClassifier(gaussians, random_state=0), OutlierDetector(gaussians, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator):
    check_estimator(estimator, on_skip=None)


@pytest.mark.parametrize('model, message', [
    (lambda: tfdgm.GAN((2, 2, 1), levels=2), 'a GAN gives none: take a tfdgm.DensityModel. What samples of'),
    (lambda: made_of('made', (2, 2, 1)), 'the condition of this MADE is None: make it with condition='),
    (lambda: [conditional()] * 3, 'for each label, and none has a condition; this MADE has one'),
    (lambda: keras.Sequential(), 'takes a trained tfdgm.DensityModel, or a function'),
    (lambda: 'nade_digits', "or a function from an event shape to a compiled one; got 'nade_digits'"),
    (lambda: lambda event_shape: tfdgm.GAN(event_shape, levels=2), 'from its function, needs log-probabilities')])
def test_models_that_do_not_classify(model, message):
    with pytest.raises(ValueError, match=message):
        BayesClassifier(model()).fit(X, Y)


@pytest.mark.parametrize('arguments, y, message', [
    ({}, Y.astype(float), 'are the integers from 0 to 2; got'), ({}, Y > 0, 'are the integers from 0 to 2'),
    ({}, Y + 1, 'are the integers from 0 to 2; got'), ({}, Y + 0.5, 'Unknown label type'),
    ({'prior': [0.5, 0.5]}, Y, "prior must be 'frequencies', 'uniform' or 3 probabilities that sum to 1"),
    ({'prior': [0.5, 0.6, 0.]}, Y, 'probabilities that sum to 1'), ({'prior': 'flat'}, Y, 'prior must be one of'),
    ({'reject': 0}, Y, 'reject must be above 0'), ({'reject': 1.5}, Y, r'reject must be a number in \[0, 1\)'),
    ({}, Y[:3], 'inconsistent numbers of samples')])
def test_bad_input(arguments, y, message):
    with pytest.raises(ValueError, match=message):
        BayesClassifier(conditional(), **arguments).fit(X, y)


def test_events_that_are_not_the_model_s():
    for x in X + 0.5, X.reshape(16, 4), X[:, :1]:
        with pytest.raises(ValueError, match=r'outside the support|Expected events of shape \(2, 2, 1\)'):
            BayesClassifier(conditional()).fit(x, Y)


def test_before_and_after_fit():
    classifier = BayesClassifier(conditional())
    with pytest.raises(NotFittedError):
        classifier.predict(X)
    classifier.fit(X, Y)
    with pytest.raises(ValueError, match=r'Expected events of shape \(2, 2, 1\), as in fit, got \(2, 1, 2\)'):
        classifier.predict(X.reshape(-1, 2, 1, 2))
    with pytest.raises(ValueError, match='0 or 1'):
        classifier.predict(X + 0.5)
