"""Files of weights: equal weights make equal files, and nothing of a file is read that is not of the model."""

import io
import sys
import zlib
from unittest import mock

import h5py
import keras
import numpy as np
import pytest

import tfdgm
from tests.autoregressive import systems
from tests.flows import systems as flows
from tfdgm import pretrained
from tfdgm.pretrained import CONFIG, WEIGHTS, WeightsError, weights

SYSTEMS = [*systems.SYSTEMS, *flows.SYSTEMS]
SHAPE = 8, 8, 1
ARRAY = 'vars/1'  # The largest of the model below, [64, 64, 1].


def make(system):
    if system in flows.SYSTEMS:
        return flows.make(system)
    return systems.make(system, (3, 2, 1) if system in systems.IMAGE_SYSTEMS else 6)


def config_of(model):
    return {'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'digits'}, 'training': {}}


@pytest.mark.parametrize('system', SYSTEMS)
def test_equal_weights_make_equal_files_that_load(system, tmp_path):
    model = make(system)
    config = config_of(model)
    written = pretrained.weights_of(model, config)
    other = make(system)  # Names that Keras counts are others now.
    other.set_weights(model.get_weights())
    other.compile('adam')
    other.optimizer.build(other.trainable_variables)
    assert pretrained.weights_of(other, config) == written
    (tmp_path / WEIGHTS).write_bytes(written)
    for load in weights.load, lambda built, path: built.load_weights(path):
        fresh = pretrained.build(config)
        load(fresh, tmp_path / WEIGHTS)
        np.testing.assert_equal(fresh.get_weights(), model.get_weights())


@pytest.fixture(scope='module')
def model():
    model = tfdgm.FVSBN(SHAPE)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def folder(tmp_path, model):
    pretrained.write_config(tmp_path, pretrained.save_weights(model, tmp_path, config_of(model)))
    with h5py.File(tmp_path / WEIGHTS) as file:
        assert file[ARRAY].shape == (64, 64, 1)
    return tmp_path


def accept_hash(folder):
    config = pretrained.read_config(folder)
    pretrained.write_config(folder, {**config, 'weights_sha256': pretrained.sha256(folder / WEIGHTS)})


def replaced(*args, **kwargs):
    """A file in which another array takes the place of one of the weights."""
    def change(file, folder):
        del file[ARRAY]
        file.create_dataset(ARRAY, *args, **kwargs)
    return change


def unpacking_to(size):
    """An array as it is declared, of which a piece unpacks to more."""
    def change(file, folder):
        del file[ARRAY]
        array = file.create_dataset(ARRAY, (64, 64, 1), 'float32', chunks=(64, 64, 1), compression='gzip')
        array.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(size), 9))
    return change


def linked(link):
    def change(file, folder):
        with h5py.File(folder / 'elsewhere.h5', 'w') as other:
            other['array'] = np.zeros([64, 64, 1], 'float32')
        del file[ARRAY]
        file[ARRAY] = link(folder)
    return change


def virtual(file, folder):
    layout = h5py.VirtualLayout((64, 64, 1), 'float32')
    with h5py.File(folder / 'elsewhere.h5', 'w') as other:
        layout[:] = h5py.VirtualSource(other.create_dataset('array', data=np.zeros([64, 64, 1], 'float32')))
    del file[ARRAY]
    file.create_virtual_dataset(ARRAY, layout)


def external(file, folder):
    (folder / 'elsewhere').write_bytes(bytes(64 * 64 * 4))
    del file[ARRAY]
    file.create_dataset(ARRAY, (64, 64, 1), 'float32', external=[(str(folder / 'elsewhere'), 0, 64 * 64 * 4)])


def twice_packed(file, folder):
    del file[ARRAY]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((64, 64, 1))
    for _ in range(2):
        properties.set_deflate(9)
    space = h5py.h5s.create_simple((64, 64, 1))
    h5py.h5d.create(file['vars'].id, b'1', h5py.h5t.NATIVE_FLOAT, space, properties)
    file[ARRAY][...] = 0


