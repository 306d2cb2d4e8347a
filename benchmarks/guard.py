"""What it costs that no step is applied whose loss or gradient is not finite, as a table from one run.

    python benchmarks/guard.py [--seconds 40]

Each system makes steps of `fit` on batches of 100 binary images of 28x28 (flows: with 256 levels), with the guard and,
by turns, without: there, gradients are applied unseen. The ratio is of the medians of both, of as many steps as the
time that is given to a row allows.
"""

import argparse
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from unittest import mock

import tensorflow as tf
from measure import repeats_for, seconds, show_rows, some_events, training_step

import tfdgm
import tfdgm.trainer

GREY = {'dequantization': tfdgm.flows.UniformDequantization(256, logit=0.05)}
SYSTEMS = {
    'NADE, 500 hidden units': lambda: tfdgm.NADE((28, 28, 1)),
    'MADE, 6,000 hidden units': lambda: tfdgm.MADE((28, 28, 1), hidden_units=(6000,), direct_connections=True),
    'MADE, 512-512': lambda: tfdgm.MADE((28, 28, 1), hidden_units=(512, 512)),
    'GatedPixelCNN': lambda: tfdgm.GatedPixelCNN((28, 28, 1)),
    'Glow': lambda: tfdgm.Glow((28, 28, 1), filters=32, **GREY),
}


def traced_step(model, batch):
    """One step of the model's training as a function, compiled already."""
    step = training_step(model, batch)
    step()
    return step


def compare(make, jit_compile, duration):
    """The median times of a step with the guard and without, from steps for about `duration` seconds."""
    guarded, plain = make(), make()
    batch = some_events(guarded, 100)
    for model in guarded, plain:
        model.compile('adam', jit_compile=jit_compile)
    with mock.patch.object(tfdgm.trainer, 'are_finite', lambda gradients: True), \
            mock.patch.object(tfdgm.execution.guard.Guard, 'has_fault', lambda self, *checks: tf.constant(False)), \
            mock.patch.object(tfdgm.trainer, 'apply_unless',
                              lambda fault, optimizer, gradients, weights, compiled, besides, terms: compiled(
                                  lambda: optimizer.apply(gradients, weights))()):
        without = traced_step(plain, batch)
    with_guard = training_step(guarded, batch)
    repeats = repeats_for(with_guard, duration / 2, least=5, most=10_000)
    return seconds(with_guard, without, repeats=repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=40)
    duration = parser.parse_args().seconds
    show_rows(('system', 'XLA', 'ms a step', 'with the guard / without'), (
        (name, 'on' if jit_compile else 'off', f'{1e3 * guarded:.1f}', f'{guarded / plain:.3f}')
        for name, make in SYSTEMS.items() for jit_compile in (True, False)
        for guarded, plain in [compare(make, jit_compile, duration)]))


if __name__ == '__main__':
    main()
