"""Speed of the flows, as tables from one run.

    python benchmarks/flows.py [--repeats 10] [--flow Glow] [--flow FFJORD]

The first two tables say how many images a second each flow trains on, scores and samples, compiled by XLA, and how many
times as many these are as with TensorFlow's own kernels; `sample / score` is the ratio of their times under XLA. Images
have 256 levels, and a batch has 64 of them, 2 where FFJORD takes the exact trace. FFJORD always scores and samples by
an adaptive solver, without XLA. Each flow has a process of its own, for XLA's programs stay in memory; what it does is
timed by turns. The third table has the zoo's `ffjord_digits`, whose 50 test digits solvers of several precisions score.
"""

import argparse
import functools
import os
from unittest import mock

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from measure import apart, seconds
from rich.console import Console
from rich.table import Table

import tfdgm
import zoo
from tfdgm.flows import ode

SYSTEMS = {
    'NICE': lambda *args, **kwargs: tfdgm.NICE(*args, **kwargs),
    'AffineCouplingFlow': lambda *args, **kwargs: tfdgm.AffineCouplingFlow(*args, hidden_units=(256, 256), **kwargs),
    'NeuralSplineFlow': lambda *args, **kwargs: tfdgm.NeuralSplineFlow(
        *args, couplings=4, hidden_units=(256, 256), **kwargs),
    'RealNVP': lambda *args, **kwargs: tfdgm.RealNVP(*args, filters=32, blocks=1, **kwargs),
    'Glow': lambda *args, **kwargs: tfdgm.Glow(*args, filters=32, **kwargs),
    'MAF': lambda *args, **kwargs: tfdgm.MAF(*args, hidden_units=(256,), **kwargs),
    'IAF': lambda *args, **kwargs: tfdgm.IAF(*args, hidden_units=(256,), **kwargs),
    'FFJORD': lambda *args, **kwargs: tfdgm.FFJORD(*args, trace='hutchinson', **kwargs),
}
SHAPES = (28, 28, 1), (32, 32, 3)


def images(shape, count):
    return np.random.default_rng(0).integers(256, size=(count, *shape)).astype('float32')


def throughputs(system, shape, repeats):
    """Images a second of training, scoring and sampling: under XLA, and without."""
    dequantization = tfdgm.flows.UniformDequantization(256, logit=0.05)
    model, plain = (SYSTEMS[system](shape, dequantization=dequantization) for _ in range(2))
    model.compile('adam', jit_compile=True)
    plain.compile('adam', jit_compile=False)
    batch, scored = images(shape, 64), tf.constant(images(shape, 2 if system == 'FFJORD' else 64))
    seed = tf.constant([0, 0])
    calls = (
        (len(batch), *(functools.partial(one.train_on_batch, batch) for one in (model, plain))),
        (len(scored), *(functools.partial(one.run, one.log_prob, scored, None, jit_compile=one.uses_xla(True))
                        for one in (model, plain))),
        (64, *(functools.partial(one.run, one.sample, 64, None, seed, jit_compile=one.uses_xla(True))
               for one in (model, plain))))
    times = iter(seconds(*(lambda call=call: np.asarray(call()) for _, *pair in calls for call in pair),
                         repeats=repeats))
    return [[count / next(times) for _ in pair] for count, *pair in calls]


def solvers_table(repeats):
    """The time, the evaluations and the error of solvers."""
    model = zoo.load('ffjord_digits')
    digits = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test').take(50))
    evaluations, original = [], ode.adaptive

    class Counting:
        """A solver that notes how often it evaluates the velocity."""

        def __init__(self, solver):
            self.solver = solver

        def solve(self, *args, **kwargs):
            results = self.solver.solve(*args, **kwargs)
            evaluations.append(results.diagnostics.num_ode_fn_evaluations)
            return results

    def score(solve):
        with mock.patch.object(ode, 'adaptive', solve):
            return model.log_prob(tf.constant(digits))

    def scored(solve):
        return tf.function(lambda: score(solve), autograph=False)  # It is traced when it is first called.

    def adaptive(tolerance, wrap=lambda solver: solver):
        solver = wrap(tfp.math.ode.DormandPrince(rtol=tolerance, atol=tolerance, max_num_steps=10_000))
        return lambda derivative, state, constants, _: original(derivative, state, constants, solver)

    def fixed(steps):
        return lambda derivative, state, constants, _: ode.runge_kutta(
            functools.partial(derivative, **constants), state, steps)

    exact = scored(adaptive(1e-7))().numpy()
    table = Table('solver', 'evaluations', 'relative time', 'largest error, nats',
                  title='ffjord_digits, scoring 50 digits')
    rows = []
    for steps in (2, 4, 8, 16):
        rows.append((f'Runge-Kutta, {steps} steps', 4 * steps, scored(fixed(steps))))
    for tolerance in (1e-3, 1e-5):
        # Evaluations are counted outside the function whose time is measured.
        score(adaptive(tolerance, Counting))
        rows.append((f'Dormand-Prince, tolerance {tolerance:g}', int(evaluations[-1]), scored(adaptive(tolerance))))
    log_probs = [score().numpy() for *_, score in rows]
    times = seconds(*(lambda score=score: score().numpy() for *_, score in rows), repeats=repeats)
    for (name, count, _), log_prob, time in zip(rows, log_probs, times):
        table.add_row(name, str(count), f'{time / times[2]:.2f}', f'{np.abs(log_prob - exact).max():.1g}')
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=10)
    parser.add_argument('--flow', action='append', choices=SYSTEMS, help='only these; all if left out')
    arguments = parser.parse_args()
    console = Console(width=130)
    for shape in SHAPES:
        table = Table('flow', 'weights', 'train', 'score', 'sample', 'sample / score',
                      title=f'images a second under XLA, {"x".join(map(str, shape))} (in brackets: with XLA / without)')
        for system in arguments.flow or SYSTEMS:
            rates = apart(throughputs, system, shape, arguments.repeats)
            weights = SYSTEMS[system](shape).count_params()
            table.add_row(system, f'{weights:,}', *(f'{rate:,.0f} ({rate / plain:.1f})' for rate, plain in rates),
                          f'{rates[1][0] / rates[2][0]:.2f}')
            console.print(system, rates)
        console.print(table)
    console.print(solvers_table(arguments.repeats))


if __name__ == '__main__':
    main()
