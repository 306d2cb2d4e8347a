"""Folders of pretrained models: what is loaded, and what is refused."""

import keras
import numpy as np
import pytest

import tfdgm
from tfdgm import pretrained
from tfdgm.conditions import Label
from tfdgm.outputs import Categorical
from tfdgm.pretrained import CONFIG, WEIGHTS, WeightsError

SHAPE = 8, 8, 1


def describe(model):
    return {'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'digits'}, 'training': {}}


def randomise(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def model():
    return randomise(tfdgm.NADE(SHAPE, hidden_units=4))


@pytest.fixture
def folder(tmp_path, model):
    pretrained.write_config(tmp_path, pretrained.save_weights(model, tmp_path, describe(model)))
    return tmp_path


def accept_hash(folder):
    """Makes the configuration agree with the weights file, whatever that is."""
    config = pretrained.read_config(folder)
    pretrained.write_config(folder, {**config, 'weights_sha256': pretrained.sha256(folder / WEIGHTS)})


def test_a_loaded_model_has_the_same_log_probabilities(folder, model, rng):
    x = rng.integers(0, 2, [20, *SHAPE])
    loaded = pretrained.load(folder)
    np.testing.assert_array_equal(loaded.distribution().log_prob(x), model.distribution().log_prob(x))
    assert loaded.evaluate(x, verbose=0, return_dict=True)['nll'] == pytest.approx(
        -model.distribution().log_prob(x).numpy().mean(), rel=1e-5)


def test_a_folder_may_be_given_as_text(folder):
    assert isinstance(pretrained.load(str(folder)), tfdgm.NADE)


def test_only_the_weights_are_saved_not_the_optimizer_s(folder, model, rng):
    x = rng.integers(0, 2, [20, *SHAPE])
    before = (folder / WEIGHTS).stat().st_size
    model.compile('adam')
    model.optimizer.build(model.trainable_variables)
    config = pretrained.save_weights(model, folder, pretrained.read_config(folder))
    pretrained.write_config(folder, config)
    assert (folder / WEIGHTS).stat().st_size == before
    np.testing.assert_array_equal(pretrained.load(folder).distribution().log_prob(x), model.distribution().log_prob(x))
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]


def test_the_weights_are_missing(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=r'There are no weights in .*`tfdgm train .*config\.json` makes them'):
        pretrained.load(folder)


@pytest.mark.parametrize('damage', [
    lambda file: file[:len(file) // 2],
    lambda file: b'',
    lambda file: file[:-1] + bytes([file[-1] ^ 1]),
    lambda file: file[:3000] + bytes([file[3000] ^ 255]) + file[3001:],
    lambda file: file + b'\0',
])
def test_a_weights_file_that_was_cut_short_or_altered_is_refused(folder, damage):
    path = folder / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    expected = pretrained.read_config(folder)['weights_sha256']
    with pytest.raises(WeightsError, match='cut short, altered or belongs to another model') as error:
        pretrained.load(folder)
    for part in (str(path), expected, pretrained.sha256(path)):
        assert part in str(error.value)


def test_weights_without_a_hash_are_refused(folder):
    config = pretrained.read_config(folder)
    del config['weights_sha256']
    pretrained.write_config(folder, config)
    with pytest.raises(WeightsError):
        pretrained.load(folder)


@pytest.mark.parametrize('other', [
    lambda: tfdgm.NADE(SHAPE, hidden_units=5),
    lambda: tfdgm.NADE((8, 7, 1), hidden_units=4),
    lambda: tfdgm.NADE(SHAPE, hidden_units=4, output=Categorical(3)),
    lambda: tfdgm.NADE(SHAPE, hidden_units=4, condition=Label(3)),
    lambda: tfdgm.FVSBN(SHAPE),
], ids=['more hidden units', 'another event shape', 'another output', 'a condition', 'another system'])
def test_weights_of_another_model_are_refused_even_if_their_hash_is_right(folder, other):
    other().save_weights(folder / WEIGHTS)
    accept_hash(folder)
    with pytest.raises(WeightsError, match=f'The weights in .*{WEIGHTS} do not fit the model in .*{CONFIG}'):
        pretrained.load(folder)


@pytest.mark.parametrize('content', [lambda file: b'not HDF5', lambda file: file[:len(file) // 2]])
def test_what_is_no_weights_file_is_refused_even_if_its_hash_is_right(folder, content):
    (folder / WEIGHTS).write_bytes(content((folder / WEIGHTS).read_bytes()))
    accept_hash(folder)
    with pytest.raises(WeightsError, match='do not fit the model'):
        pretrained.load(folder)


def test_a_configuration_may_be_read_by_folder_or_file(folder):
    assert pretrained.read_config(folder) == pretrained.read_config(folder / CONFIG)


def test_there_is_no_configuration(tmp_path):
    for path in (tmp_path, tmp_path / 'nowhere', tmp_path / CONFIG):
        with pytest.raises(FileNotFoundError, match=r'There is no .*: expected a configuration such as'):
            pretrained.load(path)


@pytest.mark.parametrize('description', [{}, {'class_name': 'tfdgm>Nope', 'config': {}}, {'class_name': 'tfdgm>NADE'}, {
    'class_name': 'tfdgm>NADE', 'config': {'event_shape': 'wide'}}, {'class_name': 'tfdgm>Bernoulli', 'config': {}}])
def test_what_describes_no_model_is_refused_with_the_name_of_the_file(folder, description):
    pretrained.write_config(folder, {**pretrained.read_config(folder), 'model': description})
    with pytest.raises(ValueError, match=f'^{folder / CONFIG}: '):
        pretrained.load(folder)


def function(name, module):
    return {'class_name': 'function', 'config': name, 'module': module, 'registered_name': name}


def calling(function, **arguments):
    return {'module': 'keras.layers', 'class_name': 'Lambda',
            'config': {'name': 'calling', 'function': function, 'arguments': arguments}}


# What could do something else than compute, in the place of a layer of a network; and what is said of it.
HARMFUL = {
    'Python code': (calling({'class_name': '__lambda__', 'config': {'code': '4wEAAA==', 'defaults': None,
                                                                      'closure': None}}), 'holds a Lambda'),
    'a function that downloads': (calling(function('get_word_index', 'keras.datasets.reuters')), 'holds a Lambda'),
    'a layer of an older form': ({'class_name': 'Lambda', 'config': {'function': ['4wEAAA==', None, None]}},
                                 'holds a Lambda'),
    'a saved model': ({'module': 'keras.layers', 'class_name': 'TFSMLayer', 'config': {'filepath': '/tmp/model'}},
                      'holds a TFSMLayer'),
    'a pickle': ({'module': 'keras.layers', 'class_name': 'TorchModuleWrapper', 'config': {'module': 'gASV'}},
                 'holds a TorchModuleWrapper'),
    'another module': ({'module': 'os', 'class_name': 'system', 'config': {}}, 'names system of the module os'),
    'a function of another module': ({'module': 'keras.layers', 'class_name': 'Dense', 'config': {
        'units': 2, 'activation': function('system', 'os')}}, 'names system of the module os'),
    'a function of Keras that is none of networks': ({'module': 'keras.layers', 'class_name': 'Dense', 'config': {
        'units': 2, 'activation': function('plot_model', 'keras.utils')}}, 'names plot_model of the'),
    'a way out of a module': ({'module': 'keras', 'class_name': 'utils.get_file', 'config': {}},
                              'names utils.get_file of the module keras'),
    'a class that nobody registered': ({'module': 'mine', 'class_name': 'Mine', 'config': {},
                                        'registered_name': 'mine>Mine'}, 'names Mine of the module mine'),
    'what is no name': ({'module': ['keras'], 'class_name': 3, 'config': {}}, 'names 3 of the module'),
}


def with_layer(layer):
    """The configuration of a VAE whose decoder, a network that a person gave, has one more layer."""
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, 'relu')])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    config = describe(tfdgm.VAE(4, num_latents=2, encoder=encoder, decoder=decoder))
    config['model']['config']['decoder']['config']['layers'].insert(1, layer)
    return config


@pytest.mark.parametrize('layer, message', HARMFUL.values(), ids=HARMFUL)
def test_a_configuration_runs_nothing(layer, message, monkeypatch):
    config = with_layer(layer)
    monkeypatch.setattr(keras.saving, 'deserialize_keras_object', None)  # Nothing of it even comes so far.
    with pytest.raises(ValueError, match=f'^The configuration\'s "model" is refused: it {message}'):
        pretrained.build(config)


def test_networks_that_people_give_are_no_harm():
    dense = keras.layers.Dense(2, 'gelu', kernel_regularizer='l2')
    assert isinstance(pretrained.build(with_layer(keras.saving.serialize_keras_object(dense))), tfdgm.VAE)
    x = keras.Input((4,))
    encoder = keras.Model(x, keras.ops.relu(keras.layers.Dense(3)(x)) * 2. + 1.)
    assert isinstance(pretrained.build(describe(tfdgm.VAE(4, num_latents=2, encoder=encoder))), tfdgm.VAE)


def test_classes_that_the_program_registered_are_its_own():
    @keras.saving.register_keras_serializable('mine')
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    assert isinstance(pretrained.build(with_layer(keras.saving.serialize_keras_object(Doubling()))), tfdgm.VAE)
