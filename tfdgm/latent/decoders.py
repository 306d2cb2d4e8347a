"""Decoders: a network with an output, or a conditional model whose condition is the latents."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from tfdgm.execution import extremes
from tfdgm.layers import Standardization
from tfdgm.networks.dense import called, joined
from tfdgm.networks.given import refuse_squashed, shape_given
from tfdgm.outputs import Output
from tfdgm.random import uniforms
from tfdgm.support import Support

tfd = tfp.distributions
tfb = tfp.bijectors


def seen(x: tf.Tensor, decoding) -> tf.Tensor:
    """Events as encoders see them: integers divided by the largest, real values standardised as the decoder does.

    What lies far out looks to them as if it were nearer; the decoder's likelihood sees where it is.
    """
    layer = decoding.standardization
    if layer is None:
        return x / (decoding.support.levels - 1)
    return ops.clip(layer(x)[0], -extremes.ORDINARY, extremes.ORDINARY)


def checked_decoder(network, latent_shape: tuple, output: Output, event_shape: tuple, condition_features: int):
    """Returns a Keras model that makes an output's parameters of latents, and of so many features of a condition.

    Raises:
        ValueError: if it is none.
    """
    found = shape_given(network, 'decoder', latent_shape, condition_features)
    shape = *event_shape, output.num_parameters
    if found != shape and not (found == event_shape and output.num_parameters == 1):
        raise ValueError(f'The decoder should make the parameters of the output {output} from latents, '
                         f'{(None, *latent_shape)} -> {(None, *shape)}; it gives an array of shape '
                         f'{(None, *found)}.')
    refuse_squashed(network, 'decoder', 'parameters, such as logits')
    return network


class OutputDecoder(keras.layers.Layer):
    """A network from latents to the parameters of an output at each site.

    Real values are standardised; the likelihood is that of values in the data's own units.

    Args:
        network: from latents `[n, num_latents]`, with a condition `[latents, features]`, to the parameters.
        output: one of `tfdgm.outputs`.
        event_shape: shape of one event.
        **kwargs: `name`.
    """

    def __init__(self, network, output: Output, event_shape: tuple, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.network, self.output_family, self.event_shape = network, output, event_shape
        self.standardization = None if self.support.is_discrete else Standardization(
            event_shape, dtype='float32', name='standardization')
        self.built = True

    @property
    def support(self) -> Support:
        """The numbers that a site can hold."""
        return self.output_family.support

    def parameters(self, z: tf.Tensor, features: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """`[n, *event_shape, num_parameters]`, float32."""
        parameters = called(self.network, z, features, training)
        return ops.reshape(ops.cast(parameters, 'float32'), (-1, *self.event_shape, self.output_family.num_parameters))

    def log_prob(self, x: tf.Tensor, z: tf.Tensor, features: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """Log p(x | z), in nats: events `[batch, *event_shape]` and latents `[draws * batch, num_latents]` ->
        `[draws * batch]`."""
        parameters = self.parameters(z, features, training)
        parameters = ops.reshape(parameters, (-1, ops.shape(x)[0], *parameters.shape[1:]))
        sites, log_det = tuple(range(2, 2 + len(self.event_shape))), 0.
        if self.standardization is None:
            contained = self.support.contains(x)
            log_probs = ops.sum(self.output_family.log_prob(parameters, ops.where(contained, x, 0.)), axis=sites)
            # Event by event: that of each site, for each of many draws, would take longer than the last layer.
            log_probs = ops.where(ops.all(contained, axis=tuple(range(1, len(x.shape)))), log_probs, np.nan)
        else:
            values, log_det = self.standardization(x)

            def evaluate(near):
                return ops.sum(self.output_family.log_prob(parameters, ops.where(near, values, 0.)), axis=sites)

            log_probs = extremes.log_density(evaluate, x, values) + log_det * np.prod(self.event_shape)
        return ops.reshape(log_probs, (-1,))

    def distribution(self, z: tf.Tensor, features: tf.Tensor | None) -> tfd.Distribution:
        """p(x | z), a distribution of events with batch shape `[n]`."""
        sites = self.output_family.distribution(self.parameters(z, features))
        events = tfd.Independent(sites, len(self.event_shape))
        if self.standardization is None:
            return events
        layer = self.standardization
        units = tfb.Chain([tfb.Shift(layer.mean.value), tfb.Scale(layer.deviation.value)])
        return tfd.TransformedDistribution(events, units)

    def mean(self, z: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        """The means of the events, `[n, *event_shape]`."""
        return self._in_units(self.output_family.mean(self.parameters(z, features)))

    def sample(self, z: tf.Tensor, features: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """An event for each of the latents, `[n, *event_shape]`."""
        shape = ops.shape(z)[0], *self.event_shape, self.output_family.num_uniforms
        return self._in_units(self.output_family.quantile(self.parameters(z, features), uniforms(shape, seed)))

    def _in_units(self, values):
        return values if self.standardization is None else self.standardization(values, invert=True)[0]


class ModelDecoder(keras.layers.Layer):
    """A conditional model of events, whose condition is the latents and beside them the features of a condition.

    Args:
        model: a `DensityModel` with the condition `Vector`, or `Image` of real numbers.
        network: what makes the image of latents `[n, num_latents]`, with a condition `[latents, features]`; None where
            the condition is a vector.
        **kwargs: `name`.
    """

    output_family = None

    def __init__(self, model, network=None, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.model, self.network = model, network
        self.built = True

    def condition(self, z: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        """The model's condition, of latents `[n, num_latents]` and the features of the condition around it."""
        if self.network is None:
            return joined(z, features)
        image = called(self.network, z, features)
        return ops.reshape(ops.cast(image, 'float32'), (-1, *self.model.condition.shape))

    @property
    def standardization(self):
        """The layer that standardises real values, or None."""
        return self.model.standardization

    @property
    def support(self) -> Support:
        """The numbers that a site can hold."""
        return self.model.support

    def log_prob(self, x: tf.Tensor, z: tf.Tensor, features: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """As `OutputDecoder.log_prob`."""
        draws = ops.shape(z)[0] // ops.shape(x)[0]
        x = ops.tile(x, (draws, *[1] * (len(x.shape) - 1)))
        return ops.cast(self.model.log_prob(x, self.condition(z, features), training), 'float32')

    def distribution(self, z: tf.Tensor, features: tf.Tensor | None) -> tfd.Distribution:
        """As `OutputDecoder.distribution`."""
        return self.model.distribution(self.condition(z, features))

    def mean(self, z: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        """A sample for each of the latents, of one seed: such a model knows no mean."""
        return self.sample(z, features, tf.zeros([2], tf.int32))

    def sample(self, z: tf.Tensor, features: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """As `OutputDecoder.sample`."""
        return self.model.sample(ops.shape(z)[0], self.condition(z, features), seed)
