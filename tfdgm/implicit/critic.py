"""Critics: how much events look like the data's."""

import keras
import tensorflow as tf
from keras import ops

from tfdgm.execution import internals
from tfdgm.implicit.networks import layer_of
from tfdgm.implicit.spectral import SpectralDense, SpectrallyNormalized
from tfdgm.networks.dense import called
from tfdgm.networks.given import refuse_squashed, shape_given


class Critic(keras.layers.Layer):
    """A network to features, and one number of them, the score; a condition adds the features' product with its own.

    Source: T. Miyato and M. Koyama, "cGANs with projection discriminator", 2018 (https://arxiv.org/abs/1802.05637).

    Args:
        network: from events to features `[batch, units]`, with an attribute `units`; or a Keras model to scores
            `[batch, 1]`, which with a condition takes `[events, features]`.
        condition_features: how many features the condition has, or 0.
        spectral: whether the last layers are spectrally normalised.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, network, condition_features: int, spectral: bool, **kwargs):
        super().__init__(**kwargs)
        self.network, self.last, self.projection = network, None, None
        if not isinstance(network, keras.Model):
            kind = SpectralDense if spectral else keras.layers.Dense
            self.last = layer_of(kind, (None, network.units), 1, name='last', dtype=self.dtype_policy)
            if condition_features:
                self.projection = layer_of(kind, (None, condition_features), network.units, use_bias=False,
                                           name='projection', dtype=self.dtype_policy)
        self.built = True

    def call(self, x: tf.Tensor, features: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Scores `[batch]`, float32, of events `[batch, *event_shape]`, as networks see them."""
        x = ops.cast(x, self.compute_dtype)
        if self.last is None:
            return ops.cast(ops.reshape(called(self.network, x, features, training), (-1,)), 'float32')
        seen = self.network(x)
        scores = self.last(seen)[:, 0]
        if self.projection is not None:
            scores = scores + ops.sum(seen * self.projection(features), axis=-1)
        return ops.cast(scores, 'float32')

    def iterate(self):
        """Takes one step of power iteration, in layers that are spectrally normalised."""
        for layer in internals.layers_within(self):
            if isinstance(layer, SpectrallyNormalized):
                layer.iterate()


def checked_critic(critic, event_shape: tuple, condition_features: int):
    """Returns a Keras model as a critic.

    Raises:
        ValueError: if it gives no score of each event, or a probability.
    """
    found = shape_given(critic, 'critic', event_shape, condition_features)
    if found not in ((), (1,)):
        raise ValueError(f'The critic should give one score of each event, {(None, *event_shape)} -> (None, 1); it '
                         f'gives an array of shape {(None, *found)}.')
    refuse_squashed(critic, 'critic', 'scores')
    return critic
