"""Draws the pictures of these pages: `python docs/make_pictures.py` from the top of the repository."""

import os
import pathlib
import shutil

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np

import tfdgm
import zoo
from tfdgm import pretrained
from tfdgm.pretrained import cards

IMAGES = pathlib.Path(__file__).parent / 'images'
FAMILY_ORDER = (
    'Independent', 'MarkovChain', 'FVSBN', 'NADE', 'MADE', 'PixelCNN', 'GatedPixelCNN', 'PixelCNNPlusPlus', 'PixelRNN',
    'RecurrentModel', 'WaveNet', 'CausalTransformer', 'NICE', 'NeuralSplineFlow', 'RealNVP', 'Glow', 'MAF', 'FFJORD',
    'VAE', 'HierarchicalVAE', 'VQVAE', 'RBM', 'DBM', 'EnergyModel', 'GAN', 'WGAN', 'AAE', 'WAE', 'GSN')


def digits_models(**options) -> dict:
    """The unconditional models of `digits`, opened with these options, simplest first, as in the families' pages."""
    dataset = {'name': 'digits', **options}
    names = [name for name in zoo.names() if pretrained.read_config(zoo.folder(name))['dataset'] == dataset]
    models = {name: zoo.load(name) for name in names if (zoo.folder(name) / pretrained.WEIGHTS).exists()}

    def system(name):
        return type(models[name]).__name__

    shown = [name for name in models if models[name].condition is None and system(name) in FAMILY_ORDER]
    return {name: models[name] for name in sorted(shown, key=lambda name: FAMILY_ORDER.index(system(name)))}


