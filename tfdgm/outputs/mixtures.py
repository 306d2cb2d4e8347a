"""Outputs that are mixtures: of normal and of logistic distributions."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.outputs.discrete import Categorical
from tfdgm.outputs.logistic import DiscretizedLogistic
from tfdgm.outputs.output import Output, Quantised
from tfdgm.support import Reals, Support

tfd = tfp.distributions


def chosen_component(logits, uniforms: tf.Tensor):
    """Draws a component of a mixture: `[..., components]`, of which one is 1 and the others 0."""
    components = logits.shape[-1]
    if components == 1:
        return tf.ones_like(logits)
    return tf.one_hot(tf.cast(Categorical(components).quantile(logits, uniforms), tf.int32), components)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class MixtureOfGaussians(Output):
    """Real sites: a mixture of `components` normal distributions each.

    A site's parameters are the components' logits, locations and (through a softplus) scales.

    Args:
        components: how many normal distributions, at least 1.
        min_scale: the smallest standard deviation, in units of the standardised data. It keeps the density from
            growing without bound on a value that the data repeat.

    Raises:
        ValueError: if `components` is below 1 or `min_scale` is not positive.
    """

    components: int
    min_scale: float = 1e-3

    num_uniforms = 2

    def __post_init__(self):
        self._keep(components=checks.integer(self.components, 'components of MixtureOfGaussians'))
        self._keep(min_scale=checks.positive(self.min_scale, 'min_scale of MixtureOfGaussians'))

    @property
    def num_parameters(self) -> int:
        return 3 * self.components

    def _parts(self, parameters):
        logits, locations, scales = tf.split(parameters, 3, axis=-1)
        # Components that start equal get equal gradients and stay equal: start them spread over [-1, 1].
        spread = np.linspace(-1, 1, self.components) if self.components > 1 else np.zeros(1)
        normal = tfd.Normal(locations + spread.astype('float32'), tf.math.softplus(scales) + self.min_scale)
        return tfd.Categorical(logits=logits), normal

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.MixtureSameFamily(*self._parts(parameters))

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        mixture, normal = self._parts(parameters)
        chosen = chosen_component(mixture.logits, uniforms[..., :1])
        location = tf.reduce_sum(chosen * normal.loc, axis=-1)
        scale = tf.reduce_sum(chosen * normal.scale, axis=-1)
        return tfd.Normal(location, scale).quantile(uniforms[..., 1])

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        return self.distribution(parameters).mean()

    @property
    def support(self) -> Support:
        return Reals()


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class MixtureOfLogistics(Quantised):
    """Quantised sites, integers 0 … levels-1: a mixture of logistic distributions, rounded to them.

    Levels beside each other get similar probabilities from the start, and 3 parameters a component stand for a logit
    of each level. The first and the last level take what lies beyond. A site's parameters are the components' logits,
    locations and logarithms of scales, in units in which the levels span [-1, 1].

    Source: T. Salimans, A. Karpathy, X. Chen and D. Kingma, "PixelCNN++: improving the PixelCNN with discretized
    logistic mixture likelihood and other modifications", 2017 (https://arxiv.org/abs/1701.05517).

    Args:
        levels: how many values a site can take, at least 2.
        components: how many logistic distributions, at least 1.

    Raises:
        ValueError: if `levels` is below 2 or `components` below 1.
    """

    levels: int
    components: int = 5

    num_uniforms = 2

    def __post_init__(self):
        self._keep(levels=checks.integer(self.levels, 'levels of MixtureOfLogistics', 2))
        self._keep(components=checks.integer(self.components, 'components of MixtureOfLogistics'))

    @property
    def num_parameters(self) -> int:
        return 3 * self.components

    def _parts(self, parameters):
        logits, locations, log_scales = tf.split(parameters, 3, axis=-1)
        half = (self.levels - 1) / 2
        # Components that start equal would stay equal.
        spread = np.linspace(-1, 1, self.components + 2)[1:-1].astype('float32')
        # A scale of exp(-7) puts all the mass on one of 256 levels, of more levels one smaller by as much; a scale of
        # exp(7) puts it on the first and the last.
        least = -7. - max(0., np.log((self.levels - 1) / 255))
        scales = tf.exp(tf.clip_by_value(log_scales, least, 7.)) * half
        return logits, tfd.Logistic((locations + spread + 1) * half, scales)

    def components_of(self, parameters: tf.Tensor) -> tfd.Distribution:
        """The distributions of the components, batch shape `[..., components]`."""
        _, logistic = self._parts(parameters)
        # TFP rounds up: a level takes what lies up to one half from it.
        return DiscretizedLogistic(
            tfd.TransformedDistribution(logistic, tfp.bijectors.Shift(-0.5)), low=0., high=self.levels - 1.)

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        logits, _ = self._parts(parameters)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), self.components_of(parameters))

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        logits, logistic = self._parts(parameters)
        chosen = chosen_component(logits, uniforms[..., :1])
        values = logistic.quantile(uniforms[..., 1:])
        return tf.clip_by_value(tf.round(tf.reduce_sum(chosen * values, axis=-1)), 0., self.levels - 1.)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean, but for what rounding and the limits of the levels do to it inside a component."""
        logits, logistic = self._parts(parameters)
        locations = tf.clip_by_value(logistic.mean(), 0., self.levels - 1.)
        return tf.reduce_sum(tf.nn.softmax(logits) * locations, axis=-1)
