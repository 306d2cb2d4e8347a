"""The distributions of latents before an event is seen.

A prior has what a `DensityModel` has: `log_prob(z, condition, training)`, `sample(batch_size, condition, seed)` and
`distribution(condition)`. So any model of this library over vectors of real numbers is one.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks, random
from tfdgm.configuration import Configured
from tfdgm.density import DensityModel
from tfdgm.support import Integers

tfd = tfp.distributions


class StandardNormal(keras.layers.Layer):
    """Independent standard normal latents.

    Args:
        num_latents: how many.
        **kwargs: `name`.
    """

    condition = None

    def __init__(self, num_latents: int, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.num_latents = num_latents
        self.built = True

    def distribution(self, condition=None) -> tfd.Distribution:
        """A distribution of vectors `[num_latents]`."""
        return tfd.Sample(tfd.Normal(0., 1.), self.num_latents)

    def log_prob(self, z: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """`[n, num_latents]` -> `[n]`, in nats."""
        return ops.sum(tfd.Normal(0., 1.).log_prob(z), axis=-1)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """`[batch_size, num_latents]`."""
        return random.normals((batch_size, self.num_latents), seed)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class VampPrior(Configured):
    """A prior that is the mean of the posteriors of learned events.

    So it comes close to the mean of the posteriors of all events, and the latents need not be normal for its sake.

    Source: J. Tomczak and M. Welling, "VAE with a VampPrior", 2018 (https://arxiv.org/abs/1705.07120).

    Args:
        components: how many learned events.

    Raises:
        ValueError: if there is not at least one.

    >>> import tfdgm
    >>> model = tfdgm.VAE((8, 8, 1), num_latents=4, prior=tfdgm.latent.VampPrior(20))
    >>> model.prior().sample(5, seed=0).shape
    TensorShape([5, 4])
    """

    components: int = 500

    def __post_init__(self):
        self._keep(components=checks.integer(self.components, 'components of VampPrior'))


class MixtureOfPosteriors(keras.layers.Layer):
    """What a `VampPrior` becomes in a model: its learned events, in the units that the encoder sees.

    Args:
        components: how many.
        event_shape: of each.
        posterior: gives the posteriors' parameters, means and scales `[components, num_latents]`, of events in those
            units.
        bounds: of the learned events, two numbers, or None.
        seed: of their initial values.
        **kwargs: `name`.
    """

    condition = None

    def __init__(self, components: int, event_shape: tuple, posterior, bounds: tuple | None, seed: int, **kwargs):
        super().__init__(dtype='float32', **kwargs)
        self.components, self._posterior, self.bounds = components, posterior, bounds
        self.events = self.add_weight(
            shape=(components, *event_shape), name='events',
            initializer=keras.initializers.RandomNormal(0. if bounds is None else 0.5, 0.5, random.in_32_bits(seed)))
        self.built = True

    def distribution(self, condition=None) -> tfd.Distribution:
        """A distribution of vectors `[num_latents]`."""
        events = ops.convert_to_tensor(self.events)
        means, scales = self._posterior(events if self.bounds is None else ops.clip(events, *self.bounds))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=np.zeros(self.components, 'float32')), tfd.MultivariateNormalDiag(means, scales))

    def log_prob(self, z: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """`[n, num_latents]` -> `[n]`, in nats."""
        return self.distribution().log_prob(z)

    def sample(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """`[batch_size, num_latents]`."""
        components = self.distribution().components_distribution
        chosen_seed, noise_seed = random.split(seed, 2)
        chosen = ops.cast(random.uniforms((batch_size,), chosen_seed) * self.components, 'int32')
        noise = random.normals((batch_size, components.event_shape[0]), noise_seed)
        return ops.take(components.mean(), chosen, axis=0) + ops.take(components.stddev(), chosen, axis=0) * noise


def checked_prior(prior, num_latents: int, condition):
    """Returns a model over vectors of latents as a prior.

    Raises:
        ValueError: if it is none.
    """
    checks.instance(prior, DensityModel | VampPrior | None, 'prior', f'tfdgm.MAF({num_latents})')
    if isinstance(prior, DensityModel):
        if prior.event_shape != (num_latents,) or prior.support.is_discrete:
            raise ValueError(f'A prior over {num_latents} latents is a model of real vectors of that length, such as '
                             f'tfdgm.MAF({num_latents}); this {type(prior).__name__} has events of shape '
                             f'{prior.event_shape}, each value {prior.support}.')
        check_condition(prior, condition)
    return prior


def checked_prior_of_codes(prior, code_shape: tuple, num_codes: int, condition):
    """Returns a model over codes as a prior.

    Raises:
        ValueError: if it is none.
    """
    example = f'tfdgm.GatedPixelCNN({code_shape}, output=tfdgm.outputs.Categorical({num_codes}, ordered=False))'
    checks.instance(prior, DensityModel, 'prior', example)
    if prior.event_shape != code_shape or prior.support != Integers(num_codes):
        raise ValueError(f'A prior over these codes has events of shape {code_shape}, each value '
                         f'{Integers(num_codes)}, such as {example}; this {type(prior).__name__} has '
                         f'{prior.event_shape}, each value {prior.support}.')
    check_condition(prior, condition)
    return prior


def condition_of_prior(model, condition):
    """The condition as a model's prior takes it: None, if it has none of its own.

    Raises:
        ValueError: if it is missing or not valid, or the model has none.
    """
    if model.prior_layer.condition is not None or condition is None:
        return condition
    checks.condition_given(model.condition, condition)
    checks.conditions(model.condition, condition)
    return None


def check_condition(prior, condition):
    """Raises unless the condition of a prior is none or the model's."""
    if prior.condition not in (None, condition):
        raise ValueError(f'The condition of a prior is None or that of the model, {condition}; this '
                         f'{type(prior).__name__} has {prior.condition}.')
