"""VQVAE: an autoencoder whose latents are codes, and a model of them as the prior."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, inputs, random
from tfdgm.conditions import Condition
from tfdgm.density import DensityModel
from tfdgm.execution.first_events import EVENTS_TO_START
from tfdgm.latent.autoencoding import AutoencodingModel
from tfdgm.latent.codebook import Codebook, CodeUse, UsedCodes
from tfdgm.latent.decoders import OutputDecoder, checked_decoder, seen
from tfdgm.latent.distribution import CodeDistribution
from tfdgm.latent.prior_of_codes import PriorOfCodes
from tfdgm.latent_space import on_lines
from tfdgm.networks.convolutional import MapDecoder, MapEncoder, scales_of
from tfdgm.networks.dense import called, shape_of
from tfdgm.networks.given import shape_given
from tfdgm.outputs import HasOutput, Output
from tfdgm.support import Integers, Support

tfd = tfp.distributions


@register_keras_serializable('tfdgm')
class VQVAE(HasOutput, PriorOfCodes, AutoencodingModel):
    """The vector-quantised variational autoencoder: latents are codes, each the nearest to a vector of the encoder.

    `fit` trains encoder, codes and decoder; `fit_prior` then trains the prior, a model of the codes. `log_prob` is
    log p(x | z) + log p(z) of the codes z that the encoder finds, a lower bound. Before the prior is fitted, it counts
    all codes as equally likely.

    Source: A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning", 2017
    (https://arxiv.org/abs/1711.00937).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.VQVAE((8, 8, 1), num_codes=16, halvings=1, filters=4)
    >>> images = np.random.default_rng(0).integers(2, size=[50, 8, 8, 1])
    >>> model.compile()
    >>> histories = [fit(images, verbose=0) for fit in (model.fit, model.fit_prior)]
    >>> model.encode(images[:3]).shape, model.distribution().sample(5, seed=0).shape
    (TensorShape([3, 4, 4, 1]), TensorShape([5, 8, 8, 1]))

    Args:
        event_shape: shape of one event.
        output: the family of each site given the codes, one of `tfdgm.outputs`; by default `Bernoulli()`.
        num_codes: how many codes there are.
        code_size: how many numbers each has.
        halvings: how many times height and width of an image are halved before it is quantised.
        encoder: None for residual convolutions, or a Keras model from events `[batch, *event_shape]`, integers divided
            by the largest and real values standardised, to vectors `[batch, *sites, code_size]`. With a condition it
            takes `[events, its features]`.
        decoder: None, or a Keras model from such vectors, with a condition `[vectors, its features]`, to
            `[batch, *event_shape, output.num_parameters]`.
        prior: a `DensityModel` of events of the shape `code_shape` whose values are the codes, such as a
            `GatedPixelCNN` with `Categorical(num_codes, ordered=False)`; its condition is None or the model's. None for
            such a one, of codes in two dimensions.
        filters: how many channels convolutions have at the finest scale; each coarser one has twice as many.
        blocks: how many residual blocks there are at each scale.
        activation: of the networks, a name that Keras knows.
        commitment: the weight of the squared distances between vectors and their codes in the loss.
        decay: of the moving averages that the codes are.
        condition: what the events depend on; encoder and decoder see its features.
        seed: of the choice of codes, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    # Not 'val_nll': while this trains, the prior has not learned a thing.
    monitor = 'val_distortion'

    distribution_class = CodeDistribution
    # TensorFlow's kernels train convolutions faster than XLA does on CPUs.
    trains_with_xla = scores_with_xla = False

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None, num_codes: int = 256,
                 code_size: int = 32, halvings: int = 2, encoder: keras.Model | None = None,
                 decoder: keras.Model | None = None, prior: DensityModel | None = None, filters: int = 32,
                 blocks: int = 1, activation: str = 'relu', commitment: float = 0.25, decay: float = 0.99,
                 condition: Condition | None = None, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.keep_output(output)
        self.num_codes = checks.integer(num_codes, 'num_codes', 2)
        self.code_size = checks.integer(code_size, 'code_size')
        self.halvings = checks.integer(halvings, 'halvings', 0)
        self.filters = checks.integer(filters, 'filters')
        self.blocks = checks.integer(blocks, 'blocks', 0)
        self.activation = activation
        self.commitment = checks.not_negative(commitment, 'commitment')
        self.decay = checks.rate(decay, 'decay')
        self.seed = checks.seed(seed)
        self.encoder_network = self._encoder_network(encoder)
        self.sites = shape_of(self.encoder_network, self.event_shape, self.condition_features)[1:-1]
        # Like that of an image, so that models of images are priors.
        self.code_shape = (*self.sites, 1) if len(self.sites) == 2 else self.sites
        self.decoding = OutputDecoder(self._decoder_network(decoder), self.output, self.event_shape, name='decoding')
        self.standardization = self.decoding.standardization
        self.codebook = Codebook(self.num_codes, self.code_size, self.decay, name='codebook')
        self.make_prior(prior)
        self._seeds = random.Seeds(self.seed)
        self.perplexity_tracker = CodeUse(self.num_codes, name='perplexity')
        self.used_codes_tracker = UsedCodes(self.num_codes, name='used_codes')
        self.built = True

    # Parts -----------------------------------------------------------------------------------------------------------

    def _encoder_network(self, given):
        if given is None:
            if len(self.event_shape) != 3:
                raise ValueError(f'VQVAE makes networks for images, (height, width, channels); for events of shape '
                                 f'{self.event_shape} give an encoder, a decoder and a prior.')
            return MapEncoder(self.event_shape[2], self.condition_features, self._scales, self.blocks, self.code_size,
                              self.activation, dtype=self.dtype_policy, name='encoder_network')
        shape = shape_given(given, 'encoder', self.event_shape, self.condition_features)
        if len(shape) < 2 or shape[-1] != self.code_size:
            raise ValueError(f'The encoder should make vectors of {self.code_size} numbers at one site or more, '
                             f'{(None, *self.event_shape)} -> (None, …, {self.code_size}); it gives an array of shape '
                             f'{(None, *shape)}.')
        return given

    @property
    def _scales(self):
        return scales_of(self.event_shape[:2], self.filters, self.halvings)

    def _decoder_network(self, given):
        shape = *self.event_shape, self.output.num_parameters
        if given is None:
            if len(self.event_shape) != 3 or self.sites != self._scales[-1][:2]:
                raise ValueError(f'For vectors at {self.sites} sites of events of shape {self.event_shape} there is no '
                                 'decoder but one that is given.')
            return MapDecoder(self.code_size, self.condition_features, self._scales, self.blocks, self.activation,
                              shape, dtype=self.dtype_policy, name='network')
        return checked_decoder(
            given, (*self.sites, self.code_size), self.output, self.event_shape, self.condition_features)

    @property
    def num_latents(self) -> int:
        """How many codes an event has."""
        return int(np.prod(self.code_shape))

    @property
    def latent_shape(self) -> tuple:
        return self.code_shape

    @property
    def latent_support(self) -> Support:
        return Integers(self.num_codes)

    # Training --------------------------------------------------------------------------------------------------------

    def optimized(self):
        # The prior has an optimizer of its own.
        of_prior = {id(weight) for weight in self.prior_layer.weights}
        return [(self.optimizer, [weight for weight in self.trainable_weights if id(weight) not in of_prior])]

    def vectors(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = False) -> tf.Tensor:
        """What the encoder makes of events: `[batch, *event_shape]` -> `[batch, *sites, code_size]`, float32."""
        x = ops.cast(seen(x, self.decoding), self.compute_dtype)
        return ops.cast(called(self.encoder_network, x, self.encode_condition(condition), training), 'float32')

    def quantised(self, vectors: tf.Tensor) -> tf.Tensor:
        """The nearest codes, int32: `[batch, *sites, code_size]` -> `[batch, *code_shape]`."""
        return ops.reshape(self.codebook.nearest(ops.reshape(vectors, (-1, self.code_size))), (-1, *self.code_shape))

    def _vectors_of(self, codes):
        """The vectors of codes: `[batch, *code_shape]` -> `[batch, *sites, code_size]`."""
        return ops.reshape(self.codebook(ops.cast(codes, 'int32')), (-1, *self.sites, self.code_size))

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None, training: bool = True) -> dict:
        x = self.valid_events(x)
        vectors = self.vectors(x, condition, training)
        codes = self.quantised(vectors)
        chosen = self._vectors_of(codes)
        # The gradient by a code goes to the encoder's vector as it is: the choice between codes has none.
        straight = vectors + ops.stop_gradient(chosen - vectors)
        distortion = -self.decoding.log_prob(x, straight, self.encode_condition(condition), training)
        squares = ops.sum((vectors - ops.stop_gradient(chosen))**2, axis=tuple(range(1, len(vectors.shape))))
        rate = -self.log_prior(codes, condition)
        return {'loss': distortion + self.commitment * squares, 'nll': distortion + rate, 'rate': rate,
                'distortion': distortion, 'vectors': vectors, 'codes': codes}

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        return self.training_terms(x, condition, training=False)

    def update_averages(self, terms: dict):
        vectors, codes = ops.reshape(terms['vectors'], (-1, self.code_size)), ops.reshape(terms['codes'], (-1,))
        self.codebook.update(vectors, codes, self._seeds.draw())

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        super().update_metrics(terms, x, sample_weight)
        codes = ops.reshape(terms['codes'], (-1,))
        self.perplexity_tracker.update_state(codes)
        self.used_codes_tracker.update_state(codes)

    def more_figures(self, x: ArrayLike, condition: ArrayLike | None) -> dict:
        use = CodeUse(self.num_codes)
        use.update_state(self.codes_for_prior(x, condition)[0].ravel())
        return {'perplexity': float(use.result())}

    def waits_for_data(self):
        return self.codebook.waits_for_data()

    def initialized_from(self, x, y=None):
        if self.waits_for_data() and not inputs.is_pipeline(x):
            self._require_vectors(len(x))
        return super().initialized_from(x, y)

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        if x.shape[0] < EVENTS_TO_START:  # Then there are no more.
            self._require_vectors(x.shape[0])
        vectors = self.vectors(tf.cast(x, tf.float32), condition)
        self.codebook.start(ops.reshape(vectors, (-1, self.code_size)), random.stateless_seed(self.seed))

    def _require_vectors(self, events):
        sites = int(np.prod(self.sites))
        if events * sites < self.num_codes:
            raise ValueError(f'{events} events have {events * sites} vectors, {sites} each, which are fewer than the '
                             f'{self.num_codes} codes: give more events, or make a VQVAE with a smaller num_codes.')

    # Bounds ----------------------------------------------------------------------------------------------------------

    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Log p(x | z) + log p(z) of the codes z that the encoder finds, a lower bound: `[batch]`, in nats."""
        rate, distortion = self.rate_and_distortion(self.valid_events(x), condition)
        return -(rate + distortion)

    def rate_and_distortion(self, x: tf.Tensor, condition: tf.Tensor | None, num_samples: int = 1) -> tuple:
        codes = self.quantised(self.vectors(x, condition))
        return -self.log_prior(codes, condition), -self.decoding.log_prob(
            x, self._vectors_of(codes), self.encode_condition(condition))

    # Sampling and the latent space -----------------------------------------------------------------------------------

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return ops.where(self.prior_is_fitted > 0, super().sample(batch_size, condition, seed), np.nan)

    def likelihood(self, z: tf.Tensor, condition: tf.Tensor | None = None) -> tfd.Distribution:
        return self.decoding.distribution(self._vectors_of(z), self.encode_condition(condition))

    def draw_events(self, z: tf.Tensor, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.decoding.sample(self._vectors_of(z), self.encode_condition(condition), seed)

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.quantised(self.vectors(x, condition))

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.decoding.mean(self._vectors_of(z), self.encode_condition(condition))

    def checked_latents(self, z: ArrayLike, condition: ArrayLike | None) -> tuple:
        z, condition = super().checked_latents(z, condition)
        valid = self.latent_support.contains(np.asarray(z, 'float64'))
        if not np.all(valid):
            raise ValueError(f'Expected codes, each {self.latent_support}; got {np.asarray(z)[~valid][0]}, the '
                             f'first in row {checks.first_event(~valid)}.')
        return z, condition

    def posterior(self, x: ArrayLike, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The posteriors of events `[batch, *event_shape]`, which know the codes: batch shape `[batch]`.

        Raises:
            ValueError: if events or conditions are not valid.
        """
        codes = tf.cast(self.encode(x, condition), tf.float32)
        return tfd.Independent(tfd.Deterministic(codes), len(self.code_shape))

    def _between(self, first, second, shares, condition):
        # Between the encoder's vectors: codes have no order.
        ends = []
        for x in first, second:
            x, checked, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
            ends.append(np.asarray(self._run_batch(self.vectors, x, checked)))
        return self.quantised(tf.constant(on_lines(*ends, shares)))
