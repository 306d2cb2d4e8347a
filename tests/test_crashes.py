"""Trainings that are killed, or find the disk full, at every one of their operations on files, and go on after it."""

import functools
import os
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest

from tests.faults import Killed, fault
from tests.recipes import interrupted, no_samples, recipe, write
from tests.test_cli import run
from tfdgm import data, pretrained
from tfdgm.evaluation import pictures
from tfdgm.pretrained import cards, checkpoint, process, training

RECIPE = recipe(epochs=2, batch_size=2000, optimizer='adam', jit_compile=False)


@pytest.fixture(scope='module', autouse=True)
def quick():
    """Data are loaded once, and a card's picture takes as many operations on files as ever but no sampling."""
    def save(folder, model, dataset):
        pictures.save_grid(folder / pretrained.GRID, np.eye(8)[None, :, :, None])
        return []

    with mock.patch.object(cards, 'save_samples', save), mock.patch.object(data, 'load', functools.cache(data.load)):
        yield


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder whose epochs are done, of which nothing is written; and what comes of it."""
    begun = write(tmp_path_factory.mktemp('begun'), RECIPE)
    with mock.patch.object(training, 'finish', side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        training.train(begun, verbose=0)
    done = tmp_path_factory.mktemp('done') / 'mine'
    shutil.copytree(begun, done)
    training.train(done, verbose=0)
    return begun, done


def contents(folder):
    """All that lies in a folder, but for how long the training took."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    found.update({str(path.relative_to(folder)): None for path in folder.rglob('*') if path.is_dir()})
    config = pretrained.read_config(folder)
    config.get('record', {}).pop('minutes', None)
    return {**found, pretrained.CONFIG: config}


def without_minutes(found):
    """In a card, too: trainings that ran apart took times of their own."""
    lines = found[pretrained.CARD].decode().splitlines()
    return {**found, pretrained.CARD: [line for line in lines if 'epochs took' not in line]}


@pytest.mark.parametrize('full', [False, True], ids=['killed', 'full disk'])
def test_the_end_of_a_training_is_completed_wherever_it_was_cut(trained, tmp_path, monkeypatch, full):
    begun, done = trained
    monkeypatch.setattr(training, 'check', lambda recipe, _: training.checked_recipe(recipe))  # It writes nothing.
    expected, at = contents(done), 0
    assert set(expected) == {pretrained.CONFIG, pretrained.WEIGHTS, pretrained.CARD, pretrained.GRID}
    while True:
        folder = tmp_path / str(at) / 'mine'
        shutil.copytree(begun, folder)
        with fault(folder, at, full) as seen:
            try:
                training.train(folder, verbose=0)
                break
            except (Killed, OSError) as error:
                if full:
                    assert 'No space left on device' in str(error) and str(folder) in str(error)
                    assert not [name for name in contents(folder) if name.endswith('unfinished')]
        assert training.train(folder, verbose=0)['weights_sha256'] == expected[pretrained.CONFIG]['weights_sha256']
        assert contents(folder) == expected, seen.operations[-1]
        assert pretrained.load(folder)
        at += 1
    assert at > (5 if full else 8)
    assert contents(folder) == expected


@pytest.mark.slow
@pytest.mark.parametrize('full', [False, True], ids=['killed', 'full disk'])
def test_a_training_is_completed_by_the_same_command_wherever_it_was_cut(tmp_path, full):
    write(tmp_path, RECIPE)
    command = 'train', tmp_path / pretrained.CONFIG, '-o'
    assert run(*command, tmp_path / 'whole' / 'mine').status == 0
    expected, at = without_minutes(contents(tmp_path / 'whole' / 'mine')), 0
    while True:
        folder = tmp_path / str(at) / 'mine'
        with fault(folder, at, full) as seen:
            try:
                result = run(*command, folder)
            except Killed:
                result = None
        if result and result.status == 0:
            break
        assert not full or 'No space left on device' in result.err
        result = run(*command, folder)
        assert result.status == 0, (seen.operations[-1], result.err)
        assert without_minutes(contents(folder)) == expected, seen.operations[-1]
        at += 1
    assert at > 15


