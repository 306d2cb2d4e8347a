"""OutlierDetector: events that are unlike those a model was trained on."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable

import numpy as np
import PIL.Image
import tensorflow as tf
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from tfdgm import checks, inputs
from tfdgm.applications.estimators import checked_data, is_maker, made, require_density
from tfdgm.autoregressive import AutoregressiveModel
from tfdgm.density import DensityModel

STATISTICS = 'likelihood', 'typicality', 'likelihood_ratio', 'complexity'
# The fraction of the events of `fit` that is held out for the threshold, where the others train a model.
HELD_OUT = 0.2


class OutlierDetector(OutlierMixin, BaseEstimator):
    """Tells events that are unlike others by what a density says of them, an outlier detector of scikit-learn.

    A high likelihood alone does not make an event a likely one: densities of images give more to simple images of
    another kind than to their own (E. Nalisnick et al., "Do deep generative models know what they don't know?", 2019,
    https://arxiv.org/abs/1810.09136). So there are other statistics, each higher for events that belong:

    - 'likelihood': log p(x);
    - 'typicality': minus how far log p(x) is from its mean over the events of `fit` (E. Nalisnick et al., "Detecting
      out-of-distribution inputs to deep generative models using typicality", 2019, https://arxiv.org/abs/1906.02994),
      of single events;
    - 'likelihood_ratio': log p(x) less that of a background model, which knows what all images have in common (J. Ren
      et al., "Likelihood ratios for out-of-distribution detection", 2019, https://arxiv.org/abs/1906.02845);
    - 'complexity': log p(x) and the length of the event as a file, by the compressor of zlib, bz2, LZMA and, for
      images, PNG that makes it the shortest (J. Serrà et al., "Input complexity and out-of-distribution detection with
      likelihood-based generative models", 2020, https://arxiv.org/abs/1909.11480).

    >>> import keras, numpy as np, tfdgm
    >>> def model_of(event_shape):
    ...     model = tfdgm.Independent(event_shape, output=tfdgm.outputs.MixtureOfGaussians(1))
    ...     return model
    >>> x = np.random.default_rng(0).normal(size=[500, 2])
    >>> detector = tfdgm.applications.OutlierDetector(model_of).fit(x)
    >>> detector.predict([[0., 0.], [9., 9.]])
    array([ 1, -1])

    Args:
        model: a trained `tfdgm.DensityModel`, or a function from an event shape to a compiled one, which `fit` trains.
        statistic: one of those above.
        background: for 'likelihood_ratio', another such model.
        false_positive_rate: the fraction of the held-out events that is labelled as outliers.
        fit_options: of Keras's `fit`, such as {'epochs': 10}, for models that are trained here.
        random_state: of their training, an integer, which also sets the seeds of Keras; None leaves these as they are.

    Attributes:
        model_: the model.
        background_: the background model, or None.
        offset_: the score below which an event is an outlier.
        mean_log_prob_: the mean of log p(x) over the events that the threshold was found on.
    """

    def __init__(self, model: DensityModel | Callable, statistic: str = 'likelihood',
                 background: DensityModel | Callable | None = None, false_positive_rate: float = 0.05,
                 fit_options: dict | None = None, random_state: int | None = None):
        self.model = model
        self.statistic = statistic
        self.background = background
        self.false_positive_rate = false_positive_rate
        self.fit_options = fit_options
        self.random_state = random_state

    def fit(self, X: ArrayLike, y=None) -> 'OutlierDetector':
        """Finds the threshold, on events that the model was not trained on; trains the models that are functions.

        Args:
            X: events, `[n, *event_shape]`, held out from the training of a trained model. A model that is trained here
                takes four fifths of them, and the threshold the others.
            y: ignored.

        Raises:
            ValueError: if a model gives no densities, an argument is not of its kind, or data are not valid.
        """
        X = checked_data(self, X, reset=True, at_least=2)
        checks.one_of(self.statistic, STATISTICS, 'statistic')
        if checks.rate(self.false_positive_rate, 'false_positive_rate') == 0:
            raise ValueError('false_positive_rate must be above 0.')
        if (self.background is None) == (self.statistic == 'likelihood_ratio'):
            raise ValueError("A background model is what statistic='likelihood_ratio' compares with, and others "
                             'do not: pass both, or neither.')
        held_out = X
        if is_maker(self.model) or is_maker(self.background):
            order = np.random.RandomState(0).permutation(len(X))
            count = max(1, round(HELD_OUT * len(X)))
            held_out, X = X[order[:count]], X[order[count:]]
        self.model_ = self._trained(self.model, X)
        self.background_ = None if self.background is None else self._trained(self.background, X)
        self.are_bytes_ = are_bytes(held_out)
        log_probs = self.model_.predict(held_out, verbose=0)
        if not np.all(np.isfinite(log_probs)):
            raise ValueError(f'Event {np.argmin(np.isfinite(log_probs))} of those that the threshold is found on is '
                             'impossible under the model: leave it out.')
        self.mean_log_prob_ = float(np.mean(log_probs))
        self.offset_ = float(np.quantile(self.score_samples(held_out), self.false_positive_rate))
        return self

    def _trained(self, model, x):
        if is_maker(model):
            return made(model, x, 'OutlierDetector', self.fit_options, self.random_state)
        require_density(model, 'OutlierDetector')
        if model.condition is not None:
            raise ValueError(f'This {type(model).__name__} has a condition: of labels, take a BayesClassifier with '
                             'reject=…, which sums over them.')
        return model

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """The scores of events, higher for those that belong: `[n]`, in nats."""
        check_is_fitted(self)
        X = checked_data(self, X)
        log_probs = self.model_.predict(X, verbose=0).astype('float64')
        if self.statistic == 'typicality':
            return -abs(log_probs - self.mean_log_prob_)
        if self.statistic == 'likelihood_ratio':
            background = self.background_.predict(X, verbose=0)
            # What is impossible under both belongs no more than what is impossible under the first.
            impossible = np.isneginf(log_probs)
            return log_probs - np.where(impossible, 0., background)
        if self.statistic == 'complexity':
            if self.are_bytes_ and not are_bytes(X):
                raise ValueError('The events of fit held integers from 0 to 255 only, of which a file has a byte each; '
                                 'these hold other values, and their complexities could not be compared.')
            return log_probs + complexities(X, self.are_bytes_)
        return log_probs

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """The scores less the threshold: negative for outliers, `[n]`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """1 for events that belong, -1 for outliers: `[n]`."""
        return np.where(self.decision_function(X) >= 0, 1, -1)  # Also where the score is none.

    def anomaly_map(self, X: ArrayLike) -> np.ndarray:
        """-log p(site | sites before) of all sites, in nats: `[n, *event_shape]`, which sum to -log p(x).

        Raises:
            ValueError: if the model is not autoregressive, in one order.
        """
        check_is_fitted(self)
        X = checked_data(self, X)
        model = self.model_
        if not isinstance(model, AutoregressiveModel) or len(model.orderings) > 1:
            raise ValueError(f'A map needs the probability of each site given those before it, in one order, which '
                             f'this {type(model).__name__} does not give.')
        X, _, _ = inputs.prepared(model, X)
        return -log_probs_of_sites(model, X)


def log_probs_of_sites(model: AutoregressiveModel, x: np.ndarray, condition: np.ndarray | None = None) -> np.ndarray:
    """log p of each site of events given those before it: `[n, *event_shape]`, by as many events at once as fit."""
    parts = []
    for start in range(0, len(x), model.scoring_batch):
        batch = slice(start, start + model.scoring_batch)
        given = None if condition is None else tf.constant(condition[batch])
        parts.append(model.run(model.log_prob_of_sites, tf.constant(x[batch], tf.float32), given, jit_compile=False))
    return np.concatenate(parts)


def are_bytes(x: np.ndarray) -> bool:
    """Whether all values are integers from 0 to 255."""
    return bool(np.all(x == np.round(x)) and x.min() >= 0 and x.max() < 256)


def complexities(x: np.ndarray, as_bytes: bool) -> np.ndarray:
    """How much information events hold at most, by the compressor that makes each the shortest, in nats: `[n]`.

    Args:
        x: events, `[n, *event_shape]`.
        as_bytes: whether a value is a byte; else it is a float32 number.
    """
    lengths = [min(map(len, compressed(event))) for event in x.astype('uint8' if as_bytes else 'float32')]
    return 8 * np.log(2) * np.array(lengths)


def compressed(event: np.ndarray) -> list[bytes]:
    """An event as several compressors make it: zlib, bz2, LZMA, and as a PNG file where it is an image of bytes."""
    content = event.tobytes()
    files = [zlib.compress(content, 9), bz2.compress(content),
             lzma.compress(content, lzma.FORMAT_RAW, filters=[{'id': lzma.FILTER_LZMA2, 'preset': 9}])]
    if event.dtype == 'uint8' and event.ndim == 3 and event.shape[-1] in (1, 3):
        file = io.BytesIO()
        PIL.Image.fromarray(event[..., 0] if event.shape[-1] == 1 else event).save(file, 'PNG', optimize=True)
        files.append(file.getvalue())
    return files
