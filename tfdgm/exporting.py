"""Models as SavedModels: functions of tensors that need neither this library nor Python."""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import atomic, checks
from tfdgm.execution import pieces
from tfdgm.execution.batches import never_empty
from tfdgm.support import Support

FORMAT = 'tf_saved_model'
# The signature that is used where nobody names one.
DEFAULT = 'serving_default'


class Signature(NamedTuple):
    """A function of tensors as a SavedModel has it, with any size of a batch.

    A graph can't raise an error about one event among many: of what is not valid it makes NaN, or -1 of integers.

    Attributes:
        function: what it computes of the tensors, which it takes by name.
        inputs: a `tf.TensorSpec` of each, by name.
        output: the name of what it gives.
    """

    function: Callable
    inputs: dict
    output: str


def sampling(model, jit_compile: bool | str) -> Signature:
    """Samples of a model, of a count, a stateless seed and, if it has a condition, some values of it."""
    jit_compile = chosen(model, model.samples_with_xla, jit_compile)
    # XLA takes a shape for known, and a value not always.
    draw = tf.function(lambda places, condition, seed: model.sample(tf.shape(places)[0], condition, seed),
                       jit_compile=jit_compile, autograph=False)

    def sample(count, seed, condition=None):
        with tf.control_dependencies([tf.debugging.Assert(count >= 0, ['count must be at least 0; it is', count])]):
            count = tf.identity(count)
        outer = tf.reshape(count, [1])
        if condition is not None:
            outer = tf.concat([outer, tf.shape(condition)[:1]], 0)
            condition = tf.tile(condition, [count, *[1] * len(model.condition.shape)])
        events = pieces.draw(lambda size, *given: draw(tf.range(size), *given), tf.reduce_prod(outer),
                             model.sampling_batch, condition, seed, exact=not jit_compile)
        events = valid_only(events, model.is_valid(condition))
        return tf.reshape(events, tf.concat([outer, model.event_shape], 0))

    scalars = {'count': tf.TensorSpec((), tf.int32), 'seed': tf.TensorSpec((2,), tf.int32)}
    return Signature(sample, scalars | condition_spec(model), 'events')


def scoring(model, log_prob: Callable, output: str, jit_compile: bool | str) -> Signature:
    """Log-probabilities of events and, if the model has a condition, a value of it for each; NaN of invalid ones.

    Args:
        model: a `DensityModel`.
        log_prob: `(x, condition)` -> `[batch]`.
        output: what they are called.
        jit_compile: whether XLA compiles it, or 'auto'.
    """
    jit_compile = chosen(model, model.scores_with_xla, jit_compile)
    score = tf.function(lambda x, condition: ops.cast(log_prob(x, condition), 'float32'),
                        jit_compile=jit_compile, autograph=False)

    def scored(events, condition=None):
        with tf.control_dependencies(as_many(events, condition)):
            return pieces.score(score, tf.identity(events), condition, model.scoring_batch, exact=not jit_compile)

    return Signature(scored, {'events': batch_spec(model.event_shape)} | condition_spec(model), output)


def mapping(model, function: Callable, name: str, shape: tuple, support: Support, output: str,
            conditional: bool = True) -> Signature:
    """What a function makes of each event, or of each of its latents.

    Args:
        model: the model.
        function: `(values, condition)` -> `[batch, …]`, of float32 values.
        name: what the values are called.
        shape: of those of one event.
        support: the numbers that they can be.
        output: what the results are called.
        conditional: whether they depend on the model's condition, if it has one.
    """
    def mapped(condition=None, **given):
        with tf.control_dependencies(as_many(given[name], condition)):
            values = tf.cast(given[name], tf.float32)
        contained = support.contains(values)
        results = never_empty(lambda count, *batch: function(*batch), tf.shape(values)[0],
                              tf.where(contained, values, 0.), condition)
        valid = tf.reduce_all(contained, axis=range(1, len(values.shape)))
        return valid_only(results, valid & model.is_valid(condition))

    # Codes are integers as `encode` gives them; events are float32 always.
    values = batch_spec(shape, tf.int32 if support.is_discrete and name == 'latents' else tf.float32)
    return Signature(mapped, {name: values} | (condition_spec(model) if conditional else {}), output)


def chosen(model, is_faster: bool, jit_compile: bool | str) -> bool:
    """Whether XLA compiles a part: as asked for, or as the model does here."""
    return model.uses_xla(is_faster) if jit_compile == 'auto' else checks.flag(jit_compile, 'jit_compile')


def batch_spec(shape: tuple, dtype=tf.float32) -> tf.TensorSpec:
    """Any number of tensors of a shape."""
    return tf.TensorSpec((None, *shape), dtype)


def condition_spec(model) -> dict:
    """Any number of values of a model's condition, by the name of that input; nothing if it has none."""
    return {} if model.condition is None else {'condition': batch_spec(model.condition.shape, model.condition.dtype)}


def as_many(values, condition) -> list:
    """Assertions that there is a condition for each event."""
    if condition is None:
        return []
    counts = [tf.shape(part)[0] for part in (values, condition)]
    return [tf.debugging.Assert(counts[0] == counts[1], ['There should be one condition for each; there are', *counts])]


def valid_only(results, valid):
    """The results `[batch, …]` where they are valid, `[batch]` or True; elsewhere NaN, or -1 of integers."""
    nothing = tf.constant(-1 if results.dtype.is_integer else np.nan, results.dtype)
    return tf.where(tf.reshape(valid, (-1, *[1] * (len(results.shape) - 1))), results, nothing)


def export(model, filepath: str | os.PathLike, jit_compile: bool | str) -> dict[str, Signature]:
    """Writes a model as a SavedModel, and returns its signatures; an interruption leaves nothing.

    Raises:
        FileExistsError: if there is a file, or a folder that is not empty.
        OSError: if it cannot be written.
    """
    with atomic.writing_folder(filepath) as folder:
        signatures = model.signatures(jit_compile)
        functions = {name: traced(signature) for name, signature in signatures.items()}
        functions[DEFAULT] = functions[next(iter(functions))]
        # Of all variables, those that the functions need: no critics, and no optimizers.
        needed = {id(tensor) for function in functions.values() for tensor in function.captured_inputs}
        module = tf.Module()
        module.weights = [variable.value for variable in model.variables if id(variable.value.handle) in needed]
        try:
            tf.saved_model.save(module, str(folder), functions)
        except tf.errors.OpError as error:
            raise OSError(errno.EIO, f'TensorFlow could not write it ({error.message})') from error
    return signatures


def traced(signature: Signature):
    """A signature as TensorFlow saves it."""
    function = tf.function(lambda **tensors: {signature.output: signature.function(**tensors)}, autograph=False)
    return function.get_concrete_function(**{
        name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in signature.inputs.items()})
