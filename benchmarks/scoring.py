"""What scoring costs beyond the model itself: speed of the public calls over that of one compiled function.

    python benchmarks/scoring.py [--system MADE …] [--repeats 30] [--events 10000]

`log_prob` called eagerly on 1,024 events against the same inside one function that XLA compiles; and `predict` of
10,000 events, as of test sets, against `log_prob` of batches of 256. Ratios of speeds: 1 is as fast.
"""

import argparse
import os
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
from measure import seconds, show_rows

import tfdgm

IMAGE = 28, 28, 1
SYSTEMS = {
    'NADE': lambda: tfdgm.NADE(IMAGE),
    'MADE': lambda: tfdgm.MADE(IMAGE, hidden_units=(512, 512)),
    'GatedPixelCNN': lambda: tfdgm.GatedPixelCNN(IMAGE),
    'AffineCouplingFlow': lambda: tfdgm.AffineCouplingFlow(64),
    'NeuralSplineFlow': lambda: tfdgm.NeuralSplineFlow(64),
    'MAF': lambda: tfdgm.MAF(64),
}
EVENTS, BATCH = 1024, 256


def events(model, count):
    generator = np.random.default_rng(0)
    shape = (count, *model.event_shape)
    return (generator.integers(2, size=shape) if model.support.is_discrete else generator.normal(size=shape)).astype(
        'float32')


def eager_over_compiled(model, repeats):
    """Speed of `log_prob` called eagerly over that inside one function."""
    dist, x = model.distribution(), tf.constant(events(model, EVENTS))
    compiled = tf.function(dist.log_prob, jit_compile=model.scores_with_xla)
    eager_time, compiled_time = seconds(
        lambda: dist.log_prob(x).numpy(), lambda: compiled(x).numpy(), repeats=repeats)
    return compiled_time / eager_time


def predict_over_log_prob(model, count):
    """Speed of `predict` over that of `log_prob` of batches, as a median of three."""
    model.compile()
    dist, x = model.distribution(), events(model, count)

    def batches():
        return [dist.log_prob(x[start:start + BATCH]).numpy() for start in range(0, count, BATCH)]

    ratios = []
    for _ in range(4):
        times = [time.perf_counter()]
        for call in (batches, lambda: model.predict(x, batch_size=BATCH, verbose=0)):
            call()
            times.append(time.perf_counter())
        ratios.append((times[1] - times[0]) / (times[2] - times[1]))
    return np.median(ratios[1:])  # The first compiles.


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--system', action='append', choices=SYSTEMS)
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--events', type=int, default=10_000, help='how many events predict gets')
    arguments = parser.parse_args()

    def rows():
        for name in arguments.system or SYSTEMS:
            model = SYSTEMS[name]()
            yield name, *(f'{ratio:.2f}' for ratio in (
                eager_over_compiled(model, arguments.repeats), predict_over_log_prob(model, arguments.events)))

    show_rows(('system', 'log_prob, eager', 'predict'), rows())


if __name__ == '__main__':
    main()
