"""What one site may be: the families p(x_i | context) that a network's parameters choose from.

An output turns the last axis of a parameter tensor into one TFP distribution for each site, and knows what values
that distribution can take. A system that produces `num_parameters` numbers for a site can use any of them.
"""

import abc
import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.configuration import Configured
from tfdgm.logistic import DiscretizedLogistic
from tfdgm.support import Integers, Reals, Support

tfd = tfp.distributions


class Output(Configured, abc.ABC):
    """Base class of outputs.

    A subclass gives `num_parameters`, `distribution` and `quantile`, and says what its values look like to a network.
    It is a frozen dataclass: two equal outputs compare equal, and its fields are its Keras configuration.
    """

    num_uniforms = 1

    @property
    @abc.abstractmethod
    def num_parameters(self) -> int:
        """How many real numbers describe one site."""

    @property
    def num_indicators(self) -> int:
        """How many numbers `indicators` makes of one value."""
        return 1

    @abc.abstractmethod
    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of all sites.

        Args:
            parameters: `[..., num_parameters]`, any real numbers.

        Returns:
            A `tfd.Distribution` of scalar events with batch shape `[...]`.
        """

    def log_prob(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of values in the support, in nats: `[..., num_parameters]` and `[...]` -> `[...]`."""
        return self.distribution(parameters).log_prob(x)

    @abc.abstractmethod
    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        """Draws values by inverting the distribution function, so that a seed means the same values everywhere.

        TFP's own samplers leave the choice of the random bits' algorithm to the device, and XLA chooses otherwise.

        Args:
            parameters: `[..., num_parameters]`.
            uniforms: `[..., num_uniforms]`, independent and uniform on (0, 1).

        Returns:
            `[...]`, one value for each site.
        """

    @abc.abstractmethod
    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean of each site: `[..., num_parameters]` -> `[...]`, real numbers."""

    def scale(self, x: tf.Tensor) -> tf.Tensor:
        """What a network sees of the values `x`: one number each, of order 1, and 0 of 0. `[...]` -> `[...]`."""
        return x

    def unscale(self, x: tf.Tensor) -> tf.Tensor:
        """The inverse of `scale`."""
        return x

    def indicators(self, x: tf.Tensor) -> tf.Tensor:
        """`[...]` -> `[..., num_indicators]`: numbers of which any function of a discrete value is an affine one."""
        return ops.expand_dims(x, -1)

    # Whether a value says more to a network than which one it is.
    ordered = True

    @property
    def num_inputs(self) -> int:
        """How many numbers `inputs` makes of one value."""
        return 1

    def inputs(self, x: tf.Tensor) -> tf.Tensor:
        """What a network that takes values without an order sees of them: `[...]` -> `[..., num_inputs]`."""
        return ops.expand_dims(self.scale(x), -1)

    def values(self, inputs: tf.Tensor) -> tf.Tensor:
        """The inverse of `inputs`: `[..., num_inputs]` -> `[...]`."""
        return self.unscale(inputs[..., 0])

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """The numbers that a site can hold."""


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Bernoulli(Output):
    """Binary sites, {0, 1}: one logit each.

    >>> import numpy as np, tfdgm
    >>> float(tfdgm.outputs.Bernoulli().distribution(np.zeros([1], 'float32')).prob(1.))
    0.5
    """

    @property
    def num_parameters(self) -> int:
        return 1

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Bernoulli(logits=parameters[..., 0], dtype=tf.float32)

    def log_prob(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        # TFP takes the logarithms of both probabilities, which takes more time than a decoder's last layer.
        return -tf.math.softplus((1 - 2 * x) * parameters[..., 0])

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        probability = self.distribution(parameters).probs_parameter()
        return tf.cast(uniforms[..., 0] < probability, tf.float32)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        return self.distribution(parameters).mean()

    @property
    def support(self) -> Support:
        return Integers(2)


class Quantised(Output):
    """Base class of outputs whose values are integers 0 … levels-1; a subclass has the field `levels`."""

    @property
    def num_indicators(self) -> int:
        return self.levels - 1

    def scale(self, x: tf.Tensor) -> tf.Tensor:
        return x / (self.levels - 1)

    def unscale(self, x: tf.Tensor) -> tf.Tensor:
        return ops.round(x * (self.levels - 1))

    def indicators(self, x: tf.Tensor) -> tf.Tensor:
        return ops.cast(ops.expand_dims(x, -1) == ops.arange(1, self.levels, dtype=x.dtype), x.dtype)

    @property
    def support(self) -> Support:
        return Integers(self.levels)


@register_keras_serializable('tfdgm')
@dataclasses.dataclass(frozen=True)
class Categorical(Quantised):
    """Quantised sites, integers 0 … levels-1: one logit for each level.

    Args:
        levels: how many values a site can take, at least 2.
        ordered: whether the levels lie on a line, as grey values do: then networks see a value as one number. Else,
            as for codes, they see it as an indicator for each level, which models of images and of sequences can.

    Raises:
        ValueError: if `levels` is below 2.
    """

    levels: int
    ordered: bool = True

    def __post_init__(self):
        self._keep(levels=checks.integer(self.levels, 'levels of Categorical', 2),
                   ordered=checks.flag(self.ordered, 'ordered of Categorical'))

    @property
    def num_parameters(self) -> int:
        return self.levels

    @property
    def num_inputs(self) -> int:
        return 1 if self.ordered else self.levels

    def inputs(self, x: tf.Tensor) -> tf.Tensor:
        if self.ordered:
            return super().inputs(x)
        return ops.cast(ops.expand_dims(x, -1) == ops.arange(self.levels, dtype=x.dtype), 'float32')

    def values(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().values(inputs) if self.ordered else ops.cast(ops.argmax(inputs, axis=-1), 'float32')

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=parameters, dtype=tf.float32)

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        cumulative = tf.cumsum(self.distribution(parameters).probs_parameter(), axis=-1)
        # The last level takes what rounding leaves of the sum.
        return tf.reduce_sum(tf.cast(uniforms >= cumulative[..., :-1], tf.float32), axis=-1)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.distribution(parameters).probs_parameter() * np.arange(self.levels, dtype='f4'), -1)


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
