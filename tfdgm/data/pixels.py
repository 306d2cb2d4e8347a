"""Images with fewer pixels, fewer levels or only two: what `load` does with images of any source."""

import numpy as np
import tensorflow as tf

from tfdgm import checks, random

BINARIZATIONS = 'fixed', 'threshold', 'dynamic'


def smaller(dataset, levels, size, name):
    """Images whose sides have `size` pixels, each the rounded mean of the square that it covers."""
    mean = means_of_squares(dataset, levels, size, name)
    return dataset.map(lambda image, *label: (mean(image), *label) if label else mean(image), tf.data.AUTOTUNE)


def with_coarse(dataset, levels, size, name):
    """Pairs of an image and the same with fewer pixels: what super-resolution learns from."""
    mean = means_of_squares(dataset, levels, size, name, 'coarse')
    return dataset.map(lambda image: (image, mean(image)), tf.data.AUTOTUNE)


def with_grey(dataset, name):
    """Pairs of a colour image and the same in grey: what colourisation learns from."""
    shape = dataset.element_spec.shape
    if shape.rank != 3 or shape[-1] != 3:
        raise ValueError(f'The events of {name} are no images in colour, [height, width, 3], but {shape}; leave out '
                         'grey.')
    return dataset.map(lambda image: (image, tf.round(tf.image.rgb_to_grayscale(image))), tf.data.AUTOTUNE)


def means_of_squares(dataset, levels, size, name, argument='size'):
    """A function from an image of a dataset to that with `size` pixels along each side."""
    image, *_ = dataset.element_spec if isinstance(dataset.element_spec, tuple) else (dataset.element_spec,)
    checks.integer(size, f'{argument} of {name}')
    if image.shape.rank != 3:
        raise ValueError(f'The events of {name} are no images, [height, width, channels], but {image.shape}; leave out '
                         f'{argument}.')
    height, width, _ = image.shape
    if width is None or height != width or size > width:
        raise ValueError(f'{argument} of {name} should be at most the sides of its images, which are squares, and '
                         f'these are {height}x{width}; got {size}.')
    if levels == 2:
        raise ValueError(f'The images of {name} are binary: squares of pixels have no mean that is; leave out '
                         f'{argument}.')
    # Which share each of the old pixels has in a new one, along a side.
    ends = np.arange(size + 1) * width / size
    pixels = np.arange(width)
    shares = np.clip(np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels), 0, None)
    shares = (shares * size / width).astype('float32')

    def mean(image):
        return tf.round(tf.einsum('ij,jkc,lk->ilc', shares, image, shares))

    return mean


def coarser(dataset, own_levels, levels, name):
    """Images with fewer levels."""
    if checks.integer(levels, f'levels of {name}', 2) > own_levels:
        raise ValueError(f'levels of {name} can be at most its own {own_levels}, got {levels}.')

    def coarse(image, *label):
        image = tf.floor(image * levels / own_levels)
        return (image, *label) if label else image

    return dataset.map(coarse, tf.data.AUTOTUNE)


def mutate(dataset, levels, rate, seed):
    """Mutates pixels: at the mutation rate each takes a random level, drawn anew in each epoch."""
    def mutated(example, draw):
        image, *label = example if isinstance(example, tuple) else (example,)
        draw = tf.cast(draw, tf.int32)
        where, values = (random.uniforms(tf.shape(image), random.fold_in(draw, part)) for part in range(2))
        image = tf.where(where < rate, tf.floor(values * levels), image)
        return (image, *label) if label else image

    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip((dataset, seeds)).map(mutated, tf.data.AUTOTUNE)


def binarize(dataset, levels, binarization, seed):
    """Turns grey values into {0, 1}, with a seed for each example and, if dynamic, each epoch."""
    def binarize(image, uniform):
        threshold = 0.5 if binarization == 'threshold' else uniform
        return tf.cast(image / (levels - 1) > threshold, tf.float32)

    if binarization == 'dynamic':
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    else:  # `Dataset.random` would depend on TensorFlow's global seed, too.
        seeds = tf.data.Dataset.counter().map(lambda index: tf.stack([tf.constant(seed, tf.int64), index]))

    def both(example, draw):
        image, *label = example if isinstance(example, tuple) else (example,)
        binary = binarize(image, random.uniforms(tf.shape(image), tf.cast(draw, tf.int32)))
        return (binary, *label) if label else binary

    return tf.data.Dataset.zip((dataset, seeds)).map(both, tf.data.AUTOTUNE)
