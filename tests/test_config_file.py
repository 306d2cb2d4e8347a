"""Configurations as they are read: what is none is refused, with the name of the file."""

import json
import os
import pathlib

import pytest

from tfdgm import config_file

RECORD = {'epochs': 2, 'best_epoch': 1, 'train_nll': 1.5, 'validation_nll': 2, 'minutes': 0.1, 'hardware': 'a machine'}
RESULT = {'nll': 1.5, 'standard_error': 0.1, 'bits_per_dim': 0.2, 'examples': 300}
CONFIG = {'about': 'A sentence.', 'model': {'class_name': 'tfdgm>NADE', 'config': {}},
          'dataset': {'name': 'a.csv', 'columns': ['a', 1], 'binarization': None, 'labels': False, 'levels': 4},
          'training': {'epochs': 3, 'optimizer': {'class_name': 'adam'}, 'patience': None, 'mirror': True,
                       'with_validation': False},
          'record': {**RECORD, 'columns': ['a', 'b'], 'versions': {'keras': '3'}}, 'weights_sha256': 'ab',
          'results': {'test': RESULT}}
OF_TYPES = {
    'a text': 'a', 'an integer': 1, 'a number': 1.5, 'a flag': True, 'null': None, 'an object': {}, 'a list': []}


def changed(place, value):
    """The configuration with another value in a place."""
    config = json.loads(json.dumps(CONFIG))
    *parents, key = place
    part = config
    for parent in parents:
        part = part[parent]
    part[key] = value
    return config


@pytest.fixture
def file(tmp_path):
    return tmp_path / config_file.CONFIG


def refusal(file, content):
    if isinstance(content, dict):
        content = json.dumps(content)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as error:
        config_file.read_config(file)
    assert str(error.value).startswith(str(file)), 'the file is named'
    assert len(str(error.value)) < len(str(file)) + 200
    return str(error.value)


def test_what_is_read_is_what_was_written(file):
    file.write_text('\ufeff' + json.dumps(CONFIG), 'utf-8')
    assert config_file.read_config(file) == config_file.read_config(file.parent) == CONFIG


TEXT, INTEGER, FLAG, OBJECT, LIST = {'a text'}, {'an integer'}, {'a flag'}, {'an object'}, {'a list'}
NUMBER, NULL = {'an integer', 'a number'}, {'null'}


@pytest.mark.parametrize('place, accepted', [
    *(((part,), TEXT) for part in ('about', 'weights_sha256')),
    *(((part,), OBJECT) for part in ('model', 'training', 'results')),
    *(((part,), set()) for part in ('dataset', 'record')),  # They hold something always.
    (('dataset', 'name'), TEXT), (('dataset', 'columns'), LIST | NULL), (('dataset', 'binarization'), TEXT | NULL),
    (('dataset', 'labels'), FLAG | NULL),
    *((('dataset', key), INTEGER | NULL) for key in ('levels', 'seed', 'size', 'length')),
    (('dataset', 'color_mode'), TEXT | NULL), (('dataset', 'classes'), LIST | NULL),
    *((('training', key), INTEGER | NULL) for key in ('epochs', 'batch_size', 'patience', 'seed')),
    *((('training', key), FLAG | NULL) for key in ('mirror', 'with_validation', 'jit_compile')),
    (('training', 'optimizer'), TEXT | OBJECT | NULL),
    *((('record', key), INTEGER) for key in ('epochs', 'best_epoch')),
    *((('record', key), NUMBER) for key in ('train_nll', 'validation_nll', 'minutes')),
    (('record', 'hardware'), TEXT), (('record', 'columns'), LIST | NULL),
    (('record', 'data'), TEXT | NULL), (('record', 'classes'), LIST | NULL), (('record', 'rate'), INTEGER | NULL),
    (('results', 'test'), set()), (('results', 'test', 'examples'), INTEGER),
    *((('results', 'test', key), NUMBER) for key in ('nll', 'standard_error', 'bits_per_dim')),
], ids=lambda value: '.'.join(sorted(value) if isinstance(value, set) else value))
def test_each_value_has_its_type(file, place, accepted):
    for name, value in OF_TYPES.items():
        config = changed(place, value)
        if name in accepted:
            file.write_text(json.dumps(config))
            assert config_file.read_config(file) == config
        else:
            assert place[-1] in refusal(file, config)
    if place[-1] == 'columns':
        assert 'columns in' in refusal(file, changed(place, ['a', 1.5]))
    if place[-1] == 'classes':
        assert 'classes in' in refusal(file, changed(place, ['a', 1]))


@pytest.mark.parametrize('part', ['record', 'results', 'dataset'])
def test_what_a_card_needs_is_there(file, part):
    for key in {'record': RECORD, 'results': RESULT, 'dataset': ['name']}[part]:
        config = json.loads(json.dumps(CONFIG))
        del (config['results']['test'] if part == 'results' else config[part])[key]
        assert f'"{part}"' in refusal(file, config) and key in refusal(file, config)


@pytest.mark.parametrize('content, message', [
    ('', 'is not JSON'), ('{', 'is not JSON'), ('5', 'holds no JSON object'), ('null', 'holds no JSON object'),
    ('{"model": {}, "model": {}}', 'the key "model" is there twice'),
    (json.dumps(CONFIG).replace('"labels"', '"name"'), 'the key "name" is there twice'),
    (json.dumps(CONFIG).replace('1.5', 'NaN'), 'NaN is no finite number'),
    (json.dumps(CONFIG).replace('1.5', '-Infinity'), '-Infinity is no finite number'),
    (json.dumps(CONFIG).replace('1.5', '1e999'), '1e999 is no finite number'),
    (json.dumps(CONFIG).replace('1.5', '1' + 400 * '0'), 'train_nll in "record" should be a finite number'),
    (json.dumps(CONFIG).replace('1.5', '1' + 5000 * '0'), 'is not JSON'),
    (json.dumps(CONFIG).replace('A sentence.', '\\ud800'), 'half of a surrogate pair'),
    ('[' * 100_000, 'nested more deeply than 50 levels'),
    ('{"a":' * 100_000, 'nested more deeply than 50 levels'),
    (json.dumps(CONFIG).replace('"config": {}', '"config": ' + '[' * 60 + ']' * 60), 'nested more deeply'),
    (b'\xff\xfe', 'is no text in UTF-8'), (json.dumps(CONFIG).encode('utf-16'), 'is no text in UTF-8'),
    (b' ' * (config_file.LARGEST + 1), 'bytes; expected a text of at most'),
    ({**CONFIG, 'nonsense': 1}, 'holds nonsense, which is unknown'),
    ({'model': {}}, 'has no dataset and no training'),
])
def test_what_is_no_configuration(file, content, message):
    assert message in refusal(file, content)


@pytest.mark.parametrize('name', [config_file.CONFIG, config_file.CARD])
def test_what_is_no_file_is_not_waited_for(tmp_path, name):
    path = tmp_path / name
    read = config_file.read_card if name == config_file.CARD else config_file.read_config
    with pytest.raises(FileNotFoundError, match=f'There is no .*{name}'):
        read(tmp_path)
    for make in (os.mkfifo, os.mkdir, lambda path: path.symlink_to('/dev/zero')):
        make(path)
        with pytest.raises(ValueError, match=f'{name} is no regular file'):
            read(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_card_is_text(tmp_path):
    pathlib.Path(tmp_path, config_file.CARD).write_bytes(b'# \xff')
    with pytest.raises(ValueError, match=r'README\.md is no text in UTF-8'):
        config_file.read_card(tmp_path)
