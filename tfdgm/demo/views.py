"""What a model answers, as pictures, sounds and tables: functions of an entry, without a page."""

import pathlib
import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tfdgm import applications
from tfdgm.applications.completing import Completion
from tfdgm.applications.outliers import log_probs_of_sites
from tfdgm.boltzmann import UnnormalizedModel
from tfdgm.data import sound
from tfdgm.demo.entry import Entry
from tfdgm.evaluation import pictures
from tfdgm.flows import FlowModel
from tfdgm.implicit.generator import GeneratorModel
from tfdgm.latent import VQVAE
from tfdgm.pretrained import files
from tfdgm.random import normals, stateless_seed

# How many events lie on the way between two draws.
WAY = 9
# How many steps Hamiltonian Monte Carlo takes: over latents, and over the values of a flow, which takes longer.
CHAIN_STEPS, FLOW_STEPS = 200, 50
# How far apart a density in the plane is computed.
RASTER = 60


class Score(NamedTuple):
    """What a model says of an event.

    Attributes:
        nats: its log-probability, or log-density.
        bits_per_dim: how many bits a number of it takes.
        sites: the log-probability of each site given those before it, `[*event_shape]`; None where there is none.
    """

    nats: float
    bits_per_dim: float
    sites: np.ndarray | None


def drawn(entry: Entry, count: int, seed: int = 0, condition: ArrayLike | None = None) -> np.ndarray:
    """Samples, `[count, *event_shape]`."""
    with entry.lock:
        return entry.model.distribution(condition).sample(count, seed=seed).numpy()


def many(condition: ArrayLike | None, count: int) -> np.ndarray | None:
    """The same condition for so many events."""
    return None if condition is None else np.broadcast_to(condition, (count, *np.shape(condition)))


def scored(entry: Entry, event: np.ndarray, condition: ArrayLike | None = None) -> Score:
    """What a model says of one event, `[*event_shape]`.

    Raises:
        RuntimeError: of a density up to a constant, if that is not known.
    """
    model = entry.model
    with entry.lock:
        nats = float(model.distribution(condition).log_prob(event[None])[0])
        sites = None
        if entry.scores_sites:
            sites = log_probs_of_sites(model, event[None], many(condition, 1))[0]
    return Score(nats, -nats / (np.sum(~np.isnan(event)) * np.log(2)), sites)


def completed(entry: Entry, event: np.ndarray, mask: np.ndarray, count: int, seed: int = 0,
              condition: ArrayLike | None = None, steps: int | None = None) -> Completion:
    """Completions of one event, `[*event_shape]`, of which the mask says what is known.

    Args:
        steps: how many Hamiltonian Monte Carlo takes, where that completes; None for those of `chain_steps_of`.
    """
    model = entry.model
    steps = None if isinstance(model, UnnormalizedModel) else int(steps or chain_steps_of(model))
    with entry.lock, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Of doubt, which the result holds.
        return applications.complete(model, event[None], mask[None], count, condition=many(condition, 1),
                                     num_steps=steps, seed=seed)


def chain_steps_of(model) -> int:
    """How many steps Hamiltonian Monte Carlo takes in a time that one waits for."""
    return FLOW_STEPS if isinstance(model, FlowModel) else CHAIN_STEPS


