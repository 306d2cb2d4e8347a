"""What is private to TensorFlow and Keras still is what the library takes it for."""

import numpy as np
import tensorflow as tf

import tfdgm
from tfdgm.execution import internals


def test_tapes_are_noticed_and_stopped():
    x = tf.constant(2.)
    assert not internals.tape_may_watch()
    with tf.GradientTape() as tape:
        tape.watch(x)
        assert internals.tape_may_watch()
        y = x**2
        with internals.without_tapes():
            assert not internals.tape_may_watch()
            z = x**2
    assert tape.gradient(y + z, x) is None
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x**2
    assert tape.gradient(y, x) == 4


def test_fit_says_that_it_is_fit_which_evaluates(monkeypatch, rng):
    seen = []
    monkeypatch.setattr(internals, 'is_from_fit', lambda arguments, real=internals.is_from_fit: (
        seen.append(real(arguments)), seen[-1])[1])
    x = rng.integers(2, size=(8, 3)).astype('float32')
    model = tfdgm.Independent(3)
    model.compile()
    model.fit(x, validation_data=(x,), verbose=0)
    model.evaluate(x, verbose=0)
    assert seen == [True, False]


def test_checkpoints_see_all_variables(tmp_path):
    model = tfdgm.MAF(3, hidden_units=(4,), blocks=1)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / 'checkpoint'))
    names = {name for name, _ in tf.train.list_variables(path)}
    assert sum(f'model/variable_{index}/.ATTRIBUTES/VARIABLE_VALUE' in names
               for index in range(len(model.variables))) == len(model.variables)
    other = tfdgm.MAF(3, hidden_units=(4,), blocks=1)
    tf.train.Checkpoint(model=other).read(path).assert_existing_objects_matched()
    for old, new in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_models_within_are_found_at_any_depth():
    decoder, prior = tfdgm.NADE(4, condition=tfdgm.conditions.Vector(2)), tfdgm.MAF(2, blocks=1)
    model = tfdgm.VAE(4, num_latents=2, decoder=decoder, prior=prior)
    assert set(map(id, internals.models_within(model))) == {id(decoder), id(prior)}
    model.compile()
    assert [metric.name for metric in model.metrics].count('nll') == 1
