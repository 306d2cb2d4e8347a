"""Keras's training loop around a model: what it takes and what it gives."""

import os
import subprocess
import sys
import textwrap
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.systems import every_system, make, some_events
from tfdgm.conditions import Label
from tfdgm.execution import compiling


@pytest.fixture
def digits():
    return tfdgm.data.as_arrays(tfdgm.data.load('digits', 'train', binarization='threshold', labels=True))


def small(**kwargs):
    model = tfdgm.MADE((8, 8, 1), hidden_units=(16,), **kwargs)
    model.compile(keras.optimizers.Adam(0.01))
    return model


def test_evaluate_gives_the_contract(digits):
    images, _ = digits
    model = small()
    result = model.evaluate(images, return_dict=True, verbose=0)
    assert set(result) == {'loss', 'nll', 'bits_per_dim'}
    nll = -np.mean(model.distribution().log_prob(images))
    assert result['nll'] == pytest.approx(nll, rel=1e-5) and result['loss'] == pytest.approx(nll, rel=1e-5)
    assert result['bits_per_dim'] == pytest.approx(nll / 64 / np.log(2), rel=1e-5)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), model.distribution().log_prob(images), rtol=1e-4)


def test_labels_are_the_condition(digits):
    images, labels = digits
    model = small(condition=Label(10))
    history = model.fit(images, labels, epochs=3, verbose=0, validation_data=(images, labels)).history
    assert history['val_nll'][-1] < history['val_nll'][0]
    log_probs = model.predict([images, labels], verbose=0)
    np.testing.assert_allclose(log_probs, model.distribution(labels).log_prob(images), rtol=1e-4)
    assert model.evaluate(images, labels, return_dict=True, verbose=0)['nll'] == pytest.approx(-log_probs.mean(), 1e-4)


def test_lists_and_pipelines_of_pairs_are_taken(digits):
    images, labels = digits[0][:20], digits[1][:20]
    model = small(condition=Label(10))
    wanted = model.predict([images, labels], verbose=0)
    np.testing.assert_allclose(model.predict([images.tolist(), labels.tolist()], verbose=0), wanted, rtol=1e-5)
    pairs = tf.data.Dataset.from_tensor_slices((images, labels)).batch(10)
    np.testing.assert_allclose(model.predict(pairs, verbose=0), wanted, rtol=1e-5)
    model.fit(images.tolist(), labels.tolist(), verbose=0)


def test_a_subclass_saves_what_it_passes_on(tmp_path):
    @keras.saving.register_keras_serializable('tests')
    class Subclass(tfdgm.FVSBN):
        def __init__(self, event_shape, extra=1, **kwargs):
            super().__init__(event_shape, **kwargs)
            self.extra = extra

    model = Subclass(8, extra=5, order='random', seed=None, condition=Label(3))
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    assert (loaded.extra, loaded.order, loaded.condition) == (5, 'random', Label(3))
    np.testing.assert_array_equal(loaded.ordering, model.ordering)


def test_pipelines_and_arrays_train_alike(digits):
    images, labels = digits

    def trained(*data, **kwargs):
        keras.utils.set_random_seed(1)
        model = small(condition=Label(10))
        model.fit(*data, epochs=2, verbose=0, **kwargs)
        return model.get_weights()

    arrays = trained(images, labels, batch_size=64, shuffle=False)
    pipeline = trained(tf.data.Dataset.from_tensor_slices((images, labels)).batch(64))
    tensors = trained(tf.constant(images), tf.constant(labels), batch_size=64, shuffle=False)
    for array, from_pipeline, from_tensors in zip(arrays, pipeline, tensors):
        np.testing.assert_allclose(array, from_pipeline, atol=1e-6)
        np.testing.assert_allclose(array, from_tensors, atol=1e-6)


def test_integers_will_do(digits):
    images, _ = digits
    model = small()
    assert model.evaluate(images.astype('uint8'), verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(images, verbose=0, return_dict=True))
    model.fit(images.astype(bool), verbose=0)


@every_system('gated_pixel_cnn', 'real_nvp')
def test_keras_s_global_image_format_changes_nothing(system):
    usual = make(system)
    x = some_events(usual)
    keras.config.set_image_data_format('channels_first')
    try:
        model = make(system)
        model.set_weights(usual.get_weights())
        np.testing.assert_allclose(model.distribution().log_prob(x), usual.distribution().log_prob(x), atol=1e-5)
        assert model.distribution().sample(3, seed=0).shape == (3, *model.event_shape)
    finally:
        keras.config.set_image_data_format('channels_last')


def test_sample_weights_weigh_the_events(digits):
    images, _ = digits[0][:100], digits[1]
    weights = np.repeat([0., 2.], 50)

    def trained(*data, **kwargs):
        keras.utils.set_random_seed(1)
        model = small()
        # Adam divides by the gradients' size, and would make differences in the last digit large.
        model.compile(keras.optimizers.SGD(0.01))
        model.fit(*data, verbose=0, epochs=3, shuffle=False, **kwargs)
        return model

    weighted = trained(images, sample_weight=weights, batch_size=100)
    alone = trained(images[50:], batch_size=50)
    for first, second in zip(weighted.get_weights(), alone.get_weights()):
        np.testing.assert_allclose(first, second, atol=1e-4)
    result = weighted.evaluate(images, sample_weight=weights, verbose=0, return_dict=True)
    assert weighted.evaluate(images, None, 32, 0, weights, return_dict=True) == pytest.approx(result)
    pairs = tf.data.Dataset.from_tensor_slices({'events': images, 'sample_weight': weights.astype('float32')})
    assert weighted.evaluate(pairs.batch(32), verbose=0, return_dict=True) == pytest.approx(result)
    history = weighted.fit(images, epochs=1, verbose=0, validation_data=(images, None, weights), batch_size=100)
    assert history.history['val_nll'][0] < result['nll']
    result = weighted.evaluate(images, sample_weight=weights, verbose=0, return_dict=True)
    assert result['nll'] == pytest.approx(history.history['val_nll'][0], rel=1e-5)
    assert result['nll'] == pytest.approx(-np.mean(weighted.distribution().log_prob(images[50:])), rel=1e-4)


