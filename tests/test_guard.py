"""Steps that are not finite change no weight, and the error names the batch and the likely cause."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.systems import WITHOUT_CONDITION, WITHOUT_DENSITY, every_system, make, some_events
from tests.test_fit import run
from tfdgm.conditions import Label, Vector
from tfdgm.errors import NonFiniteError
from tfdgm.outputs import MixtureOfGaussians


def generator(*parts, size=4):
    """A pipeline whose batches nobody can look into before."""
    for start in range(0, len(parts[0]), size):
        yield tuple(part[start:start + size] for part in parts)


def refused(model, data, error, message, **kwargs):
    """`fit` stops with that message, and applies no step from the batch at fault on."""
    steps = model.optimizer.iterations.numpy()
    with pytest.raises(error, match=message):
        model.fit(data, verbose=0, **kwargs)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert all(np.isfinite(variable.numpy()).all() for variable in model.optimizer.variables)
    return model.optimizer.iterations.numpy() - steps


@every_system('nade', 'pixel_cnn', 'spline', 'gan', 'wae', 'gsn', 'rbm', 'energy',
              also=WITHOUT_DENSITY + WITHOUT_CONDITION)
def test_an_event_that_is_not_valid_stops_the_training_of_every_system(system):
    model = make(system, random_weights=False)
    x = some_events(model, 16)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    x[9].flat[1] = np.nan
    weights = model.get_weights()
    if model.waits_for_data():  # Those look at the first events before the first step.
        assert refused(model, generator(x), ValueError, '1 of the .* values are NaN, the first in event') == 0
    else:
        steps = refused(model, generator(x), ValueError, 'Batch 3 of the epoch holds 1 .* NaN or outside the support')
        assert steps == 2 and any((old != new).any() for old, new in zip(weights, model.get_weights()))
    model.evaluate(generator(x[:4]), verbose=0)  # Which may find out what is kept with the weights, such as log Z.
    weights = model.get_weights()
    with pytest.raises(ValueError, match=r'Batch 3 of the epoch holds 1 .*NaN'):
        model.evaluate(generator(x), verbose=0)
    for old, new in zip(weights, model.get_weights()):
        np.testing.assert_array_equal(old, new)


OPTIMIZERS = {
    'adam': lambda: keras.optimizers.Adam(1e-2),
    'momentum': lambda: keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
    'weight decay': lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    'average': lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_overwrite_frequency=2),
    'accumulation': lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2),
    'clipping': lambda: keras.optimizers.Adam(1e-2, global_clipnorm=1.),
    'schedule': lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 100)),
    'loss scaling': lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=8.),
}


@pytest.mark.parametrize('optimizer, steps_per_execution, jit_compile', [
    *((optimizer, 1, False) for optimizer in OPTIMIZERS), ('adam', 3, False), ('loss scaling', 1, True),
    *(pytest.param(optimizer, *options, marks=pytest.mark.slow)
      for optimizer in OPTIMIZERS for options in ((3, False), (1, True)))])
def test_the_batch_at_fault_leaves_all_state_as_it_was(optimizer, steps_per_execution, jit_compile):
    def trained(x):
        keras.utils.set_random_seed(1)
        model = tfdgm.FVSBN(6)
        model.compile(OPTIMIZERS[optimizer](), jit_compile=jit_compile, steps_per_execution=steps_per_execution)
        return model, x

    x = (np.random.default_rng(0).random((32, 6)) < 0.3).astype('float32')
    whole, data = trained(x[:16])
    whole.fit(data, batch_size=4, verbose=0, shuffle=False)
    # `fit` ends by putting an average into the weights, which an error keeps it from.
    finishes = whole.optimizer.use_ema if optimizer == 'average' else False
    bad = x.copy()
    bad[18, 2] = 3.
    model, _ = trained(bad)
    place = 'Batch 5' if steps_per_execution == 1 else 'One of the batches 4 to 6'
    refused(model, tf.data.Dataset.from_tensor_slices(bad).batch(4), ValueError, f'{place} of the epoch holds 1 ')
    if not finishes:
        for wanted, weight in zip(whole.get_weights(), model.get_weights()):
            np.testing.assert_allclose(wanted, weight, atol=1e-6)
    for wanted, variable in zip(whole.optimizer.variables, model.optimizer.variables):
        np.testing.assert_allclose(wanted.numpy(), variable.numpy(), atol=1e-6)


def test_conditions_and_weights_that_are_not_valid_are_named():
    x = np.zeros([12, 4], 'float32')
    model = tfdgm.MADE(4, hidden_units=(4,), condition=Label(3))
    model.compile('adam')
    labels = np.zeros(12, 'int32')
    labels[5] = 3
    refused(model, generator(x, labels), ValueError, 'Batch 2 .* conditions that are not valid.* from 0 to 2')
    vectors = np.zeros([12, 2], 'float32')
    vectors[0, 1] = np.inf
    model = tfdgm.MADE(4, hidden_units=(4,), condition=Vector(2))
    model.compile('adam')
    refused(model, generator(x, vectors), ValueError, 'Batch 1 .* conditions .* not valid; expected vectors of 2')
    weights = np.ones(12, 'float32')
    for weight in -1, np.nan, np.inf:
        weights[10] = weight
        refused(model, generator(x, np.zeros([12, 2], 'float32'), weights), ValueError,
                'Batch 3 of the epoch holds 1 sample weights that are negative or not finite')
        plain = tfdgm.FVSBN(4)
        plain.compile('adam')
        batches = (({'events': x, 'sample_weight': weights},) for x, weights in generator(x, weights))
        refused(plain, batches, ValueError, 'Batch 3 .* sample weights')
        with pytest.raises(ValueError, match=r'Batch 3 .* sample weights'):
            plain.evaluate((({'events': x, 'sample_weight': w},) for x, w in generator(x, weights)), verbose=0)


def test_train_on_batch_and_test_on_batch_refuse_too():
    model = tfdgm.FVSBN(4)
    model.compile('adam')
    x = np.zeros([4, 4], 'float32')
    model.train_on_batch(x)
    before = model.get_weights()
    for call in model.train_on_batch, model.test_on_batch:
        with pytest.raises(ValueError, match=r'Batch 1 .* outside the support'):
            call(x + 0.5)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    model.train_on_batch(x)


@pytest.mark.parametrize('scale', [1e20, pytest.param(1e30, marks=pytest.mark.slow)])
@pytest.mark.parametrize('system', ['made', 'nade', 'spline', 'maf', 'wavenet'])
def test_data_far_from_order_1_say_so(system, scale):
    output = {} if system in ('spline', 'maf') else {'output': MixtureOfGaussians(2)}
    model = make(system, (2,), random_weights=False, **output)
    model.compile('sgd', jit_compile=False)
    x = np.random.default_rng(0).normal(size=(16, 2)).astype('float32') * scale
    try:
        model.fit(x, verbose=0, batch_size=8)
    except NonFiniteError as error:
        assert 'call adapt(events)' in str(error) and 'Lower the learning rate' in str(error)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    model.adapt(x)
    model.fit(x, verbose=0, batch_size=8)


def test_a_learning_rate_that_is_too_large():
    model = tfdgm.MADE(8, hidden_units=(16, 16))
    model.compile(keras.optimizers.SGD(1e30), jit_compile=False)
    x = (np.random.default_rng(0).random((64, 8)) < 0.5).astype('float32')
    with pytest.raises(NonFiniteError, match=r'the training has diverged.* Lower the learning rate'):
        model.fit(x, verbose=0, epochs=5, batch_size=8)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_loss_scaling_goes_on_where_a_smaller_scale_helps():
    model = tfdgm.MADE(8, hidden_units=(16,), dtype='mixed_float16')
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=2.**40))
    x = (np.random.default_rng(0).random((64, 8)) < 0.3).astype('float32')
    history = model.fit(x, verbose=0, epochs=8, batch_size=8).history['nll']
    assert history[-1] < history[0] and model.optimizer.dynamic_scale < 2.**40


@pytest.mark.parametrize('size', [1e-42, 1e-30])
def test_adapt_refuses_what_float32_cannot_scale(size):
    model = tfdgm.NADE(2, hidden_units=3, output=MixtureOfGaussians(1))
    x = np.random.default_rng(0).normal(size=(100, 2)) * size
    if size < 1e-38:
        with pytest.raises(ValueError, match='multiply'):
            model.adapt(x.astype('float32'))
    else:
        model.adapt(x.astype('float32'))
    model.compile('adam')
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize('method', ['fit', 'evaluate', 'predict'])
@pytest.mark.parametrize('empty', [
    lambda: tf.data.Dataset.from_tensor_slices(np.zeros([0, 4], 'float32')).batch(2),
    lambda: tf.data.Dataset.from_tensor_slices(np.zeros([8, 4], 'float32')).filter(lambda x: False).batch(2),
    lambda: (batch for batch in ())])
def test_a_pipeline_without_a_batch_is_an_error(method, empty):
    model = tfdgm.FVSBN(4)
    model.compile('adam')
    with pytest.raises(ValueError, match='at least one batch'):
        getattr(model, method)(empty(), verbose=0)


@pytest.mark.slow
def test_under_a_mirrored_strategy_no_replica_applies_the_step():
    run("""
        import keras, numpy as np, tensorflow as tf, tfdgm
        cpu = tf.config.list_physical_devices('CPU')[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        x = (np.random.default_rng(0).random((64, 6)) < 0.3).astype('float32')
        x[41, 3] = np.nan  # In the third batch, on one replica of two.
        strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
        for options in {}, {'dtype': 'mixed_float16'}:
            with strategy.scope():
                model = tfdgm.MADE(6, hidden_units=(8,), **options)
                model.compile(keras.optimizers.Adam(0.01))
            data = tf.data.Dataset.from_tensor_slices(x).batch(16)
            for _ in range(2):
                steps = keras.ops.convert_to_numpy(model.optimizer.iterations)
                try:
                    model.fit(data, verbose=0)
                except ValueError as error:
                    assert 'Batch 3 of the epoch holds 1 values' in str(error), error
                else:
                    raise AssertionError
                assert keras.ops.convert_to_numpy(model.optimizer.iterations) == steps + 2
                assert all(np.isfinite(weight).all() for weight in model.get_weights())
            try:
                model.evaluate(data, verbose=0)
            except ValueError as error:
                assert 'Batch 3 of the epoch holds 1 values' in str(error), error
            else:
                raise AssertionError
    """)
