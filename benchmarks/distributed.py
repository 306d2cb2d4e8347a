"""What it costs to train on several workers, measured on this machine, and on paper for many GPUs, as tables.

    python benchmarks/distributed.py [--steps 100] [--workers 1,2,4] [--hidden-units 500] [--batch-size 100]

A MADE of binary images of 28x28 makes steps of `tfdgm train --strategy multi-worker`, all workers together on one
global batch; beside that, the sum of the gradients over the workers alone, again and again. Workers that share the
cores of one machine show what it costs to be several, and no speed-up.

On paper, a ring sums n gradients of s bytes each in 2 (n - 1) messages of s / n bytes, one after the other: that takes
2 (n - 1) / n · s / bandwidth + 2 (n - 1) · latency.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

GPUS = 8, 64, 256, 1024
# Numbers of weights, in float32: a small model of the zoo's kind, and what is trained on many GPUs.
MODELS = {'1 million': 1e6, '10 million': 1e7, '100 million': 1e8, '1 billion': 1e9}
# What each GPU sends in a second, in bytes, and how long a message takes that is empty, in seconds.
LINKS = {'25 Gbit/s, 20 µs': (25e9 / 8, 20e-6), '400 Gbit/s, 5 µs': (400e9 / 8, 5e-6)}


# Measured -------------------------------------------------------------------------------------------------------------

def rate(function, steps):
    """How often a second a function runs, by the median of ten parts of the steps."""
    part, times = max(steps // 10, 1), []
    for _ in range(10):
        begin = time.perf_counter()
        for _ in range(part):
            function()
        times.append(time.perf_counter() - begin)
    return part / statistics.median(times)


def work(arguments):
    """One worker: measures, and the chief prints."""
    import numpy as np
    import tensorflow as tf

    import tfdgm
    from tfdgm.execution import loop, replicas, workers
    from tfdgm.pretrained.distributed import strategy_of

    with strategy_of('multi-worker').scope():
        model = tfdgm.MADE((28, 28, 1), hidden_units=(arguments.hidden_units,))
        model.compile('adam')
        for optimizer, weights in model.optimized():
            optimizer.build(weights)
        images = np.random.default_rng(0).integers(2, size=(arguments.batch_size, 28, 28, 1)).astype('float32')
        iterator = iter(loop.distributed(tf.data.Dataset.from_tensors(images).repeat()))
        step = loop.stepping(model, model.train_step)
        gradients = [tf.zeros(weight.shape) for weight in model.trainable_weights]

        def summed():
            return tf.distribute.get_strategy().run(lambda: [
                tf.reduce_sum(value) for value in replicas.summed([gradient + 1 for gradient in gradients])])

        model.reset_metrics()
        rates = []
        for function in (lambda: step(iterator)), tf.function(summed, autograph=False):
            for _ in range(3):
                function()
            rates.append(rate(function, arguments.steps))
        if workers.is_chief():
            print(json.dumps({'rates': rates, 'weights': model.count_params()}), flush=True)
        workers.wait_for_all()


def measured(number, arguments):
    """What the chief of so many workers prints."""
    from tfdgm import cluster

    processes = [subprocess.Popen(
        [sys.executable, __file__, '--worker', *sys.argv[1:]], stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'TF_CONFIG': described}) for described in cluster.on_this_machine(number)]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f'A worker ended with status {max((process.returncode for process in processes), key=abs)}.')
    return json.loads(outputs[0])


def rows_measured(arguments):
    for number in arguments.workers:
        found = measured(number, arguments)
        steps, sums = found['rates']
        # One worker has nothing to sum.
        alone = (f'{1000 / sums:.1f}', f'{steps / sums:.2f}') if number > 1 else ('-', '-')
        yield f'{number} of {found["weights"]:,} weights', f'{steps:.1f}', f'{1000 / steps:.1f}', *alone


# On paper -------------------------------------------------------------------------------------------------------------

def ring(number, size, bandwidth, latency):
    """The seconds in which a ring sums so many bytes over a number of GPUs."""
    return 2 * (number - 1) / number * size / bandwidth + 2 * (number - 1) * latency


def rows_on_paper():
    for link, (bandwidth, latency) in LINKS.items():
        for name, count in MODELS.items():
            yield f'{name}, {link}', *(f'{1000 * ring(number, 4 * count, bandwidth, latency):,.1f}' for number in GPUS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--steps', type=int, default=100)
    parser.add_argument('--workers', type=lambda text: list(map(int, text.split(','))), default=[1, 2, 4])
    parser.add_argument('--hidden-units', type=int, default=500)
    parser.add_argument('--batch-size', type=int, default=100)
    parser.add_argument('--worker', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    from measure import show_rows

    show_rows(('workers', 'steps/s', 'ms/step', 'ms/sum alone', 'sum alone / step'), rows_measured(arguments))
    print(f'\nOn paper: ms in which a ring sums the gradients, on {", ".join(map(str, GPUS))} GPUs', flush=True)
    show_rows(('weights, link of each GPU', *(f'{number:,} GPUs' for number in GPUS)), rows_on_paper())


if __name__ == '__main__':
    main()
