"""Arguments of constructors: NumPy's numbers are as good as Python's, and one rule holds for each kind of them."""

from types import NoneType

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tfdgm.conditions import Image, Label, Labels, Vector, Vectors
from tfdgm.flows import UniformDequantization
from tfdgm.outputs import Categorical, MixtureOfGaussians, MixtureOfLogistics

CHAIN = {'order': [2, 0, 3, 1], 'seed': 4}
IMAGE = {'dropout': 0.25, 'filters': 4}
SEQUENCE = {'dropout': 0.25, 'variable_length': False, **CHAIN}
ADVERSARIAL = {'num_latents': 2, 'hidden_units': (5, 4), 'filters': 3, 'pack': 1, 'spectral_normalization': True,
               'seed': 4}
AUTOENCODER = {'num_latents': 2, 'hidden_units': (5, 4), 'filters': 3, 'blocks': 1, 'critic_steps': 2, 'seed': 4}
MACHINE = {'num_chains': 4, 'gibbs_steps': 2, 'persistent': True, 'centered': True, 'sparsity_target': 0.25,
           'sparsity_weight': 0.5, 'burn_in': 4, 'seed': 4}
# Every number that each system takes.
NUMBERS = {
    tfdgm.Independent: CHAIN, tfdgm.MarkovChain: CHAIN, tfdgm.FVSBN: CHAIN,
    tfdgm.FullTable: CHAIN,
    tfdgm.NADE: {'hidden_units': 5, **CHAIN},
    tfdgm.MADE: {'hidden_units': (5, 4), 'num_masks': 2, 'direct_connections': True, 'dropout': 0.25,
                 'order': [[2, 0, 3, 1], [0, 1, 2, 3]], 'seed': 4},
    tfdgm.PixelCNN: {**IMAGE, 'blocks': 1, 'dilations': (1, 2)},
    tfdgm.GatedPixelCNN: {**IMAGE, 'blocks': 1, 'dilations': (1, 2)},
    tfdgm.PixelCNNPlusPlus: {**IMAGE, 'blocks': 1, 'dilations': (1,)},
    tfdgm.PixelRNN: {**IMAGE, 'blocks': 1},
    tfdgm.RecurrentModel: {'units': 4, 'blocks': 1, 'positions': True, **SEQUENCE},
    tfdgm.WaveNet: {'filters': 4, 'skip_filters': 3, 'dilations': (1, 2), 'stacks': 1, 'positions': True,
                    **SEQUENCE},
    tfdgm.CausalTransformer: {'width': 4, 'heads': 2, 'blocks': 1, 'window': 3, **SEQUENCE},
    tfdgm.NICE: {'couplings': 2, 'hidden_units': (5, 4), 'seed': 4},
    tfdgm.AffineCouplingFlow: {'couplings': 2, 'hidden_units': (5, 4), 'seed': 4},
    tfdgm.NeuralSplineFlow: {'couplings': 2, 'hidden_units': (5, 4), 'bins': 3, 'bound': 4., 'seed': 4},
    tfdgm.MAF: {'blocks': 2, 'hidden_units': (5, 4), 'seed': 4},
    tfdgm.IAF: {'blocks': 2, 'hidden_units': (5, 4), 'seed': 4},
    tfdgm.FFJORD: {'hidden_units': (5, 4), 'regularization': 0.5, 'steps': 2, 'tolerance': 0.25, 'max_steps': 9,
                   'seed': 4},
    tfdgm.RealNVP: {'scales': 1, 'couplings': 1, 'filters': 4, 'blocks': 1, 'seed': 4},
    tfdgm.VAE: {'num_latents': 2, 'hidden_units': (5, 4), 'filters': 3, 'blocks': 2, 'beta': 0.5, 'free_bits': 0.25,
                'seed': 4},
    tfdgm.HierarchicalVAE: {'stochastic_layers': (1, 2), 'latent_channels': (3, 2), 'filters': 3, 'blocks': 1,
                            'beta': 0.5, 'free_bits': 0.25, 'seed': 4},
    tfdgm.VQVAE: {'num_codes': 4, 'code_size': 3, 'halvings': 1, 'filters': 3, 'blocks': 1, 'commitment': 0.5,
                  'decay': 0.75, 'seed': 4},
    tfdgm.GAN: {**ADVERSARIAL, 'critic_steps': 2}, tfdgm.WGAN: {**ADVERSARIAL, 'gradient_penalty': 0.5, 'clip': 0.25},
    tfdgm.AAE: {**AUTOENCODER, 'weight': 0.5},
    tfdgm.WAE: {**AUTOENCODER, 'weight': 0.5},
    tfdgm.GSN: {'hidden_units': (5, 4), 'corruption': 0.25, 'noise': 0.5, 'walk_back': 3, 'burn_in': 4, 'seed': 4},
    tfdgm.RBM: {'hidden_units': 5, **MACHINE},
    tfdgm.DBM: {'hidden_units': (5, 4), 'mean_field_steps': 3, **MACHINE},
    tfdgm.EnergyModel: {'hidden_units': (5, 4), 'filters': 3, 'blocks': 1, 'num_chains': 4, 'langevin_steps': 2,
                        'step_size': 0.25, 'restarts': 0.125, 'penalty': 0.5, 'burn_in': 4, 'seed': 4},
    tfdgm.CycleGAN: {'cycle_weight': 0.5, 'identity_weight': 0.25, 'pool_size': 3, 'hidden_units': (5, 4), 'filters': 3,
                     'halvings': 1, 'blocks': 1, 'critic_steps': 2, 'seed': 4},
    tfdgm.Glow: {'scales': 1, 'steps': 1, 'filters': 4, 'blocks': 1, 'seed': 4},
}
every_system = pytest.mark.parametrize('system', NUMBERS, ids=lambda system: system.__name__)