def halved(shape: tuple) -> np.ndarray:
    """A mask of the upper half of an image: 1 there, 0 below."""
    return np.broadcast_to(np.arange(shape[0])[:, None, None] < shape[0] // 2, shape).astype('float32')


# Latents -------------------------------------------------------------------------------------------------------------


def latents_of(entry: Entry, count: int, seed: int = 0, condition: ArrayLike | None = None) -> np.ndarray:
    """Latents of samples, `[count, *latent_shape]`."""
    model = entry.model
    with entry.lock:
        if isinstance(model, GeneratorModel):
            return normals((count, model.num_latents), stateless_seed(seed)).numpy()
        return np.asarray(model.encode(drawn(entry, count, seed, condition), many(condition, count)))


def decoded(entry: Entry, z: np.ndarray, condition: ArrayLike | None = None) -> np.ndarray:
    """The events of latents, or their means: `[n, *latent_shape]` -> `[n, *event_shape]`."""
    model = entry.model
    method = model.events_of if isinstance(model, GeneratorModel) else model.decode_batch
    condition = many(condition, len(z))
    with entry.lock:
        return model.run(method, tf.constant(z, tf.float32), None if condition is None else tf.constant(condition),
                         jit_compile=False).numpy()


def way(entry: Entry, seeds: tuple[int, int], condition: ArrayLike | None = None) -> np.ndarray:
    """Events on the way from one draw to another, `[9, *event_shape]`."""
    model, shares = entry.model, np.linspace(0, 1, WAY, dtype='float32')[:, None]
    with entry.lock:
        if isinstance(model, GeneratorModel):
            first, second = (latents_of(entry, 1, seed) for seed in seeds)
            return decoded(entry, first * (1 - shares) + second * shares, condition)
        ends = [drawn(entry, 1, seed, condition) for seed in seeds]
        return np.asarray(model.interpolate(*ends, WAY, many(condition, 1)))[0]


def place(entry: Entry, seed: int, right: float, down: float, condition: ArrayLike | None = None) -> np.ndarray:
    """The event at a place among three draws: `right` of the way to the second, `down` of the way to the third.

    Of a model with two latents, these are the latents.
    """
    if entry.model.num_latents == 2:
        return decoded(entry, np.array([[right, down]], 'float32'), condition)[0]
    first, second, third = latents_of(entry, 3, seed, condition)
    return decoded(entry, (first + right * (second - first) + down * (third - first))[None], condition)[0]


def can_be_placed(entry: Entry) -> bool:
    """Whether its latents are numbers that can be anything between others: codes are not."""
    return entry.walks and not isinstance(entry.model, VQVAE)


# Other answers --------------------------------------------------------------------------------------------------------


def there_and_back(entry: Entry, event: np.ndarray, direction: str) -> np.ndarray:
    """A picture, its translation in a direction, 'AB' or 'BA', and that translated back: `[3, *event_shape]`."""
    with entry.lock:
        there = entry.model.translate(event[None], *direction)
        return np.concatenate([event[None], there, entry.model.translate(there, *direction[::-1])])


def probabilities(entry: Entry, event: np.ndarray) -> dict[str, float]:
    """The probability of each label of a picture, by the label's name."""
    with entry.lock:
        found = np.exp(entry.model.log_prob_of_labels(event[None])[0])
    names = entry.config.get('record', {}).get('classes') or range(len(found))
    return {str(name): float(value) for name, value in zip(names, found)}


# What one sees or hears -----------------------------------------------------------------------------------------------


def zoom_of(shape: tuple, pixels: int) -> int:
    """How many pixels a value becomes so that an image is about so large."""
    return max(1, round(pixels / max(shape[:2])))


def grid(entry: Entry, events: np.ndarray, columns: int | None = None, pixels: int = 84) -> np.ndarray:
    """Images beside each other, all in one scale, each about so many pixels large."""
    return pictures.grid(events, columns, gap=3, zoom=zoom_of(entry.model.event_shape, pixels))


def sounds(entry: Entry, events: np.ndarray, folder: pathlib.Path) -> tuple[str, str]:
    """Writes sounds into a folder, one after the other, and their spectrograms; returns both paths."""
    rate, levels = files.sound_of(entry.config, entry.folder)
    files.write(folder / 'sounds.wav', events, entry.config)
    pictures.save_spectrograms(folder / 'spectrograms.png', sound.decode(events, levels), rate)
    return str(folder / 'sounds.wav'), str(folder / 'spectrograms.png')


def scatter(entry: Entry, events: np.ndarray, across: int = 0, up: int = 1) -> Figure:
    """Two numbers of each sample as a point, over those of real data; in the plane also the density."""
    made = Figure(figsize=(7, 5), layout='constrained', dpi=110)
    axes = made.add_subplot()
    real = entry.examples[0] if entry.has_data else events
    if entry.scores and entry.model.num_sites == 2 and entry.model.condition is None:
        both = np.concatenate([real, events])[:, [across, up]]
        sides = np.linspace(both.min(axis=0), both.max(axis=0), RASTER).T
        points = np.stack(np.meshgrid(*sides), axis=-1)[..., np.argsort([across, up])]
        with entry.lock:
            log_density = entry.model.distribution().log_prob(points.reshape(-1, 2)).numpy()
        # In parts of the highest, which may be beyond all numbers.
        density = np.exp(log_density - log_density.max()).reshape(RASTER, RASTER)
        axes.pcolormesh(*sides, density, cmap='Blues', shading='gouraud')
    if entry.has_data:
        axes.plot(real[:, across], real[:, up], '.', color='0.6', markersize=4, label='test data')
    axes.plot(events[:, across], events[:, up], '.', color='tab:orange', markersize=5, label='samples')
    axes.set(xlabel=entry.columns[across], ylabel=entry.columns[up])
    axes.legend(loc='upper right', framealpha=0.9)
    return made


def surprise(entry: Entry, event: np.ndarray, sites: np.ndarray) -> Figure:
    """An event, and the surprise at each of its sites, -log p in nats: a heat map of an image, else bars or a line."""
    image = entry.kind == 'image'
    made = Figure(figsize=(8, 3.6) if image else (7, 4), layout='constrained', dpi=110)
    if image:
        left, right = made.subplots(1, 2, width_ratios=(1, 1.2))
        left.imshow(grid(entry, event[None]))
        drawing = right.imshow(-sites.sum(axis=-1), cmap='inferno')
        made.colorbar(drawing, ax=right, label='surprise, −log p in nats')
        for axes in left, right:
            axes.set_axis_off()
    elif entry.kind == 'sound':
        above, below = made.subplots(2, 1, sharex=True)
        above.plot(np.ravel(event), linewidth=0.5, color='0.4')
        above.set_ylabel('level')
        below.plot(-np.ravel(sites), linewidth=0.5, color='tab:red')
        below.set(xlabel='step', ylabel='surprise, nats')
    else:
        axes = made.add_subplot()
        axes.barh(entry.columns[::-1], -np.ravel(sites)[::-1], color='tab:red')
        axes.set_xlabel('surprise, −log p in nats')
    return made
