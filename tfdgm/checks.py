"""Checks of arguments. Each raises an error that names what was wrong and what was expected."""

import numbers
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import tree


def event_shape(shape) -> tuple:
    """Normalises a constructor's `event_shape`."""
    sizes = tuple(shape) if isinstance(shape, Sequence | np.ndarray | tf.TensorShape) else (shape,)
    whole_numbers = all(isinstance(size, numbers.Integral) and not isinstance(size, bool) for size in sizes)
    if not sizes or not whole_numbers or min(sizes) < 1:
        raise ValueError(f'event_shape must be one or more positive integers, such as (28, 28, 1), got {shape!r}.')
    return tuple(int(size) for size in sizes)


def instance(value, kind, name: str, example: str):
    """Returns a constructor's argument if it is of its kind."""
    if not isinstance(value, kind):
        raise ValueError(f'{name} must be an object such as {example}, got {value!r}.')
    return value


def integer(value, name: str, least: int = 1) -> int:
    """Returns a constructor's argument if it is an integer, and large enough."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f'{name} must be an integer of at least {least}, got {value!r}.')
    return int(value)


def integers(values, name: str) -> tuple:
    """Returns a constructor's argument if it is one or more positive integers."""
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str) or not len(values):
        raise ValueError(f'{name} must be one or more positive integers, such as (1, 2), got {values!r}.')
    return tuple(integer(value, f'each of the {name}') for value in values)


def flag(value, name: str) -> bool:
    """Returns a constructor's argument if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f'{name} must be True or False, got {value!r}.')
    return bool(value)


def seed(value) -> int:
    """Returns a constructor's seed if it is an integer from 0; None draws one."""
    if value is None:
        return int(np.random.default_rng().integers(2**31))
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
        raise ValueError(f'seed must be an integer from 0, or None to draw one, got {value!r}.')
    return int(value)


def positive(value, name: str) -> float:
    """Returns a constructor's argument if it is a finite number above 0."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 < value < np.inf:
        raise ValueError(f'{name} must be a finite number above 0, got {value!r}.')
    return float(value)


def not_negative(value, name: str) -> float:
    """Returns a constructor's argument if it is a finite number from 0."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value < np.inf:
        raise ValueError(f'{name} must be a finite number from 0, got {value!r}.')
    return float(value)


def one_of(value, choices, name: str) -> str:
    """Returns a constructor's argument if it is one of the choices."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(map(repr, choices))}; got {value!r}.')
    return value


def rate(value, name: str) -> float:
    """Returns a constructor's argument if it is a number in [0, 1)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f'{name} must be a number in [0, 1), got {value!r}.')
    return float(value)


def static_shape(x, expected, what: str = 'events', batch_rank: int | None = None):
    """Raises unless the last dimensions of `x`, as far as they are known, are `expected`.

    With a `batch_rank`, there must be that many dimensions before them.
    """
    shape = tf.TensorShape(x.shape)
    if shape.rank is None:
        return
    rank = len(expected)
    fits = shape.rank >= rank if batch_rank is None else shape.rank == rank + batch_rank
    if not fits or not shape[shape.rank - rank:].is_compatible_with(expected):
        batch = 'any batch dimensions' if batch_rank is None else 'the batch dimension'
        raise ValueError(f'Expected {what} of shape {tuple(expected)}, after {batch}; '
                         f'got an array of shape {tuple(shape.as_list())}.')


def sample_shape(shape):
    """Raises unless a shape of samples, as far as it is known, is one or more integers from 0."""
    fits = shape is not None and not isinstance(shape, bool)  # TensorFlow would take a truth for an integer.
    if fits:
        sizes = tf.convert_to_tensor(shape, dtype_hint=tf.int32)
        values = tf.get_static_value(sizes)
        fits = sizes.dtype.is_integer and (values is None or np.all(values >= 0))
    if not fits:
        raise ValueError(f'sample_shape must be integers from 0, such as 5 or (2, 3), got {shape!r}.')


def batch_fits(shape, event_shape, batch_shape):
    """Raises if the shape of events can't be one of a distribution with that batch shape, as far as they are known."""
    if shape.rank is None or batch_shape.rank is None:
        return
    outer = shape[:shape.rank - len(event_shape)]
    try:
        tf.broadcast_static_shape(outer, batch_shape)
    except ValueError:
        raise ValueError(f'Events of batch shape {tuple(outer)} do not fit a distribution of batch shape '
                         f'{tuple(batch_shape)}: there is one event for each condition, or the shapes must broadcast.'
                         ) from None


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
    with np.errstate(over='ignore', invalid='ignore'):  # What float32 can't hold becomes infinite.
        converted = values.astype(condition.dtype)
    valid = np.asarray(condition.contains(values)) & np.isfinite(converted)
    if not valid.all():
        raise ValueError(f'Expected a condition of {condition.describe()}, got {values[~valid].flat[0]}.')
    return converted


