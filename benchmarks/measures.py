"""Time and memory of measures of two samples of 10,000 events beside the libraries that are made for them.

    pip install prdc    # beside this library, for the comparison
    python benchmarks/measures.py [--events 10000] [--numbers 256]

`manifolds` beside `prdc.compute_prdc`, and the sliced and the exact Wasserstein distances beside POT's own functions,
for as many events of normal numbers; the exact distance of 2,000 of them. The libraries take turns, each in a process
of its own: seconds, and the most memory that the process had.
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
EXACT, PROJECTIONS, NEIGHBOURS = 2_000, 128, 5


def ours(name):
    from tfdgm import evaluation

    return {'manifolds': lambda a, b: tuple(evaluation.manifolds(a, b, NEIGHBOURS)),
            'sliced': lambda a, b: evaluation.sliced_wasserstein_distance(a, b, PROJECTIONS),
            'exact': lambda a, b: evaluation.wasserstein_distance(a[:EXACT], b[:EXACT])}[name]


def theirs(name):
    if name == 'manifolds':
        import prdc

        return lambda a, b: tuple(prdc.compute_prdc(a, b, NEIGHBOURS)[part] for part in (
            'precision', 'recall', 'density', 'coverage'))
    import ot

    if name == 'sliced':
        return lambda a, b: ot.sliced_wasserstein_distance(a, b, n_projections=PROJECTIONS, seed=0)
    return lambda a, b: ot.emd2([], [], ot.dist(a[:EXACT], b[:EXACT], metric='euclidean'), numItermax=10_000_000)


def measured(library, name, events, numbers):
    """Seconds and MiB of one measure, and what it found."""
    from measure import peak_memory

    first, second = np.random.default_rng(0).normal(size=(2, events, numbers))
    second = second * 0.9 + 0.1
    measure = {'tfdgm': ours, 'theirs': theirs}[library](name)
    measure(first[:100], second[:100])
    start = time.perf_counter()
    found = measure(first, second)
    return time.perf_counter() - start, peak_memory(), found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--events', type=int, default=10_000)
    parser.add_argument('--numbers', type=int, default=256)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--library', choices=['tfdgm', 'theirs'], help=argparse.SUPPRESS)
    parser.add_argument('--measure', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(measured(arguments.library, arguments.measure, arguments.events, arguments.numbers)))
        return
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
    for name in 'manifolds', 'sliced', 'exact':
        best = {}
        for library in ['tfdgm', 'theirs'] * arguments.rounds:
            result = subprocess.run(
                [sys.executable, str(HERE), '--library', library, '--measure', name, '--events', str(arguments.events),
                 '--numbers', str(arguments.numbers)], capture_output=True, text=True, env=environment, check=True)
            found = json.loads(result.stdout.splitlines()[-1])
            best[library] = min(best.get(library, found), found, key=lambda one: one[0])
        for library, (seconds, memory, value) in best.items():
            print(f'{name:10} {library:7} {seconds:7.2f} s {memory:7,.0f} MiB   {best["theirs"][0] / seconds:5.2f}   '
                  f'{np.round(value, 4)}')


if __name__ == '__main__':
    main()
