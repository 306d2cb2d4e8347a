"""Pictures of events."""

import math
import os
from collections.abc import Sequence

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tfdgm import atomic


def grid(images: ArrayLike, columns: int | None = None, gap: int = 1, zoom: int | None = None) -> np.ndarray:
    """Tiles images into one, brightest where the values are highest.

    Args:
        images: `[n, height, width, channels]` with 1 or 3 channels.
        columns: how many stand beside each other; by default as many as make the grid about square.
        gap: how many pixels lie between them.
        zoom: how many pixels a value becomes in each direction; by default enough for images of 56 pixels or more.

    Returns:
        `[grid_height, grid_width, 3]`, uint8.

    Raises:
        ValueError: if `images` are not images.

    >>> import numpy as np, tfdgm
    >>> tfdgm.pictures.grid(np.zeros([4, 8, 8, 1]), zoom=1).shape
    (19, 19, 3)
    """
    images = np.asarray(images, 'float64')
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError('A grid needs images, [n, height, width, 1 or 3 channels] with n of at least 1; '
                         f'got an array of shape {images.shape}.')
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    zoom = zoom or default_zoom(height, width)
    low, high = images.min(), images.max()
    images = np.broadcast_to((images - low) / ((high - low) or 1), (count, height, width, 3))
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    cell_height, cell_width = height * zoom + gap, width * zoom + gap
    canvas = np.full((rows * cell_height + gap, columns * cell_width + gap, 3), 0.5)
    for index, image in enumerate(images):
        top, left = gap + index // columns * cell_height, gap + index % columns * cell_width
        canvas[top:top + height * zoom, left:left + width * zoom] = image
    return (canvas * 255).round().astype('uint8')


def default_zoom(height: int, width: int) -> int:
    """How many pixels a value becomes in each direction, so that an image has 56 pixels or more."""
    return math.ceil(56 / max(height, width))


def save_grid(path: str | os.PathLike, images: ArrayLike, **options):
    """Writes `grid(images, **options)` as a PNG file."""
    pixels = grid(images, **options)
    with atomic.writing(path) as file:
        matplotlib.image.imsave(file, pixels, format='png')


def save_spectrograms(path: str | os.PathLike, waveforms: Sequence[ArrayLike], rate: int,
                      titles: Sequence[str] | None = None):
    """Writes the spectrograms of sounds beside each other as a PNG file, brightest where a frequency is loudest.

    Args:
        path: of the file.
        waveforms: `[n, steps]`, real numbers from -1 to 1.
        rate: samples a second.
        titles: what stands above each, or None.

    Raises:
        ValueError: if they are no waveforms.
    """
    waveforms, window = np.asarray(waveforms), rate * 32 // 1000
    if waveforms.ndim != 2 or not len(waveforms):
        raise ValueError(f'Spectrograms need waveforms [n, steps], got an array of shape {waveforms.shape}.')
    waveforms = np.pad(waveforms, [(0, 0), (0, max(0, window - waveforms.shape[1]))])
    columns = min(5, len(waveforms))
    figure = Figure(figsize=(2.2 * columns, 2 * math.ceil(len(waveforms) / columns)), layout='constrained')
    for index, waveform in enumerate(waveforms):
        axes = figure.add_subplot(math.ceil(len(waveforms) / columns), columns, index + 1)
        # Nothing is quieter than half a step of 16 bits: silence has a logarithm too.
        audible = waveform + np.random.default_rng(0).uniform(-2.**-16, 2.**-16, waveform.shape)
        axes.specgram(audible, window, rate, noverlap=window * 7 // 8, vmin=-110, vmax=-30)
        axes.set_title(titles[index] if titles else '', fontsize=9)
        axes.tick_params(labelsize=7)
    figure.supxlabel('seconds', fontsize=9)
    figure.supylabel('Hz', fontsize=9)
    with atomic.writing(path) as file:
        figure.savefig(file, dpi=100, format='png')
