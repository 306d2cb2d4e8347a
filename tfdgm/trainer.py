"""Trainer: Keras's training loop around a loss for each event, guarded against steps that are not finite."""

import abc
import contextlib
import inspect

import keras
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from tfdgm import checks, inputs
from tfdgm.execution import extremes, internals, replicas
from tfdgm.execution.compiling import Compiling
from tfdgm.execution.first_events import first_events
from tfdgm.execution.gradients import shaped
from tfdgm.execution.guard import Guard, apply_unless, are_finite, scale_is_useful, valid_weights


class LossOfEvents(keras.losses.Loss):
    """Turns the losses of events into one; weighting and scaling are Keras's own."""

    def call(self, y_true, y_pred):
        return y_pred


class Trainer(Compiling, keras.Model, abc.ABC):
    """A Keras model that learns from events alone, by a loss of its own for each of them.

    A subclass implements `training_loss`. Keras's target `y` is the condition. A subclass with several optimizers has a
    `compile` that takes them and a `train_step` of its own, and lists them in `optimized`.
    """

    # The metric on the validation split that recipes keep the best epoch of, the lower the better; None keeps the last.
    monitor = 'val_loss'

    # What may have changed in a step that was ended because it was not finite, for the message.
    but_for = ''

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._loss_of_events = LossOfEvents(dtype='float32')
        self._is_distributed = tf.distribute.has_strategy()
        self.guard = Guard(self)
        self.jit_compile = self.xla and self.trains_with_xla
        self._asked_jit_compile = 'auto'

    # What a family defines -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """The loss of each event that `fit` lowers: `[batch, *event_shape]` -> `[batch]`, float32."""

    def validation_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        """The loss of each event that `evaluate` measures, by default that of training."""
        return self.training_loss(x, condition)

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The training loss as 'loss', and beside it what a family's metrics see: tensors `[batch, …]` by name."""
        return {'loss': self.training_loss(x, condition)}

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        """The same of the validation loss."""
        return {'loss': self.validation_loss(x, condition)}

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        """Updates metrics of the family's own from the terms of a batch; the mean loss is there already."""

    def update_averages(self, terms: dict):
        """Updates what a step changes besides by gradients, such as moving averages, from the terms of a batch."""

    def optimized(self) -> list:
        """The optimizers that `compile` was given, each with the weights that it changes: pairs."""
        # No property: Keras would look for parts of the model's file in it.
        return [(self.optimizer, self.trainable_weights)]

    @contextlib.contextmanager
    def explaining(self):
        """Around compiled functions: turns TensorFlow's errors into ones that say what to do."""
        yield

    def waits_for_data(self) -> bool:
        """Whether a layer has a data-dependent initialisation that is still to come."""
        return False

    def initialize(self, x: tf.Tensor, condition: tf.Tensor | None):
        """Data-dependent initialisation, from the first events `[n, *event_shape]` and their conditions."""

    # Compiling -------------------------------------------------------------------------------------------------------

    def compile(self, optimizer='adam', loss=None, loss_weights=None, metrics=None, weighted_metrics=None,
                run_eagerly=False, steps_per_execution=1, jit_compile='auto', auto_scale_loss=True):
        """`keras.Model.compile`; loss and metrics are the model's own. `jit_compile=False` means no XLA, also in `run`.

        'auto' is XLA on GPUs, and on CPUs where it is the faster for this model: Keras's own choice leaves XLA off on
        machines without a GPU, where loops over sites need it most. Under `tf.distribute`, where it does not work, it
        is left out.

        Raises:
            ValueError: if a loss or metrics are given.
        """
        given = {'loss': loss, 'loss_weights': loss_weights, 'metrics': metrics, 'weighted_metrics': weighted_metrics}
        refused = [name for name, value in given.items() if value]
        if refused:
            raise ValueError(f'compile takes no {" and no ".join(refused)} here: {type(self).__name__} brings its own '
                             'loss and metrics.')
        self._asked_jit_compile = jit_compile
        if jit_compile == 'auto':
            jit_compile = not run_eagerly and self._chooses_xla(self.trains_with_xla)
        self.built = True  # All weights are there; Keras would try to make them by a call, which not all models have.
        super().compile(optimizer, run_eagerly=run_eagerly, steps_per_execution=steps_per_execution,
                        jit_compile=jit_compile, auto_scale_loss=auto_scale_loss)

    def get_compile_config(self) -> dict:
        """What `compile` was asked for, not what it chose: a model may be loaded where the choice is another."""
        config = super().get_compile_config()
        return {**config, 'jit_compile': self._asked_jit_compile} if config else config

    def compile_from_config(self, config: dict):
        # Keras compiles a model that it loads only if a class with its own `compile` has this method too.
        config = keras.saving.deserialize_keras_object(config)
        if self._is_distributed and config.get('jit_compile') is True:
            config['jit_compile'] = 'auto'  # Files of version 0.1.0 say True for it.
        self.compile(**config)
        for optimizer, weights in self.optimized():
            if optimizer is not None:
                optimizer.build(weights)

    # Steps -----------------------------------------------------------------------------------------------------------

    def unpacked(self, data):
        """A batch as events in float32, their conditions and their weights, the latter or None."""
        x, condition, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, weight = inputs.unpacked(x)
        checks.condition_given(self.condition, condition)
        checks.static_shape(x, self.event_shape, batch_rank=1)
        if condition is not None:
            checks.static_shape(condition, self.condition.shape, 'conditions', batch_rank=1)
        return (extremes.in_float32(x, self.support.is_discrete), condition,
                sample_weight if weight is None else weight)

    def mean_loss(self, losses, sample_weight=None):
        """The weighted mean of the losses of a batch, and what layers added.

        Of several replicas each has its part of the events: these means add up to that of the batch.

        Raises:
            ValueError: if there is not one loss for each event.
        """
        if len(losses.shape) != 1:
            raise ValueError(f'{type(self).__name__} should give one loss for each event of a batch, [batch]; it gives '
                             f'an array of shape {tuple(losses.shape)}.')
        number = tf.distribute.get_strategy().num_replicas_in_sync  # By which Keras divides a loss.
        mean = number * self._loss_of_events(losses, losses, sample_weight) + sum(map(ops.sum, self.losses))
        return mean * replicas.share_of(tf.shape(losses)[0])

    def differentiated(self, terms_of, optimizer, weights):
        """A function of events, conditions and sample weights that evaluates a loss and its gradients by weights.

        Args:
            terms_of: `(x, condition)` -> terms by name, one of which is the 'loss' of each event.
            optimizer: what will apply the gradients.
            weights: the variables.

        Returns:
            A function to the terms, the mean loss, the gradients, and whether they are finite.
        """
        def differentiate(x, condition, sample_weight):
            with tf.GradientTape() as tape:
                terms = terms_of(x, condition)
                loss = self.mean_loss(terms['loss'], sample_weight)
                scaled_loss = optimizer.scale_loss(loss)
            gradients = shaped(tape.gradient(scaled_loss, weights), weights)
            return terms, loss, gradients, are_finite(gradients) | scale_is_useful(optimizer)

        return self.compiled_part(differentiate)

    def train_step(self, data):
        x, condition, sample_weight = self.unpacked(data)
        (optimizer, weights), = self.optimized()  # Empty where all are frozen: then the loss is only measured.
        terms, loss, gradients, finite = self.differentiated(self.training_terms, optimizer, weights)(
            x, condition, sample_weight)
        fault = self.guard.has_fault(tf.math.is_finite(loss), self._are_valid(sample_weight), finite)
        logs = self.measured(loss, terms, fault, x, condition, sample_weight)
        if weights:
            apply_unless(fault, optimizer, gradients, weights, self.compiled_update(weights),
                         self.update_averages, terms)
        return logs

    def test_step(self, data):
        x, condition, sample_weight = self.unpacked(data)
        terms = self.validation_terms(x, condition)
        loss = self.mean_loss(terms['loss'], sample_weight)
        fault = self.guard.has_fault(
            tf.logical_not(tf.reduce_any(tf.math.is_nan(terms['loss']))), self._are_valid(sample_weight))
        return self.measured(loss, terms, fault, x, condition, sample_weight)

    def _are_valid(self, sample_weight):
        return True if sample_weight is None else tf.reduce_all(valid_weights(sample_weight))

    def measured(self, loss, terms, fault, x, condition, sample_weight):
        """Updates the metrics, and records a batch at fault."""
        tf.cond(fault, lambda: self.guard.record(self, x, condition, sample_weight), lambda: None)
        mean_loss = next(metric for metric in self.metrics if metric.name == 'loss')
        count = tf.shape(terms['loss'])[0]
        mean_loss.update_state(loss / replicas.share_of(count), count)
        self.update_metrics(terms, x, sample_weight)
        return self.get_metrics_result()

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            # Made while the step is traced, their variables would have it traced twice.
            for optimizer, weights in self.optimized():
                if not optimizer.built:
                    with self.distribute_strategy.scope():
                        optimizer.build(weights)
            with self._compiling(False):
                super().make_train_function(force=True)
            self.train_function = self.guard.watched(self, self.train_function)
        return self.train_function

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            with self._compiling(self.uses_xla(self.scores_with_xla)):
                super().make_test_function(force=True)
            self.test_function = self.guard.watched(self, self.test_function)
        return self.test_function

    def make_predict_function(self, force=False):
        if self.predict_function is None or force:
            with self._compiling(self.uses_xla(self.scores_with_xla)):
                super().make_predict_function(force=True)
            function = self.predict_function

            def explained(iterator):
                with self.explaining():
                    return function(iterator)

            self.predict_function = explained
        return self.predict_function

    @property
    def metrics(self) -> list:
        """The model's metrics, without those of models that are parts of it: they have the same names."""
        within = {id(metric) for model in internals.models_within(self) for metric in model.metrics}
        return [metric for metric in super().metrics if id(metric) not in within]

    def reset_metrics(self):
        super().reset_metrics()
        self.guard.start()

    # Keras's methods -------------------------------------------------------------------------------------------------

    def fit(self, x: ArrayLike | tf.data.Dataset | None = None, y: ArrayLike | None = None, *args,
            **kwargs) -> keras.callbacks.History:
        """`keras.Model.fit`: `x` are the events and `y`, if any, their conditions.

        A pipeline gives events, pairs (event, condition), or triples with a weight; to weigh events without a
        condition it gives dictionaries {'events', 'sample_weight'}. A callback such as EarlyStopping watches
        'val_loss', or with mode='min' a metric of the model's, such as 'val_nll'. With weights, the loss is their
        weighted sum over the number of events, as in all of Keras; metrics divide by the sum of the weights.

        Raises:
            ValueError: if events, conditions or weights are of a wrong shape, NaN, or not valid; or if a condition is
                missing or unexpected. Arrays are looked at before the first step, pipelines batch by batch: the
                message names the batch, and the weights are as they were before it.
            tfdgm.errors.NonFiniteError: if the loss or a gradient of valid events is not finite; likewise.
        """
        arguments = self._checked(super().fit, x, y, *args, **kwargs)
        arguments['x'] = self.initialized_from(arguments['x'], arguments.get('y'))
        history = super().fit(**arguments)
        self.guard.require_batches()
        return history

    def initialized_from(self, x, y=None):
        """Runs the data-dependent initialisation that is still to come on the first of the events that `fit` gets.

        Returns:
            `x`, of which nothing is missing: a generator is read but once.
        """
        if self.waits_for_data():
            events, condition, x = first_events(self, x, y)
            self.initialize(events, condition)
        return x

    def train_on_batch(self, x: ArrayLike, y: ArrayLike | None = None, *args, **kwargs):
        """`keras.Model.train_on_batch`."""
        self.initialized_from(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def evaluate(self, x: ArrayLike | tf.data.Dataset | None = None, y: ArrayLike | None = None, *args, **kwargs):
        """`keras.Model.evaluate`: with `return_dict=True`, the loss and the model's metrics. Checks as `fit` does."""
        # `fit` evaluates on what it has checked.
        arguments = {'x': x, 'y': y, **kwargs} if internals.is_from_fit(kwargs) else self._checked(
            super().evaluate, x, y, *args, **kwargs)
        results = super().evaluate(**arguments)
        self.guard.require_batches()
        return results

    def _checked(self, method, *args, **kwargs) -> dict:
        """Arguments for one of Keras's methods, checked, with weights in the form that Keras keeps."""
        arguments = dict(inspect.signature(method).bind(*args, **kwargs).arguments)
        arguments.update(arguments.pop('kwargs', {}))
        if arguments.pop('class_weight', None) is not None:
            raise ValueError('class_weight weighs the classes of a target, and there is none here: weigh the events, '
                             'by sample_weight.')
        for name in 'epochs', 'batch_size', 'steps_per_epoch', 'validation_steps', 'steps':
            if arguments.get(name) is not None:
                checks.integer(arguments[name], name, least=0 if name == 'epochs' else 1)
        names = 'x', 'y', 'sample_weight'
        given = inputs.prepared(self, *(arguments.get(name) for name in names))
        arguments.update(zip(names, inputs.packed(*given)))
        if arguments.get('validation_data') is not None:
            given = inputs.prepared(self, *keras.utils.unpack_x_y_sample_weight(arguments['validation_data']))
            x, y, weight = inputs.packed(*given)
            arguments['validation_data'] = x if inputs.is_pipeline(x) else (x, y, weight)
        return arguments
