"""Cards of pretrained models in Markdown: architecture, data, training and results."""

import pathlib
from types import NoneType

import numpy as np
import tensorflow_probability as tfp

from tfdgm import atomic, config_file, data, pretrained
from tfdgm.boltzmann import BoltzmannMachine, UnnormalizedModel
from tfdgm.chains import HasChains
from tfdgm.conditions import Image, Label, Labels
from tfdgm.data import sound
from tfdgm.evaluation import Classifier, pictures
from tfdgm.implicit import GSN, CycleGAN, MatchingAutoencoder
from tfdgm.latent import VQVAE, AutoencodingModel, LatentVariableModel
from tfdgm.latent_space import LatentSpace
from tfdgm.pretrained import files
from tfdgm.support import Integers

SOUNDS = 10
PAIRS = 8
STEPS = 9
# How many images are shown beside their reconstructions, and how many points a side of the plane of latents has.
REBUILT, SIDE = 10, 16
# How many states of a chain are shown, and how many steps lie between them, of a GSN and of other models.
STATES, THINNING, SLOW_THINNING = 16, 3, 50
# How many filters are shown.
FILTERS = 100
# Of how many images guesses are shown, and how many.
GUESSED, GUESSES = 12, 5


def write(folder, model, config: dict):
    """Writes a folder's card, and before it samples where one can look at them or hear them."""
    folder = pathlib.Path(folder)
    samples = save_samples(folder, model, config)
    atomic.write(folder / pretrained.CARD, text(folder.resolve(), model, config, samples))


def save_samples(folder: pathlib.Path, model, config: dict) -> list:
    """Saves samples of images or of sound; returns the lines of the card that show them."""
    if isinstance(model, Classifier):
        return []
    if isinstance(model, CycleGAN):
        return save_translations(folder, model, config['dataset']) if len(model.event_shape) == 3 else []
    if files.rate_of(config) and isinstance(model.condition, (NoneType, Label, Labels)):
        return save_sounds(folder, model, config)
    images = len(model.event_shape) == 3 and model.event_shape[-1] in (1, 3)
    if images and isinstance(model.condition, Image) and model.condition.shape[-1] in (1, 3):
        return save_guesses(folder, model, config['dataset'])
    if images and isinstance(model.condition, (NoneType, Label)):
        save_images(folder / pretrained.GRID, model)
        lines = ['', f'![samples]({pretrained.GRID})']
        if isinstance(model, LatentSpace):
            lines += save_interpolations(folder, model, config['dataset'])
        if isinstance(model, BoltzmannMachine):
            lines += save_filters(folder, model)
        if isinstance(model, AutoencodingModel | MatchingAutoencoder | BoltzmannMachine):
            lines += save_reconstructions(folder, model, config['dataset'])
        if isinstance(model, HasChains):
            lines += save_chains(folder, model, config['dataset'])
        return lines
    return []


