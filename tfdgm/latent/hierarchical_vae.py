"""HierarchicalVAE: a variational autoencoder with many layers of latents, from the whole of an event to its details."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.conditions import Condition
from tfdgm.latent.decoders import OutputDecoder, seen
from tfdgm.latent.hierarchy import BottomUp, Finest, TopDown, scales_of_event
from tfdgm.latent.model import Draws, LatentVariableModel
from tfdgm.latent.objectives import DoublyReparameterized, Objective
from tfdgm.latent_space import require_values
from tfdgm.outputs import HasOutput, Output

tfd = tfp.distributions


@register_keras_serializable('tfdgm')
class HierarchicalVAE(HasOutput, LatentVariableModel):
    """A variational autoencoder with a hierarchy of latents, each layer given those above it.

    p(z) = p(z_1) p(z_2 | z_1) … and q(z | x) = q(z_1 | x) q(z_2 | z_1, x) … go through the same layers from above: what
    a posterior adds are features of the event, at its scale. A layer's posterior begins as its prior. Images have
    latents at several scales, from one pixel to half the size of the image.

    Sources: C. Sønderby et al., "Ladder variational autoencoders", 2016 (https://arxiv.org/abs/1602.02282); R. Child,
    "Very deep VAEs generalize autoregressive models and can outperform them on images", 2021
    (https://arxiv.org/abs/2011.10650).

    >>> import tfdgm
    >>> model = tfdgm.HierarchicalVAE((8, 8, 1), filters=8, latent_channels=(6, 2))
    >>> model.num_latents, model.distribution().sample(3, seed=0).shape
    (38, TensorShape([3, 8, 8, 1]))

    Args:
        event_shape: shape of one event.
        output: the family of each site given the latents, one of `tfdgm.outputs`; by default `Bernoulli()`.
        stochastic_layers: how many layers of latents each scale has, from the coarsest on: an integer, or one for each.
            Images `(height, width, channels)` have the scale of one pixel, and those from 7 pixels or fewer up to half
            their size; other events have one scale.
        latent_channels: how many latents a layer has at each pixel of its scale, likewise.
        filters: how many channels networks have at the finest scale; each coarser one has twice as many.
        blocks: how many residual blocks the way up has at each scale.
        activation: of the networks, a name that Keras knows.
        objective: see `LatentVariableModel`, as the other arguments.
        beta: by what the KL term of the objective is multiplied.
        free_bits: nats a latent below which `ELBO` does not push the KL divergence.
        condition: what the events depend on; both ways see its features at the coarsest scale.
        seed: of the draws of training.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind, or there is not one number for each scale.
    """

    # TensorFlow's kernels train convolutions faster than XLA does on CPUs.
    trains_with_xla = scores_with_xla = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 stochastic_layers: int | Sequence[int] = 1, latent_channels: int | Sequence[int] = 8,
                 filters: int = 32, blocks: int = 1, activation: str = 'silu', objective: Objective | None = None,
                 beta: float = 1., free_bits: float = 0., condition: Condition | None = None, seed: int | None = 0,
                 **kwargs):
        super().__init__(event_shape, objective=objective, beta=beta, free_bits=free_bits, condition=condition,
                         seed=seed, **kwargs)
        if isinstance(self.objective, DoublyReparameterized):
            raise ValueError('DoublyReparameterized needs the density of latents by the parameters of the posterior '
                             'alone, which in a hierarchy depend on latents: take ImportanceWeighted.')
        self.keep_output(output)
        self.filters = checks.integer(filters, 'filters')
        self.blocks = checks.integer(blocks, 'blocks', 0)
        self.activation = activation
        scales = scales_of_event(self.event_shape, self.filters)
        self.stochastic_layers = for_scales(stochastic_layers, scales, 'stochastic_layers')
        self.latent_channels = for_scales(latent_channels, scales, 'latent_channels')
        shared = {'activation': activation, 'dtype': self.dtype_policy}
        self.bottom_up = BottomUp(
            self.event_shape, self.condition_features, scales, self.blocks, name='bottom_up', **shared)
        self.top_down = TopDown(self.condition_features, scales, self.stochastic_layers, self.latent_channels,
                                name='top_down', **shared)
        finest = Finest(scales[-1], (*self.event_shape, self.output.num_parameters), name='finest', **shared)
        self.decoding = OutputDecoder(finest, self.output, self.event_shape, name='decoding')
        self.standardization = self.decoding.standardization
        self.count_active_latents()
        self.built = True

    @property
    def num_latents(self) -> int:
        return self.top_down.num_latents

    # Bounds ----------------------------------------------------------------------------------------------------------

    def encoded(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> list[tf.Tensor]:
        """The features of events at each scale, from the coarsest on."""
        x = ops.cast(seen(x, self.decoding), self.compute_dtype)
        return self.bottom_up(x, self.encode_condition(condition))

    def draws(self, x: tf.Tensor, encoded, noise: tf.Tensor, condition: tf.Tensor | None, training: bool = False,
              path_weights: tf.Tensor | None = None) -> Draws:
        count, features = noise.shape[0], self.encode_condition(condition)

        def repeated(values):
            return ops.tile(values, (count, *[1] * (len(values.shape) - 1)))

        path = self.top_down(
            None if features is None else repeated(features), [repeated(scale) for scale in encoded],
            noise=ops.reshape(noise, (-1, self.num_latents)))
        by_draw = ops.shape(noise)[:2]
        log_likelihood = self.decoding.log_prob(x, path.features, None, training)
        rates = tfd.kl_divergence(tfd.Normal(*path.posterior), tfd.Normal(*path.prior))
        # In units of the prior, which in a hierarchy depends on the latents above.
        means = (path.posterior[0] - path.prior[0]) / path.prior[1]
        return Draws(
            *(ops.reshape(values, by_draw) for values in (log_likelihood, path.log_prior(), path.log_posterior())),
            *(ops.mean(ops.reshape(values, (*by_draw, self.num_latents)), axis=0) for values in (rates, means)))

    def log_joint(self, x: tf.Tensor, z: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tuple:
        path = self.top_down(self.encode_condition(condition), None, z=z)
        return path.log_prior(), self.decoding.log_prob(x, path.features, None, training)

    def draw_prior(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self._path_of_prior(batch_size, condition, seed).z

    def _path_of_prior(self, batch_size, condition, seed):
        noise = random.normals((batch_size, self.num_latents), seed)
        return self.top_down(self.encode_condition(condition), None, noise=noise)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        # As in the base class, but by one way down.
        prior_seed, event_seed = random.split(seed, 2)
        path = self._path_of_prior(batch_size, condition, prior_seed)
        return self.decoding.sample(path.features, None, event_seed)

    def _features(self, z, condition):
        return self.top_down(self.encode_condition(condition), None, z=z).features

    def likelihood(self, z: tf.Tensor, condition: tf.Tensor | None = None) -> tfd.Distribution:
        return self.decoding.distribution(self._features(z, condition), None)

    def draw_events(self, z: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.decoding.sample(self._features(z, condition), None, seed)

    # Latent space ----------------------------------------------------------------------------------------------------

    def posterior(self, x: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The posteriors q(z | x) of events `[batch, *event_shape]`, with batch shape `[batch]`.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked.
        """
        require_values('posterior', 'encoded')
        x, condition, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
        features = self.encode_condition(condition)
        return LayersOfLatents(self.top_down, features, self.encoded(tf.cast(x, tf.float32), condition))

    def prior(self, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The prior p(z) of all layers; of a conditional model, with a value of the condition for each of its batch."""
        checks.condition_given(self.condition, condition)
        if condition is not None:
            condition = checks.conditions(self.condition, condition)
        return LayersOfLatents(self.top_down, self.encode_condition(condition), None)

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """The means of the posteriors, each given the means above: `[batch, num_latents]`."""
        noise = ops.zeros((ops.shape(x)[0], self.num_latents))
        return self.top_down(self.encode_condition(condition), self.encoded(x, condition), noise=noise).z

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.decoding.mean(self._features(z, condition), None)


class LayersOfLatents(tfd.Distribution):
    """The latents of all layers as one vector, each layer given those above.

    Args:
        top_down: the model's `TopDown`.
        features: of a condition, `[batch, condition_features]`, or None.
        encoded: features of events, as `BottomUp` gives them, for posteriors; None for the prior.
    """

    def __init__(self, top_down, features, encoded):
        parameters = dict(locals())
        self._top_down, self._features, self._encoded = top_down, features, encoded
        given = features if encoded is None else encoded[0]
        self._batch = () if given is None else (given.shape[0],)
        super().__init__(
            tf.float32, tfd.FULLY_REPARAMETERIZED, validate_args=False, allow_nan_stats=True, parameters=parameters,
            name='LayersOfLatents')

    def _batch_shape(self):
        return tf.TensorShape(self._batch)

    def _event_shape(self):
        return tf.TensorShape([self._top_down.num_latents])

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _path(self, **latents):
        """The way down with latents `[n, *batch_shape, num_latents]` or such noise."""
        (name, values), = latents.items()
        count = values.shape[0]

        def repeated(part):
            return None if part is None else ops.tile(part, (count, *[1] * (len(part.shape) - 1)))

        flat = ops.reshape(values, (-1, self._top_down.num_latents))
        encoded = None if self._encoded is None else [repeated(part) for part in self._encoded]
        return self._top_down(repeated(self._features), encoded, **{name: flat})

    def _sample_n(self, n, seed=None):
        shape = n, *self._batch, self._top_down.num_latents
        noise = random.normals(shape, random.stateless_seed(seed))
        return ops.reshape(self._path(noise=noise).z, shape)

    def _without_closed_form(self, *args, **kwargs):
        raise NotImplementedError(
            'Latents of several layers have no closed form of this, since each layer depends on those above: estimate '
            'it from samples, z = distribution.sample(10_000), for example a mean as tf.reduce_mean(z, 0). '
            '`model.encode` gives the means of the posteriors, each given the means above.')

    _mean = _variance = _stddev = _covariance = _mode = _entropy = _without_closed_form

    def _log_prob(self, z):
        checks.static_shape(z, (self._top_down.num_latents,), 'latents')
        shape = np.broadcast_shapes(z.shape[:-1], self._batch)
        z = ops.broadcast_to(z, (*shape, z.shape[-1]))
        # All draws along one axis, before that of the events.
        path = self._path(z=ops.reshape(z, (-1, *self._batch, z.shape[-1])))
        return ops.reshape(path.log_prior() if self._encoded is None else path.log_posterior(), shape)


def for_scales(numbers, scales: list, name: str) -> tuple:
    """Returns one positive integer for each scale.

    Raises:
        ValueError: if it is none, nor as many.
    """
    if np.ndim(numbers) == 0:
        return (checks.integer(numbers, name),) * len(scales)
    numbers = checks.integers(numbers, name)
    if len(numbers) != len(scales):
        raise ValueError(f'{name} must be an integer, or one for each of the {len(scales)} scales of such events, '
                         f'{", ".join(f"{height}x{width}" for height, width, _ in scales)}; got {numbers}.')
    return numbers
