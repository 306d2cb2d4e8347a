"""Speed of flows over vectors beside other libraries', as a table from one run.

    python -m venv peers && peers/bin/pip install -r benchmarks/peers.txt
    python benchmarks/peers.py --python peers/bin/python [--repeats 20]

Five layers of 64 numbers, networks of 64-64, splines of 8 bins, batches of 1,024: training by Adam, log-densities and
samples, each compiled as its library does, in a process of its own for each library. The figures are events a second by
the median time, and ratios of tfdgm's to the best of the others'.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
NUMBERS, LAYERS, BATCH, WIDTH, BINS = 64, 5, 1024, 64, 8
FLOWS = 'affine', 'spline', 'maf'
WORK = 'training', 'scoring', 'sampling'


def speed(call, repeats):
    """Events a second; the first calls compile."""
    for _ in range(2):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return BATCH / statistics.median(times)


def of_tfdgm(flow, x, repeats):
    import tensorflow as tf

    import tfdgm

    hidden = {'hidden_units': (WIDTH, WIDTH)}
    model = {'affine': lambda: tfdgm.AffineCouplingFlow(NUMBERS, couplings=LAYERS, **hidden),
             'spline': lambda: tfdgm.NeuralSplineFlow(NUMBERS, couplings=LAYERS, bins=BINS, **hidden),
             'maf': lambda: tfdgm.MAF(NUMBERS, blocks=LAYERS, **hidden)}[flow]()
    model.compile('adam')
    model.initialized_from(x)
    model.reset_metrics()
    step, dist = model.make_train_function(), model.distribution()
    batches = iter(tf.data.Dataset.from_tensors(x).repeat())
    calls = lambda: step(batches), lambda: dist.log_prob(x).numpy(), lambda: dist.sample(BATCH, seed=0).numpy()
    return [speed(call, repeats) for call in calls]


def of_flowjax(flow, x, repeats):
    import equinox as eqx
    import jax
    import optax
    from flowjax.bijections import Affine, RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow, masked_autoregressive_flow
    from jax import numpy as jnp

    make = masked_autoregressive_flow if flow == 'maf' else coupling_flow
    transformer = RationalQuadraticSpline(knots=BINS, interval=5) if flow == 'spline' else Affine()
    dist = make(jax.random.key(0), base_dist=Normal(jnp.zeros(NUMBERS)), transformer=transformer, flow_layers=LAYERS,
                nn_width=WIDTH, nn_depth=2)
    parameters, static = eqx.partition(dist, eqx.is_inexact_array)
    optimizer = optax.adam(1e-3)
    state, x = [parameters, optimizer.init(parameters)], jnp.asarray(x)

    @jax.jit
    def train(parameters, moments, x):
        def loss(parameters):
            return -eqx.combine(parameters, static).log_prob(x).mean()

        value, gradients = jax.value_and_grad(loss)(parameters)
        updates, moments = optimizer.update(gradients, moments, parameters)
        return eqx.apply_updates(parameters, updates), moments, value

    def step():
        *state[:], value = train(*state, x)
        value.block_until_ready()

    score = jax.jit(lambda parameters, x: eqx.combine(parameters, static).log_prob(x))
    sample = jax.jit(lambda parameters, key: eqx.combine(parameters, static).sample(key, (BATCH,)))
    calls = (step, lambda: score(state[0], x).block_until_ready(),
             lambda: sample(state[0], jax.random.key(1)).block_until_ready())
    return [speed(call, repeats) for call in calls]


def of_zuko(flow, x, repeats):
    import torch
    import zuko

    if flow != 'maf':
        raise ImportError('zuko has no coupling flows of this kind')
    model = zuko.flows.MAF(NUMBERS, 0, transforms=LAYERS, hidden_features=(WIDTH, WIDTH))
    optimizer, x = torch.optim.Adam(model.parameters()), torch.from_numpy(x)

    def step():
        optimizer.zero_grad()
        (-model().log_prob(x).mean()).backward()
        optimizer.step()

    def without_gradient(function):
        with torch.no_grad():
            return function()

    calls = (step, lambda: without_gradient(lambda: model().log_prob(x)),
             lambda: without_gradient(lambda: model().sample((BATCH,))))
    return [speed(call, repeats) for call in calls]


LIBRARIES = {'tfdgm': of_tfdgm, 'flowjax': of_flowjax, 'zuko': of_zuko}


def measure(python, library, flow, repeats):
    """The speeds of one library in a process of its own, or None where it has no such flow or is not there."""
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
    result = subprocess.run([python, str(HERE), '--library', library, '--flow', flow, '--repeats', str(repeats)],
                            capture_output=True, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1]) if result.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--python', default=sys.executable, help='that of the environment with the other libraries')
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument('--library', choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument('--flow', choices=FLOWS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        import numpy as np

        x = np.random.default_rng(0).normal(size=(BATCH, NUMBERS)).astype('float32')
        print(json.dumps(LIBRARIES[arguments.library](arguments.flow, x, arguments.repeats)))
        return
    from measure import show_rows

    def rows():
        for flow in FLOWS:
            speeds = {library: measure(sys.executable if library == 'tfdgm' else arguments.python, library, flow,
                                       arguments.repeats) for library in LIBRARIES}
            speeds = {library: speed for library, speed in speeds.items() if speed}
            for index, work in enumerate(WORK):
                others = [speed[index] for library, speed in speeds.items() if library != 'tfdgm']
                own = speeds['tfdgm'][index]
                yield f'{flow}, {work}', *(
                    f'{speeds[library][index]:,.0f}' if library in speeds else '-' for library in LIBRARIES), (
                        f'{own / max(others):.2f}' if others else '-')

    show_rows(('work', *LIBRARIES, 'ratio'), rows())


if __name__ == '__main__':
    main()
