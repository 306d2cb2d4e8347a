"""augment: labelled data made larger by samples of a model."""

import numpy as np
import tensorflow as tf

from tfdgm import checks, data, random
from tfdgm.conditions import Label
from tfdgm.evaluation import Classifier
from tfdgm.model import GenerativeModel

# How many times as many samples as are needed are drawn at most, where a classifier refuses some.
MOST = 20


def augment(dataset: tf.data.Dataset, model: GenerativeModel, factor: float = 2., *,
            classifier: Classifier | None = None, confidence: float = 0.9, seed: int | None = 0) -> tf.data.Dataset:
    """Labelled data and, after them, samples of a model with the same labels.

    Args:
        dataset: single examples, (event, label).
        model: a trained `tfdgm.GenerativeModel` whose condition is a `Label`.
        factor: how many times as many examples there are in the end, above 1.
        classifier: None; or a `tfdgm.Classifier` of such events and labels, and samples are kept of which it is
            confident that they have the label that they were drawn for.
        confidence: the probability of the label that it gives such a sample at least.
        seed: of the samples, an integer; None draws one.

    Returns:
        A `tf.data.Dataset` of (event, label). The samples are drawn once, when this is called.

    Raises:
        ValueError: if the model has no labels, an argument is not of its kind, examples are not valid, or the
            classifier is confident of hardly any sample.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.MADE(4, condition=tfdgm.conditions.Label(2))
    >>> examples = tf.data.Dataset.from_tensor_slices((np.ones([10, 4], 'float32'), np.arange(10) % 2))
    >>> import tensorflow as tf
    >>> len(tfdgm.applications.augment(examples, model, factor=3))
    30
    """
    checks.instance(dataset, tf.data.Dataset, 'dataset', "tfdgm.data.load('mnist', labels=True)")
    if not isinstance(model, GenerativeModel) or not isinstance(model.condition, Label):
        raise ValueError(f'augment draws events with given labels, from a model whose condition is a '
                         f'tfdgm.conditions.Label; got {model!r}, whose condition is '
                         f'{getattr(model, "condition", None)}.')
    if checks.positive(factor, 'factor') <= 1:
        raise ValueError(f'factor must be above 1: data become so many times as large; got {factor}.')
    if classifier is not None:
        checks.instance(classifier, Classifier, 'classifier', "zoo.load('features_mnist')")
        if (classifier.event_shape, classifier.support, classifier.condition) != (
                model.event_shape, model.support, model.condition):
            raise ValueError(f'The classifier should tell labels of events as the model draws them, of shape '
                             f'{model.event_shape}, each value {model.support}, {model.condition}; this one takes '
                             f'{classifier.event_shape}, each value {classifier.support}, {classifier.condition}.')
    if checks.rate(confidence, 'confidence') == 0:
        raise ValueError('confidence must be above 0; without a classifier all samples are kept.')
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError('augment takes pairs of an event and its label, (event, label); each of these is '
                         f'{"events alone" if isinstance(spec, tf.TensorSpec) else spec}.')
    if spec[0].shape.rank == len(model.event_shape) + 1:
        raise ValueError('augment takes single examples, and these are batches: pass dataset.unbatch().')
    if dataset.cardinality() == 0:
        raise ValueError('There are no examples to augment.')
    events, labels = data.as_arrays(dataset)
    checks.events(model, events)
    labels = checks.conditions_of_each(model.condition, labels, len(events), 'events')
    missing = np.resize(labels, round((factor - 1) * len(events)))
    samples = drawn(model, missing, classifier, confidence, random.stateless_seed(seed))
    return tf.data.Dataset.from_tensor_slices((
        np.concatenate([events, samples.astype(events.dtype)]),
        np.concatenate([labels, missing]).astype(spec[1].dtype.as_numpy_dtype)))


def drawn(model, labels: np.ndarray, classifier, confidence: float, seed: tf.Tensor) -> np.ndarray:
    """A sample for each label, of which the classifier is confident."""
    samples, missing = np.zeros((len(labels), *model.event_shape), 'float32'), np.arange(len(labels))
    for attempt in range(MOST):
        found = model.distribution(labels[missing]).sample(seed=random.fold_in(seed, attempt)).numpy()
        if classifier is None:
            return found
        log_probs = classifier.log_prob_of_labels(found).numpy()
        kept = log_probs[np.arange(len(missing)), labels[missing]] >= np.log(confidence)
        samples[missing[kept]] = found[kept]
        missing = missing[~kept]
        if not len(missing):
            return samples
    raise ValueError(f'Of {len(missing)} samples the classifier is not confident after {MOST} attempts at each, such '
                     f'as of label {labels[missing[0]]}: lower confidence, or train the model longer.')
