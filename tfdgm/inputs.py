"""What `fit`, `evaluate` and `predict` are given, checked and in the form that Keras takes."""

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from tfdgm import checks


def prepared(model, x, y=None, sample_weight=None, predicting: bool = False) -> tuple:
    """Checks what is passed to `fit`, `evaluate` or `predict`: arrays wholly, a `tf.data.Dataset` by its shapes.

    Args:
        model: a `tfdgm.Model`.
        x: events: what becomes an array, a pipeline, or {'events': …, 'sample_weight': …}.
        y: their conditions, or None.
        sample_weight: one for each event, or None.
        predicting: whether a pipeline need not give conditions that the model has.

    Returns:
        (x, y, sample_weight), all but tensors and pipelines turned into the NumPy arrays that were checked.

    Raises:
        ValueError: if something is missing, unexpected, of a wrong shape or type, or not valid.
    """
    if x is None:
        raise ValueError('There are no events: pass an array or a pipeline of them first.')
    if isinstance(x, dict):
        given = sample_weight
        x, sample_weight = unpacked(x)
        sample_weight = given if sample_weight is None else sample_weight
    if is_pipeline(x):
        if sample_weight is not None:
            raise ValueError("The weights of a pipeline come out of it: (events, conditions, weights), or without "
                             "conditions {'events': events, 'sample_weight': weights}.")
        return pipeline(model, x, predicting) if isinstance(x, tf.data.Dataset) else x, y, None
    checks.condition_given(model.condition, y)
    x = array(x, 'events')
    checks.events(model, x)
    if y is not None:
        y = checks.conditions_of_each(model.condition, array(y, 'conditions'), len(x), 'events')
    if sample_weight is not None:
        sample_weight = checks.weights(array(sample_weight, 'sample weights'), len(x))
    return x, y, sample_weight


def packed(x, y, sample_weight) -> tuple:
    """Arguments (x, y, sample_weight) that Keras keeps: it drops the weights of data without a target."""
    if y is not None or sample_weight is None:
        return x, y, sample_weight
    return {'events': x, 'sample_weight': sample_weight}, None, None


def unpacked(x) -> tuple:
    """Events and their weights, or None, of what a pipeline without conditions gives.

    Raises:
        ValueError: if it is a dictionary of something else.
    """
    if not isinstance(x, dict):
        return x, None
    if 'events' not in x or set(x) - {'events', 'sample_weight'}:
        names = list(x)
        pairs = ', '.join(f'example[{name!r}]' for name in names[:2])
        raise ValueError(
            f"Expected events, or {{'events': …, 'sample_weight': …}}; got a dictionary of "
            f'{", ".join(map(repr, names))}. Of a pipeline, choose the events, or for a conditional model the events '
            f'and their conditions: dataset.map(lambda example: ({pairs})).')
    return x['events'], x.get('sample_weight')


def is_pipeline(x) -> bool:
    """Whether `x` gives batches, one after the other, rather than being an array or what becomes one."""
    return not (isinstance(x, (list, tuple, dict)) or is_sparse(x) or hasattr(x, '__array__') or tf.is_tensor(x))


def is_sparse(x) -> bool:
    """Whether `x` is a sparse matrix, as SciPy and scikit-learn give them, or a sparse or ragged tensor."""
    return isinstance(x, tf.SparseTensor | tf.RaggedTensor) or (hasattr(x, 'toarray') and hasattr(x, 'nnz'))


def array(values, what: str):
    """Turns array-likes into a NumPy array; tensors stay what they are.

    Raises:
        ValueError: if values are sparse, masked or of unequal lengths.
    """
    if is_sparse(values):
        raise ValueError(f'Expected {what} as a dense array, got {type(values).__name__}: pass values.toarray(), or '
                         'tf.sparse.to_dense(values) of a tensor.')
    if isinstance(values, keras.Variable):
        values = values.value
    if tf.is_tensor(values):
        return tf.convert_to_tensor(values)
    if np.ma.is_masked(values):
        raise ValueError(f'{int(np.ma.count_masked(values))} of the {what} are masked: fill them in, or leave them '
                         'out.')
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.getdata(values)
    dtypes = getattr(values, 'dtypes', None)
    if dtypes is not None and all(getattr(dtype, 'kind', 'O') in 'biuf' for dtype in np.atleast_1d(dtypes)):
        # Of numbers; in pandas' types that know missing ones, those would make objects of all.
        return values.to_numpy('float64', na_value=np.nan)
    return checks.as_array(values)


def pipeline(model, dataset, predicting: bool):
    """A `tf.data.Dataset` of batches, checked by its shapes; those that it leaves open are filled in."""
    parts = dataset.element_spec if isinstance(dataset.element_spec, tuple) else (dataset.element_spec,)
    unpacked(parts[0])  # Refuses dictionaries of something else.
    example = tree.flatten(parts[0])[0]
    if example.shape == tf.TensorShape(model.event_shape):
        raise ValueError('This pipeline gives single events, and Keras takes batches of them: pass '
                         'dataset.batch(…), for example of 64.')
    checks.static_shape(example, model.event_shape, batch_rank=1)
    if model.variable_length and example.shape.rank is not None and example.shape[1] is None:
        raise ValueError("Fill all events of the pipeline up to the model's length: dataset.padded_batch(…, "
                         f"padded_shapes={model.event_shape}, padding_values=float('nan')).")
    if not predicting:
        checks.condition_given(model.condition, parts[1] if len(parts) > 1 else None)
    if dataset.cardinality() == 0:
        raise no_batches()
    if all(part.shape.rank is not None for part in tree.flatten(parts)):
        return dataset
    shapes = (None, *model.event_shape), (None, *model.condition.shape) if model.condition else (None,), (None,)

    def shaped(*batch):
        def ensure(part, shape):
            return {name: tf.ensure_shape(value, (None,) if name == 'sample_weight' else shape)
                    for name, value in part.items()} if isinstance(part, dict) else tf.ensure_shape(part, shape)

        batch = tuple(ensure(part, shape) for part, shape in zip(batch, shapes))
        return batch if isinstance(dataset.element_spec, tuple) else batch[0]

    return dataset.map(shaped)


def no_batches() -> ValueError:
    """The error about a pipeline without a single batch."""
    return ValueError('Expected at least one batch of events; the pipeline has none.')
