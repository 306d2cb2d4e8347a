"""The base classes of outputs."""

import abc

import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from tfdgm.configuration import Configured
from tfdgm.support import Integers, Support

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

    @property
    def unseen(self) -> float:
        """The number of which `inputs` makes zeros."""
        return 0.

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """The numbers that a site can hold."""


class Quantised(Output):
    """Base class of outputs whose values are integers 0 … levels-1; a subclass has the field `levels`."""

    @property
    def num_indicators(self) -> int:
        return self.levels - 1

    def scale(self, x: tf.Tensor) -> tf.Tensor:
        return x / (self.levels - 1)

    def indicators(self, x: tf.Tensor) -> tf.Tensor:
        return ops.cast(ops.expand_dims(x, -1) == ops.arange(1, self.levels, dtype=x.dtype), x.dtype)

    @property
    def support(self) -> Support:
        return Integers(self.levels)