ONES = np.ones([64, 64, 1], 'float32')
HOSTILE = {
    'a huge shape': (replaced((2**15, 2**15), 'float32', chunks=True, compression='gzip'), r'float32, \(32768'),
    'another shape of that size': (replaced(data=ONES.reshape(32, 128)), r'float32, \(32, 128\), and the model has'),
    'a huge piece': (replaced((64, 64, 1), 'float32', maxshape=(None, 64, 1), chunks=(2**20, 64, 1),
                              compression='gzip'), 'is stored in larger pieces'),
    'a piece that unpacks to more': (unpacking_to(2**22), 'of a size other than the declared one'),
    'a piece that unpacks to less': (unpacking_to(2**10), 'of a size other than the declared one'),
    'a piece larger than its content': (unpacking_to(2**26), 'of a size other than the declared one'),
    'packed twice': (twice_packed, 'is compressed in a way that is not read'),
    'another compression': (replaced(data=ONES, compression='lzf'), 'is compressed in a way that is not read'),
    'no pieces': (replaced((64, 64, 1), 'float32', compression='gzip'), 'pieces, and 0 are there'),
    'no content': (replaced((64, 64, 1), 'float32'), 'declares 16384 bytes and holds 0'),
    'float64': (replaced(data=ONES.astype('float64')), 'declared as float64, .*, and the model has float32'),
    'another byte order': (replaced(data=ONES.astype('>f4')), 'declared as >f4'),
    'integers': (replaced(data=ONES.astype('int32')), 'declared as int32'),
    'text': (replaced((64, 64, 1), h5py.string_dtype()), 'declared as object'),
    'nothing': (replaced(data=h5py.Empty('float32')), 'vars/1 is declared as float32, None'),
    'a link to another file': (linked(lambda folder: h5py.ExternalLink(folder / 'elsewhere.h5', 'array')), 'a link'),
    'a link to a file that is not there': (linked(lambda folder: h5py.ExternalLink('nowhere.h5', 'array')), 'a link'),
    'a link within': (linked(lambda folder: h5py.SoftLink('/vars/0')), 'a link'),
    'a link to itself': (linked(lambda folder: h5py.SoftLink('/vars/1')), 'a link'),
    'a virtual array': (virtual, 'lies in other files'),
    'an external array': (external, 'lies in other files'),
    'one array less': (lambda file, folder: file.pop(ARRAY), '/vars holds 0, expected 0, 1'),
    'one array more': (lambda file, folder: file.create_dataset('vars/2', data=ONES), '/vars holds 0, 1, 2, expected'),
    'one group more': (lambda file, folder: file.create_group('other'), '/ holds .*other.*, expected'),
    'a group for an array': (lambda file, folder: (file.pop(ARRAY), file.create_group(ARRAY)), 'is Group'),
    'an array for a group': (lambda file, folder: (file.pop('vars'), file.create_dataset('vars', data=ONES)),
                             'is Dataset, expected Group'),
    'a group within itself': (lambda file, folder: file['vars'].update(loop=file['vars']), 'vars holds 0, 1, loop'),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_a_file_is_compared_with_the_model_before_an_array_is_read(folder, name):
    change, message = HOSTILE[name]
    with h5py.File(folder / WEIGHTS, 'a') as file:
        change(file, folder)
    accept_hash(folder)
    with mock.patch.object(keras.Model, 'load_weights') as read, pytest.raises(
            WeightsError, match=rf'The weights in .*{WEIGHTS} do not fit the model in .*{CONFIG}: .*{message}'):
        pretrained.load(folder)
    read.assert_not_called()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_loaded_nor_saved(folder, model, value):
    with h5py.File(folder / WEIGHTS, 'a') as file:
        file[ARRAY][3, 4, 0] = value
    accept_hash(folder)
    with pytest.raises(WeightsError, match='holds NaN or infinite values: 1 of 4096'):
        pretrained.load(folder)
    broken = tfdgm.FVSBN(SHAPE)
    broken.load_weights(folder / WEIGHTS)
    before = (folder / WEIGHTS).read_bytes()
    with pytest.raises(ValueError, match='holds NaN or infinite values: 1 of 4096'):
        pretrained.save_weights(broken, folder, config_of(broken))
    assert (folder / WEIGHTS).read_bytes() == before


def test_a_file_as_keras_saves_it_is_loaded_too(folder, model):
    model.save_weights(folder / WEIGHTS)
    accept_hash(folder)
    np.testing.assert_equal(pretrained.load(folder).get_weights(), model.get_weights())


@pytest.mark.parametrize('system, argument, size', [
    ('MADE', 'hidden_units', [10**9]), ('MADE', 'hidden_units', [10**5, 10**5]), ('NADE', 'hidden_units', 10**9),
    ('RBM', 'hidden_units', 10**9), ('VAE', 'hidden_units', [10**9])])
@pytest.mark.skipif(sys.platform != 'linux', reason='other systems give no limit on memory')
def test_a_model_too_large_for_its_weights_is_refused_before_it_takes_the_memory(tmp_path, system, argument, size):
    import resource

    model = getattr(tfdgm, system)(4)
    config = pretrained.save_weights(model, tmp_path, config_of(model))
    config['model']['config'][argument] = size
    pretrained.write_config(tmp_path, config)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(ValueError, match='takes far more memory than its weights'):
        pretrained.load(tmp_path)
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits


def test_a_configuration_without_the_hash_is_refused(folder):
    config = pretrained.read_config(folder)
    del config['weights_sha256']
    pretrained.write_config(folder, config)
    with pytest.raises(WeightsError, match='has no "weights_sha256"'):
        pretrained.load(folder)


def test_files_that_were_cut_at_any_place_are_refused(folder, model):
    whole = (folder / WEIGHTS).read_bytes()
    fresh = pretrained.build(config_of(model))
    before = fresh.get_weights()
    for length in range(0, len(whole), 499):
        (folder / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(ValueError, match='it is no HDF5 file, or damaged'):
            weights.load(fresh, folder / WEIGHTS)
    np.testing.assert_equal(fresh.get_weights(), before)


def test_a_file_of_weights_is_made_in_memory(model):
    with mock.patch('builtins.open', side_effect=AssertionError):
        content = weights.to_bytes(model)
    with h5py.File(io.BytesIO(content)) as file:
        np.testing.assert_array_equal(file[ARRAY], model.get_weights()[1])
