"""Checks of what people pass in. Each raises an error that names what was wrong and what was expected."""

import numbers

import numpy as np
import tensorflow as tf
from keras import tree


def event_shape(shape) -> tuple:
    """Normalises a constructor's `event_shape`."""
    sizes = (shape,) if isinstance(shape, numbers.Integral) else tuple(shape)
    if not sizes or not all(isinstance(size, numbers.Integral) and size > 0 for size in sizes):
        raise ValueError(f'event_shape must be one or more positive whole numbers, such as (28, 28, 1), got {shape!r}.')
    return tuple(int(size) for size in sizes)


def static_shape(x, expected, what: str = 'events'):
    """Raises unless the last dimensions of `x`, as far as they are known, are `expected`."""
    shape = tf.TensorShape(x.shape)
    if shape.rank is None:
        return
    rank = len(expected)
    if shape.rank < rank or not shape[shape.rank - rank:].is_compatible_with(expected):
        raise ValueError(f'Expected {what} of shape {tuple(expected)}, after any batch dimensions; '
                         f'got an array of shape {tuple(shape.as_list())}.')


def condition_given(condition, values):
    """Raises unless values are given exactly if the model has a condition."""
    if condition is not None and values is None:
        raise ValueError(f'This model is conditional and no condition was given: pass {condition.describe()} '
                         '(in `fit` and `evaluate` as `y`, in `predict` as [events, conditions]).')
    if condition is None and values is not None:
        raise ValueError('This model has no condition, but one was given (in Keras, `y`). Leave it out, or build the '
                         'model with condition=tfdgm.conditions.Label(…) or another condition.')


def conditions(condition, values, batch_shape=None) -> np.ndarray:
    """Checks concrete values of a condition; returns them as an array of the condition's dtype."""
    values = np.asarray(values)
    if values.dtype.kind not in 'biuf':
        raise ValueError(f'Expected a condition of {condition.describe()}, got values of type {values.dtype}.')
    static_shape(values, condition.shape, 'conditions')
    valid = np.asarray(condition.contains(values))
    if not valid.all():
        raise ValueError(f'Expected a condition of {condition.describe()}, got {values[~valid].flat[0]}.')
    return values.astype(condition.dtype)


def events(model, x):
    """Checks a concrete array of events: its shape, NaN, and the support."""
    array = np.asarray(x)
    if array.dtype.kind not in 'biuf':
        raise ValueError(f'Expected events of numbers, got an array of type {array.dtype}.')
    if array.ndim != len(model.event_shape) + 1 or array.shape[1:] != model.event_shape:
        raise ValueError(f'Expected events of shape {model.event_shape} in an array of shape '
                         f'{(None, *model.event_shape)}, got an array of shape {array.shape}.')
    if not len(array):
        raise ValueError(f'Expected at least one event, got an array of shape {array.shape}.')
    if array.dtype.kind == 'f':
        missing = np.isnan(array)
        if missing.any():
            raise ValueError(f'{int(missing.sum())} of the {array.size} values are NaN, the first in event '
                             f'{first_event(missing)}. Remove or fill them in: {type(model).__name__} needs '
                             f'every value to be {model.support()}.')
    outside = ~np.asarray(model.contains(array))
    if outside.any():
        raise ValueError(f'{int(outside.sum())} of the {array.size} values lie outside the support, such as '
                         f'{array[outside].flat[0]} in event {first_event(outside)}: {type(model).__name__} with '
                         f'this output needs every value to be {model.support()}.')


def first_event(flags: np.ndarray) -> int:
    """The index of the first event with a flag set."""
    return int(np.argmax(flags.reshape(len(flags), -1).any(axis=1)))


def is_dataset(x) -> bool:
    """Whether `x` is a pipeline rather than arrays: its values can't be checked without running it."""
    return not (isinstance(x, (list, tuple)) or hasattr(x, '__array__') or tf.is_tensor(x))


def pair(x):
    """Raises unless `x` is [events, conditions]."""
    if not isinstance(x, (list, tuple)) or len(x) != 2:
        raise ValueError('This model is conditional: predict takes [events, conditions].')


def data(model, x, y, predicting: bool = False):
    """Checks what is passed to `fit`, `evaluate` or `predict`: arrays wholly, a `tf.data.Dataset` by its shapes."""
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        static_shape(tree.flatten(parts[0])[0], model.event_shape)
        if not predicting:
            condition_given(model.condition, parts[1] if len(parts) > 1 else None)
    elif not is_dataset(x):
        condition_given(model.condition, y)
        events(model, x)
        if y is not None:
            values = conditions(model.condition, y)
            if values.shape != (len(x), *model.condition.shape):
                raise ValueError(f'Expected one condition for each of the {len(x)} events, an array of shape '
                                 f'{(len(x), *model.condition.shape)}, got shape {values.shape}.')
