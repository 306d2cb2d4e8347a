"""The systems that run through the properties of test_properties.py. A new system needs one line here."""

import itertools

import numpy as np
import tensorflow as tf

import tfdgm
from tfdgm.conditions import Image, Label, Vector
from tfdgm.outputs import Bernoulli, Categorical, MixtureOfGaussians, MixtureOfLogistics

SYSTEMS = {
    'independent': lambda *args, **kwargs: tfdgm.Independent(*args, **kwargs),
    'markov_chain': lambda *args, **kwargs: tfdgm.MarkovChain(*args, **kwargs),
    'fvsbn': lambda *args, **kwargs: tfdgm.FVSBN(*args, **kwargs),
    'nade': lambda *args, **kwargs: tfdgm.NADE(*args, hidden_units=7, **kwargs),
    'made': lambda *args, **kwargs: tfdgm.MADE(*args, hidden_units=(9, 7), activation='tanh', **kwargs),
    'made_masks': lambda *args, **kwargs: tfdgm.MADE(
        *args, hidden_units=(9, 7), num_masks=3, direct_connections=True, activation='tanh', **kwargs),
    'pixel_cnn': lambda *args, **kwargs: tfdgm.PixelCNN(*args, filters=6, blocks=2, **kwargs),
    'gated_pixel_cnn': lambda *args, **kwargs: tfdgm.GatedPixelCNN(
        *args, filters=6, blocks=2, dilations=(1, 2), **kwargs),
    'pixel_cnn_pp': lambda *args, **kwargs: tfdgm.PixelCNNPlusPlus(
        *args, filters=6, blocks=1, **{'output': Bernoulli(), 'dilations': (2,), **kwargs}),
    'row_lstm': lambda *args, **kwargs: tfdgm.PixelRNN(*args, filters=6, blocks=2, **kwargs),
    'diagonal_bilstm': lambda *args, **kwargs: tfdgm.PixelRNN(
        *args, cell='DiagonalBiLSTM', filters=6, blocks=1, **kwargs),
    'recurrent': lambda *args, **kwargs: tfdgm.RecurrentModel(*args, units=6, blocks=2, **kwargs),
    'wavenet': lambda *args, **kwargs: tfdgm.WaveNet(*args, filters=6, dilations=(1, 2), **kwargs),
    'transformer': lambda *args, **kwargs: tfdgm.CausalTransformer(
        *args, width=6, heads=2, blocks=1, **{'window': 4, **kwargs}),
}
# Systems of images: they take three-dimensional events in their natural order only.
IMAGE_SYSTEMS = ['pixel_cnn', 'gated_pixel_cnn', 'pixel_cnn_pp', 'row_lstm', 'diagonal_bilstm']
# Systems that read the sites as a sequence.
SEQUENCE_SYSTEMS = ['recurrent', 'wavenet', 'transformer']
OUTPUTS = {'bernoulli': Bernoulli(), 'categorical': Categorical(3), 'gaussians': MixtureOfGaussians(2),
           'logistics': MixtureOfLogistics(3, 2)}
CONDITIONS = {'unconditional': None, 'label': Label(3), 'vector': Vector(2)}
ORDERS = {'natural': 'natural', 'random': 'random', 'given': [4, 2, 0, 5, 1, 3]}

# Every output with and without a condition, every condition and every order, without all 27 combinations.
CASES = [('bernoulli', 'unconditional', 'natural'), ('bernoulli', 'label', 'random'),
         ('categorical', 'unconditional', 'random'), ('categorical', 'vector', 'given'),
         ('gaussians', 'unconditional', 'given'), ('gaussians', 'label', 'natural'),
         ('logistics', 'label', 'random')]

# Deep networks take long to compile: each output and condition once.
DEEP_SYSTEMS = IMAGE_SYSTEMS + SEQUENCE_SYSTEMS
DEEP_CASES = [CASES[0], CASES[3], CASES[5], CASES[6]]
SYSTEMS_AND_CASES = [(system, *case) for system in SYSTEMS for case in (
    DEEP_CASES if system in DEEP_SYSTEMS else CASES)]
