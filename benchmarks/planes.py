"""Held-out likelihood of three flows on four densities in the plane, and a picture of what they learned.

    python benchmarks/planes.py [--epochs 50] [-o planes.png]

The data are those of `tfdgm.data.load`, 40,000 points to train, the same batches for each flow; their settings were
chosen by the validation split of the moons. `entropy` is the best there is, by the formula of the density where it has
one.
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
from rich.console import Console
from rich.table import Table

import tfdgm
from tfdgm.planes import PLANES

# And their learning rates.
FLOWS = {
    'affine coupling': (lambda: tfdgm.AffineCouplingFlow(2, couplings=8, hidden_units=(64, 64)), 0.005),
    'spline coupling': (lambda: tfdgm.NeuralSplineFlow(2, couplings=6, hidden_units=(64, 64), bins=16), 0.005),
    'FFJORD': (lambda: tfdgm.FFJORD(2, hidden_units=(64, 64, 64), regularization=0.01), 0.01),
}
# Of eight normal distributions, as if none touched another: they are 7 deviations apart.
ENTROPIES = {'eight_gaussians': np.log(8) + np.log(2 * np.pi * np.e * 0.2 ** 2), 'checkerboard': np.log(32)}


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
    table = Table('density', 'entropy', *FLOWS, title='test: nats for each point, and minutes of training')
    models = {}
    for name in PLANES:
        test, cells = tfdgm.data.as_arrays(tfdgm.data.load(name, 'test')), []
        for flow in FLOWS:
            start = time.perf_counter()
            models[name, flow] = model = trained(flow, name, arguments.epochs)
            minutes = (time.perf_counter() - start) / 60
            cells.append(f'{-np.mean(model.predict(test, batch_size=500, verbose=0)):.3f} ({minutes:.1f})')
            console.print(name, flow, cells[-1])
        table.add_row(name.replace('_', ' '), f'{ENTROPIES[name]:.3f}' if name in ENTROPIES else '', *cells)
    console.print(table)
    if arguments.output:
        picture(arguments.output, models)


if __name__ == '__main__':
    main()
