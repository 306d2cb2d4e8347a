"""What several autoregressive systems are made of."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgm.autoregressive.layers import Dropout


@pytest.mark.parametrize('jit_compile', [True, False])
def test_dropout_leaves_a_share_out_and_keeps_the_mean(jit_compile):
    layer, features = Dropout(0.3, seed=1), np.ones([200, 500], 'float32')
    function = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    first, second = function(features).numpy(), function(features).numpy()
    assert np.mean(first == 0) == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(np.unique(first), [0, 1 / 0.7], rtol=1e-6)
    assert np.mean(first == second) == pytest.approx(0.3 ** 2 + 0.7 ** 2, abs=0.01), 'each step draws anew'
    np.testing.assert_array_equal(layer(features), features)