def test_a_finished_training_is_not_done_again(trained, tmp_path):
    _, done = trained
    folder = tmp_path / 'mine'
    shutil.copytree(done, folder)
    before = contents(folder)
    with pytest.raises(ValueError, match=r'holds a trained model already\. Name another folder with -o, or remove'):
        training.train(folder, verbose=0)
    assert contents(folder) == before
    (folder / pretrained.WEIGHTS).write_bytes(b'of another training')
    (folder / 'checkpoint').mkdir()
    with pytest.raises(ValueError, match='holds a trained model already'):
        training.train(folder, verbose=0)
    assert (folder / pretrained.WEIGHTS).read_bytes() == b'of another training'


# Two trainings --------------------------------------------------------------------------------------------------------

HOLD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
print('held', flush=True)
sys.stdin.read()
"""


def test_of_two_trainings_in_a_folder_the_second_is_told_at_once(trained, tmp_path):
    begun, _ = trained
    folder = tmp_path / 'mine'
    shutil.copytree(begun, folder)
    held = [sys.executable, '-c', HOLD, folder / 'checkpoint' / process.LOCK]
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b'held\n'
            with mock.patch.object(training, 'check') as check:
                for _ in range(2):
                    with pytest.raises(RuntimeError, match=f'Another process is training in {folder}'):
                        training.train(folder, verbose=0)
                check.assert_not_called()
        finally:
            other.kill()
    assert (folder / 'checkpoint' / process.LOCK).exists()
    training.train(folder, verbose=0)
    assert not (folder / 'checkpoint').exists(), 'a lock of a process that was killed holds nobody'


def test_a_training_that_fails_gives_its_folder_free(tmp_path):
    write(tmp_path, recipe(dataset={'name': 'digit'}))
    for _ in range(2):
        with pytest.raises(ValueError, match='Unknown dataset'):
            training.train(tmp_path, verbose=0)
        assert os.listdir(tmp_path) == [pretrained.CONFIG]
    (tmp_path / 'checkpoint').write_text('')
    with pytest.raises(RuntimeError, match=r'checkpoint is a file where a folder is needed\. Remove it'):
        training.train(tmp_path, verbose=0)


# Damaged checkpoints --------------------------------------------------------------------------------------------------

def rewritten(change):
    """A change of the arrays of a state, by name, which leaves a whole file."""
    def damage(path):
        with np.load(path) as file:
            arrays = dict(file)
        about = change(arrays)
        if about is not None:
            arrays['about'] = about
        np.savez(path, **arrays)
    return damage


def about(old, new):
    def change(arrays):
        text = str(arrays['about'])
        assert old in text
        return text.replace(old, new)
    return rewritten(change)


def drop(prefix):
    def change(arrays):
        for name in [name for name in arrays if name.startswith(prefix)]:
            del arrays[name]
    return rewritten(change)


def reshape(name):
    def change(arrays):
        arrays[name] = np.zeros([3], 'float32')
    return rewritten(change)


def retype(name):
    def change(arrays):
        arrays[name] = arrays[name].astype('float64')
    return rewritten(change)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = {
    'text': lambda path: path.write_bytes(b'damaged'),
    'empty': lambda path: path.write_bytes(b''),
    'cut': truncate,
    'one array': lambda path: np.save(path.open('wb'), np.zeros(3)),
    'nothing said': drop('about'),
    'null': rewritten(lambda arrays: 'null'),
    'another object': rewritten(lambda arrays: '{"a": 1}'),
    'a lost array': about('"arrays": ', '"arrays": 1'),
    'a list': rewritten(lambda arrays: '[]'),
    'no JSON': rewritten(lambda arrays: '{'),
    'a number': rewritten(lambda arrays: np.array(3.)),
    'no examples': about('"examples"', '"example"'),
    'no epochs': rewritten(lambda arrays: str(arrays['about']).split('"history"')[0] + '"history": []}'),
    'epochs of null': rewritten(lambda arrays: str(arrays['about']).split('"history"')[0] + '"history": [null]}'),
    'an epoch without val_nll': about('"val_nll"', '"val"'),
    'a figure of text': about('"seconds": ', '"seconds": "", "other": '),
    'no weights': drop('model/'), 'no optimizer': drop('optimizer/'), 'no best weights': drop('best/'),
    'best weights of another model': reshape('best/00000'), 'another model': reshape('model/00000'),
    'another type': retype('model/00000'), 'another optimizer': drop('optimizer/00001'),
    'another recipe': about('"threshold"', '"dynamic"'), 'other data': about('"examples": 1197', '"examples": 1198'),
    'a file of another version': lambda path: (path.parent / 'history.json').write_text('[]'),
    'a lost state': lambda path: path.rename(path.with_name('state.keras')),
}


@pytest.fixture(scope='module')
def half(tmp_path_factory):
    """A training after one epoch of two."""
    folder = write(tmp_path_factory.mktemp('half'), RECIPE)
    with no_samples():
        assert training.train(folder, verbose=0, epochs=1) is None
    return folder


MESSAGE = 'The checkpoint in {0}/checkpoint is damaged or none of this training: .*Remove {0}/checkpoint to start again'


@pytest.mark.parametrize('name', DAMAGES)
def test_a_damaged_checkpoint_is_refused_and_nothing_changes(half, tmp_path, name):
    folder = tmp_path / 'mine'
    shutil.copytree(half, folder)
    model = pretrained.build(RECIPE)
    model.compile('adam')
    model.optimizer.build(model.trainable_variables)
    state = [value.numpy() for value in (*model.variables, *model.optimizer.variables)]
    kept = checkpoint.Checkpoint(folder / 'checkpoint', RECIPE, 1197, None)
    DAMAGES[name](kept.file)
    before = contents(folder)
    with pytest.raises(RuntimeError, match=MESSAGE.format(folder)):
        kept.restore(model)
    assert contents(folder) == before
    assert not kept.history
    np.testing.assert_equal([value.numpy() for value in (*model.variables, *model.optimizer.variables)], state)


@pytest.mark.parametrize('name', ['cut', 'another model', 'a lost state'])
def test_a_damaged_checkpoint_is_refused_before_the_first_step(half, tmp_path, name):
    folder = tmp_path / 'mine'
    shutil.copytree(half, folder)
    DAMAGES[name](folder / 'checkpoint' / checkpoint.STATE)
    before = contents(folder)
    with mock.patch.object(training.Checkpoint, 'on_train_begin') as begin, pytest.raises(
            RuntimeError, match=MESSAGE.format(folder)):
        training.train(folder, verbose=0)
    begin.assert_not_called()
    assert contents(folder) == before


def test_every_flipped_byte_of_a_checkpoint_is_seen_or_changes_nothing(half, tmp_path):
    path = half / 'checkpoint' / checkpoint.STATE
    whole, expected = path.read_bytes(), checkpoint.read(path.read_bytes())
    damaged, refused = tmp_path / checkpoint.STATE, 0
    for place in range(0, len(whole), 7):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1:])
        try:
            np.testing.assert_equal(checkpoint.read(damaged.read_bytes()), expected)
        except ValueError:
            refused += 1
    assert refused > 0.7 * len(whole) / 7


def test_longer_patience_and_more_epochs_go_on_from_a_checkpoint(half, tmp_path):
    folder = tmp_path / 'mine'
    shutil.copytree(half, folder)
    write(folder, {**RECIPE, 'training': {**RECIPE['training'], 'epochs': 3, 'patience': 9}, 'about': 'Longer.'})
    with interrupted(epoch=2, batch=0):
        training.train(folder, verbose=0)
