"""Speed of restricted Boltzmann machines beside scikit-learn's, and what annealed importance sampling takes.

    python benchmarks/boltzmann.py [--seconds 20]

500 hidden units on 784 binary sites, persistent chains, batches of 100. Training: images a second of the median epoch,
here by one `fit` with 50 batches in an execution, there by `partial_fit` of one batch after the other, in float32 and
in its default float64; the libraries take turns, each in a process of its own, and the best of three rounds counts.
The share of the bare matrix products is the time that the products of a step take alone, compiled by XLA as the step
is, in the time of the step. Annealed importance sampling: 100 chains forward and as many back, beside Gibbs steps of as
many chains; and the memory that more temperatures take.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve()
SITES, HIDDEN, BATCH, IMAGES = 784, 500, 100, 10_000
ROUNDS, CHAINS, TEMPERATURES = 3, 100, 1000


def some_images():
    return (np.random.default_rng(0).random((IMAGES, SITES)) < 0.2).astype('float32')


def of_tfdgm(seconds):
    """Images a second of a `fit`, and the share of the bare products."""
    import keras
    import tensorflow as tf
    from measure import Clock

    import tfdgm

    model = tfdgm.RBM(SITES, hidden_units=HIDDEN, num_chains=BATCH)
    model.compile(keras.optimizers.SGD(0.01), steps_per_execution=50)
    clock = Clock(seconds)
    model.fit(some_images(), batch_size=BATCH, epochs=1_000_000, verbose=0, callbacks=[clock])

    @tf.function(jit_compile=True)
    def products(hidden, kernel, both):
        fields = tf.matmul(hidden, kernel, transpose_b=True)
        forward = tf.matmul(both, kernel)
        return fields, forward, tf.matmul(both, forward, transpose_a=True)

    arrays = [tf.random.normal(shape) for shape in (
        (BATCH, HIDDEN), (SITES, HIDDEN), (2 * BATCH, SITES))]
    products(*arrays)
    times = []
    while sum(times) < min(seconds, 5):
        start = time.perf_counter()
        for _ in range(50):
            products(*arrays)[2].numpy()
        times.append(time.perf_counter() - start)
    bare = np.median(times) / 50
    return {'images': IMAGES / clock.median(), 'share': bare * IMAGES / BATCH / clock.median()}


def of_sklearn(dtype, seconds):
    """Images a second of `partial_fit`."""
    from sklearn.neural_network import BernoulliRBM

    images = some_images().astype(dtype)
    machine = BernoulliRBM(HIDDEN, learning_rate=0.01, batch_size=BATCH, random_state=0)
    times = []
    while len(times) < 4 or sum(times) < seconds:
        start = time.perf_counter()
        for batch in range(0, IMAGES, BATCH):
            machine.partial_fit(images[batch:batch + BATCH])
        times.append(time.perf_counter() - start)
    return {'images': IMAGES / np.median(times[1:])}


def of_annealing(temperatures):
    """Seconds of annealed importance sampling and of as many Gibbs steps, and the most memory that it took."""
    from measure import peak_memory

    import tfdgm

    model = tfdgm.RBM(SITES, hidden_units=HIDDEN, num_chains=CHAINS)
    settings = {'num_chains': CHAINS, 'temperatures': temperatures, 'burn_in': 1, 'exact': False}
    model.estimate_log_partition(**settings)
    start = time.perf_counter()
    model.estimate_log_partition(**settings)
    annealing = time.perf_counter() - start
    memory = peak_memory()
    dist = model.distribution()
    dist.sample(CHAINS, seed=0, burn_in=2)
    start = time.perf_counter()
    dist.sample(CHAINS, seed=0, burn_in=2 * temperatures)
    return {'annealing': annealing, 'gibbs': time.perf_counter() - start, 'memory': memory}


def run(kind, seconds):
    """What a process of its own measures."""
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
    result = subprocess.run([sys.executable, str(HERE), '--kind', kind, '--seconds', str(seconds)],
                            capture_output=True, text=True, env=environment, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=20, help='how long each is measured in a round')
    parser.add_argument('--kind', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        kind, _, option = arguments.kind.partition(' ')
        measured = {'tfdgm': lambda: of_tfdgm(arguments.seconds),
                    'sklearn': lambda: of_sklearn(option, arguments.seconds),
                    'annealing': lambda: of_annealing(int(option))}[kind]()
        print(json.dumps(measured))
        return
    kinds = 'tfdgm', 'sklearn float32', 'sklearn float64'
    best = {kind: {'images': 0.} for kind in kinds}
    for kind in [*kinds] * ROUNDS:
        best[kind] = max(best[kind], run(kind, arguments.seconds), key=lambda measured: measured['images'])
    for kind, measured in best.items():
        print(f'{kind:16} {measured["images"]:9,.0f} images/s   {best["tfdgm"]["images"] / measured["images"]:5.2f}')
    print(f'share of the bare matrix products: {best["tfdgm"]["share"]:.2f}')
    for temperatures in TEMPERATURES, 20 * TEMPERATURES:
        measured = run(f'annealing {temperatures}', 0)
        print(f'{temperatures:6,} temperatures, both ways: {measured["annealing"]:6.2f} s, '
              f'{measured["annealing"] / measured["gibbs"]:.2f} of as many Gibbs steps; '
              f'{measured["memory"]:,.0f} MiB')


if __name__ == '__main__':
    main()
