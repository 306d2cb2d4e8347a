"""Bits per sample of spoken digits, on the test split: the zoo's models beside a Markov chain of order 1.

    python benchmarks/sound.py

The chain has one table for all times: how often each of the 256 levels followed each other one in the training split.
Each row is mixed with how often the levels occur at all, by the weight that the validation split prefers.
"""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
from rich.console import Console
from rich.table import Table

import tfdgm
import zoo
from tfdgm import data, pretrained
from tfdgm.evaluation.evaluate import held_out

START = data.SOUND_LEVELS  # Stands before the first sample.


def pairs(recordings):
    """Each sample and the one before it, of recordings `[n, steps]` that NaN fills up."""
    values = np.nan_to_num(recordings, nan=-1).astype(int)
    before = np.concatenate([np.full((len(values), 1), START), values[:, :-1]], axis=1)
    return before[values >= 0], values[values >= 0]


def markov_chain(length):
    """Bits per sample of the Markov chain on recordings cut off at that length."""
    train, validation, test = (pairs(data.as_arrays(data.load('spoken_digit', split, length=length)))
                               for split in data.SPLITS)
    counts = np.zeros((START + 1, START))
    np.add.at(counts, train, 1)
    shares = (np.bincount(train[1], minlength=START) + 1) / (len(train[1]) + START)

    def bits(weight, split):
        probabilities = (counts + weight * shares) / (counts.sum(axis=1, keepdims=True) + weight)
        return -np.mean(np.log2(probabilities[split]))

    return bits(min((1, 3, 10, 30, 100, 300, 1000), key=lambda weight: bits(weight, validation)), test)


def main():
    names = [name for name in zoo.names() if pretrained.read_config(zoo.folder(name))['dataset']['name'] ==
             'spoken_digit']
    table = Table('model', 'parameters', 'bits per sample', title='spoken_digit, test')
    lengths = set()
    for name in names:
        model, dataset = zoo.load(name), pretrained.read_config(zoo.folder(name))['dataset']
        lengths.add(model.event_shape[0])
        result = held_out(model, tfdgm.data.load(split='test', **dataset))
        table.add_row(name, f'{model.count_params():,}', f'{result["bits_per_dim"]:.3f}')
    for length in sorted(lengths):
        table.add_row(f'Markov chain of order 1, {length:,} samples', f'{(START + 1) * START:,}',
                      f'{markov_chain(length):.3f}')
    Console(width=110).print(table)


if __name__ == '__main__':
    main()