def test_callbacks_work(digits, tmp_path):
    images, _ = digits
    model = small()
    history = model.fit(images, epochs=20, verbose=0, validation_data=(images,), callbacks=[
        keras.callbacks.EarlyStopping('val_nll', mode='min', min_delta=2., restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / 'best.keras', 'val_nll', mode='min', save_best_only=True),
        keras.callbacks.CSVLogger(tmp_path / 'log.csv')]).history
    assert len(history['nll']) < 20
    loaded = keras.saving.load_model(tmp_path / 'best.keras')
    assert loaded.evaluate(images, verbose=0, return_dict=True)['nll'] == pytest.approx(min(history['val_nll']), 1e-4)
    assert 'val_bits_per_dim' in (tmp_path / 'log.csv').read_text().splitlines()[0]


def test_fine_tuning_goes_on_after_loading(digits, tmp_path):
    images, _ = digits
    model = small()
    model.fit(images, epochs=2, verbose=0)
    model.save(tmp_path / 'model.keras')
    loaded = keras.saving.load_model(tmp_path / 'model.keras')
    before = loaded.evaluate(images, verbose=0, return_dict=True)['nll']
    loaded.fit(images, epochs=2, verbose=0)
    assert loaded.evaluate(images, verbose=0, return_dict=True)['nll'] < before
    assert loaded.optimizer.iterations == 2 * model.optimizer.iterations


@pytest.mark.xla
def test_weights_are_updated_alike_whether_xla_compiles_it_or_not(digits, monkeypatch):
    images, _ = digits
    trained = []
    for large in 0, np.inf:
        monkeypatch.setattr(compiling, 'LARGE', large)
        keras.utils.set_random_seed(0)
        model = small()
        with mock.patch.object(model, 'compiled_part', side_effect=model.compiled_part) as compiled_part:
            model.fit(images, batch_size=400, shuffle=False, verbose=0)
        trained.append((model.get_weights(), compiled_part.call_count))
    (weights, compiled), (others, fewer) = trained
    assert compiled > fewer
    for own, other in zip(weights, others):
        np.testing.assert_allclose(own, other, atol=1e-5)


@pytest.mark.xla
def test_xla_is_on_unless_turned_off():
    model = tfdgm.FVSBN(4)
    assert model.jit_compile
    model.compile('adam')
    assert model.jit_compile
    model.compile('adam', jit_compile=False)
    assert not model.jit_compile
    model.compile('adam', run_eagerly=True)
    assert not model.jit_compile
    model.fit(np.zeros([4, 4]), verbose=0)


def test_frozen_weights_stay(digits):
    images, _ = digits
    model = small()
    frozen = model.network.output_kernel
    frozen.trainable = False
    before = frozen.numpy()
    model.fit(images, verbose=0)
    np.testing.assert_array_equal(frozen, before)
    assert (model.network.output_bias.numpy() != 0).any()


@pytest.mark.slow
def test_mirrored_strategy_trains_as_one_device_does():
    run("""
        import keras, numpy as np, tensorflow as tf, tfdgm
        cpu = tf.config.list_physical_devices('CPU')[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        x = (np.random.default_rng(0).random((64, 6)) < 0.3).astype('float32')
        data = tf.data.Dataset.from_tensor_slices(x).batch(16)

        def trained(systems, strategy):
            keras.utils.set_random_seed(3)
            with strategy.scope():
                model = systems()
                model.compile(keras.optimizers.Adam(0.01))
            history = model.fit(data, epochs=3, verbose=0).history
            return model.get_weights(), history

        mirrored = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
        for system in [lambda: tfdgm.NADE(6, hidden_units=4), lambda: tfdgm.MADE(6, hidden_units=(8,)),
                       lambda: tfdgm.FVSBN(6)]:
            two, two_history = trained(system, mirrored)
            one, one_history = trained(system, tf.distribute.get_strategy())
            for a, b in zip(one, two):
                np.testing.assert_allclose(a, b, atol=1e-5)
            np.testing.assert_allclose(one_history['nll'], two_history['nll'], rtol=1e-4)
            np.testing.assert_allclose(one_history['loss'], two_history['loss'], rtol=1e-4)
    """)


def run(code):
    """Runs a program of its own, since TensorFlow's devices are fixed once it has started."""
    result = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True,
                            env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}, check=False)
    assert result.returncode == 0, result.stderr


def test_an_optimizer_may_ask_for_the_shapes_of_gradients():
    model = tfdgm.HierarchicalVAE((4, 4, 1), filters=2, latent_channels=1)
    batches = tf.data.Dataset.from_tensor_slices(np.ones([6, 4, 4, 1], 'float32')).batch(4)
    model.compile(keras.optimizers.Muon(), jit_compile=False)
    model.fit(batches, verbose=0)