def conditions_of_each(condition, values, count: int, what: str) -> np.ndarray:
    """`conditions`, of which there must be one for each of so many things."""
    values = conditions(condition, values)
    if values.shape != (count, *condition.shape):
        raise ValueError(f'Expected one condition for each of the {count} {what}, an array of shape '
                         f'{(count, *condition.shape)}, got shape {values.shape}.')
    return values


def real(values):
    """Raises if values, tensors or what becomes one, are not of a type of real numbers."""
    if tf.is_tensor(values):
        valid, kind = values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool, values.dtype.name
    elif any(map(tf.is_tensor, tree.flatten(values))):
        return
    else:
        kind = as_array(values).dtype
        valid = is_real(kind)
    if not valid:
        raise ValueError(f'Expected events of numbers that are real, got values of type {kind}.')


def is_real(kind: np.dtype) -> bool:
    """Whether a type of NumPy's is one of real numbers, bfloat16 among them."""
    return kind.kind in 'biuf' or kind == tf.bfloat16.as_numpy_dtype


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
    given = array
    with np.errstate(over='ignore', invalid='ignore'):  # What float32 can't hold becomes infinite, and lies outside.
        array = array.astype('float32', copy=False)
    padding = False
    if model.variable_length:
        padding = np.asarray(model.padding(array))
        empty = np.isnan(array).reshape(len(array), -1).all(axis=1)
        if empty.any():
            raise ValueError(f'Event {int(np.argmax(empty))} is empty: all of it is NaN. Leave it out.')
    with np.errstate(invalid='ignore'):
        outside = ~(np.asarray(model.support.contains(array)) | padding)
    if model.support.is_discrete and array is not given:
        # Rounded to float32, 0.999999999 is 1; a real number may be rounded.
        outside |= (array != given) & ~np.isnan(array)
    if not outside.any():
        return
    missing = np.isnan(array) & np.logical_not(padding)
    if missing.any():
        raise ValueError(f'{int(missing.sum())} of the {array.size} values are NaN, the first in event '
                         f'{first_event(missing)}. Remove or fill them in: {type(model).__name__} needs '
                         f'every value to be {model.support}.')
    raise ValueError(f'{int(outside.sum())} of the {array.size} values lie outside the support, such as '
                     f'{given[outside].flat[0]} in event {first_event(outside)}: this '
                     f'{type(model).__name__} needs every value to be {model.support}.')


def varying(deviation: np.ndarray, count: int):
    """Raises if a site has the same value in all of so many events, by its deviation over them."""
    if np.any(deviation == 0):
        site = tuple(int(index) for index in np.argwhere(deviation == 0)[0])
        raise ValueError(f'The values at site {site} are the same in all {count} events: a density there has no bound. '
                         'Leave that site out; or shuffle the events, if these are the first of more.')


def as_array(values) -> np.ndarray:
    """Turns a list of equal arrays into one array."""
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError('Expected an array, got a list of parts that differ in shape. (A pair of events and '
                         'conditions is for a model that has a condition; events of several lengths are filled up with '
                         'NaN at the end, for a model with variable_length=True.)') from None


def first_event(flags: np.ndarray) -> int:
    """The index of the first event with a flag set."""
    return int(np.argmax(flags.reshape(len(flags), -1).any(axis=1)))


def pair(x):
    """Raises unless `x` is [events, conditions]."""
    if not isinstance(x, (list, tuple)) or len(x) != 2:
        raise ValueError('This model is conditional: it takes [events, conditions].')
    return x


def broadcasts(shape: tuple, target: tuple) -> bool:
    """Whether an array of one shape broadcasts to another."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def weights(values, count: int) -> np.ndarray:
    """Checks the weights of events."""
    values = np.asarray(values)
    expected = f'Expected one finite sample weight from 0 for each of the {count} events, got'
    if values.shape != (count,) or values.dtype.kind not in 'biuf':
        raise ValueError(f'{expected} an array of shape {values.shape} and type {values.dtype}.')
    wrong = ~((values >= 0) & (values < np.inf))
    if np.any(wrong):
        raise ValueError(f'{expected} {values[wrong][0]} as that of event {first_event(wrong)}'
                         f'{f" and {np.sum(wrong) - 1} more" if np.sum(wrong) > 1 else ""}.')
    if not np.any(values):
        raise ValueError(f'The sample weights of all {count} events are 0: there is nothing to learn or to measure.')
    return values.astype('float32')
