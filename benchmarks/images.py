"""Speed and memory of the models of images, as tables with ratios from one run.

    python benchmarks/images.py [--repeats 5]

Binary images; all networks have blocks of 32 channels, 7 of them where they can be counted. `naive` draws the same
samples with one full pass of the network for each site; it does one site in 112, all of which cost it the same, and its
time is multiplied. `tfd.PixelCNN` is TensorFlow Probability's own, with one block of 32 filters at each of two
resolutions. `masked Conv2D` is PixelCNN written with Keras's convolutions and full kernels, half of them masked.
"""

import argparse
import functools
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

SYSTEMS = {
    'PixelCNN': lambda shape: tfdgm.PixelCNN(shape),
    'GatedPixelCNN': lambda shape: tfdgm.GatedPixelCNN(shape),
    'PixelCNNPlusPlus': lambda shape: tfdgm.PixelCNNPlusPlus(shape, output=tfdgm.outputs.Bernoulli()),
    'PixelRNN, RowLSTM': lambda shape: tfdgm.PixelRNN(shape, filters=32, blocks=7),
    'PixelRNN, DiagonalBiLSTM': lambda shape: tfdgm.PixelRNN(shape, cell='DiagonalBiLSTM', filters=32, blocks=7),
}
SHARE = 112


class MaskedConvolution(keras.layers.Conv2D):
    """A convolution whose full kernel is masked at every step, the way it is usually written."""

    def __init__(self, filters, size, sees_centre, **kwargs):
        super().__init__(filters, size, padding='same', **kwargs)
        mask = np.zeros((size, size, 1, 1), 'float32')
        mask[:size // 2] = 1
        mask[size // 2, :size // 2 + sees_centre] = 1
        self.mask = mask

    def call(self, inputs):
        return ops.conv(inputs, self.kernel * self.mask, padding='same') + self.bias


def plain_pixel_cnn(shape, jit_compile, filters=32, blocks=7):
    """PixelCNN's network with masked convolutions, and its loss."""
    image = features = keras.Input(shape)
    features = MaskedConvolution(2 * filters, 7, False)(image)
    for _ in range(blocks):
        hidden = keras.layers.Conv2D(filters, 1, activation='relu')(ops.relu(features))
        hidden = ops.relu(MaskedConvolution(filters, 3, True)(hidden))
        features = features + keras.layers.Conv2D(2 * filters, 1)(hidden)
    hidden = keras.layers.Conv2D(2 * filters, 1, activation='relu')(ops.relu(features))
    model = keras.Model(image, keras.layers.Conv2D(1, 1)(hidden))
    model.compile('adam', jit_compile=jit_compile, loss=lambda x, logits: ops.sum(
        keras.losses.binary_crossentropy(x[..., None], logits[..., None], from_logits=True), axis=(1, 2, 3)))
    return model


def sampling_ratio(model, batch_size, repeats):
    """Times of `log_prob` and `sample`."""
    x = (np.random.default_rng(0).random((batch_size, *model.event_shape)) < 0.2).astype('float32')
    dist = model.distribution()
    return seconds(
        lambda: dist.log_prob(x).numpy(), lambda: dist.sample(batch_size, seed=0).numpy(), repeats=repeats)


def sampling_ratio_of_tfp(batch_size):
    """How many times as long as `log_prob` `sample` takes, with TensorFlow Probability's own PixelCNN."""
    dist = tfp.distributions.PixelCNN(
        (28, 28, 1), num_resnet=1, num_hierarchies=2, num_filters=32, num_logistic_mix=1, use_weight_norm=False, high=1,
        low=0)
    x = (np.random.default_rng(0).random((batch_size, 28, 28, 1)) < 0.2).astype('float32')
    log_prob, sample = tf.function(dist.log_prob), tf.function(lambda: dist.sample(batch_size, seed=0))
    log_prob_time, = seconds(lambda: log_prob(x).numpy(), repeats=5)
    sample_time, = seconds(lambda: sample().numpy(), repeats=1)
    return sample_time / log_prob_time


def sampling_memory(name, batch_size):
    """Prints the peak memory of this process before and after it samples."""
    model = SYSTEMS[name]((28, 28, 1))
    before = peak_memory()
    model.distribution().sample(batch_size, seed=0).numpy()
    print(before, peak_memory())


def measured_memory(name, batch_size):
    """What `sampling_memory` prints, from a process of its own."""
    output = subprocess.run(
        [sys.executable, __file__, '--memory', name, str(batch_size)], capture_output=True, text=True, check=True)
    return map(float, output.stdout.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--memory', nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        sampling_memory(arguments.memory[0], int(arguments.memory[1]))
        return
    console = Console(width=110)

    batches = 8, 64, 256
    table = Table('model', *(f'batch {size}' for size in batches), 'naive, batch 64',
                  title='sample / log_prob, 28x28')
    for name, make in SYSTEMS.items():
        model = make((28, 28, 1))
        times = [sampling_ratio(model, size, arguments.repeats) for size in batches]
        naive = naive_sampler(model, 64, SHARE)
        naive_time, = seconds(lambda naive=naive: naive(tf.constant([0, 0])).numpy(), repeats=1)
        table.add_row(name, *(f'{sample / log_prob:.1f}' for log_prob, sample in times),
                      f'{naive_time * SHARE / times[1][0]:.0f}')
    console.print(table)

    console.print(f'tfd.PixelCNN, batch 8: sample / log_prob {sampling_ratio_of_tfp(8):.0f}\n')

    sizes = 16, 28, 48
    table = Table('model', *(f'{size}x{size}' for size in sizes), title='sample / log_prob, batch 64')
    for name, make in SYSTEMS.items():
        times = [sampling_ratio(make((size, size, 1)), 64, arguments.repeats) for size in sizes]
        table.add_row(name, *(f'{sample / log_prob:.1f}' for log_prob, sample in times))
    console.print(table)

    x = (np.random.default_rng(0).random((64, 28, 28, 1)) < 0.2).astype('float32')
    steps = {}
    for compiler, jit_compile in (('XLA', True), ("TensorFlow's kernels", False)):
        model = SYSTEMS['PixelCNN']((28, 28, 1))
        model.compile('adam', jit_compile=jit_compile)
        plain = plain_pixel_cnn((28, 28, 1), jit_compile)
        steps[f'PixelCNN, {compiler}'] = functools.partial(model.train_on_batch, x)
        steps[f'masked Conv2D, {compiler}'] = functools.partial(plain.train_on_batch, x, x)
    times = seconds(*steps.values(), repeats=4 * arguments.repeats)
    table = Table('network', 'images/s', 'ratio', title='training, batch 64')
    for name, time in zip(steps, times):
        table.add_row(name, f'{64 / time:.0f}', f'{times[1] / time:.2f}')
    console.print(table)

    batches = 64, 128, 256
    table = Table('model', 'before', *(f'batch {size}' for size in batches), title='peak memory of sampling, MiB')
    for name in SYSTEMS:
        memory = [list(measured_memory(name, size)) for size in batches]
        table.add_row(name, f'{memory[0][0]:,.0f}', *(f'{after:,.0f}' for _, after in memory))
    console.print(table)


if __name__ == '__main__':
    main()