def save_interpolations(folder: pathlib.Path, model, dataset: dict) -> list:
    """Saves the ways between up to eight pairs of test images; of a conditional model, of pairs with one label."""
    split, images, labels = examples_of(dataset)
    if labels is not None:
        # Two of each of the first classes.
        pairs = [np.flatnonzero(labels == label)[:2] for label in np.unique(labels)]
        places = np.array([pair for pair in pairs if len(pair) == 2][:PAIRS], int).reshape(-1, 2)
        first, second, labels = images[places[:, 0]], images[places[:, 1]], labels[places[:, 0]]
    else:
        pairs = min(PAIRS, len(images) // 2)
        first, second = images[:pairs], images[pairs:2 * pairs]
    if not len(first):
        return []
    ways = np.asarray(model.interpolate(first, second, STEPS, labels))
    pictures.save_grid(folder / pretrained.INTERPOLATIONS, ways.reshape(-1, *model.event_shape), columns=STEPS)
    return ['', f'![interpolations]({pretrained.INTERPOLATIONS})', '',
            f'Each row goes from one {split} image to another, in equal steps between their latents.']


def save_reconstructions(folder: pathlib.Path, model, dataset: dict) -> list:
    """Saves the first test images beside what their latents say of them; of two latents, also the plane of them."""
    split, images, labels = examples_of(dataset)
    images, labels = images[:REBUILT], None if labels is None else labels[:REBUILT]
    rebuilt = np.asarray(model.reconstruct(images, labels))
    # Scaled alike, whatever a single image holds.
    pictures.save_grid(folder / pretrained.RECONSTRUCTIONS, np.concatenate([images, rebuilt]), columns=len(images))
    has_means = isinstance(model, AutoencodingModel | BoltzmannMachine)
    what = 'the means of p(x | z)' if has_means else 'what the decoder makes'
    lines = ['', f'![reconstructions]({pretrained.RECONSTRUCTIONS})', '',
             f'Above, {split} images; below, {what} at their latents.']
    if model.num_latents == 2 and model.condition is None:
        pictures.save_grid(folder / pretrained.PLANE, plane(model), columns=SIDE)
        lines += ['', f'![the plane of latents]({pretrained.PLANE})', '',
                  f'{what[0].upper()}{what[1:]} over the plane of the two latents, at the quantiles of the standard '
                  'normal distribution.']
    return lines


def save_chains(folder: pathlib.Path, model: HasChains, dataset: dict) -> list:
    """Saves states of chains that start from the first test images, one chain in each row."""
    split, images, labels = examples_of(dataset)
    images, labels = images[:PAIRS], None if labels is None else labels[:PAIRS]
    thinning = THINNING if isinstance(model, GSN) else SLOW_THINNING
    states = model.chain(STATES - 1, start=images, thinning=thinning, condition=labels, seed=0).numpy()
    rows = np.concatenate([images[None], states]).swapaxes(0, 1)
    pictures.save_grid(folder / pretrained.CHAINS, rows.reshape(-1, *model.event_shape), columns=STATES)
    return ['', f'![chains]({pretrained.CHAINS})', '',
            f'Each row is a chain that starts from a {split} image, {thinning} steps from each state to the next.']


def save_filters(folder: pathlib.Path, model: BoltzmannMachine) -> list:
    """Saves the weights of some hidden units as images."""
    filters = filters_of(model)
    pictures.save_grid(folder / pretrained.FILTERS, filters)
    return ['', f'![filters]({pretrained.FILTERS})', '',
            f'The weights of the {len(filters)} hidden units of the first layer whose weights are largest, each scaled '
            'to its own range, with zero in the middle.']


def filters_of(model: BoltzmannMachine) -> np.ndarray:
    """The weights of hidden units of the first layer from -1 to 1, the largest first: `[n, *event_shape]`."""
    # Of a value that is one of several integers, the weights of the last.
    filters = model.kernels[0].numpy().reshape(model.num_sites, -1, model.hidden_layers[0])[:, -1].T
    filters = filters[np.argsort(-np.linalg.norm(filters, axis=1), kind='stable')][:FILTERS]
    return (filters / np.max(np.abs(filters), axis=1, keepdims=True)).reshape(-1, *model.event_shape)


def save_translations(folder: pathlib.Path, model, dataset: dict) -> list:
    """Saves test images of both kinds above their translations, and where pairs are known the truth below these."""
    split, a, b = examples_of(dataset)
    matched = data.are_matched(dataset['name'], split)
    lines = []
    for source, target, images, truth in (('A', 'B', a, b), ('B', 'A', b, a)):
        rows = [images[:REBUILT], np.asarray(model.translate(images[:REBUILT], source, target))]
        rows += [truth[:REBUILT]] if matched else []
        name = f'{source.lower()}_to_{target.lower()}.png'
        pictures.save_grid(folder / name, np.concatenate(rows), columns=len(rows[0]))
        lines += ['', f'![{source} to {target}]({name})', '',
                  f'Above, {split} images of {source}; below, their translations to {target}' +
                  ('; and last, the images of the same in that set.' if matched else '.')]
    return lines


def plane(model) -> np.ndarray:
    """The means of events over the plane of two latents, row by row from above."""
    quantiles = tfp.distributions.Normal(0., 1.).quantile((np.arange(SIDE, dtype='float32') + 0.5) / SIDE).numpy()
    z = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
    return model.decode_batch(z, None).numpy()


def examples_of(dataset: dict, most: int = -1) -> tuple:
    """The name of the test split, its images and their labels, or None; of the validation split where there is none.

    Args:
        dataset: what a configuration says of it.
        most: how many, the first ones; -1 for all.
    """
    try:
        split, images = 'test', data.as_arrays(data.load(split='test', **dataset).take(most))
    except data.EmptySplitError:  # Of a folder of one's own; without a validation split nothing is trained.
        split, images = 'validation', data.as_arrays(data.load(split='validation', **dataset).take(most))
    return split, *(images if isinstance(images, tuple) else (images, None))


def save_images(path, model):
    """Saves 64 samples as a grid; of a model conditioned on a label, 8 of each of the first ten classes."""
    if model.condition is None:
        pictures.save_grid(path, model.distribution().sample(64, seed=0))
    else:
        labels = range(min(model.condition.num_classes, 10))
        samples = model.distribution(list(labels)).sample(8, seed=0).numpy()
        pictures.save_grid(path, samples.reshape(-1, *model.event_shape), columns=len(labels))


def save_guesses(folder: pathlib.Path, model, dataset: dict) -> list:
    """Saves test images beside what a model that depends on a part of them is given, and what it draws given that."""
    split, images, given = examples_of(dataset)
    images, given = images[:GUESSED], given[:GUESSED]
    draws = model.distribution(given).sample(GUESSES, seed=0).numpy()
    height, width, channels = model.event_shape
    levels = model.support.levels if isinstance(model.support, Integers) else None
    scale = 1 if levels is None or model.condition.levels is None else (levels - 1) / (model.condition.levels - 1)
    rows = np.arange(height) * given.shape[1] // height, np.arange(width) * given.shape[2] // width
    enlarged = np.broadcast_to(scale * given[:, rows[0]][:, :, rows[1]], (len(given), height, width, channels))
    columns = np.concatenate([enlarged[None], draws, images[None]]).swapaxes(0, 1)
    pictures.save_grid(folder / pretrained.GRID, columns.reshape(-1, *model.event_shape), columns=GUESSES + 2)
    return ['', f'![samples]({pretrained.GRID})', '',
            f'On the left, what the model is given; then {GUESSES} draws given that; on the right, the {split} image '
            'itself.']


def save_sounds(folder: pathlib.Path, model, config: dict) -> list:
    """Saves ten sounds and their spectrograms; of a model conditioned on labels, they go through the classes."""
    classes = getattr(model.condition, 'num_classes', None)
    if classes is None:
        samples, titles = model.distribution().sample(SOUNDS, seed=0).numpy(), None
    else:
        labels = [[index % count for count in classes] if isinstance(classes, tuple) else index % classes
                  for index in range(SOUNDS)]
        samples = model.distribution(labels).sample(seed=0).numpy()
        titles = [', '.join(map(str, label)) if isinstance(label, list) else str(label) for label in labels]
    files.write(folder / pretrained.SOUND, samples, config)
    rate, levels = files.sound_of(config, folder)
    pictures.save_spectrograms(folder / pretrained.GRID, sound.decode(samples, levels), rate, titles)
    above = f' The labels stand above: {model.condition.describe()}.' if titles else ''
    return ['', f'![spectrograms of samples]({pretrained.GRID})', '',
            f'Ten samples, one after the other, are in [{pretrained.SOUND}]({pretrained.SOUND}); the picture shows '
            f'their spectrograms, from 0 to {rate / 2000:g} kHz.{above}']


def text(folder: pathlib.Path, model, config: dict, samples: list) -> str:
    """The card's Markdown; `samples` are the lines that show some."""
    name = folder.name
    dataset, record = config['dataset'], config.get('record')
    about_data = dataset['name'] + (f' ({dataset["binarization"]} binarization)' if dataset.get('binarization') else '')
    about_data += f' ({dataset["levels"]} levels)' if dataset.get('levels') else ''
    if config.get('record', {}).get('data'):
        about_data += f': {config["record"]["data"]}'
    elif dataset.get('size'):
        about_data += f', {dataset["size"]}x{dataset["size"]} pixels'
    if files.rate_of(config):
        about_data += f', {files.rate_of(config):,} samples a second after μ-law companding'
    if config.get('record', {}).get('classes'):
        about_data += f', labelled {", ".join(config["record"]["classes"])}'
    if files.columns_of(config):
        about_data += f', columns {", ".join(map(str, files.columns_of(config)))}'
    doc = (type(model).__doc__ or '').strip().splitlines()[0]
    lines = [
        f'# {name}', '', doc, '',
        f'- model: `tfdgm.{type(model).__name__}`, {model.count_params():,} parameters; its arguments are in '
        f'[{pretrained.CONFIG}]({pretrained.CONFIG})',
        f'- events: {model.event_shape}, each value {model.support}',
        f'- data: {about_data}']
    if config.get('about'):
        lines.append(f'- {config["about"]}')
    lines += samples
    if config.get('results'):
        titles = 'split', *config_file.shown(next(iter(config['results'].values()))), 'examples'
        lines += ['', '## Results', '', f'| {" | ".join(titles)} |', '|---' * len(titles) + '|']
    for split, result in config.get('results', {}).items():
        lines.append(f'| {split} | {" | ".join(config_file.shown(result).values())} | {result["examples"]:,} |')
    if config.get('results'):
        if getattr(model, 'is_bound', False):
            estimator = ''
            if isinstance(model, LatentVariableModel):
                estimator = ', the importance-weighted one by the draws of latents that the table names'
            if isinstance(model, VQVAE):
                estimator = ', log p(x | z) + log p(z) of the codes z that the encoder finds'
            lines += ['', f'The likelihood is a lower bound{estimator}, so these figures are upper ones.']
        if isinstance(model, UnnormalizedModel):
            lines += ['', 'log Z, in nats, comes from annealed importance sampling, forward with its standard error, '
                      'and in reverse, from samples of the model; the likelihood is by the first.']
        lines += ['', f'`tfdgm evaluate {name}` measures them again.']
    if config.get('samples'):
        measures = config['samples']
        titles = config_file.shown_samples(measures)
        lines += ['', '## Samples', '', f'| features | {" | ".join(titles)} | events |',
                  '|---' * (len(titles) + 2) + '|',
                  f'| {measures["features"]} | {" | ".join(titles.values())} | {measures["events"]:,} |', '',
                  f'As many samples as events of the {measures["split"]} split, by these features of both; '
                  f'`tfdgm evaluate {name} --no-likelihood` measures them again.']
    if record:
        lines += [
            '', '## Training', '',
            f'{how_to_train(folder, dataset)} trains it again, with seed '
            f'{config["training"].get("seed", 0)}. {record["epochs"]} epochs took {record["minutes"]:.1f} minutes on '
            f'{record["hardware"]}; epoch {record["best_epoch"]}, {how_it_is_chosen(model, config)}, was kept '
            '(training {}, validation {}).'.format(*config_file.shown_record(record))]
        if 'prior' in record:
            prior = record['prior']
            lines[-1] += (f' The prior over the codes took {prior["epochs"]} more epochs in that time, of which epoch '
                          f'{prior["best_epoch"]} was kept ' +
                          '(training {}, validation {}).'.format(*config_file.shown_record(prior)))
        if 'diverged' in record:
            lines[-1] += f' Epoch {record["diverged"]} diverged, which ended the training.'
    lines += [
        '', '## Use', '', '```python',
        *loading(name, folder.parent.name == 'zoo'), *use_of(model), '```', '']
    return '\n'.join(lines)


def how_it_is_chosen(model, config: dict) -> str:
    """What is said of the epoch whose weights are kept."""
    if config['training'].get('with_validation'):
        return 'the last of a training on the validation split too'
    return 'the last' if model.monitor is None else 'the best on the validation split'


def how_to_train(folder: pathlib.Path, dataset: dict) -> str:
    """The command that trains a folder's recipe again, and where: a path of data may be relative to somewhere else."""
    path = data.paths.path_of(dataset['name'])
    if path is None or path.is_absolute():
        return f'`tfdgm train {pretrained.CONFIG} -o elsewhere`, in this folder,'
    return f'`tfdgm train {folder / pretrained.CONFIG} -o elsewhere`, where `{dataset["name"]}` lies,'


def loading(name: str, by_name: bool) -> list:
    """How one loads a model, by its name or by the path of its folder, as lines of Python."""
    if by_name:
        return ['import zoo', f'model = zoo.load({name!r})']
    return ['import tfdgm', f'model = tfdgm.pretrained.load({name!r})  # the path of this folder']


def use_of(model) -> list:
    """What one does with a model first, as lines of Python."""
    if isinstance(model, Classifier):
        return ['labels, features = model.classify(images), model.features(images)']
    if isinstance(model, CycleGAN):
        return ["model.translate(images, 'A', 'B')"]
    return [f'dist = model.distribution({example_of(model.condition)})', 'dist.sample(64, seed=0)']


def example_of(condition) -> str:
    """A value of a condition, as one writes it."""
    if condition is None:
        return ''
    if isinstance(condition, Labels):
        return str([min(3, classes - 1) for classes in condition.num_classes])
    return str(min(3, condition.num_classes - 1)) if isinstance(condition, Label) else 'condition'
