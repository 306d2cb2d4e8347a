"""Small models up to a constant, and their sums over everything, by hand."""

import itertools

import numpy as np

import tfdgm
from tests.flows.systems import moved
from tfdgm.outputs import Categorical, MixtureOfGaussians

SYSTEMS = {
    'rbm': lambda *args, **kwargs: tfdgm.RBM(*args, **{'hidden_units': 6, 'num_chains': 20, **kwargs}),
    'centered_rbm': lambda *args, **kwargs: tfdgm.RBM(
        *args, **{'hidden_units': 6, 'num_chains': 20, 'centered': True, **kwargs}),
    'categorical_rbm': lambda *args, **kwargs: tfdgm.RBM(
        *args, **{'output': Categorical(3), 'hidden_units': 6, 'num_chains': 20, **kwargs}),
    'gaussian_rbm': lambda *args, **kwargs: tfdgm.RBM(
        *args, **{'output': MixtureOfGaussians(1), 'hidden_units': 6, 'num_chains': 20, **kwargs}),
    'dbm': lambda *args, **kwargs: tfdgm.DBM(*args, **{'hidden_units': (4, 3, 3), 'num_chains': 20, **kwargs}),
    'energy': lambda *args, **kwargs: tfdgm.EnergyModel(
        *args, **{'hidden_units': (8,), 'num_chains': 20, 'langevin_steps': 3, **kwargs}),
    'integer_energy': lambda *args, **kwargs: tfdgm.EnergyModel(
        *args, **{'levels': 4, 'hidden_units': (8,), 'num_chains': 20, 'langevin_steps': 3, **kwargs}),
}
MACHINES = [system for system in SYSTEMS if 'energy' not in system]


def make(system, event_shape=None, *, random_weights=True, **kwargs):
    """Makes a small model and gives it weights away from their initial values."""
    model = SYSTEMS[system](event_shape or (2, 2, 1), **kwargs)
    return spread(model) if random_weights else model


def spread(model, scale=0.7):
    """The model, with weights so far apart that no two units are alike, and means that are not where they begin."""
    if isinstance(model, tfdgm.EnergyModel):
        moved(model).estimate_log_partition(num_chains=10, temperatures=10)
        return model
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + generator.normal(size=variable.shape) * scale)
    for means in model.means:
        means.assign(generator.uniform(0.1, 0.3, size=means.shape))
    return model


def some_events(model, count=8):
    """Random events in a model's support."""
    generator, shape = np.random.default_rng(2), (count, *model.event_shape)
    if not model.support.is_discrete:
        return generator.normal(size=shape).astype('float32')
    return generator.integers(model.support.levels, size=shape).astype('float32')


def all_events(model):
    """Every event of a model of a few discrete sites, `[n, *event_shape]`."""
    values = itertools.product(range(model.support.levels), repeat=model.num_sites)
    return np.array(list(values), 'float32').reshape(-1, *model.event_shape)


def log_joint(model, x, hidden):
    """log p(x, h) + log Z of events and states of all hidden units, as the energy of the papers says."""
    units = model.visible
    x = np.asarray(model.seen(x))
    features = np.asarray(units.features(x), 'float64')
    layers = [features, *np.split(np.asarray(hidden, 'float64'), np.cumsum(model.hidden_layers)[:-1], axis=1)]
    offsets = [means.numpy() if model.centered else 0. for means in model.means]
    total = np.asarray(units.log_measure(x), 'float64') + np.zeros(len(x))
    # Of centred units, up to a constant: the offsets of the biases' own terms are left out.
    total += sum(layer @ bias.numpy() for layer, bias in zip(layers, model.unit_biases))
    for index, kernel in enumerate(model.kernels):
        below, above = layers[index] - offsets[index], layers[index + 1] - offsets[index + 1]
        constant = offsets[index] @ kernel.numpy() @ offsets[index + 1] if model.centered else 0.
        total += np.sum((below @ kernel.numpy()) * above, axis=1) - constant
    return total


def states_of(model):
    """All states of the hidden units, `[2^n, n]`."""
    return np.array(list(itertools.product((0, 1), repeat=sum(model.hidden_layers))))


def log_marginal(model, x):
    """log p(x) + log Z of events, by a sum over all states of the hidden units."""
    states = states_of(model)
    return np.array([np.logaddexp.reduce(log_joint(model, np.repeat(event[None], len(states), 0), states))
                     for event in x])
