"""What several autoregressive systems are made of."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgm.autoregressive import lstm
from tfdgm.layers import Dropout


@pytest.mark.parametrize('jit_compile', [True, False])
def test_dropout_leaves_a_share_out_and_keeps_the_mean(jit_compile):
    layer, features = Dropout(0.3, seed=1), np.ones([200, 500], 'float32')
    function = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    first, second = function(features).numpy(), function(features).numpy()
    assert np.mean(first == 0) == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(np.unique(first), [0, 1 / 0.7], rtol=1e-6)
    assert np.mean(first == second) == pytest.approx(0.3 ** 2 + 0.7 ** 2, abs=0.01), 'each step draws anew'
    np.testing.assert_array_equal(layer(features), features)


@pytest.mark.parametrize('jit_compile', [True, False])
@pytest.mark.parametrize('offsets', [(-1, 0), (-1, 0, 1)])
def test_gradient_of_the_lstm_is_that_of_its_steps(offsets, jit_compile):
    rng, steps, sites, batch, filters = np.random.default_rng(0), 5, 4, 2, 3
    gates = tf.constant(rng.normal(size=[steps, sites, batch, 4 * filters]), 'float32')
    kernel = tf.constant(rng.normal(size=[len(offsets) * filters, 4 * filters]), 'float32')
    weights = rng.normal(size=[steps, sites, batch, filters]).astype('float32')

    def unrolled(gates, kernel):
        hidden = cell = tf.zeros([sites, batch, filters])
        for step in range(steps):
            padded = tf.pad(hidden, [[1, 1], [0, 0], [0, 0]])
            states = tf.concat([padded[1 + offset:1 + offset + sites] for offset in offsets], -1)
            hidden, cell = lstm.lstm_step(gates[step] + tf.einsum('sbi,io->sbo', states, kernel), cell)
            yield hidden

    def results(function):
        with tf.GradientTape() as tape:
            tape.watch([gates, kernel])
            hidden = function(gates, kernel)
            total = tf.reduce_sum(hidden * weights)
        return hidden, *tape.gradient(total, [gates, kernel])

    expected = results(lambda *inputs: tf.stack(list(unrolled(*inputs))))
    actual = tf.function(
        lambda: results(lambda *inputs: lstm.hidden_states(*inputs, offsets)), jit_compile=jit_compile)()
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one, other, atol=1e-5)
