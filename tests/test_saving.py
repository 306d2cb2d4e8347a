"""What comes back of a model: through TensorFlow's checkpoints, through Keras's files, under strategies."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.systems import WITHOUT_CONDITION, WITHOUT_DENSITY, every_system, make, some_events
from tests.test_fit import run


def numbered(system, seed):
    """A system, every weight of which has a value of its own."""
    model = make(system)
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(generator.integers(1, 9, size=variable.shape).astype(variable.dtype))
    return model


def adam(model):
    model.compile('adam', jit_compile=False)
    for optimizer, weights in model.optimized():
        optimizer.build(weights)
    return model


@every_system(also=WITHOUT_DENSITY + WITHOUT_CONDITION)
@pytest.mark.parametrize('optimizer', [False, True])
def test_tensorflow_checkpoints_hold_every_variable_of_every_system(system, optimizer, tmp_path):
    model, other = numbered(system, 0), numbered(system, 1)
    if optimizer:
        for variable in adam(model).optimizer.variables:
            variable.assign(tf.fill(variable.shape, tf.cast(3, variable.dtype)))
        adam(other)
    assert any((old != new).any() for old, new in zip(model.get_weights(), other.get_weights()))
    path = tf.train.Checkpoint(model=model).save(tmp_path / 'checkpoint')
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    for wanted, variable in zip(model.variables, other.variables):
        np.testing.assert_array_equal(wanted, variable)
    if optimizer:
        for wanted, variable in zip(model.optimizer.variables, other.optimizer.variables):
            np.testing.assert_array_equal(wanted, variable)


def test_an_adapted_norm_stays_started_through_a_checkpoint(tmp_path):
    model = adam(make('maf', random_weights=False))
    x = some_events(model)
    model.fit(x, verbose=0)
    path = tf.train.Checkpoint(model=model).save(tmp_path / 'checkpoint')
    other = make('maf', random_weights=False)
    tf.train.Checkpoint(model=other).restore(path).expect_partial()
    assert not other.waits_for_data()
    np.testing.assert_allclose(other.distribution().log_prob(x), model.distribution().log_prob(x), rtol=1e-5)


@pytest.mark.xla
@pytest.mark.parametrize('asked', ['auto', True, False])
def test_a_file_says_what_was_asked_of_compile(asked, tmp_path):
    model = tfdgm.FVSBN(4)
    model.compile('adam', jit_compile=asked)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    assert loaded.get_compile_config()['jit_compile'] == asked and loaded.jit_compile == bool(asked)


@pytest.mark.slow
def test_models_cross_the_border_of_a_strategy_both_ways(tmp_path):
    """XLA does not work under strategies: there a model does without, and has it again elsewhere."""
    run(f"""
        import keras, numpy as np, tensorflow as tf, tfdgm
        cpu = tf.config.list_physical_devices('CPU')[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        folder, x = {str(tmp_path)!r}, np.zeros([8, 4], 'float32')
        strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
        for asked in 'auto', True:
            model = tfdgm.FVSBN(4)
            model.compile('adam', jit_compile=asked)
            model.fit(x, verbose=0)
            model.save(folder + '/outside.keras')
            with strategy.scope():
                inside = keras.saving.load_model(folder + '/outside.keras')
            assert not inside.jit_compile
            inside.fit(x, verbose=0)
            inside.save(folder + '/inside.keras')
            outside = keras.saving.load_model(folder + '/inside.keras')
            assert outside.jit_compile
            outside.fit(x, verbose=0)
    """)


@pytest.mark.slow
def test_every_system_works_where_keras_thinks_in_float64():
    """`dtype='float32'` is what the message advises there."""
    run("""
        import keras, numpy as np
        from tests.systems import SYSTEMS, WITHOUT_CONDITION, make, some_events
        keras.config.set_floatx('float64')
        for system in [*SYSTEMS, *WITHOUT_CONDITION]:
            model = make(system, dtype='float32')
            model.compile('adam', jit_compile=False)
            x = some_events(model, 4).astype('float64')
            model.fit(x, verbose=0, validation_data=(x,))
            if system == 'energy':
                model.estimate_log_partition(4, 4)
            for values in (model.distribution().sample(2, seed=0), model.distribution().log_prob(x),
                           model.predict(x, verbose=0)):
                assert values.dtype == 'float32' and np.isfinite(values).all(), system
    """)


@pytest.mark.parametrize('system', ['nade', 'glow', 'pixel_cnn', 'wavenet'])
def test_float64_by_default_is_refused_with_advice(system):
    keras.config.set_floatx('float64')
    try:
        with pytest.raises(ValueError, match='dtype must be a policy whose variables are float32'):
            make(system)
    finally:
        keras.config.set_floatx('float32')
        keras.config.set_dtype_policy('float32')  # What is made before the next test's own fixtures would have float64.


@pytest.mark.parametrize('name', ['model.h5', 'model.hdf5', 'model', 'model.weights.h5', 'model.keras.zip'])
def test_a_model_is_saved_to_a_keras_file_only(name, tmp_path):
    with pytest.raises(ValueError, match=r"to a file that ends in \.keras, such as 'mine\.keras'; got .*save_weights"):
        tfdgm.Independent(2).save(tmp_path / name)
    assert not list(tmp_path.iterdir())
