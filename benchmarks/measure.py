"""What the benchmarks share: time, memory, and tables that take long."""

import itertools
import pathlib
import re
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

import tfdgm


def seconds(*functions, repeats):
    """Median time of each function; they take turns, so that all see the same machine."""
    for function in functions:
        function()
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, own in zip(functions, times):
            start = time.perf_counter()
            function()
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in times]


class Clock(keras.callbacks.Callback):
    """Times the epochs of a `fit`, but for the first two, and ends it after so many seconds."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.ends = seconds, []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())
        self.model.stop_training = len(self.ends) > 4 and self.ends[-1] - self.ends[1] > self.seconds

    def median(self):
        """Seconds of the median epoch."""
        return statistics.median(np.diff(self.ends[1:]))


def peak_memory():
    """The most memory that this process has had, in MiB (getrusage would count the process that started it)."""
    return int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 2**10


def naive_sampler(model, batch_size, share):
    """Draws the first sites of binary events, one of `share`, with a full pass for each, all compiled by XLA."""
    sites = model.num_sites

    @tf.function(jit_compile=True)
    def sample(seed):
        uniforms = tfdgm.random.uniforms((sites, batch_size), seed)

        def visit(position, x):
            logits = tf.reshape(model.parameters(tf.reshape(x, (-1, *model.event_shape))), (batch_size, sites))
            value = tf.cast(uniforms[position] < tf.sigmoid(logits[:, position]), tf.float32)
            return position + 1, x + value[:, None] * tf.one_hot(position, sites)

        start = 0, tf.zeros((batch_size, sites))
        return tf.while_loop(lambda position, _: position < sites // share, visit, start)[1]

    return sample


def show_rows(titles, rows):
    """Prints a table whose rows take long to come, each when it is there; the first column is the widest."""
    widths = [28, *(max(len(title), 9) for title in titles[1:])]
    for row in itertools.chain([titles], rows):
        print('  '.join(f'{cell:<{width}}' for cell, width in zip(row, widths)).rstrip(), flush=True)
