"""AutoregressiveDistribution: completes events of which a part is known, and ends them early."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks
from tfdgm.completion import Completing
from tfdgm.distribution import DensityDistribution


class AutoregressiveDistribution(Completing, DensityDistribution):
    """A `ModelDistribution` that completes events of which a part is known, and draws shorter ones."""

    def sample(self, sample_shape: int | Sequence[int] | tf.Tensor = (), seed: int | tf.Tensor | None = None,
               name: str = 'sample', observed: ArrayLike | None = None, mask: ArrayLike | None = None,
               length: ArrayLike | None = None) -> tf.Tensor:
        """`tfd.Distribution.sample`; with `observed` and `mask`, it completes events of which a part is known.

        The sites are drawn in the order of the chain, each given all before it. So the rest is drawn from its exact
        conditional distribution where the known sites come first in that order, such as the upper rows of an image;
        what comes before a known site is drawn as if that were not known. (A model with several orders draws one of
        them as if nothing were known.)

        Args:
            sample_shape: how many events, an integer or a shape.
            seed: an integer, a stateless seed, or None.
            name: a name for its operations.
            observed: events, of a shape that broadcasts to `[*sample_shape, *batch_shape, *event_shape]`.
            mask: of such a shape too: 1 where `observed` is known, 0 where it is not.
            length: of a model with `variable_length=True`, how many steps to draw: an integer, or several, of a
                shape that broadcasts to `[*sample_shape, *batch_shape]`. What follows them is NaN.

        Returns:
            `[*sample_shape, *batch_shape, *event_shape]`, float32.

        Raises:
            ValueError: if only one of `observed` and `mask` is given, their shapes don't fit, a mask holds other
                values than 0 and 1, or a known value lies outside the support or behind the end of its event; if events
                of the model have one length only, or none so short or long.

        >>> import numpy as np, tfdgm
        >>> upper_half = np.arange(8)[:, None, None] < 4
        >>> dist = tfdgm.MADE(event_shape=(8, 8, 1)).distribution()
        >>> completed = dist.sample(3, seed=0, observed=np.ones([8, 8, 1]), mask=upper_half)
        >>> completed.shape, bool(np.all(completed[:, :4] == 1))
        (TensorShape([3, 8, 8, 1]), True)
        """
        checks.sample_shape(sample_shape)
        outer = self.outer_shape(sample_shape)
        given = ()
        if observed is not None or mask is not None:
            given = self.known_part(observed, mask, outer)
        if length is not None:
            lengths = checked_lengths(self._model, length, tf.get_static_value(outer))
            given = (*(given or (None, None)), tf.reshape(tf.broadcast_to(lengths, outer), [-1]))
            if mask is not None:
                check_known_steps(given[1], given[2])
        return super().sample(sample_shape, seed, name, given=given)


def checked_lengths(model, values: tf.Tensor, shape):
    """Checks how many steps events are to have.

    Args:
        model: the model.
        values: integers.
        shape: what they must broadcast to, or None where it is not known yet.

    Returns:
        An int32 tensor.
    """
    if not model.variable_length:
        raise ValueError(f'All events of this {type(model).__name__} have the shape {model.event_shape}; for events of '
                         'several lengths make a model of sequences with variable_length=True.')
    steps = model.event_shape[0]
    tensor = tf.convert_to_tensor(values)
    known = tf.get_static_value(tensor)
    if not tensor.dtype.is_integer or (known is not None and not np.all((known >= 1) & (known <= steps))):
        raise ValueError(f'length must be integers from 1 to {steps}, got {values!r}.')
    if shape is not None and not checks.broadcasts(tuple(tensor.shape), tuple(shape.tolist())):
        raise ValueError(f'length must have a shape that broadcasts to {tuple(shape.tolist())}, got '
                         f'{tuple(tensor.shape)}.')
    return tf.cast(tensor, tf.int32)


def check_known_steps(flags, lengths):
    """Checks that the known part of events, `[n, steps, …]`, ends before they do; in a graph, nothing."""
    flags, lengths = (tf.get_static_value(part) for part in (flags, lengths))
    if flags is None or lengths is None:
        return
    known = np.any(flags.reshape(*flags.shape[:2], -1) == 1, axis=2)
    late = known & (np.arange(flags.shape[1]) >= lengths[:, None])
    if late.any():
        event, step = np.argwhere(late)[0]
        raise ValueError(f'mask is 1 at step {step}, counted from 0, of an event that is to have a length of '
                         f'{lengths[event]}.')
