"""Small adversarial models."""

import numpy as np

import tfdgm
from tests.flows.systems import moved

SYSTEMS = {
    'gan': lambda *args, **kwargs: tfdgm.GAN(*args, num_latents=3, hidden_units=(8,), **kwargs),
    'convolutional_gan': lambda *args, **kwargs: tfdgm.GAN(
        *args, num_latents=3, filters=4, spectral_normalization=True, generator_loss='minimax', **kwargs),
    'packed_gan': lambda *args, **kwargs: tfdgm.GAN(*args, num_latents=3, hidden_units=(8,), pack=2, **kwargs),
    'wgan': lambda *args, **kwargs: tfdgm.WGAN(*args, num_latents=3, filters=4, critic_steps=2, **kwargs),
    'clipped_wgan': lambda *args, **kwargs: tfdgm.WGAN(
        *args, num_latents=3, hidden_units=(8,), critic_steps=2, gradient_penalty=0., clip=0.1, **kwargs),
}


def make(system, event_shape=None, **kwargs):
    """Makes a small model and gives it weights away from their initial values."""
    return moved(SYSTEMS[system](event_shape or (8, 8, 1), **kwargs))


def some_events(model, count=8):
    """Random events in a model's support."""
    generator, shape = np.random.default_rng(2), (count, *model.event_shape)
    if model.levels is None:
        return generator.normal(size=shape).astype('float32')
    return generator.integers(model.levels, size=shape).astype('float32')
