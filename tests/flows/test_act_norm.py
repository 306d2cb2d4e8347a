"""Layers that start from data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.flows.systems import make
from tfdgm.conditions import Label
from tfdgm.flows import UniformDequantization


@pytest.mark.parametrize('system', [
    'affine', 'glow', pytest.param('real_nvp', marks=pytest.mark.slow)])
def test_act_norm_starts_from_the_first_events_once(system, rng, tmp_path):
    pipeline = system == 'affine'
    model = make(system, random_weights=False, condition=Label(2))
    x = rng.normal(5, 3, size=(64, *model.event_shape)).astype('float32')
    labels = rng.integers(2, size=64)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    data = (tf.data.Dataset.from_tensor_slices((x, labels)).batch(64),) if pipeline else (x, labels)
    model.fit(*data, verbose=0)
    assert not model.waits_for_data()
    first = model.norms[0]
    # The one next to the events sees them after a squeeze, which moves numbers only.
    if system == 'glow':
        seen = x.reshape(64, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4)
    elif system == 'affine':
        seen = x.reshape(64, -1)[:, [0, 2, 1, 3]]
    if system != 'real_nvp':
        z, _ = first(seen)
        np.testing.assert_allclose(np.mean(z, 0), 0, atol=1e-3)
        np.testing.assert_allclose(np.std(z, 0), 1, atol=1e-3)
    weights = model.get_weights()
    model.fit(x * 2, labels, verbose=0)
    model.save(tmp_path / 'flow.keras')
    loaded = keras.saving.load_model(tmp_path / 'flow.keras')
    loaded.fit(x * 3, labels, verbose=0)
    for old, new in zip(weights, loaded.get_weights()):
        if old.dtype == np.float32:
            np.testing.assert_array_equal(old, new)


def test_act_norm_starts_from_events_all_over_an_array_and_from_several_batches(rng):
    # Sorted by class: the first half is nothing like the second.
    x = np.concatenate([rng.normal(size=(300, 4)), rng.normal(9, 2, size=(300, 4))]).astype('float32')
    shuffled = rng.permutation(x)
    for data in (x, tf.data.Dataset.from_tensor_slices(shuffled).batch(2)):
        model = make('affine', 4, random_weights=False)
        model.compile(keras.optimizers.SGD(0.), jit_compile=False)
        model.fit(data, verbose=0)
        z = model.norms[0](x[:, [0, 2, 1, 3]])[0]
        np.testing.assert_allclose(np.mean(z, 0), 0, atol=0.2)
        np.testing.assert_allclose(np.std(z, 0), 1, atol=0.2)


@pytest.mark.parametrize('count', [1, 2, 3])
def test_act_norm_makes_no_absurd_scales_of_few_events(count, rng):
    x = rng.normal(size=(50, 3)).astype('float32')
    model = make('affine', 3, random_weights=False)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    model.train_on_batch(x[:count])
    assert model.evaluate(x, verbose=0, return_dict=True)['nll'] == pytest.approx(4.3, abs=0.5)


def test_act_norm_sees_equal_whole_numbers_spread_as_training_does():
    x = np.zeros((64, 4, 4, 1))
    model = make('glow', random_weights=False, dequantization=UniformDequantization(16))
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    # At the start each level is about as likely as any other, or more so.
    assert model.fit(x, verbose=0).history['bits_per_dim'][0] < np.log2(16)


def test_act_norm_takes_nothing_from_a_generator(rng):
    def batches():
        for _ in range(3):
            seen.append(rng.normal(5, 3, size=(8, 3)).astype('float32'))
            yield seen[-1],

    seen, steps = [], []
    model = make('affine', 3, random_weights=False)
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    model.fit(batches(), verbose=0, callbacks=[keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch))])
    assert len(steps) == len(seen) == 3
    np.testing.assert_allclose(np.mean(model.norms[0](np.concatenate(seen)[:, [0, 2, 1]])[0], 0), 0, atol=1e-3)
    with pytest.raises(ValueError, match='values are NaN'):
        make('affine', 3, random_weights=False).fit(tf.data.Dataset.from_tensors(np.full([4, 3], np.nan)))
    with pytest.raises(ValueError, match='at least one batch of events'):
        make('affine', 3, random_weights=False).initialized_from(iter([]))


def test_what_is_frozen_does_not_change(rng):
    x = rng.normal(5, 3, size=(32, 3)).astype('float32')
    for freeze in (lambda model: model, lambda model: model.norms[0]):
        model = make('affine', 3, random_weights=False)
        frozen = freeze(model)
        frozen.trainable = False
        model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        before = [(variable, variable.numpy()) for variable in frozen.variables if 'seed' not in variable.path]
        model.fit(x, verbose=0)
        model.train_on_batch(x)
        for variable, value in before:
            np.testing.assert_array_equal(variable, value)
        initialized = [bool(norm.initialized.numpy()) for norm in model.norms]
        assert initialized == [False, *[frozen is not model] * (len(model.norms) - 1)]
    # Thawed, it starts.
    model.norms[0].trainable = True
    model.compile(keras.optimizers.SGD(0.), jit_compile=False)
    model.fit(x, verbose=0)
    assert model.norms[0].initialized.numpy()
