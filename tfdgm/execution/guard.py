"""Guard: a training step whose loss or gradient is not finite changes no weight, and the batch at fault is named."""

import functools

import keras
import numpy as np
import tensorflow as tf

from tfdgm.errors import NonFiniteError
from tfdgm.inputs import no_batches

# Mixed precision in float16 multiplies the loss by a scale and halves it when a gradient overflows. It starts at 2^15;
# a scale as small as this says that no scale helps.
SMALLEST_LOSS_SCALE = 2.**-10
# By which the error is known that ends a step.
FAULT = 'This step is not applied.'


class Guard:
    """Watches the steps of one model, in graphs and under XLA, which can't raise errors about values.

    A step asks `has_fault`, and records what is wrong in variables before it applies anything; after it, outside the
    graph, `watched` raises the error. After a fault the following steps of the same execution are not applied either.

    Args:
        model: a `tfdgm.Model`. Variables are made under its distribution strategy.
    """

    def __init__(self, model):
        self.batches = None
        with model.distribute_strategy.scope():
            # How many batches had a fault, and what they held: invalid values, conditions and weights.
            self.counts = tf.Variable(
                tf.zeros(4), trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM)

    def start(self):
        """Begins to count batches anew, at the start of an epoch."""
        self.batches = 0

    def require_batches(self):
        """Raises if there has been no batch since the start."""
        if self.batches == 0:
            raise no_batches()

    # In the graph ----------------------------------------------------------------------------------------------------

    def has_fault(self, *checks):
        """Whether a check fails, on any replica, or a batch before had a fault: a boolean scalar."""
        fault = tf.logical_not(tf.reduce_all(tf.stack(checks))) | (self.counts[0] > 0)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            fault = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(fault, tf.float32)) > 0
        return fault

    def record(self, model, x, condition, sample_weight):
        """Counts what is invalid in a batch, if it is the first at fault."""
        valid = (model.support.contains(x) | model.padding(x),
                 tf.constant([True]) if condition is None else tf.math.is_finite(model.encode_condition(condition)),
                 tf.constant([True]) if sample_weight is None else valid_weights(sample_weight))
        # Not by counting what is not valid: TensorFlow makes `x >= y` of `not x < y`, also where x is NaN.
        counts = [tf.cast(tf.size(part), tf.float32) - tf.math.count_nonzero(part, dtype=tf.float32) for part in valid]
        self.counts.assign_add(tf.where(self.counts[0] > 0, 0., tf.stack([1., *counts])))

    # Between steps ---------------------------------------------------------------------------------------------------

    def watched(self, model, function):
        """One of Keras's functions of an iterator, which then raises an error about the batch at fault, if any."""
        @functools.wraps(function)
        def step(iterator):
            logs, error = None, None
            try:
                with model.explaining():
                    logs = function(iterator)
            except tf.errors.InvalidArgumentError as stopped:
                if FAULT not in str(stopped):
                    raise
                error = stopped
            self.batches += model.steps_per_execution
            # All replicas record a fault of any; what they hold together is asked of the others only then.
            if model.distribute_strategy.experimental_local_results(self.counts)[0][0].numpy():
                counts = self.counts.numpy()[1:]
                self.counts.assign(tf.zeros(4))
                raise explained(model, self._place(model), *counts) from error
            return logs

        return step

    def _place(self, model) -> str:
        """Which batch was the last, counted from 1."""
        if model.steps_per_execution == 1:
            return f'Batch {self.batches}'
        return f'One of the batches {self.batches - model.steps_per_execution + 1} to {self.batches}'


def explained(model, place, values, conditions, weights) -> Exception:
    """The error about a batch, from how many of its values, conditions and weights are invalid."""
    name, kept = type(model).__name__, 'The weights are as they were before it'
    if values:
        return ValueError(f'{place} of the epoch holds {values:.0f} values that are NaN or outside the '
                          f'support: this {name} needs every value to be {model.support}. {kept}.')
    if conditions:
        return ValueError(f'{place} of the epoch holds conditions that are not valid; expected '
                          f'{model.condition.describe()}. {kept}.')
    if weights:
        return ValueError(f'{place} of the epoch holds {weights:.0f} sample weights that are negative or not finite. '
                          f'{kept}.')
    hint = ''
    if model.standardization is not None:
        hint = ' Before `fit`, call adapt(events), unless the values are of order 1 already.'
    return NonFiniteError(f'{place} of the epoch has a loss, a log-probability or a gradient that is not finite, and '
                          f'its events are valid: the training has diverged. {kept}{model.but_for}. Lower the '
                          f'learning rate.{hint}')


def valid_weights(sample_weight):
    """Which sample weights are finite and not negative: booleans of the same shape."""
    return (sample_weight >= 0) & (sample_weight < np.inf)


def are_finite(gradients):
    """Whether all gradients are finite: a boolean scalar."""
    # Of a sparse gradient, the rows that it has.
    totals = [tf.reduce_sum(tf.cast(getattr(gradient, 'values', gradient), tf.float32))
              for gradient in gradients if gradient is not None]
    return tf.reduce_all(tf.math.is_finite(tf.stack(totals))) if totals else tf.constant(True)


def apply_unless(fault, optimizer, gradients, weights, compiled=lambda function: function, besides=lambda terms: None,
                 terms=None):
    """Applies gradients, unless there is a fault: a boolean scalar that is the same on all replicas.

    A fault ends the step by an error of TensorFlow's, which `Guard.watched` replaces. Under a distribution strategy the
    step goes on without the gradients.

    Args:
        fault: the boolean.
        optimizer: what applies them.
        gradients: one for each weight.
        weights: the variables.
        compiled: compiles a function without arguments, as `Trainer.compiled_part` does.
        besides: what else is to be updated, a function of terms.
        terms: those of this replica, a structure of tensors.
    """
    def apply(gradients, terms):
        optimizer.apply(gradients, weights)
        besides(terms)

    context = tf.distribute.get_replica_context()
    if tf.distribute.has_strategy():
        def across(strategy, fault, gradients, terms):
            # Optimizers reduce gradients over the replicas, which is not allowed inside a replica's own `tf.cond`. What
            # is called for all is the first one's function: what is a replica's own must be an argument.
            tf.cond(strategy.experimental_local_results(fault)[0], lambda: None,
                    lambda: strategy.extended.call_for_each_replica(apply, args=(gradients, terms)))

        context.merge_call(across, args=(fault, gradients, terms))
        return
    # No `tf.cond`: a branch of it would copy gradients and, under XLA, all variables.
    with tf.control_dependencies([tf.debugging.Assert(tf.logical_not(fault), [FAULT])]):
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):  # It refuses what follows.
            compiled(lambda: apply(gradients, terms))()
        else:
            # As if across replicas: inside one, optimizers sum the gradients of all, by an operation that TensorFlow
            # keeps for good, and with it the graph of the step and the weights.
            context.merge_call(lambda strategy: compiled(lambda: apply(gradients, terms))())


def scale_is_useful(optimizer):
    """Whether a gradient that is not finite is the business of the optimizer, which lowers the scale of the loss."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and (
        optimizer.dynamic_scale > SMALLEST_LOSS_SCALE)
