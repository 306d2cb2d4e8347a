"""The benchmark of GPUs: what it counts, that it runs, and that one system which fails does not end it."""

import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent / 'benchmarks'


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def profiled(function, *args):
    """The operations in a function without loops by TensorFlow's profiler, which counts all, not products alone."""
    options = {**tf.compat.v1.profiler.ProfileOptionBuilder.float_operation(), 'output': 'none'}
    graph = tf.function(function, autograph=False).get_concrete_function(*args).graph
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def convolution(strides, padding='VALID'):
    return lambda images, kernel: tf.nn.conv2d(images, kernel, strides, padding)


IMAGES, KERNEL = tf.TensorSpec((4, 9, 11, 3)), tf.TensorSpec((3, 2, 3, 5))


@pytest.mark.parametrize('function, args', [
    (lambda a, b: tf.matmul(a, b, transpose_b=True), (tf.TensorSpec((4, 6)), tf.TensorSpec((5, 6)))),
    (lambda a, b: a @ b, (tf.TensorSpec((7, 4, 6)), tf.TensorSpec((7, 6, 5)))),
    (convolution(1), (IMAGES, KERNEL)), (convolution(2), (IMAGES, KERNEL)),
    (lambda images, kernel: tf.nn.conv2d(images, kernel, 1, 'VALID', dilations=2), (IMAGES, KERNEL))])
def test_products_are_as_many_as_the_profiler_counts(benchmarks, function, args):
    import flops

    assert flops.products(function, *args) == (profiled(function, *args), False)


def test_numbers_that_padding_makes_up_are_not_counted(benchmarks):
    import flops

    # Of five places, three have a whole window, and two have two parts of three.
    def function(x, kernel):
        return tf.nn.conv1d(x, kernel, 1, 'SAME')

    assert flops.products(function, tf.TensorSpec((1, 5, 1)), tf.TensorSpec((3, 1, 1)))[0] == 2 * (3 * 3 + 2 * 2)


@pytest.mark.parametrize('strides', [1, 2])
def test_gradients_of_a_convolution_cost_twice_as_much(benchmarks, strides):
    import flops

    def differentiated(images, kernel):
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            loss = tf.reduce_sum(convolution(strides)(images, kernel)**2)
        return loss, tape.gradient(loss, [images, kernel])

    once, _ = flops.products(convolution(strides), IMAGES, KERNEL)
    assert flops.products(differentiated, IMAGES, KERNEL)[0] == 3 * once


def test_a_loop_counts_as_often_as_it_runs_forward_and_back(benchmarks):
    import flops

    def chain(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            inner = tf.scan(lambda carry, _: tf.tanh(carry @ kernel), tf.range(7), x)[-1]
            _, x = tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, tf.tanh(x @ kernel)), (0, inner),
                                 maximum_iterations=9)
            loss = tf.reduce_sum(x)
        return tape.gradient(loss, kernel)

    # Each of twelve steps has a product forward and two back.
    found, _ = flops.products(chain, tf.TensorSpec((4, 8)), tf.TensorSpec((8, 8)))
    assert found == 2 * 4 * 8 * 8 * 3 * 12


def test_a_loop_that_data_end_is_refused(benchmarks):
    import flops

    with pytest.raises(ValueError, match='depends on data'):
        flops.products(lambda x: tf.while_loop(lambda x: x[0, 0] < 5, lambda x: [x @ x], [x]), tf.TensorSpec((3, 3)))


def test_products_in_bfloat16_are_noticed(benchmarks):
    import flops

    args = tf.TensorSpec((4, 4), tf.bfloat16), tf.TensorSpec((4, 4), tf.bfloat16)
    assert flops.products(lambda a, b: a @ b, *args) == (2 * 4**3, True)


def test_the_benchmark_of_gpus_runs_small():
    result = subprocess.run([sys.executable, BENCHMARKS / 'gpu.py', '--small', '--only', 'RBM'], check=False,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    assert {(row[1], row[2]) for row in rows} == {
        (dtype, xla) for dtype in ('float32', 'mixed_bfloat16') for xla in ('on', 'off')}
    # Of 4 events and 4 chains, 16 units and 8: the chains go down once, both go up, and both give a gradient.
    assert {float(row[6]) for row in rows} == {5 * 2 * 4 * 16 * 8 / 1e9}
    assert all(float(number) > 0 for row in rows for number in row[3:6])


def test_a_system_that_fails_is_named_and_the_others_go_on(benchmarks, monkeypatch):
    import gpu

    def counted(name, small, policy):
        if name == 'NADE':
            raise RuntimeError('no memory is left')
        return 10**9, False

    monkeypatch.setattr(gpu, 'counted', counted)
    monkeypatch.setattr(gpu, 'speeds', lambda *args: (2., 3., 4.))
    failures = []
    rows = list(gpu.rows(['NADE', 'MADE'], lambda name: [('float32', True)], True, 0., {'float32': 4e9}, failures))
    assert rows == [('NADE', 'float32', 'on', 'failed: RuntimeError: no memory is left'),
                    ('MADE', 'float32', 'on', '2', '3', '4', '1', '50.00%')]
    assert failures == ['NADE']
