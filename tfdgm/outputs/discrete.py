"""Outputs whose parameters are the logits of a few values."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from keras.saving import register_keras_serializable

from tfdgm import checks
from tfdgm.outputs.output import Output, Quantised
from tfdgm.support import Integers, Support

tfd = tfp.distributions


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
        # TFP takes the logarithms of both probabilities, which takes more time than a decoder's last layer; and so does
        # the gradient of a slice, a copy into zeros.
        return -tf.math.softplus((1 - 2 * x) * tf.squeeze(parameters, -1))

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        probability = self.distribution(parameters).probs_parameter()
        return tf.cast(uniforms[..., 0] < probability, tf.float32)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        return self.distribution(parameters).mean()

    @property
    def support(self) -> Support:
        return Integers(2)


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

    @property
    def unseen(self) -> float:
        return 0. if self.ordered else -1.

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=parameters, dtype=tf.float32)

    def quantile(self, parameters: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        cumulative = tf.cumsum(self.distribution(parameters).probs_parameter(), axis=-1)
        # The last level takes what rounding leaves of the sum.
        return tf.reduce_sum(tf.cast(uniforms >= cumulative[..., :-1], tf.float32), axis=-1)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.distribution(parameters).probs_parameter() * np.arange(self.levels, dtype='f4'), -1)
