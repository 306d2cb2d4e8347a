"""FlowModel: exact density by change of variables, p(x) = p(z) |det dz/dx| for z = f(x)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, random
from tfdgm.conditions import Condition
from tfdgm.density import DensityModel
from tfdgm.distribution import condition_tensor
from tfdgm.execution import extremes
from tfdgm.flows.bijector import as_bijector
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.distribution import DequantizedDistribution, FlowDistribution
from tfdgm.flows.invertible import Chain, Standardize
from tfdgm.latent_space import LatentSpace
from tfdgm.layers import Standardization
from tfdgm.support import Reals, Support

tfb = tfp.bijectors
tfd = tfp.distributions

# Margin to the next integer, so that round-off cannot change the level that `decode` recovers: float32 has digits
# enough for it in flows over 256 levels.
MARGIN = 1 / 32


class FlowModel(LatentSpace, DensityModel):
    """Base class of normalizing flows.

    A subclass sets `flow` in its constructor: a `Chain` of invertible layers from events in units of order 1 to vectors
    of latents, as many numbers as an event has. The model adds what the data need: real values are standardised by
    what `adapt` found; integers are dequantised, and the log-probability of an event is then a lower bound
    (`UniformDequantization`).

    `distribution()` is a `tfd.TransformedDistribution` for real values. For integers it is a distribution of integers,
    and `continuous_distribution()` the one around which it stands.

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: None for real values; for integers, a `tfdgm.flows.UniformDequantization`.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        seed: of the draws of dequantisation, and of what a system draws when it is made: an integer from 0; None draws
            one.
        **kwargs: `name`, `dtype` and `trainable`. Flows compute in float32 whatever the `dtype`: rounded more, an
            event could not be found from its latents again.

    Raises:
        ValueError: if an event has one number only, or `seed` is not an integer from 0.
    """

    flow: Chain

    in_graphs = 'bijector(condition).inverse', 'bijector(condition).forward'

    def __init__(self, event_shape: int | Sequence[int], *, dequantization: UniformDequantization | None = None,
                 condition: Condition | None = None, seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        if self.num_sites < 2:
            raise ValueError(f'A flow transforms some numbers of an event given others, so it needs at least two; got '
                             f'event_shape {self.event_shape}.')
        self.dequantization = checks.instance(dequantization, UniformDequantization | None, 'dequantization',
                                              'tfdgm.flows.UniformDequantization(256)')
        self.seed = checks.seed(seed)
        self._noise_seeds = random.Seeds(self.seed)
        if self.dequantization is None:
            self.standardization = Standardization(self.event_shape, dtype='float32', name='standardization')
        # From real values in the data's units to those that the flow sees.
        self.units = Chain([Standardize(self.standardization, self.num_sites) if self.dequantization is None
                            else self.dequantization.layer(self.num_sites)])

    @property
    def transformation(self) -> Chain:
        """From real events to latents."""
        return Chain([self.units, self.flow])

    def base(self) -> tfd.Distribution:
        """The distribution of one number of the latents."""
        return tfd.Normal(0., 1.)

    @property
    def num_latents(self) -> int:
        return self.num_sites

    @property
    def support(self) -> Support:
        return Reals() if self.dequantization is None else self.dequantization.support

    @property
    def is_bound(self) -> bool:
        return self.dequantization is not None

    @property
    def distribution_class(self):
        return FlowDistribution if self.dequantization is None else DequantizedDistribution

    def continuous_distribution(self, condition: ArrayLike | None = None,
                                validate_args: bool = False) -> FlowDistribution:
        """The `tfd.TransformedDistribution` of real values: `distribution()`, or of integers what is around it.

        A dequantised event x has its values in [x, x + 1).
        """
        return FlowDistribution(self, condition, validate_args=validate_args)

    # Change of variables --------------------------------------------------------------------------------------------

    def bijector(self, condition: ArrayLike | None = None) -> tfb.Bijector:
        """The bijector from latents `[…, num_sites]` to real events `[…, *event_shape]`: `forward` decodes.

        It is free to make and owns no variables. Make it anew after training: TFP keeps results by their arguments;
        those of a `tf.function` of your own it keeps for good, and with them the model.

        Args:
            condition: for a conditional model, values of the condition whose batch shape broadcasts to the events'.

        Raises:
            ValueError: if the condition is missing, unexpected, of the wrong shape or not a valid value.
        """
        return self._bijector(condition_tensor(self.condition, condition))

    def _bijector(self, condition):
        features = None
        if condition is not None:
            inner = self.condition.shape
            outer = tf.shape(condition)[:tf.rank(condition) - len(inner)]
            features = self.encode_condition(tf.reshape(condition, (-1, *inner)))
            features = tf.reshape(features, tf.concat([outer, [self.condition_features]], 0))
            static = condition.shape[:condition.shape.rank - len(inner)]
            features = tf.ensure_shape(features, static.concatenate(self.condition_features))
        return as_bijector(self.transformation, self.event_shape, self.num_sites, features,
                           [variable.value for variable in self.trainable_variables])

    def to_latents(self, x: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        """Latents `[batch, num_sites]` of real events, without a log-determinant."""
        return self.transformation(x, features)[0]

    def from_latents(self, z: tf.Tensor, features: tf.Tensor | None) -> tf.Tensor:
        """Real events `[batch, *event_shape]` of latents, without a log-determinant."""
        return self.transformation.inverse(z, features)[0]

    def density(self, values: tf.Tensor, condition: tf.Tensor | None, training: bool = False):
        """Log-density of real events `[batch, *event_shape]`: `[batch]`, in nats; NaN of values that are not finite."""
        if self.dequantization is None:
            middle, (distances, _) = self.standardization.mean, self.standardization(values)
        else:
            middle, distances = self.dequantization.levels / 2, self.dequantization.distances(values)
        features = self.encode_condition(condition)

        def evaluate(near):
            units, units_log_det = self.units(ops.where(near, values, middle))
            latents, log_det = self.flow(units, features, training=training)
            return ops.sum(self.base().log_prob(latents), axis=-1) + units_log_det + log_det

        return extremes.log_density(evaluate, values, distances, self.is_valid(condition))

    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = ops.cast(x, 'float32')
        if self.dequantization is None:
            return self.density(x, condition, training)
        x = ops.where(self.support.contains(x), x, np.nan)
        if training:
            noise = random.uniforms(ops.shape(x), self._noise_seeds.draw())
            return self.density(x + noise, condition, training)
        draws = self.dequantization.draws
        if draws == 1:
            return self.density(self.dequantization.spread(x), condition)
        log_probs = tf.map_fn(lambda draw: self.density(self.dequantization.spread(x, draw), condition),
                              tf.range(draws), fn_output_signature=tf.float32)
        return ops.logsumexp(log_probs, axis=0) - np.log(draws)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor,
               temperature: float = 1.) -> tf.Tensor:
        """Draws events, as `GenerativeModel.sample`, from latents that are multiplied by `temperature`."""
        return self.decode_batch(self.draw_latents(batch_size, seed, temperature), condition)

    def sample_real(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor,
                    temperature: float = 1.) -> tf.Tensor:
        """`sample`, of real values."""
        latents = self.draw_latents(batch_size, seed, temperature)
        return self.from_latents(latents, self.encode_condition(condition))

    def draw_latents(self, batch_size: int, seed: tf.Tensor, temperature: float = 1.) -> tf.Tensor:
        """Latents `[batch, num_sites]`."""
        return self.base().quantile(random.uniforms((batch_size, self.num_sites), seed)) * temperature

    def sample_and_log_prob(self, batch_size: int, condition: tf.Tensor | None,
                            seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws real events and gives their log-densities, in one pass."""
        latents = self.draw_latents(batch_size, seed)
        x, log_det = self.transformation.inverse(latents, self.encode_condition(condition))
        return x, ops.sum(self.base().log_prob(latents), axis=-1) - log_det

    # Latent space ---------------------------------------------------------------------------------------------------

    def encode_batch(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        if self.dequantization is not None:
            x = ops.clip(self.dequantization.spread(x), x + MARGIN, x + 1 - MARGIN)
        return self.to_latents(x, self.encode_condition(condition))

    def decode_batch(self, z: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        x = self.from_latents(z, self.encode_condition(condition))
        return x if self.dequantization is None else self.dequantization.quantise(x)

    # Data-dependent initialisation ----------------------------------------------------------------------------------

    def waits_for_data(self):
        return self.flow.waits_for_data()

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        if self.dequantization is not None:
            # As in training: equal events, spread equally, would have no variance.
            x += random.uniforms(x.shape, self._noise_seeds.draw())
        self.transformation.initialize(x, self.encode_condition(condition))
