"""condition_by_classifier: p(x | y) from p(y | x), p(x) and p(y)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from tfdgm import checks, random
from tfdgm.applications.completing import chosen, moved, resampled, scale_of
from tfdgm.applications.estimators import require_density
from tfdgm.density import DensityModel
from tfdgm.evaluation import Classifier

tfd = tfp.distributions


class Conditioned(NamedTuple):
    """Samples of p(x | y), and how they came about.

    Attributes:
        events: `[n, *event_shape]`, float32.
        effective_sample_size: of importance resampling, how many proposals of equal weight would say as much; else
            None.
        acceptance_rate: of Hamiltonian Monte Carlo; else None.
        potential_scale_reduction: of the same, R-hat of the log-density over the chains; else None.
    """

    events: np.ndarray
    effective_sample_size: float | None = None
    acceptance_rate: float | None = None
    potential_scale_reduction: float | None = None


def condition_by_classifier(model: DensityModel, classifier: Classifier | Callable, label: int,
                            prior: ArrayLike) -> 'ClassifiedDistribution':
    """p(x | y) = p(y | x) p(x) / p(y), a `tfd.Distribution`, of a model without a condition and a classifier.

    Args:
        model: a trained `tfdgm.DensityModel` without a condition: p(x).
        classifier: a `tfdgm.Classifier` of such events; or any function of TensorFlow's from events `[n, *event_shape]`
            to log p(y | x), `[n, labels]`.
        label: y, an integer from 0.
        prior: p(y) of all labels, `[labels]`, as they are among events of the model.

    Raises:
        ValueError: if the model gives no density or has a condition, or an argument is not of its kind.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.MADE(2, hidden_units=(8,))
    >>> def first_site(x):
    ...     return np.log([[0.9, 0.1]]) * (1 - x[:, :1]) + np.log([[0.2, 0.8]]) * x[:, :1]
    >>> dist = tfdgm.applications.condition_by_classifier(model, first_site, 1, [0.55, 0.45])
    >>> dist.sample(3, seed=0).shape, dist.log_prob(np.ones([4, 2])).shape
    (TensorShape([3, 2]), TensorShape([4]))
    """
    require_density(model, 'condition_by_classifier')
    if model.condition is not None:
        raise ValueError(f'This {type(model).__name__} is p(x | condition) by itself: model.distribution(condition).')
    if isinstance(classifier, Classifier):
        if classifier.event_shape != model.event_shape or classifier.support != model.support:
            raise ValueError(f'The classifier should take events of shape {model.event_shape}, each value '
                             f'{model.support}; it takes {classifier.event_shape}, each value {classifier.support}.')
    elif not isinstance(classifier, Callable):
        raise ValueError('classifier must be a tfdgm.Classifier, or a function from events to log p(y | x); got '
                         f'{classifier!r}.')
    prior = np.asarray(prior)
    if prior.ndim != 1 or prior.dtype.kind not in 'iuf' or not np.all(prior > 0) or abs(prior.sum() - 1) > 1e-5:
        raise ValueError(f'prior must be the probabilities of all labels, above 0 and of sum 1, got {prior!r}.')
    if checks.integer(label, 'label', 0) >= len(prior):
        raise ValueError(f'label must be one of the {len(prior)} labels of the prior, from 0; got {label}.')
    return ClassifiedDistribution(model, classifier, label, prior.astype('float32'))


class ClassifiedDistribution(tfd.Distribution):
    """p(x | y) of a model and a classifier; `condition_by_classifier` makes one.

    `log_prob` is exact if p(y | x), p(x) and p(y) fit each other. `sample` resamples events of the model by their
    p(y | x); `draw` says how well, and can move real-valued events by Hamiltonian Monte Carlo instead.
    """

    # How many proposals there are for each sample.
    PROPOSALS = 100

    def __init__(self, model, classifier, label, prior):
        parameters = dict(locals())
        self._model, self._classifier, self._label, self._prior = model, classifier, label, prior
        super().__init__(
            dtype=tf.float32, reparameterization_type=tfd.NOT_REPARAMETERIZED, validate_args=False,
            allow_nan_stats=True, parameters=parameters, name='ClassifiedDistribution')

    def _event_shape(self):
        return tf.TensorShape(self._model.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self._model.event_shape, tf.int32)

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32)

    @property
    def variables(self):
        return self._model.distribution().variables

    @property
    def trainable_variables(self):
        return self._model.distribution().trainable_variables

    def log_prob_of_label(self, x: tf.Tensor) -> tf.Tensor:
        """log p(y | x) of events: `[n, *event_shape]` -> `[n]`."""
        found = self._classifier(x)
        if isinstance(self._classifier, Classifier):
            found = tf.math.log_softmax(found)
        found = tf.cast(found, tf.float32)
        if found.shape.rank != 2 or found.shape[1] != len(self._prior):
            raise ValueError(f'The classifier should give log p(y | x) of {len(self._prior)} labels, [n, '
                             f'{len(self._prior)}]; it gives an array of shape {tuple(found.shape)}.')
        if tf.executing_eagerly():
            sums = tf.reduce_logsumexp(found, axis=1)
            if found.shape[0] != len(x) or not np.all(abs(sums) < 1e-2):
                raise ValueError('The classifier should give log p(y | x), in nats, whose exponentials sum to 1 for '
                                 f'each event; for {len(x)} events it gives {found.shape[0]}, with sums of '
                                 f'{np.exp(np.min(sums)):.3g} to {np.exp(np.max(sums)):.3g}.')
        return found[:, self._label]

    def _log_prob(self, x):
        log_probs = self._model.distribution().log_prob(x)
        events = tf.reshape(tf.cast(x, tf.float32), (-1, *self._model.event_shape))
        of_label = tf.reshape(self.log_prob_of_label(events), tf.shape(log_probs))
        return log_probs + of_label - np.log(self._prior[self._label])

    def _sample_n(self, n, seed=None):
        proposal_seed, choice_seed = random.split(random.stateless_seed(seed), 2)
        x = self._model.distribution().sample(n * self.PROPOSALS, seed=proposal_seed)
        weights = tf.nn.softmax(tf.cast(self.log_prob_of_label(x), tf.float64))
        return tf.stop_gradient(tf.gather(x, chosen(weights, n, choice_seed)))

    def draw(self, count: int, *, method: str = 'resampling', num_proposals: int | None = None, num_steps: int = 1000,
             seed: int | None = None) -> Conditioned:
        """Draws events, and says how well.

        Args:
            count: how many.
            method: 'resampling', of events of the model by their p(y | x): exact as the proposals become many; or
                'hmc', chains of Hamiltonian Monte Carlo, for real values.
            num_proposals: how many events of the model there are to choose from; None for a hundred for each sample.
            num_steps: how many steps each chain takes.
            seed: an integer, or None.

        Raises:
            ValueError: if an argument is not of its kind, or values are integers and the method is 'hmc'.
        """
        count, seed = checks.integer(count, 'count'), random.stateless_seed(seed)
        if checks.one_of(method, ('resampling', 'hmc'), 'method') == 'hmc':
            return self._by_chains(count, checks.integer(num_steps, 'num_steps'), seed)
        num_proposals = count * self.PROPOSALS if num_proposals is None else checks.integer(
            num_proposals, 'num_proposals', count)
        proposal_seed, choice_seed = random.split(seed, 2)
        x = self._model.distribution().sample(num_proposals, seed=proposal_seed)
        log_weights = self.log_prob_of_label(x)
        places, size = resampled(log_weights, count, choice_seed)
        return Conditioned(x.numpy()[places], size)

    def _by_chains(self, count, num_steps, seed):
        model = self._model
        if model.support.is_discrete:
            raise ValueError(f"method='hmc' moves real values; those of this {type(model).__name__} are "
                             f'{model.support}: take resampling.')
        start_seed, chain_seed = random.split(seed, 2)
        units = scale_of(model)

        def log_density(y):
            x = units.forward(tf.reshape(y, (-1, *model.event_shape)))
            return tf.reshape(model.distribution().log_prob(x) + self.log_prob_of_label(x), (1, count))

        start = self._sample_n(count, start_seed)
        y, acceptance, reduction = moved(log_density, units.inverse(start)[None], num_steps, chain_seed)
        return Conditioned(units.forward(y[0]).numpy(), None, acceptance, None if reduction is None else float(
            reduction[0]))
