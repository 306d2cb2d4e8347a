"""MaximumLikelihood: Keras's training loop around a density, guarded against steps that are not finite."""

import inspect

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import checks, extremes, inputs
from tfdgm.guard import Guard, apply_unless, are_finite, scale_is_useful, valid_weights


class NegativeLogLikelihood(keras.losses.Loss):
    """Turns the log-probabilities that a model returns into its loss; weighting and scaling are Keras's own."""

    def call(self, y_true, y_pred):
        return -y_pred


class MaximumLikelihood(keras.Model):
    """A Keras model whose call gives log-probabilities: it learns by maximum likelihood.

    Keras's target `y` is the condition; loss and metrics are made of the log-probabilities.
    """

    # Whether XLA compiles where nobody says otherwise.
    xla = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.nll_tracker = keras.metrics.Mean(name='nll')
        self.bits_per_dim_tracker = keras.metrics.Mean(name='bits_per_dim')
        self._negative_log_likelihood = NegativeLogLikelihood(dtype='float32')
        self._is_distributed = tf.distribute.has_strategy()
        self._guard = Guard(self)
        self.jit_compile = self.xla

    def compile(self, optimizer='adam', loss=None, loss_weights=None, metrics=None, weighted_metrics=None,
                run_eagerly=False, steps_per_execution=1, jit_compile='auto', auto_scale_loss=True):
        """`keras.Model.compile`; loss and metrics are the model's own. `jit_compile=False` means no XLA, also in `run`.

        'auto' is XLA on every device. Keras's own choice leaves XLA off on machines without a GPU, where the loops
        over sites need it as much, and under `tf.distribute`, where it does not work; that exception stays.

        Raises:
            ValueError: if a loss or metrics are given.
        """
        given = {'loss': loss, 'loss_weights': loss_weights, 'metrics': metrics, 'weighted_metrics': weighted_metrics}
        refused = [name for name, value in given.items() if value]
        if refused:
            raise ValueError(f'compile takes no {" and no ".join(refused)} here: the loss is the negative '
                             'log-likelihood, the metrics are nll and bits_per_dim.')
        self._asked_jit_compile = jit_compile
        if jit_compile == 'auto':
            distributed = tf.distribute.has_strategy() or self._is_distributed
            jit_compile = self.xla and not (run_eagerly or distributed)
        super().compile(optimizer, run_eagerly=run_eagerly, steps_per_execution=steps_per_execution,
                        jit_compile=jit_compile, auto_scale_loss=auto_scale_loss)

    def get_compile_config(self):
        """What `compile` was asked for, not what it chose: a model may be loaded where the choice is another."""
        config = super().get_compile_config()
        return {**config, 'jit_compile': self._asked_jit_compile} if config else config

    def compile_from_config(self, config):
        # Keras compiles a model that it loads only if a class with its own `compile` has this method too.
        config = keras.saving.deserialize_keras_object(config)
        if self._is_distributed and config.get('jit_compile') is True:
            config['jit_compile'] = 'auto'  # Files of version 0.1.0 say True for it.
        self.compile(**config)
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return self._negative_log_likelihood(y_pred, y_pred, sample_weight) + sum(map(ops.sum, self.losses)) / replicas

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.nll_tracker.update_state(-y_pred, sample_weight)
        # A mean over the sites of all events, which may have more and fewer.
        sites = self.sites_of(x)
        weights = sites if sample_weight is None else sites * ops.cast(sample_weight, 'float32')
        self.bits_per_dim_tracker.update_state(-y_pred / (sites * np.log(2)), weights)
        return self.get_metrics_result()

    def _unpacked(self, data):
        """A batch as the model's inputs, its weights, and both parts of the inputs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, weight = inputs.unpacked(x)
        sample_weight = sample_weight if weight is None else weight
        checks.condition_given(self.condition, y)
        x = extremes.in_float32(x, self.is_discrete)
        return (x if y is None else (x, y)), sample_weight, x, y

    def train_step(self, data):
        events_and_condition, sample_weight, x, condition = self._unpacked(data)
        with tf.GradientTape() as tape:
            log_probs = self(events_and_condition, training=True)
            loss = self.compute_loss(events_and_condition, None, log_probs, sample_weight)
            scaled_loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights  # Empty where all are frozen: then the loss is only measured.
        gradients = tape.gradient(scaled_loss, weights)
        fault = self._guard.has_fault(
            tf.math.is_finite(loss), self._are_valid(sample_weight),
            are_finite(gradients) | scale_is_useful(self.optimizer))
        if weights:
            apply_unless(fault, self.optimizer, gradients, weights)
        return self._measured(loss, log_probs, fault, x, condition, sample_weight)

    def test_step(self, data):
        events_and_condition, sample_weight, x, condition = self._unpacked(data)
        log_probs = self(events_and_condition, training=False)
        loss = self.compute_loss(events_and_condition, None, log_probs, sample_weight, training=False)
        fault = self._guard.has_fault(
            tf.logical_not(tf.reduce_any(tf.math.is_nan(log_probs))), self._are_valid(sample_weight))
        return self._measured(loss, log_probs, fault, x, condition, sample_weight)

    def _are_valid(self, sample_weight):
        return True if sample_weight is None else tf.reduce_all(valid_weights(sample_weight))

    def _measured(self, loss, log_probs, fault, x, condition, sample_weight):
        """Updates the metrics, and records a batch at fault."""
        tf.cond(fault, lambda: self._guard.record(self, x, condition, sample_weight), lambda: None)
        mean_loss = next(metric for metric in self.metrics if metric.name == 'loss')
        mean_loss.update_state(loss * tf.distribute.get_strategy().num_replicas_in_sync, tf.shape(log_probs)[0])
        return self.compute_metrics(x, None, log_probs, sample_weight)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            if not self.optimizer.built:  # Made while the step is traced, its variables would have it traced twice.
                with self.distribute_strategy.scope():
                    self.optimizer.build(self.trainable_variables)
            super().make_train_function(force=True)
            self.train_function = self._guard.watched(self, self.train_function)
        return self.train_function

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            super().make_test_function(force=True)
            self.test_function = self._guard.watched(self, self.test_function)
        return self.test_function

    def reset_metrics(self):
        super().reset_metrics()
        self._guard.start()

    def predict_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        x, _ = inputs.unpacked(x)
        return super().predict_step((x if y is None else (x, y),))

    def fit(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.fit`, by maximum likelihood: `x` are the events and `y`, if any, their conditions.

        A pipeline gives events, pairs (event, condition), or triples with a weight; to weigh events without a
        condition it gives dictionaries {'events', 'sample_weight'}. A callback such as EarlyStopping watches
        'val_loss', or with mode='min' 'val_nll'.

        Raises:
            ValueError: if events, conditions or weights are of a wrong shape, NaN, or not valid; or if a condition is
                missing or unexpected. Arrays are looked at before the first step, pipelines batch by batch: the
                message names the batch, and the weights are as they were before it.
            tfdgm.errors.NonFiniteError: if the loss or a gradient of valid events is not finite; likewise.
        """
        arguments = self._checked(super().fit, x, y, *args, **kwargs)
        arguments['x'] = self.prepare(arguments['x'], arguments.get('y'))
        history = super().fit(**arguments)
        self._guard.require_batches()
        return history

    def prepare(self, x, y):
        """Looks at data before the first training step, and returns `x`; for systems whose weights start from them."""
        return x

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`: with `return_dict=True`, {'loss', 'nll', 'bits_per_dim'}. Checks as `fit` does."""
        # `fit` evaluates on what it has checked.
        arguments = {'x': x, 'y': y, **kwargs} if kwargs.get('_use_cached_eval_dataset') else self._checked(
            super().evaluate, x, y, *args, **kwargs)
        results = super().evaluate(**arguments)
        self._guard.require_batches()
        return results

    def _checked(self, method, *args, **kwargs) -> dict:
        """Arguments for one of Keras's methods, checked, with weights in the form that Keras keeps."""
        arguments = dict(inspect.signature(method).bind(*args, **kwargs).arguments)
        arguments.update(arguments.pop('kwargs', {}))
        if arguments.pop('class_weight', None) is not None:
            raise ValueError('class_weight weighs the classes of a target, and a density has none: weigh the events, '
                             'by sample_weight.')
        names = 'x', 'y', 'sample_weight'
        given = inputs.prepared(self, *(arguments.get(name) for name in names))
        arguments.update(zip(names, inputs.packed(*given)))
        if arguments.get('validation_data') is not None:
            given = inputs.prepared(self, *keras.utils.unpack_x_y_sample_weight(arguments['validation_data']))
            x, y, weight = inputs.packed(*given)
            arguments['validation_data'] = x if inputs.is_pipeline(x) else (x, y, weight)
        return arguments

    def predict(self, x, *args, **kwargs):
        """`keras.Model.predict`: log-probabilities `[n]` in nats. A conditional model takes `[events, conditions]`."""
        if inputs.is_pipeline(x) or self.condition is None:
            x, *_ = inputs.prepared(self, x, predicting=True)
        else:
            x = inputs.prepared(self, *checks.pair(x))[:2]
        try:
            return super().predict(x, *args, **kwargs)
        except UnboundLocalError:  # What Keras raises where there is no batch.
            raise inputs.no_batches() from None