SYSTEMS_AND_CASES_TO_FIT = [(system, *case) for system in SYSTEMS for case in (
    DEEP_CASES[:2] if system in DEEP_SYSTEMS else CASES)]
SYSTEMS_AND_ORDERS = [(system, order) for system in SYSTEMS for order in ORDERS
                      if order == 'natural' or system not in IMAGE_SYSTEMS]


def make(system, event_shape, *, random_weights=True, **kwargs):
    """Makes a system and gives it weights far from their initial values, so that nothing holds by accident."""
    if system in IMAGE_SYSTEMS:
        kwargs.pop('order', None)
        event_shape = event_shape if isinstance(event_shape, tuple) else (1, event_shape, 1)
    model = SYSTEMS[system](event_shape, **kwargs)
    if random_weights:
        scale = 0.3 if system in IMAGE_SYSTEMS else 0.7  # The deeper, the more they amplify.
        generator = np.random.default_rng(1)
        for variable in model.trainable_variables:
            variable.assign(generator.normal(size=variable.shape) * scale)
    return model


def every_event(event_shape, levels):
    """All events of a small discrete space: `[levels ** sites, *event_shape]`."""
    events = list(itertools.product(range(levels), repeat=int(np.prod(event_shape))))
    return np.reshape(events, (-1, *event_shape)).astype('float32')


def some_events(model, count=16):
    """Random events in a model's support."""
    generator = np.random.default_rng(2)
    if not model.support.is_discrete:
        return generator.normal(size=(count, *model.event_shape)).astype('float32')
    levels = getattr(model.output, 'levels', 2)
    return generator.integers(levels, size=(count, *model.event_shape)).astype('float32')


def some_condition(condition, batch_shape=()):
    """Random values of a condition, or None for None."""
    generator = np.random.default_rng(3)
    if condition is None:
        return None
    if isinstance(condition, Label):
        return generator.integers(condition.num_classes, size=batch_shape)
    if isinstance(condition, Image):
        return generator.integers(condition.levels, size=(*batch_shape, *condition.shape))
    return generator.normal(size=(*batch_shape, *condition.shape)).astype('float32')


def chains(model):
    """The chains that make up a model: pairs of the function that gives their parameters, and the sites in order."""
    if getattr(model, 'num_masks', 1) == 1:
        return [(model.parameters, model.ordering)]
    return [(lambda x, condition, mask=mask: model.mask_parameters(x, condition, mask), model.orderings[mask])
            for mask in range(model.num_masks)]


def step_by_step(model, x, condition=None, mask=None):
    """The parameters at every site, found one position after the other: `[batch, sites, num_parameters]`.

    Of a model with several masks, those under one of them.
    """
    ordering = model.ordering if mask is None else model.orderings[mask]
    values = np.reshape(x, (len(x), -1)).astype('float32')
    state, previous = model.initial_state(len(x), condition), tf.zeros(len(x))
    if mask is not None:
        state['masks'] = tf.fill([len(x)], mask)
    found = [None] * model.num_sites
    for position, site in enumerate(ordering):
        if position % model.row_length == 0:
            state = model.start_row(state, position // model.row_length, previous)
        if position % model.pixel_length == 0:
            state = model.start_pixel(state, position, previous)
        found[site], state = model.step(state, position, previous)
        previous = tf.constant(values[:, site])
    return np.stack(found, axis=1)


def dependencies(model, parameters=None, sites=None):
    """Which sites the parameters of each site, or of some, depend on, by the gradient at a random event.

    Booleans `[sites, all sites]`.
    """
    sites = np.arange(model.num_sites) if sites is None else np.array(sites)
    # As many copies of one event as there are sites: one gradient is that of each site by its own copy.
    x = tf.repeat(tf.random.stateless_uniform((1, *model.event_shape), [0, 1]), len(sites), axis=0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = tf.reshape((parameters or model.parameters)(x), (len(sites), model.num_sites, -1))
        outputs = tf.gather(tf.reduce_sum(outputs, axis=-1), sites, axis=1, batch_dims=0)
        total = tf.linalg.trace(outputs)
    return np.reshape(tape.gradient(total, x), (len(sites), model.num_sites)) != 0


def randomised(model, rng):
    """The model with standard normal weights."""
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model