def numpy_of(value):
    """The same argument as NumPy has it."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int32(value)
    return np.float32(value) if isinstance(value, float) else np.array(value)


def test_every_system_is_here():
    bases = tfdgm.GenerativeModel, tfdgm.DensityModel, tfdgm.AutoregressiveModel, tfdgm.FlowModel
    exported = {value for value in vars(tfdgm).values() if isinstance(value, type) and issubclass(value, bases[0])}
    assert exported == {*NUMBERS, *bases}


def made(system, shape, convert):
    """A system whose numbers all went through a function."""
    if issubclass(system, tfdgm.FlowModel):
        values = {'dequantization': UniformDequantization(convert(4))}
    elif issubclass(system, tfdgm.implicit.AdversarialModel | tfdgm.EnergyModel):
        values = {'levels': convert(4)}
    else:
        output = Categorical if system in (tfdgm.FullTable, tfdgm.RBM, tfdgm.DBM) else MixtureOfLogistics
        values = {'output': output(convert(4))}
    numbers = {name: convert(value) for name, value in NUMBERS[system].items()}
    # Events of a CycleGAN depend on those of the other kind.
    if system is not tfdgm.CycleGAN and not issubclass(system, tfdgm.boltzmann.UnnormalizedModel):
        values['condition'] = Label(convert(3))
    return system(shape, name='model', **values, **numbers)


@every_system
def test_numbers_of_numpy_make_the_same_model(system, tmp_path):
    model = made(system, np.array([2, 2, 1]), numpy_of)
    config = model.get_config()
    assert config == made(system, (2, 2, 1), lambda value: value).get_config()
    model.save(tmp_path / 'model.keras')
    assert keras.saving.load_model(tmp_path / 'model.keras').get_config() == config


@pytest.mark.parametrize('given, expected', [
    (Label(np.int64(10)), Label(10)), (Labels(np.array([3, 2])), Labels((3, 2))), (Vector(np.int8(2)), Vector(2)),
    (Vectors(np.int64(2), np.int64(3)), Vectors(2, 3)),
    (Image(np.array([2, 2, 1]), np.uint8(4)), Image((2, 2, 1), 4)),
    (Image(tf.TensorShape([2, 2, 1])), Image((2, 2, 1))),
    (Categorical(np.int64(4)), Categorical(4)),
    (Categorical(4, np.bool_(False)), Categorical(4, False)),
    (Image((2, 2, 1), None), Image((2, 2, 1), levels=None)),
    (MixtureOfLogistics(np.int64(4), np.int64(2)), MixtureOfLogistics(4, 2)),
    (MixtureOfGaussians(np.int64(2), np.float32(0.5)), MixtureOfGaussians(2, 0.5)),
    (UniformDequantization(np.int64(4), np.int64(2), np.float32(0.25)), UniformDequantization(4, 2, 0.25))])
def test_numbers_of_numpy_in_conditions_and_outputs(given, expected):
    assert given == expected and hash(given) == hash(expected)
    assert keras.saving.serialize_keras_object(given) == keras.saving.serialize_keras_object(expected)
    assert all(type(value) in (int, float, tuple, bool, NoneType) for value in vars(given).values())


@pytest.mark.parametrize('shape', [tf.TensorShape([2, 3]), np.array([2, 3]), [np.int64(2), np.int32(3)]])
def test_a_shape_of_events_in_every_form(shape):
    assert tfdgm.Independent(shape).event_shape == (2, 3)


@pytest.mark.parametrize('system, options, drawn', [
    (tfdgm.Independent, {'order': 'random'}, lambda model: model.ordering),
    (tfdgm.NeuralSplineFlow, {'couplings': 1, 'hidden_units': (2,)}, lambda model: model.rotations[0].upper)])
def test_a_constructor_s_seed_is_an_integer_from_0_or_drawn(system, options, drawn):
    def values(seed):
        model = system(12, seed=seed, **options)
        assert type(model.seed) is int and model.get_config()['seed'] == model.seed
        assert seed is None or model.seed == seed
        return tuple(np.ravel(drawn(model)))

    assert values(None) != values(None)
    seeds = 0, 3, 2**32 - 1, 2**32, 2**40, 2**100
    assert len({values(seed) for seed in seeds}) == len(seeds) and values(2**100) == values(2**100)
    for seed in (-1, 1.5, '3', True, np.float32(3), [1, 2]):
        with pytest.raises(ValueError, match='seed must be an integer from 0, or None to draw one, got'):
            system(12, seed=seed, **options)


@pytest.mark.parametrize('system', [system for system in NUMBERS if 'dropout' in NUMBERS[system]])
@pytest.mark.parametrize('dropout', [-0.1, 1, 1.5, '0.1', None, True, np.nan])
def test_a_dropout_rate_lies_between_0_and_1(system, dropout):
    with pytest.raises(ValueError, match=f'dropout of {system.__name__} must be'):
        system((2, 2, 1), dropout=dropout)


@pytest.mark.parametrize('kind', [int, np.int32, np.int64, np.uint64, np.array, tf.constant])
@pytest.mark.parametrize('seed', [3, 2**31 - 1, 2**31, 2**40])
def test_one_seed_of_samples_in_every_form(kind, seed):
    if kind is np.int32 and seed >= 2**31:
        return
    given = tf.constant(seed, tf.int64) if kind is tf.constant else kind(seed)
    expected = tfdgm.random.stateless_seed(seed)
    np.testing.assert_array_equal(tfdgm.random.stateless_seed(given), expected)
    if kind is not int:
        in_graph = tf.function(tfdgm.random.stateless_seed)
        np.testing.assert_array_equal(in_graph(tf.constant(given)), expected)
