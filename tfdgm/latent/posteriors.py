"""The distributions of latents once an event is seen, with parameters that an encoder gives."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from tfdgm import checks
from tfdgm.conditions import Vector
from tfdgm.layers import dense

tfd = tfp.distributions

# Below it no posterior gets: a scale of zero has no logarithm.
LEAST_SCALE = 1e-4


class NormalPosterior(keras.layers.Layer):
    """Independent normal latents. Their scales come through a softplus, so that they grow no faster than the encoder.

    Args:
        features: how many numbers the encoder gives.
        num_latents: how many latents.
        **kwargs: `name` and `dtype`.
    """

    has_closed_form = True

    def __init__(self, features: int, num_latents: int, **kwargs):
        super().__init__(**kwargs)
        self.means = dense(features, num_latents, 'means', self.dtype_policy)
        self.scales = dense(features, num_latents, 'scales', self.dtype_policy)
        self.built = True

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`[batch, features]` -> means and scales, `[batch, num_latents]`, float32."""
        scales = ops.softplus(ops.cast(self.scales(features), 'float32')) + LEAST_SCALE
        return ops.cast(self.means(features), 'float32'), scales

    def distribution(self, parameters) -> tfd.Distribution:
        """The posteriors with parameters that `call` gave, as a distribution of vectors."""
        return tfd.MultivariateNormalDiag(*parameters)

    def mean(self, parameters) -> tf.Tensor:
        """`[batch, num_latents]`."""
        return parameters[0]

    def draw(self, parameters, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents `[…, batch, num_latents]` of standard normal numbers of that shape, and log q of each, `[…, batch]`.
        """
        means, scales = parameters
        return means + scales * noise, ops.sum(tfd.Normal(0., 1.).log_prob(noise) - ops.log(scales), axis=-1)

    def log_prob(self, parameters, z: tf.Tensor) -> tf.Tensor:
        """Log q of latents `[…, batch, num_latents]`: `[…, batch]`, in nats."""
        return ops.sum(tfd.Normal(*parameters).log_prob(z), axis=-1)


class FlowPosterior(keras.layers.Layer):
    """Latents that a flow makes of standard normal numbers, as the encoder's vector for the event says.

    Args:
        features: how many numbers the encoder gives.
        flow: a `FlowModel` of real vectors whose condition is a `Vector`, such as
            `tfdgm.IAF(32, condition=tfdgm.conditions.Vector(64))`.
        **kwargs: `name` and `dtype`.
    """

    has_closed_form = False

    def __init__(self, features: int, flow, **kwargs):
        super().__init__(**kwargs)
        self.flow = flow
        self.context = dense(features, flow.condition.size, 'context', self.dtype_policy)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """`[batch, features]` -> the flow's condition, `[batch, size]`, float32."""
        return ops.cast(self.context(features), 'float32')

    def distribution(self, context: tf.Tensor) -> tfd.Distribution:
        """The posteriors with conditions that `call` gave."""
        return self.flow.distribution(context)

    def mean(self, context: tf.Tensor) -> tf.Tensor:
        """What the flow makes of zeros, in the place of the mean: `[batch, num_latents]`."""
        return self.draw(context, ops.zeros((ops.shape(context)[0], self.flow.num_latents)))[0]

    def draw(self, context: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `NormalPosterior.draw`."""
        posterior = self.distribution(context)
        z, log_det = posterior.bijector.forward(noise), posterior.bijector.forward_log_det_jacobian(noise)
        return z, ops.sum(tfd.Normal(0., 1.).log_prob(noise), axis=-1) - log_det

    def initialize(self, context: tf.Tensor):
        """Data-dependent initialisation of the flow's layers, from the conditions of the first events."""
        if self.flow.waits_for_data():
            noise = keras.random.normal((ops.shape(context)[0], self.flow.num_latents), seed=0)
            self.flow.initialize(noise, context)


def checked_flow(posterior, num_latents: int):
    """Returns a flow as a posterior's, or None.

    Raises:
        ValueError: if it is none of vectors of latents, whose condition is a vector.
    """
    if posterior is None:
        return None
    fits = (getattr(posterior, 'event_shape', None) == (num_latents,) and hasattr(posterior, 'transformation')
            and not posterior.support.is_discrete and isinstance(posterior.condition, Vector))
    example = f'tfdgm.IAF({num_latents}, condition=tfdgm.conditions.Vector(64))'
    checks.instance(posterior, keras.Model | None, 'posterior', example)
    if not fits:
        raise ValueError(f'A posterior of {num_latents} latents is a flow over real vectors of that length whose '
                         f'condition is a vector, such as {example}; got {posterior!r}.')
    return posterior
