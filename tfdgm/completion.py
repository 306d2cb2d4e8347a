"""Events of which a part is known: what a distribution takes that completes them."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks, inputs


class Completing:
    """Mixed into a `ModelDistribution` whose `sample` completes events."""

    def known_part(self, observed: ArrayLike, mask: ArrayLike, outer: tf.Tensor) -> tuple:
        """The known part of events, and where it is: both `[n, *event_shape]`.

        Args:
            observed: events.
            mask: 1 where they are known.
            outer: the shape `[*sample_shape, *batch_shape]` of the samples, of which there are n.

        Raises:
            ValueError: see `checked_observed`.
        """
        shape = tf.concat([outer, self._model.event_shape], 0)
        known, flags = checked_observed(self._model, observed, mask, tf.get_static_value(shape))
        # In a graph the checks see no values.
        clear = (flags == 0) | (flags == 1)
        known = tf.where(clear & self._model.support.contains(known), known, np.nan), tf.where(clear, flags, 1.)
        return tuple(tf.reshape(tf.broadcast_to(part, shape), (-1, *self._model.event_shape)) for part in known)

    def outer_shape(self, sample_shape) -> tf.Tensor:
        """`[*sample_shape, *batch_shape]`, as a tensor."""
        return tf.concat([tf.reshape(tf.cast(sample_shape, tf.int32), [-1]), self.batch_shape_tensor()], 0)


def checked_observed(model, x: tf.Tensor, mask, shape):
    """Checks the known part of events that are to be completed.

    Args:
        model: the model.
        x: events.
        mask: 1 where they are known.
        shape: what both must broadcast to, or None where it is not known yet.

    Returns:
        Both as float32.
    """
    if x is None or mask is None:
        raise ValueError('To complete events, pass both: observed, the events, and mask, 1 where they are known.')
    for name, part in (('observed', x), ('mask', mask)):
        try:
            checks.real(inputs.array(part, name))
        except ValueError as error:
            raise ValueError(f'{name} must be an array of numbers: {error}') from error
    parts = [tf.cast(part, tf.float32) for part in (x, mask)]
    shape = None if shape is None else tuple(shape.tolist())
    for name, part in zip(('observed', 'mask'), parts):
        if shape is not None and not checks.broadcasts(tuple(part.shape), shape):
            raise ValueError(f'{name} must have a shape that broadcasts to {shape}, got {tuple(part.shape)}.')
    values, flags = (tf.get_static_value(part) for part in parts)
    if flags is not None and not np.isin(flags, (0, 1)).all():
        value = flags[~np.isin(flags, (0, 1))][0]
        raise ValueError(f'mask must be 1 where observed is known and 0 elsewhere, got {value}.')
    if values is not None and flags is not None:
        outside = (flags == 1) & ~np.asarray(model.support.contains(values))
        if outside.any():
            value = np.broadcast_to(values, outside.shape)[outside][0]
            raise ValueError(f'observed holds {value} where mask is 1: {type(model).__name__} needs every known value '
                             f'to be {model.support}.')
    return parts
