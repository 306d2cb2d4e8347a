"""DensityModel: generative models whose log-probability one can compute, exactly or as a bound."""

import abc
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, exporting, inputs
from tfdgm.conditions import Condition
from tfdgm.distribution import DensityDistribution
from tfdgm.execution import extremes
from tfdgm.execution.batches import batch_size, never_empty
from tfdgm.model import GenerativeModel


class DensityModel(GenerativeModel):
    """A generative model that learns by maximum likelihood.

    Calling the model on a batch of events returns their log-probabilities in nats, and so does Keras's `predict`:

        model.fit(images)            # p(x)
        model.fit(images, labels)    # p(x | label)
        model.predict([images, labels])

    A subclass implements `log_prob` and `sample`.

    Args: as in `GenerativeModel`.
    """

    monitor = 'val_nll'

    # Whether `log_prob` is a lower bound, rather than exact.
    is_bound = False

    distribution_class = DensityDistribution

    def __init__(self, event_shape: int | Sequence[int], *, condition: Condition | None = None, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        self.nll_tracker = keras.metrics.Mean(name='nll')
        self.bits_per_dim_tracker = keras.metrics.Mean(name='bits_per_dim')

    @abc.abstractmethod
    def log_prob(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Log-probability of each event, in nats: `[batch, *event_shape]` -> `[batch]`, float32."""

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return -ops.cast(self.log_prob(x, condition, training=True), 'float32')

    def validation_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return -self(x if condition is None else (x, condition))

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        losses = terms.get('nll', terms['loss'])
        self.nll_tracker.update_state(losses, sample_weight)
        # A mean over the sites of all events, which may have more and fewer.
        sites = self.sites_of(x)
        weights = sites if sample_weight is None else sites * ops.cast(sample_weight, 'float32')
        self.bits_per_dim_tracker.update_state(losses / (sites * np.log(2)), weights)

    def more_figures(self, x: ArrayLike, condition: ArrayLike | None) -> dict:
        """What `tfdgm evaluate` names beside the likelihood of held-out events: numbers by name."""
        return {}

    def sites_of(self, x: tf.Tensor) -> tf.Tensor:
        """How many numbers each event has, without those that fill it up: `[batch]`, float32."""
        if not self.variable_length:
            return ops.full((ops.shape(x)[0],), float(self.num_sites), 'float32')
        padding = ops.reshape(self.padding(x), (-1, self.num_sites))
        return self.num_sites - ops.sum(ops.cast(padding, 'float32'), axis=1)

    @property
    def scoring_batch(self) -> int:
        """How many events a distribution scores at once, outside graphs and tapes: a power of two."""
        return self.sampling_batch

    def call(self, inputs: tf.Tensor | tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        x, condition = (inputs, None) if self.condition is None else checks.pair(inputs)
        checks.static_shape(x, self.event_shape, batch_rank=1)
        if condition is not None:
            checks.static_shape(condition, self.condition.shape, 'conditions', batch_rank=1)
        x = ops.convert_to_tensor(x)
        if x.dtype == tf.float64 or not self.support.is_discrete:
            x = extremes.in_float32(x, self.support.is_discrete)
        if training:
            return ops.cast(self.log_prob(x, condition, training), 'float32')
        return never_empty(
            lambda count, *inputs: ops.cast(self.log_prob(*inputs), 'float32'), batch_size(x), x, condition)

    def predict_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        x, _ = inputs.unpacked(x)
        return super().predict_step((x if y is None else (x, y),))

    def predict(self, x: ArrayLike | Sequence[ArrayLike] | tf.data.Dataset, batch_size: int | None = None,
                verbose: int | str = 'auto', steps: int | None = None, callbacks: list | None = None,
                **options) -> np.ndarray:
        """`keras.Model.predict`: log-probabilities `[n]` in nats. A conditional model takes `[events, conditions]`.

        Arrays are scored by `distribution().log_prob`, which is given the options that are none of Keras's, as many
        events at once as it takes where no `batch_size` is given.
        """
        is_pipeline = inputs.is_pipeline(x)
        if is_pipeline or self.condition is None:
            x, *_ = inputs.prepared(self, x, predicting=True)
        else:
            x = inputs.prepared(self, *checks.pair(x))[:2]
        plain = not callbacks and steps is None and not self._is_distributed and not self.run_eagerly
        if not is_pipeline and (plain or options):
            return self._predict_arrays(*(x if isinstance(x, tuple) else (x, None)), batch_size, verbose, options)
        if options:
            raise ValueError(f'predict of a pipeline takes no {", ".join(options)}: pass arrays.')
        try:
            return super().predict(x, batch_size, verbose, steps, callbacks)
        except UnboundLocalError:  # What Keras raises where there is no batch.
            raise inputs.no_batches() from None

    def _predict_arrays(self, x, condition, batch_size, verbose, options):
        """Log-probabilities of arrays that have been checked: setting up a pipeline may take longer than scoring."""
        batch_size = self.scoring_batch if batch_size is None else batch_size
        starts = range(0, len(x), batch_size)
        bar = keras.utils.Progbar(len(starts), verbose=1 if verbose == 'auto' else int(verbose))
        distribution, log_probs = self.distribution() if condition is None else None, []
        for count, start in enumerate(starts, 1):
            batch = slice(start, start + batch_size)
            if condition is not None:
                distribution = self.distribution(condition[batch])
            log_probs.append(distribution.log_prob(x[batch], **options).numpy())
            bar.update(count)
        return np.concatenate(log_probs)

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        return {'log_prob': exporting.scoring(self, self.log_prob, 'log_prob', jit_compile),
                **super().signatures(jit_compile)}
