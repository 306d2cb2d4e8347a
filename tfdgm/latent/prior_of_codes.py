"""PriorOfCodes: the prior of a model whose latents are codes, which is trained after it."""

import warnings

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import exporting, inputs
from tfdgm.autoregressive import GatedPixelCNN
from tfdgm.density import DensityModel
from tfdgm.latent.priors import checked_prior_of_codes, condition_of_prior
from tfdgm.outputs import Categorical

tfd = tfp.distributions


class PriorOfCodes:
    """Mixed into an `AutoencodingModel` with `num_codes` codes in events of `code_shape`: p(z), and its training."""

    def make_prior(self, given: DensityModel | None):
        """Keeps a model of codes, or makes one, as `prior_layer`, which is not fitted yet.

        Raises:
            ValueError: if it is none of these codes, or there is none and the codes have no two dimensions.
        """
        self.prior_layer = self._prior_layer(given)
        self.prior_is_fitted = self.add_weight(
            shape=(), initializer='zeros', trainable=False, name='prior_is_fitted')

    def _prior_layer(self, given):
        if given is not None:
            return checked_prior_of_codes(given, self.code_shape, self.num_codes, self.condition)
        if len(self.code_shape) != 3:
            raise ValueError(f'For codes of shape {self.code_shape} give a prior, a model of such events whose values '
                             f'are integers from 0 to {self.num_codes - 1}.')
        return GatedPixelCNN(self.code_shape, output=Categorical(self.num_codes, ordered=False), blocks=4,
                             condition=self.condition, dtype=self.dtype_policy, name='prior_layer')

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        signatures = super().signatures(jit_compile)
        if not self.prior_is_fitted.numpy():
            warnings.warn(f'The prior over the codes of this {type(self).__name__} was never fitted, so what is '
                          'exported has no sample: call model.fit_prior(events) before.', stacklevel=2)
            del signatures['sample']
        return signatures

    def fit_prior(self, x: ArrayLike | tf.data.Dataset, y: ArrayLike | None = None,
                  **kwargs) -> keras.callbacks.History:
        """Trains the prior on the codes of events: its `fit`, with the same arguments.

        The prior is `model.prior_layer`; without a call of its own `compile`, it learns by Adam. Where `fit` goes on
        later, the codes change, and the prior is to be fitted again.

        Args:
            x: events, what becomes an array, or a `tf.data.Dataset` of batches; of the latter, the codes are computed
                in each epoch.
            y: their conditions, if the model has one.
            **kwargs: of `fit`, such as `sample_weight` or `validation_data`.

        Raises:
            RuntimeError: if `fit` has not trained the codes yet.
            ValueError: as `fit`.

        Returns:
            The history of the training.
        """
        if self.waits_for_data():
            raise RuntimeError(f'The codes of this {type(self).__name__} have not been trained: call fit first.')
        if kwargs.get('validation_data') is not None:
            kwargs['validation_data'] = self._in_codes(
                *keras.utils.unpack_x_y_sample_weight(kwargs['validation_data']))
        x, y, sample_weight = self._in_codes(x, y, kwargs.pop('sample_weight', None))
        if not self.prior_layer.compiled:
            self.prior_layer.compile()
        history = self.prior_layer.fit(x, y, sample_weight=sample_weight, **kwargs)
        self.prior_is_fitted.assign(1.)
        return history

    def _in_codes(self, x, y, sample_weight) -> tuple:
        """Codes, conditions of the prior and weights, from the arguments of a `fit` of events."""
        x, y, sample_weight = inputs.prepared(self, x, y, sample_weight)
        if not inputs.is_pipeline(x):
            return *self.codes_for_prior(x, y), sample_weight
        if not isinstance(x, tf.data.Dataset):
            raise ValueError(f'fit_prior takes arrays or a tf.data.Dataset, got {type(x).__name__}.')

        def batch_in_codes(*batch):
            x, condition, sample_weight = self.unpacked(batch if len(batch) > 1 else batch[0])
            codes = ops.cast(self.quantised(self.vectors(self.valid_events(x), condition)), 'float32')
            # An event that is not valid has no codes, which the guard of the prior finds.
            valid = ops.all(self.support.contains(x), axis=tuple(range(1, len(x.shape))))
            codes = ops.where(ops.reshape(valid, (-1, *[1] * len(self.code_shape))), codes, np.nan)
            codes, condition, sample_weight = inputs.packed(codes, self._for_prior(condition), sample_weight)
            return codes if condition is None else keras.utils.pack_x_y_sample_weight(codes, condition, sample_weight)

        return x.map(batch_in_codes, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE), None, None

    def codes_for_prior(self, x: ArrayLike | tf.data.Dataset, y: ArrayLike | None = None) -> tuple:
        """Codes of events, an array or a pipeline of batches, and the conditions of a prior that has one, else None."""
        conditional = self.prior_layer.condition is not None
        if inputs.is_pipeline(x):
            batches = [self.codes_for_prior(*keras.utils.unpack_x_y_sample_weight(batch)[:2]) for batch in x]
            codes, conditions = zip(*batches)
            return np.concatenate(codes), np.concatenate(conditions) if conditional else None
        codes = []
        for start in range(0, len(x), self.scoring_batch):
            batch = slice(start, start + self.scoring_batch)
            codes.append(np.asarray(self.encode(x[batch], None if y is None else y[batch])))
        return np.concatenate(codes), y if conditional else None

    def log_prior(self, codes: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """log p(z) of codes, `[batch, *code_shape]` -> `[batch]`; uniform before the prior is fitted."""
        codes = ops.cast(codes, 'float32')
        uniform = ops.full((ops.shape(codes)[0],), -self.num_latents * np.log(self.num_codes), 'float32')
        return tf.cond(self.prior_is_fitted > 0,
                       lambda: ops.cast(self.prior_layer.log_prob(codes, self._for_prior(condition)), 'float32'),
                       lambda: uniform)

    def _for_prior(self, condition):
        """The condition of the prior, if it has one."""
        return None if self.prior_layer.condition is None else condition

    def draw_prior(self, batch_size: int, condition: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        return self.prior_layer.sample(batch_size, self._for_prior(condition), seed)

    def prior(self, condition: ArrayLike | None = None) -> tfd.Distribution:
        """The prior p(z), of codes; `condition` is for priors that have one.

        Raises:
            ValueError: if a condition is missing, not valid, or there where the model has none.
        """
        return self.prior_layer.distribution(condition_of_prior(self, condition))
