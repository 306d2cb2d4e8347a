"""The flows that run through the properties of test_properties.py. A new one needs one line here."""

import numpy as np

import tfdgm
from tests.autoregressive.systems import some_condition
from tfdgm.conditions import Label, Vector

VECTOR_SYSTEMS = {
    'nice': lambda *args, **kwargs: tfdgm.NICE(*args, hidden_units=(8,), **kwargs),
    'affine': lambda *args, **kwargs: tfdgm.AffineCouplingFlow(*args, couplings=4, hidden_units=(8,), **kwargs),
    'spline': lambda *args, **kwargs: tfdgm.NeuralSplineFlow(*args, couplings=2, hidden_units=(8,), bins=4, **kwargs),
    'maf': lambda *args, **kwargs: tfdgm.MAF(*args, blocks=2, hidden_units=(8,), **kwargs),
    'iaf': lambda *args, **kwargs: tfdgm.IAF(*args, blocks=2, hidden_units=(8,), **kwargs),
    'ffjord': lambda *args, **kwargs: tfdgm.FFJORD(*args, hidden_units=(8, 8), **kwargs),
}
IMAGE_SYSTEMS = {
    'real_nvp': lambda *args, **kwargs: tfdgm.RealNVP(*args, couplings=1, filters=4, blocks=1, **kwargs),
    'glow': lambda *args, **kwargs: tfdgm.Glow(*args, steps=1, filters=4, blocks=1, **kwargs),
}
SYSTEMS = VECTOR_SYSTEMS | IMAGE_SYSTEMS
CONDITIONS = {'unconditional': None, 'label': Label(3), 'vector': Vector(2)}


def make(system, event_shape=None, *, random_weights=True, **kwargs):
    """Makes a flow and gives it weights away from their initial values, so that nothing holds by accident."""
    event_shape = event_shape or ((4, 4, 1) if system in IMAGE_SYSTEMS else (2, 2, 1))
    model = SYSTEMS[system](event_shape, **kwargs)
    return moved(model) if random_weights else model


def moved(model):
    """The model, with its weights moved away from their initial values at random."""
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + generator.normal(size=variable.shape) * 0.2)
    return model


def some_events(model, count=8):
    """Random events in a model's support."""
    generator = np.random.default_rng(2)
    if model.dequantization is None:
        return generator.normal(size=(count, *model.event_shape)).astype('float32')
    return generator.integers(model.dequantization.levels, size=(count, *model.event_shape)).astype('float32')


__all__ = ['CONDITIONS', 'IMAGE_SYSTEMS', 'SYSTEMS', 'VECTOR_SYSTEMS', 'make', 'some_condition', 'some_events']
