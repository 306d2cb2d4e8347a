"""VAE: the variational autoencoder, with any output, prior, posterior and decoder."""

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.conditions import Condition, Image, Vector
from tfdgm.density import DensityModel
from tfdgm.latent.decoders import ModelDecoder, OutputDecoder, checked_decoder, seen
from tfdgm.latent.model import Draws, LatentVariableModel
from tfdgm.latent.objectives import DoublyReparameterized, Objective
from tfdgm.latent.posteriors import FlowPosterior, NormalPosterior, checked_flow
from tfdgm.latent.priors import MixtureOfPosteriors, StandardNormal, VampPrior, checked_prior, condition_of_prior
from tfdgm.latent_space import require_values
from tfdgm.networks.autoencoders import convolves, decoder_of, encoder_of
from tfdgm.networks.convolutional import ConvolutionDecoder
from tfdgm.networks.dense import called
from tfdgm.outputs import Bernoulli, Output
from tfdgm.support import Support

tfd = tfp.distributions

# Up to how many draws the products of dense networks are small enough for XLA to be the faster on CPUs.
FEW = 8


@register_keras_serializable('tfdgm')
class VAE(LatentVariableModel):
    """The variational autoencoder: an encoder gives the posterior of an event's latents, a decoder p(x | latents).

    Source: D. Kingma and M. Welling, "Auto-encoding variational Bayes", 2014 (https://arxiv.org/abs/1312.6114).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.VAE((8, 8, 1), num_latents=2, hidden_units=(32,))
    >>> model.encode(np.ones([3, 8, 8, 1])).shape, model.distribution().sample(5, seed=0).shape
    (TensorShape([3, 2]), TensorShape([5, 8, 8, 1]))

    Args:
        event_shape: shape of one event.
        output: the family of each site given the latents, one of `tfdgm.outputs`; by default `Bernoulli()`. A decoder
            that is a model has its own.
        num_latents: how many latents.
        encoder: None, or a Keras model from events `[batch, *event_shape]`, integers divided by the largest and real
            values standardised, to vectors `[batch, n]`. With a condition it takes `[events, its features]`.
        decoder: None; or a Keras model from latents `[batch, num_latents]`, with a condition
            `[latents, its features]`, to `[batch, *event_shape, output.num_parameters]`; or a
            `DensityModel` of such events, such as a `GatedPixelCNN`, whose condition is `Vector(num_latents)`, with the
            features of a condition as many more, or `Image(shape, levels=None)`, which a network makes of the latents.
        prior: None for standard normal latents, `tfdgm.latent.VampPrior(…)`, or a `DensityModel` of real vectors
            of `num_latents`, which learns beside; its condition is None or the model's.
        posterior: None for independent normal latents, or a flow of them whose condition is a `Vector`, such as
            `tfdgm.IAF(32, condition=tfdgm.conditions.Vector(64))`.
        hidden_units: the widths of dense networks; None has images go through residual convolutions.
        filters: how many channels convolutions have at the finest scale.
        blocks: how many residual blocks there are at each scale.
        activation: of the networks, a name that Keras knows.
        objective: see `LatentVariableModel`, as the other arguments.
        beta: by what the KL term of the objective is multiplied.
        free_bits: nats a latent below which `ELBO` does not push the KL divergence.
        condition: what the events depend on; encoder and decoder see its features.
        seed: of the draws of training.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None, num_latents: int = 32,
                 encoder: keras.Model | None = None, decoder: keras.Model | None = None,
                 prior: DensityModel | VampPrior | None = None, posterior: DensityModel | None = None,
                 hidden_units: Sequence[int] | None = None, filters: int = 16, blocks: int = 1,
                 activation: str = 'relu', objective: Objective | None = None, beta: float = 1., free_bits: float = 0.,
                 condition: Condition | None = None, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, objective=objective, beta=beta, free_bits=free_bits, condition=condition,
                         seed=seed, **kwargs)
        self._num_latents = checks.integer(num_latents, 'num_latents')
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters')
        self.blocks = checks.integer(blocks, 'blocks')
        self.activation = activation
        checks.instance(output, Output | None, 'output', 'tfdgm.outputs.Bernoulli()')
        self.decoding = self._decoding(decoder, output)
        self.standardization = self.decoding.standardization
        self.encoder_network, self._features = encoder_of(
            encoder, self.event_shape, self.condition_features, name='encoder_network', **self._network_arguments)
        self.posterior_layer = self._posterior_layer(checked_flow(posterior, self.num_latents))
        self.prior_layer = self._prior_layer(checked_prior(prior, self.num_latents, self.condition))
        self.count_active_latents()
        self.built = True

    @property
    def trains_with_xla(self) -> bool:
        """XLA pays on CPUs where operations are small; large products and convolutions TensorFlow does faster."""
        given = self._arguments  # Keras's constructor asks before the attributes are there.
        shape = checks.event_shape(given['event_shape'])
        return not convolves(shape, given['hidden_units']) and getattr(given['objective'], 'num_samples', 1) <= FEW

    # Parts -----------------------------------------------------------------------------------------------------------

    @property
    def _network_arguments(self) -> dict:
        return {'hidden_units': self.hidden_units, 'filters': self.filters, 'blocks': self.blocks,
                'activation': self.activation, 'dtype': self.dtype_policy}

    def _decoding(self, given, output):
        if isinstance(given, DensityModel):
            if output is not None:
                raise ValueError('A decoder that is a model has its own output: leave `output` out.')
            return self._model_decoding(given)
        output = output or Bernoulli()
        shape = *self.event_shape, output.num_parameters
        if given is not None:
            network = checked_decoder(given, (self.num_latents,), output, self.event_shape, self.condition_features)
        else:
            network = decoder_of(
                self.num_latents, self.condition_features, shape, name='network', **self._network_arguments)
        return OutputDecoder(network, output, self.event_shape, name='decoding')

    def _model_decoding(self, given):
        condition = Vector(self.num_latents + self.condition_features)
        image = isinstance(given.condition, Image) and given.condition.levels is None
        if given.event_shape != self.event_shape or not (image or given.condition == condition):
            raise ValueError(f'A decoder that is a model has events of shape {self.event_shape} and the condition '
                             f'{condition}, for the latents and the features of a condition, or an Image with '
                             f'levels=None, which a network makes of them; this {type(given).__name__} has '
                             f'{given.event_shape} and {given.condition}.')
        network = ConvolutionDecoder(
            self.num_latents, self.condition_features, self.filters, self.blocks, self.activation,
            (*given.condition.shape, 1), dtype=self.dtype_policy, name='network') if image else None
        return ModelDecoder(given, network, name='decoding')

    def _posterior_layer(self, flow):
        if flow is None:
            return NormalPosterior(self._features, self.num_latents, dtype=self.dtype_policy, name='posterior_layer')
        if isinstance(self.objective, DoublyReparameterized):
            raise ValueError('DoublyReparameterized needs the density of latents by the parameters of the posterior '
                             'alone, which a flow has not: take ImportanceWeighted, or posterior=None.')
        return FlowPosterior(self._features, flow, dtype=self.dtype_policy, name='posterior_layer')

    def _prior_layer(self, given):
        if given is None:
            return StandardNormal(self.num_latents, name='prior_layer')
        if not isinstance(given, VampPrior):
            return given
        if self.condition is not None or not self.posterior_layer.has_closed_form:
            raise ValueError('A VampPrior needs normal posteriors and no condition: it is a mean of posteriors.')
        return MixtureOfPosteriors(
            given.components, self.event_shape, lambda events: self.posterior_layer(self.encoder_network(events)),
            (0., 1.) if self.support.is_discrete else None, self.seed, name='prior_layer')

    @property
    def num_latents(self) -> int:
        return self._num_latents

    @property
    def output(self) -> Output | None:
        """The family of each site given the latents; None where the decoder is a model."""
        return self.decoding.output_family

    @property
    def support(self) -> Support:
        return self.decoding.support

    # Bounds ----------------------------------------------------------------------------------------------------------

    def encoded(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False):
        x, features = ops.cast(seen(x, self.decoding), self.compute_dtype), self.encode_condition(condition)
        return self.posterior_layer(called(self.encoder_network, x, features, training))

    def draws(self, x: tf.Tensor, encoded, noise: tf.Tensor, condition: tf.Tensor | None, training: bool = False,
              path_weights: tf.Tensor | None = None) -> Draws:
        z, log_posterior = self.posterior_layer.draw(encoded, noise)
        if path_weights is not None:
            z = with_scaled_gradient(z, path_weights[..., None])
            log_posterior = self.posterior_layer.log_prob(tf.nest.map_structure(ops.stop_gradient, encoded), z)
        flat = ops.reshape(z, (-1, self.num_latents))
        repeats = noise.shape[0], *[1] * (0 if condition is None else len(condition.shape) - 1)
        condition = condition if condition is None else ops.tile(condition, repeats)

        log_prior, log_likelihood = (
            ops.reshape(values, ops.shape(log_posterior)) for values in self.log_joint(x, flat, condition, training))
        rates = ops.mean(log_posterior - log_prior, axis=0)[:, None]
        if self.posterior_layer.has_closed_form and isinstance(self.prior_layer, StandardNormal):
            rates = tfd.kl_divergence(tfd.Normal(*encoded), tfd.Normal(0., 1.))
        return Draws(log_likelihood, log_prior, log_posterior, rates, self.posterior_layer.mean(encoded))

    def log_joint(self, x: tf.Tensor, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tuple:
        return (self.prior_layer.log_prob(z, self._for_prior(condition), training),
                self.decoding.log_prob(x, z, self.encode_condition(condition), training))

    def _for_prior(self, condition):
        """The condition of the prior, if it has one."""
        return None if self.prior_layer.condition is None else condition

    def draw_prior(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.prior_layer.sample(batch_size, self._for_prior(condition), seed)

    def likelihood(self, z: tf.Tensor, condition: tf.Tensor | None = None) -> tfd.Distribution:
        return self.decoding.distribution(z, self.encode_condition(condition))

    def draw_events(self, z: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.decoding.sample(z, self.encode_condition(condition), seed)

    # Latent space ----------------------------------------------------------------------------------------------------

    def posterior(self, x: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The posteriors q(z | x) of events `[batch, *event_shape]`, with batch shape `[batch]`.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked.
        """
        require_values('posterior', 'encoded')
        x, condition, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
        return self.posterior_layer.distribution(self.encoded(tf.cast(x, tf.float32), condition))

    def prior(self, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The prior p(z), of vectors of latents; `condition` is for priors that have one.

        Raises:
            ValueError: if a condition is missing, not valid, or there where the model has none.
        """
        return self.prior_layer.distribution(condition_of_prior(self, condition))

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.posterior_layer.mean(self.encoded(x, condition))

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.decoding.mean(z, self.encode_condition(condition))

    # Data-dependent initialisation -----------------------------------------------------------------------------------

    def waits_for_data(self):
        return any(part.waits_for_data() for part in self._parts_that_wait())

    def _parts_that_wait(self):
        """The models among the parts, some of which start from the first events."""
        parts = self.prior_layer, getattr(self.posterior_layer, 'flow', None), getattr(self.decoding, 'model', None)
        return [part for part in parts if isinstance(part, DensityModel)]

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        encoded = self.encoded(tf.cast(x, tf.float32), condition)
        if not self.posterior_layer.has_closed_form:
            self.posterior_layer.initialize(encoded)
        noise = random.hashed_normals(tf.cast(x, tf.float32), 0, 1, self.num_latents)[0]
        z = self.posterior_layer.draw(encoded, noise)[0]
        if isinstance(self.prior_layer, DensityModel) and self.prior_layer.waits_for_data():
            self.prior_layer.initialize(z, self._for_prior(condition))
        decoder = getattr(self.decoding, 'model', None)
        if decoder is not None and decoder.waits_for_data():
            decoder.initialize(x, self.decoding.condition(z, self.encode_condition(condition)))


@tf.custom_gradient
def with_scaled_gradient(z, factors):
    """Latents as they are, whose gradient is multiplied by factors."""
    return tf.identity(z), lambda gradient: (gradient * factors, None)
