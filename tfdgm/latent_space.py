"""LatentSpace: encoding, decoding and interpolation, for models whose events have latents."""

import abc

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, exporting, inputs
from tfdgm.support import Reals, Support


class LatentSpace(abc.ABC):
    """Mixed into a `GenerativeModel` whose events have latents: `num_latents` numbers, as a rule a vector.

    A subclass implements `encode_batch` and `decode_batch`.
    """

    # What to use in a `tf.function` instead of `encode` and `decode`, for the message there.
    in_graphs = 'encode_batch', 'decode_batch'

    @property
    @abc.abstractmethod
    def num_latents(self) -> int:
        """How many numbers the latents of an event have."""

    @property
    def latent_shape(self) -> tuple:
        """The shape of the latents of one event."""
        return (self.num_latents,)

    @property
    def latent_support(self) -> Support:
        """The numbers that a latent can be."""
        return Reals()

    @abc.abstractmethod
    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """`encode`, of tensors: float32 `[batch, *event_shape]` -> `[batch, *latent_shape]`."""

    @abc.abstractmethod
    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """The events that latents stand for: float32 `[batch, *latent_shape]` -> `[batch, *event_shape]`."""

    def encode(self, x: ArrayLike, condition: ArrayLike | None = None) -> tf.Tensor:
        """The latents of events: `[batch, *event_shape]` -> `[batch, *latent_shape]`.

        A flow dequantises integers first, the same event always in the same way; `decode` gives them back.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked; the message names what to use there.

        >>> import numpy as np, tfdgm
        >>> model = tfdgm.NICE(4, hidden_units=(16,))
        >>> z = model.encode(np.ones([2, 4]))
        >>> np.round(model.decode(z))
        array([[1., 1., 1., 1.],
               [1., 1., 1., 1.]], dtype=float32)
        """
        require_values('encode', self.in_graphs[0])
        x, condition, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
        return self._run_batch(self.encode_batch, x, condition)

    def decode(self, z: ArrayLike, condition: ArrayLike | None = None) -> tf.Tensor:
        """The events of latents: `[batch, *latent_shape]` -> `[batch, *event_shape]`.

        Raises:
            ValueError: if latents or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked; the message names what to use there.
        """
        return self._run_batch(self.decode_batch, *self.checked_latents(z, condition))

    def checked_latents(self, z: ArrayLike, condition: ArrayLike | None) -> tuple:
        """Latents and their conditions, as `decode` takes them.

        Raises: as there.
        """
        require_values('decode', self.in_graphs[1])
        z = z if tf.is_tensor(z) else np.asarray(z)
        array = np.asarray(z)
        if array.dtype.kind not in 'biuf' or array.shape[1:] != self.latent_shape or not len(array):
            raise ValueError(f'Expected latents, at least one, in an array of numbers of shape '
                             f'{(None, *self.latent_shape)}; got one of shape {array.shape} and type {array.dtype}.')
        finite = abs(array) <= np.finfo('float32').max
        if not finite.all():
            raise ValueError(f'Expected latents that are finite in float32, got {array[~finite][0]}, the first in row '
                             f'{checks.first_event(~finite)}.')
        checks.condition_given(self.condition, condition)
        if condition is not None:
            condition = checks.conditions_of_each(self.condition, condition, len(z), 'latents')
        return z, condition

    def reconstruct(self, x: ArrayLike, condition: ArrayLike | None = None) -> tf.Tensor:
        """What the latents of events say of them: `[batch, *event_shape]` -> `[batch, *event_shape]`.

        Raises:
            ValueError: if events or conditions are not valid.
        """
        return self._events(self.encode(x, condition), condition)

    def traverse(self, x: ArrayLike, latent: int, values: ArrayLike, condition: ArrayLike | None = None) -> tf.Tensor:
        """Events like others, but for one of their latents: `[batch, len(values), *event_shape]`.

        Args:
            x: events, `[batch, *event_shape]`.
            latent: the index of the latent.
            values: what it becomes, one after the other.
            condition: of a conditional model, one for each event.

        Raises:
            ValueError: if events or conditions are not valid, there is no such latent, or the values are no numbers.
        """
        if checks.integer(latent, 'latent', 0) >= self.num_latents:
            raise ValueError(f'latent must be an index from 0 to {self.num_latents - 1}, got {latent}.')
        values = np.asarray(values)
        if values.ndim != 1 or not len(values) or values.dtype.kind not in 'biuf':
            raise ValueError(f'values must be one or more numbers, got {values!r}.')
        # Codes are integers, and a value that is none is for `decode` to refuse.
        latents = np.repeat(np.asarray(self.encode(x, condition), 'float32'), len(values), axis=0)
        latents.reshape(len(latents), -1)[:, latent] = np.tile(values, len(latents) // len(values))
        condition = None if condition is None else np.repeat(condition, len(values), axis=0)
        return ops.reshape(self._events(latents, condition), (-1, len(values), *self.event_shape))

    def interpolate(self, first: ArrayLike, second: ArrayLike, steps: int = 8,
                    condition: ArrayLike | None = None) -> tf.Tensor:
        """Events between others, their latents on a straight line: `[batch, steps, *event_shape]`.

        Args:
            first: events, `[batch, *event_shape]`.
            second: as many.
            steps: how many for each pair; the first is that of `first`, the last that of `second`.
            condition: of a conditional model, one for each pair.

        Raises:
            ValueError: if events or conditions are not valid.
        """
        checks.integer(steps, 'steps', 2)
        if np.shape(first) != np.shape(second):
            raise ValueError(f'Expected as many events to start from as to end with; got arrays of shapes '
                             f'{np.shape(first)} and {np.shape(second)}.')
        latents = self._between(first, second, np.linspace(0, 1, steps, dtype='float32'), condition)
        condition = None if condition is None else np.repeat(condition, steps, axis=0)
        return ops.reshape(self._events(latents, condition), (-1, steps, *self.event_shape))

    def _between(self, first, second, shares, condition):
        """The latents of events between others, those of a pair one after the other, `[batch * steps, …]`."""
        ends = [np.asarray(self.encode(x, condition)) for x in (first, second)]
        return on_lines(*ends, shares)

    def _events(self, z, condition):
        """The events of latents."""
        return self._run_batch(self.decode_batch, *self.checked_latents(z, condition))

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        return {
            **super().signatures(jit_compile),
            'encode': exporting.mapping(
                self, self.encode_batch, 'events', self.event_shape, self.support, 'latents'),
            'decode': exporting.mapping(
                self, self.decode_batch, 'latents', self.latent_shape, self.latent_support, 'events')}

    def _run_batch(self, method, values, condition, *options):
        condition = None if condition is None else tf.convert_to_tensor(condition)
        # Without XLA, which would compile for each size of a batch anew.
        return self.run(method, tf.cast(values, tf.float32), condition, *options, jit_compile=False)


def on_lines(first: np.ndarray, second: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points on the lines between others, `[batch, …]` each: `[batch * len(shares), …]`."""
    shares = shares.reshape(-1, *[1] * (first.ndim - 1))
    between = first[:, None] * (1 - shares) + second[:, None] * shares
    return between.reshape(-1, *first.shape[1:])


def require_values(name, way):
    """Raises inside a `tf.function`, whose tensors have no values yet."""
    if not tf.executing_eagerly():
        raise RuntimeError(f'{name} checks the values that it is given, and inside a tf.function there are none yet: '
                           f'use {way} there.')
