"""Samples by the thousand: drawn in pieces, as far as there is memory for them."""

import math
import pathlib

import numpy as np
import psutil

from tfdgm import pictures

# How many samples are drawn at once, and how many numbers these have at most: a model remembers much of each.
PIECE, PIECE_SITES = 1000, 1_000_000

# About how many bytes each number of an event takes until it is in a file of a kind.
BYTES = {'.npy': 8, '.csv': 64, '.wav': 64}
PIXEL_BYTES = 110  # Of a pixel of the picture.


def draw(dist, number: int, seed: int, **options) -> np.ndarray:
    """Draws events from a model's distribution without batch shape: `[number, *event_shape]`.

    The first piece, of 1,000 samples or of a million numbers, is `dist.sample(size, seed)`; piece k has the seed
    `seed + k * 2**31`.
    """
    shape = tuple(dist.event_shape)
    size = min(number, PIECE, max(1, PIECE_SITES // math.prod(shape)))
    events = np.empty((number, *shape), 'float32')
    for piece, start in enumerate(range(0, number, size)):
        # The last piece too is drawn whole: its samples are the same in any number of them, by the same program.
        samples = dist.sample(size, seed=seed + piece * 2**31, **options)
        events[start:start + size] = samples[:number - start]
    return events


def check_memory(number: int, model, path: pathlib.Path):
    """Raises, before any work is done, if so many events of a model need more memory than there is.

    Raises:
        ValueError: with a number that fits.
    """
    suffix = path.suffix.lower()
    if suffix == '.png':
        height, width, _ = model.event_shape
        each = PIXEL_BYTES * height * width * pictures.default_zoom(height, width)**2
    else:
        each = BYTES[suffix] * model.num_sites
    free = psutil.virtual_memory().available
    if number * each > free:
        fitting = free // (2 * each)
        fitting -= fitting % 10**(len(str(fitting)) - 1)
        raise ValueError(f'{number:,} samples of shape {model.event_shape} in {path} need about '
                         f'{number * each / 2**30:,.1f} GiB of memory, and {free / 2**30:.1f} GiB are free. Draw fewer '
                         f'at once, such as -n {max(1, fitting)}, with another --seed each time.')
