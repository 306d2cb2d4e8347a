"""What the benchmarks share: time, memory, and tables that take long."""

import concurrent.futures
import itertools
import multiprocessing
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


def repeats_for(function, duration, least=3, most=100):
    """How often a function can be run in so many seconds, once it has been compiled; within bounds."""
    function()
    start = time.perf_counter()
    function()
    return min(max(int(duration / (time.perf_counter() - start)), least), most)


def apart(function, *args):
    """What a function gives in a process of its own, which ends then, and with it the programs that XLA has made."""
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as process:
        return process.submit(function, *args).result()


def some_events(model, count):
    """Random events in a model's support: float32 `[count, *event_shape]`."""
    random, shape = np.random.default_rng(0), (count, *model.event_shape)
    support = model.support
    events = random.integers(support.levels, size=shape) if support.is_discrete else random.normal(size=shape)
    return events.astype('float32')


def training_step(model, data):
    """A compiled model's step of `fit` on a batch, always the same one: a function without arguments."""
    model.initialized_from(*data if isinstance(data, tuple) else (data,))
    batches = iter(tf.data.Dataset.from_tensors(data).repeat())
    model.make_train_function()
    model.reset_metrics()
    return lambda: model.train_function(batches)


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
