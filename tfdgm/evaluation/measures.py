"""How much what a model draws is like held-out data: the measures that cards and `tfdgm evaluate` name."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks, data
from tfdgm.evaluation.classifier import Classifier
from tfdgm.evaluation.samples import frechet_distance, kernel_distance, manifolds
from tfdgm.model import GenerativeModel
from tfdgm.support import Integers

# How many events at most are compared with as many samples, and of how few it would say nothing.
EVENTS, FEWEST = 2_000, 10


def can_be_measured(model) -> bool:
    """Whether a model gives samples, all with as many numbers."""
    return isinstance(model, GenerativeModel) and not model.variable_length


def measured(model: GenerativeModel, dataset: tf.data.Dataset, features: Classifier | Callable | None = None,
             num_events: int = EVENTS, seed: int = 0) -> dict:
    """Compares samples with data, by features of both.

    Args:
        model: a `tfdgm.GenerativeModel`.
        dataset: a `tf.data.Dataset` of single events, or of pairs (event, condition): of a conditional model, there is
            one sample for each condition.
        features: a `Classifier`, which sees integers as its own, whatever their number of levels; or any function of
            events `[n, *event_shape]`, such as a Keras model, to `[n, …]`; None for the values themselves, integers
            divided by the largest and real ones by their standard deviations in the data.
        num_events: how many of the first events, at most, and how many samples.
        seed: of the samples.

    Returns:
        `frechet_distance`; `kernel_distance` and its `standard_error`; `precision`, `recall`, `density`, `coverage`;
        of a model conditioned on labels that the classifier tells, `label_accuracy`, which share of its samples are
        told to have the label that was asked for; and `events`, how many there were.

    Raises:
        ValueError: if there are fewer than ten events, or they are not valid or of several lengths.
    """
    if not can_be_measured(model):
        raise ValueError(f'{type(model).__name__} gives no samples of one length, which measures compare.')
    checks.instance(dataset, tf.data.Dataset, 'dataset', 'tf.data.Dataset.from_tensor_slices(events)')
    loaded = data.as_arrays(dataset.take(checks.integer(num_events, 'num_events', FEWEST)))
    events, condition = loaded if isinstance(loaded, tuple) else (loaded, None)
    checks.events(model, events)
    if len(events) < FEWEST:
        raise ValueError(f'There are {len(events)} events to compare samples with, fewer than {FEWEST}.')
    if condition is None:
        samples = model.distribution().sample(len(events), seed=seed).numpy()
    else:
        samples = model.distribution(condition).sample(seed=seed).numpy()
    real, generated = (np.asarray(one) for one in features_of(model, features, events, samples))
    labels = {}
    if isinstance(features, Classifier) and features.condition == model.condition:
        labels['label_accuracy'] = float(np.mean(features.labels_of(generated) == condition))
    return {**compared(real, generated), **labels, 'events': len(events)}


def compared(real: ArrayLike, generated: ArrayLike) -> dict:
    """The measures of `measured` between the features of two samples, `[n, …]` and `[m, …]`."""
    kernel = kernel_distance(real, generated)
    return {'frechet_distance': frechet_distance(real, generated), 'kernel_distance': kernel.value,
            'standard_error': kernel.standard_error, **manifolds(real, generated)._asdict()}


def features_of(model, features, *arrays: ArrayLike) -> list:
    """The features of events of a model, in each of several arrays; the first is the data."""
    if isinstance(features, Classifier):
        if features.event_shape != model.event_shape or not isinstance(model.support, Integers) or not features.levels:
            raise ValueError(f'This classifier takes events of shape {features.event_shape}, integers; the model gives '
                             f'events of shape {model.event_shape}, each value {model.support}.')
        share = (features.levels - 1) / (model.support.levels - 1)
        return [features.features(np.round(array * share)) for array in arrays]
    if features is not None:
        return [np.asarray(features(array)) for array in arrays]
    if isinstance(model.support, Integers):
        return [array / (model.support.levels - 1) for array in arrays]
    deviation = np.std(arrays[0], axis=0)
    return [array / np.where(deviation > 0, deviation, 1.) for array in arrays]
