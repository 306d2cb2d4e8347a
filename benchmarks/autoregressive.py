"""Speed and memory of the autoregressive family on 784 binary sites, as a table with ratios from one run.

    python benchmarks/autoregressive.py [--batch-size 64] [--repeats 5]

Everything is compared on the same work: `naive` draws the same samples with one full pass of the network for each
site; `tfd.Autoregressive` is TensorFlow Probability's own, around the same network; `cumulative sum` is NADE written
with one tensor [batch, sites, hidden]; `MLP` is MADE's network of Keras layers without masks. The two slow samplers do
one sixteenth of the sites, all of which cost them the same, and their time is multiplied by sixteen.
"""

import argparse
import os
import subprocess
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from measure import naive_sampler, peak_memory, seconds
from rich.console import Console
from rich.table import Table

import tfdgm

tfd = tfp.distributions
EVENT_SHAPE = (28, 28, 1)
SITES = 784
SHARE = 16


class CumulativeSumNADE(tfdgm.NADE):
    """NADE's likelihood as one cumulative sum over [batch, sites, hidden], the way it is usually written."""

    def parameters(self, x, condition=None, training=False):
        values = self.to_chain(x)
        terms = ops.expand_dims(values, -1) * self.kernel
        before = ops.cumsum(ops.pad(terms[:, :-1], [[0, 0], [1, 0], [0, 0]]), axis=1)
        hidden = ops.sigmoid(before + self.bias)
        outputs = ops.einsum('bsh,shp->bsp', hidden, self.output_kernel)
        return self.from_chain(outputs + self.output_bias)


def unmasked_network():
    """MADE-512-512's layers without masks, with the same loss."""
    model = keras.Sequential([
        keras.Input(EVENT_SHAPE), keras.layers.Flatten(), keras.layers.Dense(512, 'relu'),
        keras.layers.Dense(512, 'relu'), keras.layers.Dense(SITES)])
    model.compile('adam', jit_compile=True, loss=lambda x, logits: ops.sum(
        keras.losses.binary_crossentropy(ops.reshape(x, (-1, SITES, 1)), logits[..., None], from_logits=True), -1))
    return model


def tfp_autoregressive(model, x0):
    """TFP's autoregressive distribution around the model's network."""
    def conditionals(x):
        logits = model.parameters(tf.reshape(x, (-1, *EVENT_SHAPE)))
        return tfd.Independent(tfd.Bernoulli(logits=tf.reshape(logits, tf.shape(x)), dtype=tf.float32), 1)

    return tfd.Autoregressive(conditionals, sample0=x0, num_steps=SITES // SHARE)


def training_step(model, x):
    return lambda: model.train_on_batch(x) if isinstance(model, tfdgm.GenerativeModel) else model.train_on_batch(x, x)


def measure(name, model, batch_size, repeats, add):
    """Likelihood, training and sampling of one model."""
    x = (np.random.default_rng(0).random((batch_size, *EVENT_SHAPE)) < 0.2).astype('float32')
    model.compile('adam')
    dist = model.distribution()
    rival = {'NADE-500': CumulativeSumNADE(EVENT_SHAPE), 'MADE-512-512': unmasked_network()}[name]
    if isinstance(rival, tfdgm.GenerativeModel):
        rival.compile('adam')
    log_prob, sample = seconds(
        lambda: dist.log_prob(x).numpy(), lambda: dist.sample(batch_size, seed=0).numpy(), repeats=repeats)
    train, rival_train = seconds(training_step(model, x), training_step(rival, x), repeats=2 * repeats)
    naive = naive_sampler(model, batch_size, SHARE)
    naive_time, = seconds(lambda: naive(tf.constant([0, 0])).numpy(), repeats=1)
    tfp_dist = tfp_autoregressive(model, tf.zeros((batch_size, SITES)))
    tfp_sample = tf.function(lambda: tfp_dist.sample(seed=[0, 0]), jit_compile=True)
    tfp_time, = seconds(lambda: tfp_sample().numpy(), repeats=1)
    naive_time, tfp_time = naive_time * SHARE, tfp_time * SHARE
    rival_name = 'cumulative sum' if name == 'NADE-500' else 'MLP'
    add(name, 'log_prob', log_prob, '')
    add(name, 'sample', sample, f'{sample / log_prob:.2f} x log_prob')
    add(name, 'sample, naive', naive_time, f'{naive_time / sample:.0f} x sample')
    add(name, 'sample, tfd.Autoregressive', tfp_time, f'{tfp_time / sample:.0f} x sample')
    add(name, 'training step', train, f'{rival_train / train:.2f} x as fast as {rival_name}' if name == 'NADE-500'
        else f'{train / rival_train:.2f} x {rival_name}')
    add(name, f'training step, {rival_name}', rival_train, '')


def training_memory(batch_size):
    """Peak memory of a process that trains NADE-500, above that of one that has only imported the library."""
    model = tfdgm.NADE(EVENT_SHAPE)
    model.compile('adam')
    before = peak_memory()
    x = np.zeros((4 * batch_size, *EVENT_SHAPE), 'float32')
    model.fit(x, batch_size=batch_size, epochs=2, verbose=0)
    print(before, peak_memory())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--memory-of-batch', type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of_batch:
        training_memory(arguments.memory_of_batch)
        return
    table = Table('model', 'work', 'ms', 'events/s', 'ratio', title=f'784 binary sites, batch {arguments.batch_size}')

    def add(name, work, time, ratio):
        table.add_row(name, work, f'{time * 1e3:.1f}', f'{arguments.batch_size / time:,.0f}', ratio)

    for name, model in [('NADE-500', tfdgm.NADE(EVENT_SHAPE, hidden_units=500)),
                        ('MADE-512-512', tfdgm.MADE(EVENT_SHAPE, hidden_units=(512, 512)))]:
        measure(name, model, arguments.batch_size, arguments.repeats, add)
    console = Console(width=110)
    console.print(table)
    memory = subprocess.run([sys.executable, __file__, '--memory-of-batch', '256'], capture_output=True, text=True,
                            check=True)
    before, after = map(float, memory.stdout.split())
    console.print(f'Peak memory of a process that trains NADE-500 at batch 256: {after:,.0f} MiB, of which '
                  f'{before:,.0f} MiB before the first step.')


if __name__ == '__main__':
    main()
