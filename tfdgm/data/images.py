"""Folders of images as data.

`keras.utils.load_img` reads them. `keras.utils.image_dataset_from_directory`, which is built on TensorFlow's readers,
cannot be told which files belong to a split, takes hidden ones too, ends at the first that is damaged, and leaves
photographs lying on their side.
"""

import collections
import functools

import keras
import numpy as np
import psutil
import tensorflow as tf
from PIL import Image, ImageOps

from tfdgm import checks
from tfdgm.data import folders

COLOR_MODES = {'grayscale': 1, 'rgb': 3}
LEVELS = 256
GREY = '1', 'L', 'LA', 'La'
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # Exif's: a camera that was turned by a quarter writes one of these.
REMEDY = 'Remove them or replace them.'


def load(folder: folders.Folder, split: str, size: int | None, color_mode: str | None, classes) -> tf.data.Dataset:
    """The images of one split as float32 events `[height, width, channels]`, integers 0 … 255.

    Args:
        folder: of images.
        split: one of its splits.
        size: how many pixels the sides get: of each image the largest square in its middle is kept, and made smaller.
            None for images as they are.
        color_mode: 'grayscale' or 'rgb'; None for grey if all images are.
        classes: the names of the classes; None for no labels.

    Returns:
        Events, or pairs with int32 labels.

    Raises:
        ValueError: if files cannot be used. They are named.
    """
    chosen = folder.chosen(split)
    images = read(folder, size, color_mode)[chosen]
    if classes is None:
        return tf.data.Dataset.from_tensor_slices(images).map(to_float, tf.data.AUTOTUNE)
    labels, _ = folder.labels(classes)
    labels = np.array(labels, 'int32')[chosen]
    return tf.data.Dataset.from_tensor_slices((images, labels)).map(to_float, tf.data.AUTOTUNE)


def to_float(image, *label):
    """The event of an image, with its label if there is one."""
    event = tf.cast(image, tf.float32)
    return (event, *label) if label else event


# A training opens each split several times, and to look for damage takes reading all files.
@functools.lru_cache(maxsize=1)
def read(folder: folders.Folder, size: int | None, color_mode: str | None) -> np.ndarray:
    """All images of a folder, `[n, height, width, channels]`, uint8."""
    if size is not None:
        checks.integer(size, f'size of {folder.name}')
    if color_mode is not None:
        checks.one_of(color_mode, tuple(COLOR_MODES), f'color_mode of {folder.name}')
    headers, problems = folders.each(header, folder, 'Looking at')
    shapes = collections.Counter(shape for shape, _ in filter(None, headers))
    remedy = REMEDY
    for file, found in zip(folder.files, headers):
        if found is None:
            continue
        (height, width), _ = found
        usual = shapes.most_common(1)[0][0]
        if size is None and found[0] != usual:
            problems[file.name] = f'has {height}x{width} pixels, and most have {usual[0]}x{usual[1]}'
            remedy = f'{REMEDY[:-1]}, or give a size to make all of them squares of so many pixels.'
        elif size is not None and min(height, width) < size:
            problems[file.name] = f'has {height}x{width} pixels, which is less than the size, {size}'
            remedy = f'{REMEDY[:-1]}, or give a smaller size.'
    if color_mode is None:
        color_mode = 'grayscale' if all(is_grey for _, is_grey in filter(None, headers)) else 'rgb'
    height, width = (size, size) if size is not None else shapes.most_common(1)[0][0] if shapes else (0, 0)
    check_memory(len(headers) * height * width * COLOR_MODES[color_mode], folder)
    images = np.zeros([len(headers), height, width, COLOR_MODES[color_mode]], 'uint8')
    places = {file.name: place for place, file in enumerate(folder.files)}

    def decode(file):
        if file.name in problems:
            raise ValueError(problems[file.name])
        images[places[file.name]] = pixels(file.path, size, color_mode)

    _, problems = folders.each(decode, folder, 'Reading')
    folders.report(problems, folder.name, remedy)
    images.flags.writeable = False
    return images


def header(file: folders.File) -> tuple:
    """The height and the width of an image, upright, and whether it is grey."""
    try:
        image = Image.open(file.path)
    except Image.UnidentifiedImageError as error:
        raise ValueError('is not an image, or is damaged') from error
    with image:
        width, height = image.size
        if image.mode.startswith(('I', 'F')):
            raise ValueError('has more than 8 bits for a pixel; convert it to 8')
        try:
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
        except (OSError, SyntaxError) as error:  # Of some kinds, it reads the whole.
            raise ValueError(f'is damaged: {error}') from error
        return ((width, height) if turned else (height, width)), is_grey(image)


def is_grey(image) -> bool:
    """Whether an image has shades of grey only, as its mode or its palette says."""
    if image.mode != 'P':
        return image.mode in GREY
    palette = np.reshape(image.getpalette('RGB'), (-1, 3))
    return bool(np.all(palette == palette[:, :1]))


def pixels(path, size: int | None, color_mode: str) -> np.ndarray:
    """One image, upright, `[height, width, channels]`, uint8."""
    try:
        image = ImageOps.exif_transpose(keras.utils.load_img(path, color_mode=color_mode))
    except (OSError, SyntaxError) as error:
        raise ValueError(f'is damaged: {error}') from error
    if size is not None:  # Where squares of pixels become one, it is their mean.
        image = ImageOps.fit(image, (size, size), Image.Resampling.BOX)
    return keras.utils.img_to_array(image, data_format='channels_last', dtype='uint8')


def check_memory(needed: int, folder: folders.Folder):
    """Raises unless there is room for so many bytes, which TensorFlow holds a second time."""
    free = psutil.virtual_memory().available
    if 2 * needed > free:
        raise ValueError(f'The {len(folder.files):,} images of {folder.name} need {2 * needed / 2**30:,.1f} GiB of '
                         f'memory, and {free / 2**30:,.1f} GiB are free. Give a smaller size.')


def describe(folder: folders.Folder, size: int | None, color_mode: str | None) -> str:
    """What a card says of them."""
    count, height, width, channels = read(folder, size, color_mode).shape
    return f'{count:,} images of {height}x{width} pixels, {"grey" if channels == 1 else "in colour"}'
