"""Held-out likelihood of three flows on four densities in the plane, and a picture of what they learned.

    python benchmarks/planes.py [--epochs 50] [-o planes.png]

The data are those of `tfdgm.data.load`, 40,000 points to train, the same batches for each flow; their settings were
chosen by the validation split of the moons. `truth` is the density itself on the same points, where it has a formula.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from rich.console import Console
from rich.table import Table
from sklearn.datasets import make_moons

import tfdgm
from tfdgm.data.planes import PLANES

tfd = tfp.distributions

# And their learning rates.
FLOWS = {
    'affine coupling': (lambda: tfdgm.AffineCouplingFlow(2, couplings=8, hidden_units=(64, 64)), 0.005),
    'spline coupling': (lambda: tfdgm.NeuralSplineFlow(2, couplings=6, hidden_units=(64, 64), bins=16), 0.005),
    'FFJORD': (lambda: tfdgm.FFJORD(2, hidden_units=(64, 64, 64), regularization=0.01), 0.01),
}


def truth(name, points):
    """The mean of -log p of the density that the points come from, or None where it has no formula."""
    if name == 'checkerboard':
        return np.log(32)
    if name == 'eight_gaussians':
        angles = np.arange(8) * np.pi / 4
        centres, deviation = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.2
    elif name == 'moons':
        centres, deviation = make_moons(2000, noise=None)[0], 0.1
    else:
        return None
    return -np.mean(tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros(len(centres))),
        tfd.MultivariateNormalDiag(tf.cast(centres, tf.float32), [deviation] * 2)).log_prob(points))


def trained(flow, name, epochs):
    """A flow, trained on one density."""
    keras.utils.set_random_seed(0)
    make, learning_rate = FLOWS[flow]
    model = make()
    train = tfdgm.data.as_arrays(tfdgm.data.load(name))
    model.adapt(train)
    steps = epochs * -(-len(train) // 500)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(
        0., steps - 100, warmup_target=learning_rate, warmup_steps=100)))
    model.fit(train, batch_size=500, epochs=epochs, verbose=0)
    return model


def picture(path, models):
    """Points of each density, and beside them the densities of the flows."""
    figure, axes = plt.subplots(len(PLANES), 1 + len(FLOWS), figsize=(10, 10), layout='constrained')
    for row, name in zip(axes, PLANES):
        points = tfdgm.data.as_arrays(tfdgm.data.load(name, 'test'))
        low, high = points.min(0) - 0.5, points.max(0) + 0.5
        across, up = (np.linspace(low[axis], high[axis], 200) for axis in range(2))
        grid = np.stack(np.meshgrid(across, up), axis=-1).astype('float32')
        row[0].plot(*points[:4000].T, '.', markersize=1.5)
        row[0].set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        row[0].set_ylabel(name.replace('_', ' '))
        for axis, flow in zip(row[1:], FLOWS):
            density = np.exp(models[name, flow].distribution().log_prob(grid))
            # The highest peaks would leave the rest dark.
            axis.imshow(density, origin='lower', extent=(low[0], high[0], low[1], high[1]), aspect='auto',
                        vmax=np.quantile(density, 0.995), cmap='magma')
        for axis in row:
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], ('points', *FLOWS)):
        axis.set_title(title)
    figure.savefig(path, dpi=75)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--epochs', type=int, default=50)
    parser.add_argument('-o', '--output', type=pathlib.Path, help='of the picture')
    arguments = parser.parse_args()
    console = Console(width=110)
    table = Table('density', 'truth', *FLOWS, title='test: nats for each point, and minutes of training')
    models = {}
    for name in PLANES:
        test = tfdgm.data.as_arrays(tfdgm.data.load(name, 'test'))
        exact, cells = truth(name, test), []
        for flow in FLOWS:
            start = time.perf_counter()
            models[name, flow] = model = trained(flow, name, arguments.epochs)
            minutes = (time.perf_counter() - start) / 60
            cells.append(f'{-np.mean(model.predict(test, batch_size=500, verbose=0)):.3f} ({minutes:.1f})')
            console.print(name, flow, cells[-1])
        table.add_row(name.replace('_', ' '), '' if exact is None else f'{exact:.3f}', *cells)
    console.print(table)
    if arguments.output:
        picture(arguments.output, models)


if __name__ == '__main__':
    main()
