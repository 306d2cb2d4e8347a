"""BayesClassifier: labels by Bayes' rule, from the densities of events given their label."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tfdgm import checks
from tfdgm.applications.estimators import checked_data, is_maker, made, require_density
from tfdgm.conditions import Label
from tfdgm.density import DensityModel


class BayesClassifier(ClassifierMixin, BaseEstimator):
    """p(y | x) = p(x | y) p(y) / Σ p(x | y') p(y'), a classifier of scikit-learn.

    The probabilities are exact where the densities are. What is unlikely under all labels it can refuse to classify,
    which no classifier that knows p(y | x) alone can.

    Source: A. Ng and M. Jordan, "On discriminative vs. generative classifiers", 2001
    (https://papers.nips.cc/paper/2020-on-discriminative-vs-generative-classifiers).

    >>> import numpy as np, tfdgm
    >>> generator = np.random.default_rng(0)
    >>> y = generator.integers(2, size=500)
    >>> x = generator.random([500, 4]) < 0.2 + 0.6 * y[:, None]
    >>> def model_of(event_shape):
    ...     model = tfdgm.Independent(event_shape)
    ...     model.compile(keras.optimizers.Adam(0.1))
    ...     return model
    >>> import keras
    >>> classifier = tfdgm.applications.BayesClassifier(model_of, fit_options={'epochs': 5}).fit(x, y)
    >>> classifier.score(x, y) > 0.8, classifier.predict_proba(x[:3]).shape
    (True, (3, 2))

    Args:
        model: a trained `tfdgm.DensityModel` with a `Label` as its condition; or trained ones without a condition, one
            for each label; or a function from an event shape to a compiled one without a condition, of which `fit`
            trains one for each label.
        prior: p(y): 'frequencies', those of the labels in `fit`; 'uniform'; or a probability for each label.
        reject: None, or a quantile of p(x) over the events of `fit`: an event with a smaller p(x) is rejected, and gets
            the label `rejected_label`. For trained models these should be held-out events.
        rejected_label: what `predict` says of those.
        fit_options: of Keras's `fit`, such as {'epochs': 10}, for models that are trained here.
        random_state: of their training, an integer, which also sets the seeds of Keras; None leaves these as they are.

    Attributes:
        classes_: the labels.
        log_prior_: log p(y) of each.
        models_: the model, or one for each label.
        threshold_: the log-probability below which events are refused; -inf without `reject`.
    """

    def __init__(self, model: DensityModel | Sequence[DensityModel] | Callable, prior: str | ArrayLike = 'frequencies',
                 reject: float | None = None, rejected_label=-1, fit_options: dict | None = None,
                 random_state: int | None = None):
        self.model = model
        self.prior = prior
        self.reject = reject
        self.rejected_label = rejected_label
        self.fit_options = fit_options
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> 'BayesClassifier':
        """Finds p(y) and the threshold, and trains models where there are none.

        Args:
            X: events, `[n, *event_shape]`.
            y: their labels, `[n]`; for trained models integers from 0, as in their training.

        Raises:
            ValueError: if the model gives no densities or is not of labels, or data are not valid.
        """
        X, y = checked_data(self, X, y, reset=True, at_least=2)
        check_classification_targets(y)
        found, places = np.unique(y, return_inverse=True)
        if self.reject is not None and checks.rate(self.reject, 'reject') == 0:
            raise ValueError('reject must be above 0; None refuses nothing.')
        if is_maker(self.model):
            self.classes_ = found
            self.models_ = [made(self.model, X[places == index], 'BayesClassifier', self.fit_options, self.random_state)
                            for index in range(len(found))]
        else:
            self.models_ = self._given_models()
            self.classes_ = np.arange(self._count(self.models_))
            outside = found[~np.isin(found, self.classes_)] if found.dtype.kind in 'iu' else found
            if len(outside):
                raise ValueError(f'The labels of these models are the integers from 0 to {len(self.classes_) - 1}; got '
                                 f'{outside[0]}.')
            for model in self.models_ if isinstance(self.models_, list) else [self.models_]:
                checks.events(model, X)
            places = y
        self.log_prior_ = self._log_prior(places)
        self.threshold_ = -np.inf
        if self.reject is not None:
            self.threshold_ = float(np.quantile(self.score_samples(X), self.reject))
        return self

    def _given_models(self):
        if isinstance(self.model, Sequence) and not isinstance(self.model, str) and len(self.model):
            for model in self.model:
                require_density(model, 'BayesClassifier')
                if model.condition is not None:
                    raise ValueError('Of several models there is one for each label, and none has a condition; this '
                                     f'{type(model).__name__} has one: {model.condition}.')
            return list(self.model)
        require_density(self.model, 'BayesClassifier')
        if not isinstance(self.model.condition, Label):
            raise ValueError(f'BayesClassifier needs p(x | label), and the condition of this '
                             f'{type(self.model).__name__} is {self.model.condition}: make it with '
                             'condition=tfdgm.conditions.Label(…), or pass one model for each label.')
        return self.model

    @staticmethod
    def _count(models):
        return len(models) if isinstance(models, list) else models.condition.num_classes

    def _log_prior(self, places):
        count = len(self.classes_)
        if isinstance(self.prior, str):
            checks.one_of(self.prior, ('frequencies', 'uniform'), 'prior')
            prior = np.full(count, 1 / count) if self.prior == 'uniform' else (
                np.bincount(places, minlength=count) / len(places))
        else:
            prior = np.asarray(self.prior, 'float64')
            if prior.shape != (count,) or not np.all(prior >= 0) or abs(prior.sum() - 1) > 1e-5:
                raise ValueError(f"prior must be 'frequencies', 'uniform' or {count} probabilities that sum to 1, got "
                                 f'{self.prior!r}.')
        with np.errstate(divide='ignore'):  # A label that never occurs.
            return np.log(prior)

    def predict_joint_log_proba(self, X: ArrayLike) -> np.ndarray:
        """log p(x, y) of events and all labels, in nats: `[n, labels]`."""
        check_is_fitted(self)
        X = checked_data(self, X)
        if isinstance(self.models_, list):
            scores = [model.predict(X, verbose=0) for model in self.models_]
        else:
            scores = [self.models_.predict([X, np.full(len(X), label)], verbose=0) for label in self.classes_]
        return np.stack(scores, axis=1).astype('float64') + self.log_prior_

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """log p(x) of events, over all labels, in nats: `[n]`."""
        return logsumexp(self.predict_joint_log_proba(X), axis=1)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """log p(y | x) of events and all labels: `[n, labels]`."""
        return posterior(self.predict_joint_log_proba(X), self.log_prior_)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """p(y | x) of events and all labels: `[n, labels]`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable labels of events, or `rejected_label`: `[n]`."""
        joint = self.predict_joint_log_proba(X)
        labels = self.classes_[np.argmax(joint, axis=1)]
        if self.reject is None:
            return labels
        refused = logsumexp(joint, axis=1) < self.threshold_
        kinds = {np.asarray(self.rejected_label).dtype.kind, labels.dtype.kind}
        fits = len(kinds) == 1 or kinds <= set('iuf')
        return np.where(refused, self.rejected_label, labels if fits else labels.astype(object))


def posterior(joint: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """log p(y | x) of log p(x, y); of an event that is impossible under all labels, log p(y)."""
    evidence = logsumexp(joint, axis=1, keepdims=True)
    with np.errstate(invalid='ignore'):
        return np.where(np.isfinite(evidence), joint - evidence, log_prior)
