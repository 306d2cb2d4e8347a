"""as_bijector: an invertible layer as TensorFlow Probability takes it."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm import checks

tfb = tfp.bijectors


def as_bijector(layer, event_shape: tuple, num_latents: int, features=None, variables=(), name='flow') -> tfb.Bijector:
    """A bijector whose `forward` goes from latents `[…, num_latents]` to events `[…, *event_shape]`.

    Args:
        layer: an invertible layer from events to vectors of latents: see `tfdgm.flows.invertible`.
        event_shape: of its events.
        num_latents: how many numbers its latents have.
        features: those of the condition, `[…, n]`, whose leading shape broadcasts to the events', or None.
        variables: those that it depends on, `tf.Variable`s.
        name: a name for its operations.

    Returns:
        A `tfb.Bijector`. It computes a value and a log-determinant apart, as TFP asks for them; inside a graph,
        TensorFlow merges what both have in common.
    """
    return LayerBijector(layer, event_shape, num_latents, features, variables, name)


class LayerBijector(tfb.Bijector):
    """What `as_bijector` gives."""

    def __init__(self, layer, event_shape: int | Sequence[int], num_latents, features, variables, name):
        self._layer, self._features = layer, features
        self._shape, self._num_latents = tuple(event_shape), num_latents
        self._model_variables = tuple(variables)  # Where TFP finds them.
        super().__init__(forward_min_event_ndims=1, inverse_min_event_ndims=len(self._shape), dtype=tf.float32,
                         name=name)

    # TFP's cache takes equal bijectors for one another. These are equal to themselves alone: two made of the same
    # layers differ once the layers have learned.
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}

    def _forward_event_shape(self, shape):
        return tf.TensorShape(self._shape)

    def _forward_event_shape_tensor(self, shape):
        return tf.constant(self._shape, tf.int32)

    def _inverse_event_shape(self, shape):
        return tf.TensorShape([self._num_latents])

    def _inverse_event_shape_tensor(self, shape):
        return tf.constant([self._num_latents], tf.int32)

    def _forward(self, z):
        return self._to_events(z)[0]

    def _inverse(self, x):
        return self._to_latents(x)[0]

    def _forward_log_det_jacobian(self, z):
        return self._to_events(z)[1]

    def _inverse_log_det_jacobian(self, x):
        return self._to_latents(x)[1]

    def _to_events(self, z):
        return self._run(self._layer.inverse, z, (self._num_latents,), self._shape)

    def _to_latents(self, x):
        return self._run(self._layer, x, self._shape, (self._num_latents,))

    def _run(self, function, values, before, after):
        """Applies a function of one batch axis to values of any leading shape."""
        outer = tf.shape(values)[:tf.rank(values) - len(before)]
        features = self._features
        if features is not None:
            check_broadcast(features.shape[:-1], values.shape[:len(values.shape) - len(before)])
            features = tf.broadcast_to(features, tf.concat([outer, features.shape[-1:]], 0))
            features = tf.reshape(features, (-1, features.shape[-1]))
        values = tf.reshape(values, (-1, *before))
        result, log_det = function(values, features)
        log_det = tf.broadcast_to(log_det, tf.shape(values)[:1])
        return tf.reshape(result, tf.concat([outer, after], 0)), tf.reshape(log_det, outer)


def check_broadcast(given, outer):
    """Raises if the batch shape of a condition does not broadcast to that of events, as far as both are known."""
    known = given.is_fully_defined() and outer.is_fully_defined()
    if known and not checks.broadcasts(tuple(given), tuple(outer)):
        raise ValueError(f'A condition of batch shape {tuple(given)} does not broadcast to the batch shape '
                         f'{tuple(outer[-len(given):])} of the values.')
