"""Draws the pictures of these pages: `python docs/make_pictures.py` from the top of the repository."""

import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np

import tfdgm
import zoo
from tfdgm import pretrained

IMAGES = pathlib.Path(__file__).parent / 'images'
FAMILY_ORDER = (
    'Independent', 'MarkovChain', 'FVSBN', 'NADE', 'MADE', 'PixelCNN', 'GatedPixelCNN', 'PixelCNNPlusPlus', 'PixelRNN',
    'RecurrentModel', 'WaveNet', 'CausalTransformer')


def digits_models() -> dict:
    """The unconditional models of `digits` that have weights, simplest first, as in autoregressive.md."""
    names = [name for name in zoo.names()
             if name.endswith('_digits') and (zoo.folder(name) / pretrained.WEIGHTS).exists()]
    models = {name: zoo.load(name) for name in names}

    def place(name):
        system = type(models[name]).__name__
        return FAMILY_ORDER.index(system) if system in FAMILY_ORDER else len(FAMILY_ORDER)

    return {name: models[name] for name in sorted(names, key=place) if models[name].condition is None}


def digits_samples(path):
    """25 real digits, and beside them 25 samples of each model."""
    real = tfdgm.data.load('digits', 'test', binarization='threshold').take(25)
    panels = {'real digits': tfdgm.data.as_arrays(real)}
    for name, model in digits_models().items():
        panels[name] = model.distribution().sample(25, seed=0)
    columns = 3
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 3.3 * rows), layout='constrained')
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, images) in zip(axes.flat, panels.items()):
        axis.imshow(tfdgm.pictures.grid(images, gap=6))
        axis.set_title(title)
    figure.savefig(path, dpi=90)


def binarized_mnist_samples(path):
    """100 samples of each model of binarized MNIST, side by side."""
    names = [name for name in zoo.names() if name.endswith('_binarized_mnist')]
    columns = 3
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.5 * columns, 4.8 * rows), layout='constrained', squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names):
        axis.imshow(tfdgm.pictures.grid(zoo.load(name).distribution().sample(100, seed=0), gap=4))
        axis.set_title(name)
    figure.savefig(path, dpi=90)


def completion(path):
    """Six test digits, the upper half of each, and eight completions of it."""
    digits = tfdgm.data.as_arrays(tfdgm.data.load('binarized_mnist', 'test').take(6))
    upper_half = np.arange(28)[:, None, None] < 14
    dist = zoo.load('diagonal_bilstm_binarized_mnist').distribution()
    completed = dist.sample((8, 6), seed=0, observed=digits, mask=upper_half)
    columns = np.concatenate([digits[None], digits[None] * upper_half, completed]).swapaxes(0, 1)
    tfdgm.pictures.save_grid(path, columns.reshape(-1, 28, 28, 1), columns=10)


if __name__ == '__main__':
    IMAGES.mkdir(exist_ok=True)
    digits_samples(IMAGES / 'digits_samples.png')
    binarized_mnist_samples(IMAGES / 'binarized_mnist_samples.png')
    completion(IMAGES / 'completion.png')
