"""Speed of the models of sequences, as tables with ratios from one run.

    python benchmarks/sequences.py [--repeats 3]

WaveNet has 2 stacks of 9 layers of 32 channels and 256 levels, as for sound at 8,000 samples a second. `naive` draws
with one full pass of the network for each step: the time of one pass over 16,000 steps, that of `log_prob` under XLA,
times their number. For CausalTransformer on binary images of 28x28 it does one site in 112, all of which cost it the
same, and its time is multiplied.
"""

import argparse
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
from measure import naive_sampler, seconds
from rich.console import Console
from rich.table import Table

import tfdgm

RATE, STEPS, PIECE, SHARE = 8000, 16_000, 1000, 112


def wavenet(steps):
    return tfdgm.WaveNet(steps, output=tfdgm.outputs.Categorical(256), filters=32, stacks=2)


def steps_from(model, batch_size=1):
    """A function that takes so many steps of sampling as make a piece, from any position."""
    @tf.function(jit_compile=True)
    def steps(start, uniforms):
        def visit(position, previous, state):
            parameters, state = model.step(state, position, previous)
            return position + 1, model.output.quantile(parameters, uniforms[position - start]), state

        state = model.initial_state(batch_size)
        return tf.while_loop(lambda position, *_: position < start + PIECE, visit,
                             (start, tf.zeros(batch_size), state))[1]

    uniforms = tf.random.stateless_uniform((PIECE, batch_size, model.output.num_uniforms), [0, 0])
    return lambda start: steps(tf.constant(start), uniforms).numpy()


def transformers(repeats):
    """Times of `log_prob` and `sample`, and of sampling without the cache, for each window."""
    table = Table('window', 'sample / log_prob', 'without the cache / with it',
                  title='CausalTransformer, 28x28, batch 16')
    x = (np.random.default_rng(0).random((16, 28, 28, 1)) < 0.2).astype('float32')
    for window in (None, 84):
        model = tfdgm.CausalTransformer((28, 28, 1), window=window)
        dist = model.distribution()
        log_prob, sample = seconds(lambda dist=dist: dist.log_prob(x).numpy(),
                                   lambda dist=dist: dist.sample(16, seed=0).numpy(), repeats=repeats)
        naive = naive_sampler(model, 16, SHARE)
        naive_time, = seconds(lambda naive=naive: naive(tf.constant([0, 0])).numpy(), repeats=1)
        table.add_row(str(window or 'all'), f'{sample / log_prob:.1f}', f'{naive_time * SHARE / sample:.0f}')
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=3)
    repeats = parser.parse_args().repeats
    console = Console(width=110)

    model = wavenet(STEPS)
    steps = steps_from(model)
    first, last = seconds(lambda: steps(0), lambda: steps(STEPS - PIECE), repeats=5 * repeats)
    console.print(f'WaveNet, the last thousand of {STEPS:,} steps / the first: {last / first:.2f}')

    dist = model.distribution()
    x = np.random.default_rng(0).integers(256, size=(1, STEPS)).astype('float32')
    one_pass, sample = seconds(
        lambda: model.run(model.log_prob, x, jit_compile=True).numpy(), lambda: dist.sample(1, seed=0).numpy(),
        repeats=repeats)
    console.print(f'WaveNet, {STEPS:,} steps: naive / sample {one_pass * STEPS / sample:,.0f}, '
                  f'sample / log_prob {sample / one_pass:.1f}')

    table = Table('batch', 'seconds for one second of sound', 'for one second of each', title='WaveNet, sampling')
    dist = wavenet(RATE).distribution()
    for batch_size in (1, 16):
        time, = seconds(lambda size=batch_size: dist.sample(size, seed=0).numpy(), repeats=repeats)
        table.add_row(str(batch_size), f'{time / batch_size:.2f}', f'{time:.2f}')
    console.print(table)
    console.print(transformers(repeats))


if __name__ == '__main__':
    main()
