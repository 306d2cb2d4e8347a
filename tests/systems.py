"""The systems of all families, for tests of what they have in common."""

import pytest

import tfdgm
from tests.autoregressive import systems as autoregressive
from tests.boltzmann import systems as boltzmann
from tests.flows import systems as flows
from tests.implicit import systems as implicit
from tests.latent import systems as latent

SYSTEMS = [*autoregressive.SYSTEMS, *flows.SYSTEMS, 'vae', 'pixel_vae', 'hierarchical_vae', 'vq_vae']


# Those of which one has samples alone.
WITHOUT_DENSITY = ['gan', 'wae', 'aae', 'gsn']
# Those that take no condition.
WITHOUT_CONDITION = ['rbm', 'dbm', 'energy']


def every_of(systems, *quick):
    """Parametrises a test by systems; where they share what is tested, all but some quick ones are slow."""
    return pytest.mark.parametrize('system', [
        system if system in quick else pytest.param(system, marks=pytest.mark.slow) for system in systems])


def every_system(*quick, also=()):
    """Parametrises a test by all systems, of which some are quick; without those, all of them are."""
    systems = [*SYSTEMS, *also]
    return every_of(systems, *(quick or systems))


def make(system, event_shape=None, **kwargs):
    """Makes a small system with random weights."""
    families = ((flows, flows.SYSTEMS), (latent, latent.ALL), (implicit, implicit.ALL),
                (boltzmann, boltzmann.SYSTEMS))
    for family, names in families:
        if system in names:
            return family.make(system, event_shape, **kwargs)
    return autoregressive.make(system, event_shape or (2, 2, 1), **kwargs)


def some_events(model, count=8):
    """Random events in a model's support."""
    if isinstance(model, tfdgm.latent.AutoencodingModel):
        return latent.some_events(model, count)
    if isinstance(model, tfdgm.boltzmann.UnnormalizedModel):
        return boltzmann.some_events(model, count)
    if not isinstance(model, tfdgm.DensityModel):
        return implicit.some_events(model, count)
    family = flows if isinstance(model, tfdgm.FlowModel) else autoregressive
    return family.some_events(model, count)
