"""FlowModel: exact density by change of variables, p(x) = p(z) |det dz/dx| for z = f(x)."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from tfdgm import checks, extremes, inputs, random
from tfdgm.distribution import condition_tensor
from tfdgm.flows.bijectors import Invertible, forgetting
from tfdgm.flows.dequantization import UniformDequantization
from tfdgm.flows.distribution import DequantizedDistribution, FlowDistribution
from tfdgm.flows.first_events import first_events
from tfdgm.flows.layers import ActNorm
from tfdgm.layers import Standardization
from tfdgm.model import GenerativeModel

tfb = tfp.bijectors
tfd = tfp.distributions

# How far from the next whole number `encode` stays: what a flow in float32 may lose of 256 levels, and `decode` finds.
FROM_THE_NEXT = 1 / 32


class FlowModel(GenerativeModel):
    """Base of the systems that make events of latents, one of the other, by an invertible function.

    A subclass implements `flow`: a `tfb.Bijector` from latents, vectors of as many numbers as an event has, to
    events. The model adds what the data need: real values are standardised by what `adapt` found; whole numbers are
    dequantised, and the log-probability of an event is then a lower bound (`UniformDequantization`).

    `distribution()` is a `tfd.TransformedDistribution` for real values. For whole numbers it is a distribution of
    whole numbers, and `continuous_distribution()` the one around which it stands.

    Args:
        event_shape: shape of one event, of at least two numbers.
        dequantization: None for real values; for whole numbers, a `tfdgm.flows.UniformDequantization`.
        condition: what the events depend on, one of `tfdgm.conditions`, or None.
        seed: of the draws of dequantisation, and of what a system draws when it is made: an integer from 0; None draws
            one.
        **kwargs: `name`, `dtype` and `trainable`. Flows compute in float32 whatever the `dtype`: rounded more, an
            event could not be found from its latents again.

    Raises:
        ValueError: if an event has one number only, or `seed` is not an integer from 0.
    """

    def __init__(self, event_shape, *, dequantization=None, condition=None, seed=0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        if self.num_sites < 2:
            raise ValueError(f'A flow transforms some numbers of an event given others, so it needs at least two; got '
                             f'event_shape {self.event_shape}.')
        self.dequantization = checks.instance(dequantization, UniformDequantization | None, 'dequantization',
                                              'tfdgm.flows.UniformDequantization(256)')
        self.seed = checks.seed(seed)
        self._noise_seeds = keras.random.SeedGenerator(random.in_32_bits(self.seed))
        if self.dequantization is None:
            self.standardization = Standardization(self.event_shape, dtype='float32', name='standardization')

    def flow(self, features, training=False, log_det=True) -> tfb.Bijector:
        """The bijector from latents `[…, num_sites]` to events `[…, *event_shape]` in units of order 1.

        Args:
            features: those of the condition, `[…, num_features]`, or None.
            training: whether it is for a training step, which may estimate what is exact elsewhere.
            log_det: whether log-determinants will be asked for, where values without them are cheaper.
        """
        raise NotImplementedError

    def base(self) -> tfd.Distribution:
        """The distribution of one number of the latents."""
        return tfd.Normal(0., 1.)

    # What the data are ----------------------------------------------------------------------------------------------

    @property
    def is_discrete(self) -> bool:
        return self.dequantization is not None

    def contains(self, x):
        return abs(x) < np.inf if self.dequantization is None else self.dequantization.contains(x)

    def support(self) -> str:
        return 'a finite real number' if self.dequantization is None else self.dequantization.support()

    @property
    def distribution_class(self):
        return FlowDistribution if self.dequantization is None else DequantizedDistribution

    def continuous_distribution(self, condition=None, validate_args: bool = False) -> FlowDistribution:
        """The `tfd.TransformedDistribution` of real values: `distribution()`, or of whole numbers what is around it.

        A dequantised event x has its values in [x, x + 1).
        """
        return FlowDistribution(self, condition, validate_args=validate_args)

    # Change of variables --------------------------------------------------------------------------------------------

    def bijector(self, condition=None) -> tfb.Bijector:
        """The bijector from latents `[…, num_sites]` to real events `[…, *event_shape]`: `forward` decodes.

        It is free to make and owns no variables. Make it anew after training: TFP keeps results by their arguments;
        those of a `tf.function` of your own it keeps for good, and with them the model.

        Args:
            condition: for a conditional model, values of the condition whose batch shape broadcasts to the events'.

        Raises:
            ValueError: if the condition is missing, unexpected, of the wrong shape or not a valid value.
        """
        return self._bijector(condition_tensor(self.condition, condition))

    def _bijector(self, condition, training=False, log_det=True):
        features = None
        if condition is not None:
            inner = self.condition.shape
            outer = tf.shape(condition)[:tf.rank(condition) - len(inner)]
            features = self.condition.encode(tf.reshape(condition, (-1, *inner)))
            features = tf.reshape(features, tf.concat([outer, [self.condition.num_features]], 0))
        if self.dequantization is not None:
            units = self.dequantization.bijector()
        else:
            units = Invertible(self.standardization, len(self.event_shape), times=self.num_sites)
        return tfb.Chain([units, self.flow(features, training, log_det)])

    @forgetting()
    def density(self, values, condition, training=False):
        """Log-density of real events `[batch, *event_shape]`: `[batch]`, in nats; NaN of values that are not finite."""
        if self.dequantization is None:
            middle, (distances, _) = self.standardization.mean, self.standardization(values)
        else:
            middle, distances = self.dequantization.levels / 2, self.dequantization.distances(values)

        def evaluate(near):
            bijector, inside = self._bijector(condition, training), ops.where(near, values, middle)
            latents = bijector.inverse(inside)
            return ops.sum(self.base().log_prob(latents), axis=-1) + bijector.inverse_log_det_jacobian(
                inside, event_ndims=len(self.event_shape))

        return extremes.log_density(evaluate, values, distances, self.is_valid(condition))

    def log_prob(self, x, condition=None, training=False):
        x = ops.cast(x, 'float32')
        if self.dequantization is None:
            return self.density(x, condition, training)
        x = ops.where(self.contains(x), x, np.nan)
        if training:
            noise = random.uniforms(ops.shape(x), ops.cast(self._noise_seeds.next(), 'int32'))
            return self.density(x + noise, condition, training)
        draws = self.dequantization.draws
        log_probs = tf.map_fn(lambda draw: self.density(self.dequantization.spread(x, draw), condition),
                              tf.range(draws), fn_output_signature=tf.float32)
        return ops.logsumexp(log_probs, axis=0) - np.log(draws)

    def sample(self, batch_size, condition, seed, temperature=1.):
        """Draws events, as `GenerativeModel.sample`, from latents that are multiplied by `temperature`."""
        return self.decode_batch(self.draw_latents(batch_size, seed, temperature), condition)

    @forgetting()
    def sample_real(self, batch_size, condition, seed, temperature=1.):
        """`sample`, of real values."""
        return self._bijector(condition, log_det=False).forward(self.draw_latents(batch_size, seed, temperature))

    def draw_latents(self, batch_size, seed, temperature=1.):
        """Latents `[batch, num_sites]`."""
        return self.base().quantile(random.uniforms((batch_size, self.num_sites), seed)) * temperature

    @forgetting()
    def sample_and_log_prob(self, batch_size, condition, seed):
        """Draws real events and gives their log-densities, in one pass."""
        latents = self.draw_latents(batch_size, seed)
        bijector = self._bijector(condition)
        x = bijector.forward(latents)
        return x, ops.sum(self.base().log_prob(latents), axis=-1) - bijector.forward_log_det_jacobian(
            latents, event_ndims=1)

    # Latent space ---------------------------------------------------------------------------------------------------

    def encode(self, x, condition=None):
        """The latents of events: `[batch, *event_shape]` -> `[batch, num_sites]`.

        Whole numbers are dequantised first, the same event always in the same way; `decode` gives them back.

        Raises:
            ValueError: if events or conditions are not valid.
            RuntimeError: inside a `tf.function`, where values can't be checked: there `bijector(condition).inverse`
                does it, of real values.

        >>> import numpy as np, tfdgm
        >>> model = tfdgm.NICE(4, hidden_units=(16,))
        >>> z = model.encode(np.ones([2, 4]))
        >>> np.round(model.decode(z))
        array([[1., 1., 1., 1.],
               [1., 1., 1., 1.]], dtype=float32)
        """
        require_values('encode', 'inverse')
        x, condition, _ = inputs.prepared(self, inputs.array(x, 'events'), condition)
        return self._run_batch(self.encode_batch, x, condition)

    def decode(self, z, condition=None):
        """The events of latents: `[batch, num_sites]` -> `[batch, *event_shape]`.

        Raises:
            ValueError: if latents or conditions are not valid.
            RuntimeError: inside a `tf.function`: there `bijector(condition).forward` does it, to real values.
        """
        require_values('decode', 'forward')
        z = z if tf.is_tensor(z) else np.asarray(z)
        array = np.asarray(z)
        if array.dtype.kind not in 'biuf' or array.shape[1:] != (self.num_sites,) or not len(array):
            raise ValueError(f'Expected latents, at least one, in an array of numbers of shape '
                             f'{(None, self.num_sites)}; got one of shape {array.shape} and type {array.dtype}.')
        finite = abs(array) <= np.finfo('float32').max
        if not finite.all():
            raise ValueError(f'Expected latents that are finite in float32, got {array[~finite][0]}, the first in row '
                             f'{checks.first_event(~finite)}.')
        checks.condition_given(self.condition, condition)
        if condition is not None:
            condition = checks.conditions_of_each(self.condition, condition, len(z), 'latents')
        return self._run_batch(self.decode_batch, z, condition)

    def interpolate(self, first, second, steps: int = 8, condition=None):
        """Events on the way between others, their latents on a straight line: `[batch, steps, *event_shape]`.

        Args:
            first: events, `[batch, *event_shape]`.
            second: as many.
            steps: how many on each way; the first is that of `first`, the last that of `second`.
            condition: of a conditional model, one for each pair.

        Raises:
            ValueError: if events or conditions are not valid.
        """
        checks.whole(steps, 'steps', 2)
        shares = np.linspace(0, 1, steps, dtype='float32')[:, None]
        if np.shape(first) != np.shape(second):
            raise ValueError(f'Expected as many events to start from as to end with; got arrays of shapes '
                             f'{np.shape(first)} and {np.shape(second)}.')
        ends = [self.encode(x, condition)[:, None] for x in (first, second)]
        latents = ops.reshape(ends[0] * (1 - shares) + ends[1] * shares, (-1, self.num_sites))
        condition = None if condition is None else np.repeat(condition, steps, axis=0)
        return ops.reshape(self.decode(latents, condition), (-1, steps, *self.event_shape))

    def _run_batch(self, method, values, condition):
        condition = None if condition is None else tf.convert_to_tensor(condition)
        # Without XLA, which would compile for each size of a batch anew.
        return self.run(method, tf.cast(values, tf.float32), condition, jit_compile=False)

    @forgetting()
    def encode_batch(self, x, condition):
        """`encode`, of tensors."""
        if self.dequantization is not None:
            x = ops.clip(self.dequantization.spread(x), x + FROM_THE_NEXT, x + 1 - FROM_THE_NEXT)
        return self._bijector(condition, log_det=False).inverse(x)

    @forgetting()
    def decode_batch(self, latents, condition):
        """`decode`, of tensors."""
        x = self._bijector(condition, log_det=False).forward(latents)
        return x if self.dequantization is None else self.dequantization.quantise(x)

    # Layers that start from data ------------------------------------------------------------------------------------

    def prepare(self, x, y):
        """Lets the layers that start from data see the first events, once; `fit` and `train_on_batch` call it."""
        waiting = [layer for layer in self._flatten_layers() if isinstance(layer, ActNorm) and layer.may_start()]
        if not waiting:
            return x
        events, y, x = first_events(self, x, y)
        if self.dequantization is not None:
            # As in training: equal events, spread equally, would have no variance.
            events += random.uniforms(events.shape, ops.cast(self._noise_seeds.next(), 'int32'))
        for layer in waiting:
            layer.watching = True
        try:
            with forgetting():
                self._bijector(y, log_det=False).inverse(events)
        finally:
            for layer in waiting:
                layer.watching = False
        return x

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """`keras.Model.train_on_batch`."""
        self.prepare(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)


def require_values(name, way):
    """Raises inside a `tf.function`, whose tensors have no values yet."""
    if not tf.executing_eagerly():
        raise RuntimeError(f'{name} checks the values that it is given, and inside a tf.function there are none yet: '
                           f'use bijector(condition).{way} there.')