def digits_samples(path, **options):
    """25 real digits, and beside them 25 samples of each model."""
    panels = {'real digits': tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', **options).take(25))}
    for name, model in digits_models(**options).items():
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


def samples_of(names, path):
    """100 samples of each model, side by side."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.5 * columns, 4.8 * rows), layout='constrained', squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names):
        axis.imshow(tfdgm.pictures.grid(zoo.load(name).distribution().sample(100, seed=0), gap=4))
        axis.set_title(name)
    figure.savefig(path, dpi=90)


def interpolations(name, path):
    """Eight pairs of test images and the ways of a flow between them, two in each row."""
    images = tfdgm.data.as_arrays(tfdgm.data.load(split='test', **pretrained.read_config(zoo.folder(name))['dataset']))
    places = np.random.RandomState(0).permutation(len(images))[:16].reshape(2, 8)
    model = zoo.load(name)
    ways = np.asarray(model.interpolate(*images[places], steps=9))
    tfdgm.pictures.save_grid(path, ways.reshape(-1, *model.event_shape), columns=18)


def latents(name, path):
    """Samples, ways between pairs of test images, and test images above their reconstructions."""
    model, dataset = zoo.load(name), pretrained.read_config(zoo.folder(name))['dataset']
    images = tfdgm.data.as_arrays(tfdgm.data.load(split='test', **dataset).take(24))
    ways = np.asarray(model.interpolate(images[:8], images[8:16], steps=8)).reshape(-1, *model.event_shape)
    both = np.concatenate([np.stack([part, np.asarray(model.reconstruct(part))]) for part in np.split(images, 3)])
    panels = {'samples': model.distribution().sample(64, seed=0), 'interpolations': ways,
              'reconstructions': both.reshape(-1, *model.event_shape)}
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout='constrained')
    for axis, (title, shown) in zip(axes, panels.items()):
        axis.set_axis_off()
        axis.imshow(tfdgm.pictures.grid(shown, columns=8, gap=6))
        axis.set_title(title)
    figure.savefig(path, dpi=90)


def boltzmann(path):
    """Filters and samples of an RBM, and test digits with a hole, which it fills in in several ways."""
    model = zoo.load('rbm_binarized_mnist')
    dist = model.distribution()
    digits = tfdgm.data.as_arrays(tfdgm.data.load('binarized_mnist', 'test').take(8))
    mask = np.ones([28, 28, 1])
    mask[6:20, 10:20] = 0
    filled = dist.sample((7, 8), seed=0, observed=digits, mask=mask).numpy()
    rows = np.concatenate([np.where(mask == 1, digits, 0.5)[None], filled]).swapaxes(0, 1)
    panels = {'weights of hidden units': (cards.filters_of(model)[:64], 8), 'samples': (dist.sample(64, seed=0), 8),
              'a hole, and seven samples given the rest': (rows.reshape(-1, 28, 28, 1), 8)}
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.8), layout='constrained')
    for axis, (title, (images, columns)) in zip(axes, panels.items()):
        axis.set_axis_off()
        axis.imshow(tfdgm.pictures.grid(images, columns=columns))
        axis.set_title(title)
    figure.savefig(path, dpi=90)


def completion(path):
    """Six test digits, the upper half of each, and eight completions of it."""
    digits = tfdgm.data.as_arrays(tfdgm.data.load('binarized_mnist', 'test').take(6))
    upper_half = np.arange(28)[:, None, None] < 14
    dist = zoo.load('diagonal_bilstm_binarized_mnist').distribution()
    completed = dist.sample((8, 6), seed=0, observed=digits, mask=upper_half)
    columns = np.concatenate([digits[None], digits[None] * upper_half, completed]).swapaxes(0, 1)
    tfdgm.pictures.save_grid(path, columns.reshape(-1, 28, 28, 1), columns=10)


def completions(path):
    """Halves of digits, and what three models draw beside them."""
    digits = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold'))[:6]
    left = np.broadcast_to(np.arange(8)[:, None] < 4, (8, 8, 1))
    columns = [np.where(left, digits, 0.)]
    for name in 'nade_digits', 'rbm_digits', 'vae_digits':
        columns.extend(tfdgm.applications.complete(zoo.load(name), digits, left, 3, seed=0).events)
    tfdgm.pictures.save_grid(path, np.stack(columns, axis=1).reshape(-1, 8, 8, 1), columns=len(columns))


def spoken_digits(path):
    """Spectrograms of the ten digits: a test recording of each above, samples for the same digit and speaker below."""
    model = zoo.load('wavenet_spoken_digit')
    recordings, labels = tfdgm.data.as_arrays(
        tfdgm.data.load('spoken_digit', 'test', labels=True, length=model.event_shape[0]))
    chosen = [np.flatnonzero((labels == [digit, digit % 6]).all(axis=1))[0] for digit in range(10)]
    samples = model.distribution(labels[chosen]).sample(seed=0).numpy()
    order = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 5, 6, 7, 8, 9, 15, 16, 17, 18, 19]
    events = np.concatenate([recordings[chosen], samples])[order]
    titles = [f'{source} {digit}' for source in ('recorded', 'sampled') for digit in range(10)]
    tfdgm.pictures.save_spectrograms(
        path, tfdgm.sound.decode(events), tfdgm.data.SAMPLE_RATES['spoken_digit'], [titles[index] for index in order])


def wines(path):
    """Two pairs of attributes of the test wines, and of as many samples."""
    figure, axes = plt.subplots(2, 2, figsize=(7, 6), layout='constrained')
    # In TFDS's order, which is alphabetical.
    names = 'alcohol', 'chlorides', 'citric acid', 'density'
    for row, kind in zip(axes, ('red', 'white')):
        real = tfdgm.data.as_arrays(tfdgm.data.load(f'wine_{kind}', 'test'))
        samples = zoo.load(f'rnade_wine_{kind}').distribution().sample(len(real), seed=0).numpy()
        for axis, (first, second) in zip(row, ((0, 3), (1, 2))):
            for values, label in ((real, 'test wines'), (samples, 'samples')):
                axis.plot(values[:, first], values[:, second], '.', markersize=3, alpha=0.6, label=label)
            axis.set_xlim(*np.percentile(real[:, first], [0, 99.5]))
            axis.set(xlabel=f'{names[first]}, {kind} wine', ylabel=names[second])
    axes[0, 0].legend()
    figure.savefig(path, dpi=90)


if __name__ == '__main__':
    IMAGES.mkdir(exist_ok=True)
    digits_samples(IMAGES / 'digits_samples.png', binarization='threshold')
    digits_samples(IMAGES / 'grey_digits_samples.png')
    samples_of([name for name in zoo.names() if name.endswith('_binarized_mnist')],
               IMAGES / 'binarized_mnist_samples.png')
    samples_of(['nice_mnist', 'realnvp_mnist', 'glow_mnist'], IMAGES / 'mnist_samples.png')
    samples_of(['glow_olivetti_faces', 'glow_cifar10_jpeg'], IMAGES / 'glow_samples.png')
    interpolations('glow_olivetti_faces', IMAGES / 'interpolations.png')
    latents('vae_digits', IMAGES / 'vae_digits.png')
    shutil.copy(zoo.folder('vae_frey_faces') / pretrained.PLANE, IMAGES / 'vae_frey_faces.png')
    shutil.copy(zoo.folder('cyclegan_emoji') / 'a_to_b.png', IMAGES / 'emoji.png')
    boltzmann(IMAGES / 'boltzmann.png')
    completion(IMAGES / 'completion.png')
    completions(IMAGES / 'completions.png')
    shutil.copy(zoo.folder('superresolution_mnist') / pretrained.GRID, IMAGES / 'superresolution.png')
    spoken_digits(IMAGES / 'spoken_digits.png')
    wines(IMAGES / 'wines.png')
