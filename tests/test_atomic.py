"""Every file is written beside its place: where that fails, the old one stays, and nothing else."""

import contextlib
import os
import pathlib
import resource
import stat

import numpy as np
import pytest

import tfdgm
from tests.faults import Killed, fault
from tests.recipes import no_samples, recipe
from tfdgm import atomic, pretrained
from tfdgm.data import sound
from tfdgm.evaluation import pictures
from tfdgm.pretrained import cards, checkpoint, files

IMAGES = np.random.default_rng(0).integers(0, 2, [16, 8, 8, 1]).astype('float32')
ROWS = np.random.default_rng(0).normal(size=[100, 3])
WAVE = np.sin(np.arange(8000) / 9)
SOUNDS = {'dataset': {'name': 'spoken_digit'}}


@pytest.fixture(scope='module')
def model():
    return tfdgm.FVSBN((8, 8, 1))


def card(path, model):
    with no_samples():
        cards.write(path.parent, model, {**recipe(), 'about': 'long ' * 100})


def state(path, model):
    model.compile('adam')
    model.optimizer.build(model.trainable_variables)
    kept = checkpoint.Checkpoint(path.parent, recipe(), 9, None)
    kept.set_model(model)
    kept.on_epoch_begin(0)
    kept.on_epoch_end(0, {'nll': 1., 'val_nll': 1.})


WRITERS = {
    'a.npy': lambda path, model: files.write(path, IMAGES, {}),
    'a.NPY': lambda path, model: files.write(path, IMAGES, {}),
    'a.csv': lambda path, model: files.write(path, ROWS, recipe()),
    'a.png': lambda path, model: files.write(path, IMAGES, {}),
    'a.wav': lambda path, model: files.write(path, sound.encode(WAVE)[None], SOUNDS),
    'scores.csv': lambda path, model: files.write_rows(path, ROWS.tolist()),
    'grid.png': lambda path, model: pictures.save_grid(path, IMAGES),
    'spectrograms.png': lambda path, model: pictures.save_spectrograms(path, WAVE[None], 8000),
    'sound.wav': lambda path, model: sound.write(path, WAVE, 8000),
    pretrained.CONFIG: lambda path, model: pretrained.write_config(path.parent, {**recipe(), 'about': 'long ' * 100}),
    pretrained.WEIGHTS: lambda path, model: pretrained.save_weights(model, path.parent, recipe('FVSBN')),
    pretrained.CARD: card,
    checkpoint.STATE: state,
}


@contextlib.contextmanager
def files_of_at_most(size):
    """A block in which the operating system refuses to write more into a file, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('name', WRITERS)
@pytest.mark.parametrize('old', [True, False], ids=['over an old one', 'a new one'])
def test_a_file_that_does_not_fit_leaves_things_as_they_are(tmp_path, model, name, old):
    path = tmp_path / name
    if old:
        path.write_bytes(b'old')
    with pytest.raises(OSError, match=rf'so nothing was written: .*{name}'), files_of_at_most(100):
        WRITERS[name](path, model)
    assert os.listdir(tmp_path) == ([name] if old else [])
    assert not old or path.read_bytes() == b'old'
    WRITERS[name](path, model)
    assert os.listdir(tmp_path) == [name] and path.stat().st_size > 100


@pytest.mark.parametrize('name', WRITERS)
def test_a_kill_while_a_file_is_written_leaves_the_old_one_or_the_new_one(tmp_path, model, name):
    path = tmp_path / name
    for at in range(9):
        path.write_bytes(b'old')
        try:
            with fault(tmp_path, at):
                WRITERS[name](path, model)
            break
        except Killed:
            assert path.read_bytes() == b'old'
        atomic.tidy(tmp_path)
        assert os.listdir(tmp_path) == [name]
    assert 2 <= at < 9


def test_what_is_written_is_whole_and_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / 'a.txt'
    atomic.write(path, 'μ')
    assert path.read_text(encoding='utf-8') == 'μ'
    path.chmod(0o640)
    atomic.write(str(path), b'new')
    assert path.read_bytes() == b'new'
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_one_and_what_is_no_file_is_written_to(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'target')
    for content in b'first', b'second':
        atomic.write(tmp_path / 'link', content)
        assert (tmp_path / 'link').is_symlink()
        assert (tmp_path / 'target').read_bytes() == content
    atomic.write('/dev/null', b'nothing')
    assert pathlib.Path('/dev/null').is_char_device()


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path):
    (tmp_path / 'a').write_bytes(b'old')
    for error in ValueError('mine'), KeyboardInterrupt():
        with pytest.raises(type(error)), atomic.writing(tmp_path / 'a') as file:
            file.write(b'half')
            raise error
        assert os.listdir(tmp_path) == ['a']
        assert (tmp_path / 'a').read_bytes() == b'old'


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'so nothing was written: .*nowhere'):
        atomic.write(tmp_path / 'nowhere' / 'a', b'')
