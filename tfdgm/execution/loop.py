"""Epochs of training under a distribution strategy, on several devices or machines.

Keras's own `fit` fails under `MultiWorkerMirroredStrategy`; under `MirroredStrategy` it reads a batch before the first
step, and refuses one whose parts are not alike. The steps are the model's `train_step` and `test_step`, as there.
"""

import keras
import tensorflow as tf

from tfdgm.execution import replicas, workers


def distributed(batches: tf.data.Dataset) -> tf.distribute.DistributedDataset:
    """An endless pipeline of batches, of which each replica gets a part: together they see the same batches.

    Args:
        batches: the same on all workers, to the order of the events.
    """
    def of_worker(context):
        number = context.num_replicas_in_sync
        local = number // context.num_input_pipelines
        first = context.input_pipeline_id * local

        def parts(*batch):
            def part(index):
                return tf.nest.map_structure(lambda values: values[
                    index * tf.shape(values, tf.int64)[0] // number:
                    (index + 1) * tf.shape(values, tf.int64)[0] // number], batch if len(batch) > 1 else batch[0])

            return tf.data.Dataset.range(first, first + local).map(part)

        # Else TensorFlow has the workers ask each other before each step whether one has no more.
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return batches.flat_map(parts).apply(endless).prefetch(tf.data.AUTOTUNE)

    return tf.distribute.get_strategy().distribute_datasets_from_function(of_worker)


def stepping(model, step):
    """A step of a model's as a function of an iterator of batches, on all replicas; its logs are those of one here."""
    strategy = tf.distribute.get_strategy()

    def run(iterator):
        logs = strategy.run(step, args=(next(iterator),))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], logs)

    return model.guard.watched(model, tf.function(run, autograph=False, reduce_retracing=True))


def fit(model, batches: tf.data.Dataset, steps: int, first: int, last: int, validation: tf.data.Dataset,
        callbacks: list, verbose):
    """Trains a compiled model in the scope of its strategy, as `keras.Model.fit` does in one process.

    Args:
        model: a `tfdgm.Model`, made and compiled in the scope, without XLA and with one step in an execution.
        batches: an endless pipeline, the same on all workers.
        steps: how many batches an epoch has.
        first: the epoch to begin with.
        last: the epoch before which to end.
        validation: batches, whose number is known.
        callbacks: Keras's callbacks, which see epochs, batches of training, and the validation. All workers run them;
            what one decides must follow from what all have.
        verbose: as in `keras.Model.fit`; only the chief shows progress.

    Raises:
        ValueError: as `fit`, on all workers, also if the fault lies in what another one saw.
        tfdgm.errors.NonFiniteError: likewise.
    """
    verbose = verbose if workers.is_chief() else 0
    callbacks = keras.callbacks.CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=last, steps=steps)
    iterator, validation_steps = iter(distributed(batches)), int(validation.cardinality())
    train, tests, agree = stepping(model, model.train_step), {}, agreeing(model)
    model.stop_training = False
    callbacks.on_train_begin()
    for epoch in range(first, last):
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        for step in range(steps):
            callbacks.on_train_batch_begin(step)
            callbacks.on_train_batch_end(step, train(iterator))
        logs = measured(model)
        agree()
        tested = model.make_test_function()  # It is another where a step is to measure something else.
        if tested not in tests:
            tests = {tested: stepping(model, model.test_step)}
        found = evaluate(model, tests[tested], validation, validation_steps, callbacks)
        callbacks.on_epoch_end(epoch, {**logs, **{f'val_{name}': value for name, value in found.items()}})
        if model.stop_training:
            break
    callbacks.on_train_end()


def evaluate(model, step, validation, steps, callbacks) -> dict:
    """The metrics over the batches of all replicas."""
    callbacks.on_test_begin()
    model.reset_metrics()
    iterator = iter(distributed(validation.repeat()))
    for index in range(steps):
        callbacks.on_test_batch_begin(index)
        callbacks.on_test_batch_end(index, step(iterator))
    found = measured(model)
    callbacks.on_test_end(found)
    return found


def measured(model) -> dict:
    """The metrics of all replicas together."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def agreeing(model):
    """A function that gives all replicas the first one's averages: those of Keras's layers are of its part of a batch.

    So what is validated, and what a checkpoint keeps, is the same everywhere.
    """
    strategy = tf.distribute.get_strategy()
    # TensorFlow crashes where workers sum what is empty, such as a pool of no events.
    averages = [variable for variable in model.non_trainable_weights
                if 'float' in variable.dtype and 0 not in variable.shape]

    def assign():
        for variable, value in zip(averages, replicas.of_first([variable.value for variable in averages])):
            variable.assign(value)

    return tf.function(lambda: strategy.run(assign), autograph=False) if averages else lambda: None
