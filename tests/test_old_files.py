"""Files that version 0.1.0 wrote: they load, with the same likelihoods and the state of their optimizer."""

import pathlib

import keras
import numpy as np
import pytest

import tfdgm

FOLDER = pathlib.Path(__file__).parent / 'files_of_0_1_0'


@pytest.mark.parametrize('name', [
    'glow', 'transformer',
    *(pytest.param(name, marks=pytest.mark.slow) for name in ('ffjord', 'gated_pixelcnn', 'spline'))])
def test_a_model_of_version_0_1_0_is_the_same(name):
    model = keras.saving.load_model(FOLDER / f'{name}.keras')
    assert isinstance(model, tfdgm.GenerativeModel)
    with np.load(FOLDER / f'{name}.npz') as expected:
        inputs = [expected['x'], expected['y']] if 'y' in expected else expected['x']
        np.testing.assert_allclose(model.predict(inputs, verbose=0), expected['log_prob'], rtol=1e-4, atol=1e-3)
        moments = np.concatenate([np.ravel(variable) for variable in model.optimizer.variables[2:]])[:50]
        np.testing.assert_array_equal(moments, expected['velocity'])
    model.fit(*(inputs if isinstance(inputs, list) else [inputs]), verbose=0)
