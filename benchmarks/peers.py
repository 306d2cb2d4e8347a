"""Speed beside other libraries', as a table from one run.

    python -m venv peers && peers/bin/pip install -r benchmarks/peers.txt
    python benchmarks/peers.py --python peers/bin/python [--repeats 20]

Flows have five layers of 64 numbers, networks of 64-64, splines of 8 bins and batches of 1,024; the causal transformer
has 4 blocks of 64 features with 4 heads, 784 sites and batches of 16. Training by Adam, log-probabilities and samples,
each compiled as its library does, in a process of its own for each library. The figures are events a second by the
median time, and ratios of tfdgm's to the best of the others'.

PyTorch's transformer is the same network, with the learned bias for each distance; `torch, no bias` leaves that out,
and so may use PyTorch's fused causal attention: a smaller network, which the
ratios leave out.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
NUMBERS, LAYERS, BATCH, WIDTH, BINS = 64, 5, 1024, 64, 8
SITES, BLOCKS, HEADS, IMAGES = 784, 4, 4, 16
SYSTEMS = 'affine', 'spline', 'maf', 'transformer'
WORK = 'training', 'scoring', 'sampling'


def speed(call, events, repeats):
    """Events a second; the first calls compile."""
    for _ in range(2):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return events / statistics.median(times)


def of_tfdgm(system, x, repeats):
    from measure import training_step

    import tfdgm

    hidden = {'hidden_units': (WIDTH, WIDTH)}
    model = {'affine': lambda: tfdgm.AffineCouplingFlow(NUMBERS, couplings=LAYERS, **hidden),
             'spline': lambda: tfdgm.NeuralSplineFlow(NUMBERS, couplings=LAYERS, bins=BINS, **hidden),
             'maf': lambda: tfdgm.MAF(NUMBERS, blocks=LAYERS, **hidden),
             'transformer': lambda: tfdgm.CausalTransformer(SITES, width=WIDTH, heads=HEADS, blocks=BLOCKS)}[system]()
    model.compile('adam')
    step, dist = training_step(model, x), model.distribution()
    calls = step, lambda: dist.log_prob(x).numpy(), lambda: dist.sample(len(x), seed=0).numpy()
    return [speed(call, len(x), repeats) for call in calls]


def of_flowjax(system, x, repeats):
    import equinox as eqx
    import jax
    import optax
    from flowjax.bijections import Affine, RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow, masked_autoregressive_flow
    from jax import numpy as jnp

    if system == 'transformer':
        raise ImportError('flowjax has no transformers')
    make = masked_autoregressive_flow if system == 'maf' else coupling_flow
    transformer = RationalQuadraticSpline(knots=BINS, interval=5) if system == 'spline' else Affine()
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
    return [speed(call, len(x), repeats) for call in calls]


def of_zuko(system, x, repeats):
    import torch
    import zuko

    if system != 'maf':
        raise ImportError('zuko has a MAF of these only')
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
    return [speed(call, len(x), repeats) for call in calls]


def of_torch(system, x, repeats, bias=True):
    import torch
    from torch import nn

    if system != 'transformer':
        raise ImportError('PyTorch has no flows')
    distances = torch.arange(SITES)[:, None] - torch.arange(SITES)[None]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
            self.projection, self.attended = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
            self.distances = nn.Parameter(torch.zeros(HEADS, SITES)) if bias else None

        def forward(self, features):
            projected = self.projection(self.norms[0](features)).view(-1, SITES, 3, HEADS, WIDTH // HEADS)
            heads = projected.permute(2, 0, 3, 1, 4)
            mask = None
            if bias:
                mask = self.distances[:, distances.clamp(min=0)].masked_fill(distances < 0, -torch.inf)[None]
            attention = nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask, is_causal=not bias)
            features = features + self.attended(attention.transpose(1, 2).reshape(-1, SITES, WIDTH))
            return features + self.mlp(self.norms[1](features))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.positions = nn.Linear(1, WIDTH), nn.Parameter(torch.zeros(SITES, WIDTH))
            self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
            self.last = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))

        def log_prob(self, x):
            shifted = nn.functional.pad(x[:, :-1], (1, 0))[..., None]
            logits = self.last(self.blocks(self.embedding(shifted) + self.positions))[..., 0]
            return -nn.functional.binary_cross_entropy_with_logits(logits, x, reduction='none').sum(1)

    model, x = Transformer(), torch.from_numpy(x)
    optimizer = torch.optim.Adam(model.parameters())

    def step():
        optimizer.zero_grad()
        (-model.log_prob(x).mean()).backward()
        optimizer.step()

    def score():
        with torch.no_grad():
            return model.log_prob(x)

    return [speed(call, len(x), repeats) for call in (step, score)]


LIBRARIES = {'tfdgm': of_tfdgm, 'flowjax': of_flowjax, 'zuko': of_zuko, 'torch': of_torch,
             'torch, no bias': functools.partial(of_torch, bias=False)}


def measure(python, library, system, repeats):
    """The speeds of one library in a process of its own, or None where it has no such system or is not there."""
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'PYTHONPATH': str(HERE.parent.parent)}
    result = subprocess.run([python, str(HERE), '--library', library, '--system', system, '--repeats', str(repeats)],
                            capture_output=True, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1]) if result.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--python', default=sys.executable, help='that of the environment with the other libraries')
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument('--library', choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument('--system', choices=SYSTEMS, help='one of them only')
    arguments = parser.parse_args()
    if arguments.library:
        import numpy as np

        generator = np.random.default_rng(0)
        x = (generator.random((IMAGES, SITES)) < 0.2) if arguments.system == 'transformer' else generator.normal(
            size=(BATCH, NUMBERS))
        print(json.dumps(LIBRARIES[arguments.library](arguments.system, x.astype('float32'), arguments.repeats)))
        return
    from measure import show_rows

    def rows():
        for system in [arguments.system] if arguments.system else SYSTEMS:
            speeds = {library: measure(sys.executable if library == 'tfdgm' else arguments.python, library, system,
                                       arguments.repeats) for library in LIBRARIES}
            for index, work in enumerate(WORK):
                figures = {library: speed[index] for library, speed in speeds.items() if speed and index < len(speed)}
                others = [figure for library, figure in figures.items() if library in ('flowjax', 'zuko', 'torch')]
                yield f'{system}, {work}', *(
                    f'{figures[library]:,.0f}' if library in figures else '-' for library in LIBRARIES), (
                        f'{figures["tfdgm"] / max(others):.2f}' if others else '-')

    show_rows(('work', *LIBRARIES, 'ratio'), rows())


if __name__ == '__main__':
    main()
