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

# And those that don't make events of noise alone.
ALL = {
    **SYSTEMS,
    'aae': lambda *args, **kwargs: tfdgm.AAE(*args, num_latents=3, hidden_units=(8,), **kwargs),
    'wae': lambda *args, **kwargs: tfdgm.WAE(*args, num_latents=3, hidden_units=(8,), **kwargs),
    'gan_wae': lambda *args, **kwargs: tfdgm.WAE(*args, num_latents=3, hidden_units=(8,), penalty='gan', **kwargs),
    'convolutional_wae': lambda *args, **kwargs: tfdgm.WAE(*args, num_latents=3, filters=4, **kwargs),
    'gsn': lambda *args, **kwargs: tfdgm.GSN(*args, **{'hidden_units': (8, 6), 'burn_in': 3, **kwargs}),
    'cycle_gan': lambda *args, **kwargs: tfdgm.CycleGAN(
        *args, **{'filters': 4, 'blocks': 1, 'pool_size': 5, 'hidden_units': (8,), **kwargs}),
}


def make(system, event_shape=None, *, random_weights=True, **kwargs):
    """Makes a small model and gives it weights away from their initial values."""
    model = ALL[system](event_shape or (8, 8, 1), **kwargs)
    return moved(model) if random_weights else model


def some_events(model, count=8):
    """Random events in a model's support."""
    generator, shape = np.random.default_rng(2), (count, *model.event_shape)
    if not model.support.is_discrete:
        return generator.normal(size=shape).astype('float32')
    return generator.integers(model.support.levels, size=shape).astype('float32')
