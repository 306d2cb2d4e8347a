"""A user's own data: folders of images and of sounds, arrays and tables, from files to figures."""

import json
import os
import pathlib
import wave
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tfdgm
from tests.test_cli import run, succeed
from tfdgm import data, pretrained
from tfdgm.data import folders, images, paths, sound, splits
from tfdgm.evaluation.evaluate import arguments_for
from tfdgm.pretrained import cards, recipes

pytestmark = pytest.mark.usefixtures('elsewhere')

GREY, COLOUR = (8, 8), (8, 8, 3)
WHOLE = 'train+validation+test'


def pixels(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, 'uint8')


def image(name, shape=GREY, seed=None, **options):
    """Writes an image of random pixels; gives these."""
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = pixels(shape, zlib.crc32(name.encode()) if seed is None else seed)
    Image.fromarray(values).save(path, **options)
    return values


def photos(count=60, shape=GREY, folder='photos', **options):
    return {f'{index}.png': image(f'{folder}/{index}.png', shape, index, **options) for index in range(count)}


def labelled(count=60, shape=GREY, classes=('cat', 'dog')):
    return {f'{classes[index % len(classes)]}/{index}.png':
            image(f'photos/{classes[index % len(classes)]}/{index}.png', shape, index) for index in range(count)}


def wav(name, waveform, rate=8000, channels=1, width=2):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), 'wb') as file:
        file.setparams((channels, width, rate, 0, 'NONE', ''))
        file.writeframes(np.asarray(waveform, '<i2').tobytes())
    return np.asarray(waveform, 'float32') / 2**15


def sounds(count=40, folder='sounds', rate=8000):
    return {f'{index}.wav': wav(f'{folder}/{index}.wav', pixels(50 + index, index).astype(int) * 100 - 12000, rate)
            for index in range(count)}


def arrays(name='photos', split='train', **options):
    return data.as_arrays(data.load(name, split, **options))


def rows(events):
    return sorted(np.asarray(event, 'float32').tobytes() for event in events)


def members(name='photos', **options):
    """The events of each split, as sets."""
    return {split: set(rows(arrays(name, split, **options))) for split in data.SPLITS}


def refusal(*arguments, **options):
    with pytest.raises(ValueError) as error:
        data.load(*arguments, **options)
    assert '\n' not in str(error.value)
    return str(error.value)


# Folders of images ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('shape', [GREY, COLOUR])
def test_the_splits_part_a_folder_of_images(shape):
    expected = photos(shape=shape)
    together = np.concatenate([arrays(split=split) for split in data.SPLITS])
    assert together.shape == (60, 8, 8, len(shape) if len(shape) == 3 else 1) and together.dtype == np.float32
    assert rows(together) == rows(value.reshape(together.shape[1:]) for value in expected.values())
    assert 36 < data.load('photos').cardinality() < 58
    assert rows(arrays(split=WHOLE)) == rows(together)


def test_the_shares_of_the_splits():
    counts = dict.fromkeys(data.SPLITS, 0)
    for index in range(20_000):
        counts[splits.split_at(splits.place_of(f'{index}.png'.encode()))] += 1
    np.testing.assert_allclose([count / 20_000 for count in counts.values()], [0.8, 0.1, 0.1], atol=0.01)


def test_splits_stay_when_files_are_added():
    photos(40)
    before = members()
    photos(60)
    after = members()
    assert all(before[split] <= after[split] for split in data.SPLITS)
    assert sum(map(len, after.values())) == 60


def test_splits_and_orders_do_not_depend_on_the_listing(monkeypatch):
    labelled()
    first = arrays(labels=True)
    walk = os.walk

    def backwards(*args, **kwargs):
        for folder, subfolders, files in walk(*args, **kwargs):
            subfolders.sort(reverse=True)
            yield folder, subfolders, sorted(files, reverse=True)

    monkeypatch.setattr(os, 'walk', backwards)
    images.read.cache_clear()
    for one, other in zip(first, arrays(labels=True)):
        np.testing.assert_array_equal(one, other)


def test_a_known_split():
    """What is in which split is a promise: a release that moves files would mix test images into the training."""
    assert [splits.split_at(splits.place_of(name)) for name in (b'0.png', b'cat/1.png', b'2.png')] == [
        'train', 'validation', 'train']


def test_one_name_written_in_two_ways_is_in_one_split():
    image('one/caf\u00e9.png')
    image('two/cafe\u0301.png')
    one, two = (folders.read(pathlib.Path(name), name).files[0] for name in ('one', 'two'))
    assert (one.name, one.split, one.place) == (two.name, two.split, two.place)


def test_labels_are_the_subfolders_in_alphabetical_order():
    expected = labelled(classes=('dog', 'ant', 'cat'))
    for split in data.SPLITS:
        events, labels = arrays(split=split, labels=True)
        assert labels.dtype == np.int32
        for event, label in zip(events, labels):
            name, = (name for name, value in expected.items() if np.array_equal(value, event[..., 0]))
            assert name.startswith(('ant', 'cat', 'dog')[label])
        np.testing.assert_array_equal(arrays(split=split), events)
    reordered = arrays(labels=True, classes=['dog', 'cat', 'emu', 'ant'])[1]
    np.testing.assert_array_equal(np.array([3, 1, 0])[arrays(labels=True)[1]], reordered)


def test_files_in_folders_of_folders_have_the_label_of_the_first():
    for index in range(40):
        image(f'photos/{"ab"[index % 2]}/{index % 3}/{index}.png')
    assert set(arrays(labels=True)[1]) == {0, 1}


def test_subfolders_called_as_splits_are_taken_at_their_word():
    expected = {split: [image(f'photos/{split.title()}/{label}/{index}.png', seed=100 * place + index)
                        for index, label in enumerate('aabb')] for place, split in enumerate(data.SPLITS)}
    for split in data.SPLITS:
        events, labels = arrays(split=split, labels=True)
        assert rows(events[..., 0]) == rows(expected[split]) and sorted(labels) == [0, 0, 1, 1]


def test_the_training_lends_where_there_is_no_folder_for_validation():
    for index in range(60):
        image(f'photos/train/{index}.png', seed=index)
    test = [image(f'photos/test/{index}.png', seed=100 + index) for index in range(3)]
    found = members()
    assert len(found['train']) + len(found['validation']) == 60 and 0 < len(found['validation']) < 15
    assert sorted(found['test']) == rows(test)


def test_a_class_may_be_called_test():
    for index in range(40):
        image(f'photos/{("test", "control")[index % 2]}/{index}.png')
    assert set(arrays(labels=True)[1]) == {0, 1} and all(members().values())


def test_sizes_are_the_means_of_squares_in_the_middle():
    expected = photos(30, (8, 12, 3))
    together = np.concatenate([arrays(split=split, size=4) for split in data.SPLITS])
    means = [value[:, 2:10].reshape(4, 2, 4, 2, 3).mean((1, 3)) for value in expected.values()]
    distances = np.max(abs(together[:, None] - np.array(means)), (2, 3, 4))
    assert np.all(distances.min(0) <= 1) and np.all(distances.min(1) <= 1), 'rows and columns are rounded'


def test_images_of_several_sizes_become_squares():
    for index in range(30):
        image(f'photos/{index}.png', (8 + index % 3, 9 + index % 5))
    assert arrays(size=8).shape[1:] == (8, 8, 1)


def test_colour_modes():
    photos(20)
    photos(40, COLOUR)  # Twenty of them anew.
    image('photos/grey.png')
    assert arrays().shape[1:] == (8, 8, 3), 'where some are in colour, all are'
    assert arrays(color_mode='grayscale').shape[1:] == (8, 8, 1)
    photos(41)
    assert arrays().shape[1:] == (8, 8, 1)
    assert arrays(color_mode='rgb').shape[1:] == (8, 8, 3)


def test_levels_and_binarizations_of_images():
    photos()
    full = arrays()
    np.testing.assert_array_equal(arrays(levels=4), full // 64)
    np.testing.assert_array_equal(arrays(binarization='threshold'), full > 127)
    assert set(np.unique(arrays(binarization='fixed'))) == {0, 1}


def test_photographs_stand_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # A quarter turn.
    values = image('photos/a.png', (8, 4), exif=exif)
    np.testing.assert_array_equal(arrays(split=WHOLE)[0, ..., 0], np.rot90(values, -1))


@pytest.mark.parametrize('suffix', ['.bmp', '.gif', '.jpg', '.JPEG', '.png', '.webp'])
@pytest.mark.parametrize('shape', [GREY, COLOUR])
def test_kinds_of_images(suffix, shape):
    image(f'photos/a{suffix}', shape)
    assert arrays(split=WHOLE, color_mode='rgb').shape == (1, 8, 8, 3)


def test_what_is_hidden_or_of_another_kind_is_passed_over():
    photos(30)
    before = arrays()
    for name in ('.hidden.png', '._1.png', '.git/a.png', '__MACOSX/a.png', 'Thumbs.db', 'notes.txt', 'labels.csv',
                 'a.mp3'):
        path = pathlib.Path('photos', name)
        path.parent.mkdir(exist_ok=True)
        path.write_text('no image')
    np.testing.assert_array_equal(arrays(), before)


def test_links_are_followed_and_never_in_circles():
    photos(60, folder='elsewhere')
    pathlib.Path('photos').mkdir()
    pathlib.Path('photos/all').symlink_to('../elsewhere')
    pathlib.Path('elsewhere/again').symlink_to('../photos')
    assert sum(map(len, members().values())) == 60


def test_all_files_that_cannot_be_used_are_named_at_once():
    photos(30)
    for index in range(4):
        pathlib.Path(f'photos/bad{index}.png').write_bytes(b'nothing')
    pathlib.Path('photos/empty.png').write_bytes(b'')
    image('photos/large.png', (200, 200))
    whole = pathlib.Path('photos/large.png').read_bytes()
    pathlib.Path('photos/cut.png').write_bytes(whole[:len(whole) // 2])
    pathlib.Path('photos/link.png').symlink_to('nowhere')
    message = refusal('photos', size=8)
    assert message.startswith('photos has 7 files that cannot be used: bad0.png is not an image, or is damaged; bad1')
    assert 'cut.png is damaged' in message and message.endswith('; and 2 more. Remove them or replace them.')
    for index in range(4):
        pathlib.Path(f'photos/bad{index}.png').unlink()
    message = refusal('photos')
    assert 'empty.png is empty; large.png has 200x200 pixels, and most have 8x8; link.png is a link to' in message
    assert message.endswith('or replace them, or give a size to make all of them squares of so many pixels.')
    assert 'photos has 4 files that cannot be used' in refusal('photos', split='test')


@pytest.mark.parametrize('name, shape, options, message', [
    ('a.png', (4, 8), {'size': 5}, 'a.png has 4x8 pixels, which is less than the size, 5. Remove them or replace'),
    ('a.png', (4, 8), {'size': 0}, 'size of photos must be an integer of at least 1, got 0'),
    ('a.png', (4, 8), {'size': '5'}, "size of photos must be an integer of at least 1, got '5'"),
    ('a.png', (4, 8), {'color_mode': 'grey'}, "color_mode of photos must be one of 'grayscale', 'rgb'; got 'grey'"),
    ('a.png', (4, 8), {'levels': 257}, 'levels of photos can be at most its own 256, got 257'),
    ('a.png', (4, 8), {'columns': ['a']}, "photos is a folder of images: it takes no columns, got ['a']"),
    ('a.png', (4, 8), {'length': 5, 'columns': [1]}, 'images: it takes no columns and no length, got [1], 5'),
    ('a.png', (4, 8), {'labels': True}, 'photos has no labels for a.png: a label is the name of the subfolder'),
    ('b/a.png', (4, 8), {'labels': True, 'classes': ['c', 'd']}, 'subfolders b, which are none of the classes c, d'),
    ('b/a.png', (4, 8), {'labels': True, 'classes': 'b'}, 'classes should be a list of the names of different'),
    ('b/a.png', (4, 8), {'labels': True, 'classes': ['b', 'b']}, 'classes should be a list of the names of different'),
    ('b/a.png', (4, 8), {'classes': ['b']}, 'classes of photos are for labels=True'),
    ('b/a.png', (4, 8), {'labels': 1}, 'labels of photos must be True or False, got 1'),
    ('a.png', (4, 8), {'split': 'tset'}, "photos has the splits train, validation, test; got 'tset'"),
    ('a.png', (4, 8), {'split': 'train+train'}, "photos has the splits train, validation, test; got 'train+train'"),
    ('a.png', (4, 8), {'split': 'train[:5]'}, 'photos has the splits train, validation, test'),
    ('a.png', (4, 8), {'split': 'train'}, "none of them is in the split 'train': each is in it by chance, with"),
    ('train/a.png', (4, 8), {'split': 'test'}, "called as splits, and none of them is in the split 'test'"),
])
def test_arguments_that_images_do_not_take(name, shape, options, message):
    image(f'photos/{name}', shape)
    assert message in refusal('photos', **{'split': WHOLE, **options})


@pytest.mark.parametrize('files, message', [
    ([], 'photos holds no images (.bmp, .gif, .jpeg, .jpg, .png, .webp) and no sounds (.wav), nor do its subfolders.'),
    (['a.txt', 'b/c.zip'], 'nor do its subfolders; there are a.txt, b/c.zip.'),
    (['a.png', 'b.heic', 'c.tif'], 'photos has 2 files that cannot be used: b.heic is of a kind, .heic, that'),
    (['a.mp3', 'b.heic'], 'photos has 2 files that cannot be used: a.mp3 is of a kind, .mp3, that cannot be read'),
    (['a.png', 'b.wav'], 'photos holds images and sounds, such as a.png and b.wav: a data set has one kind'),
    (['train/a.png', 'val/b.png'], 'photos has the subfolder train and, beside it, val/b.png: where some'),
    (['train/a.png', 'b.png'], 'photos has the subfolder train and, beside it, b.png'),
])
def test_folders_that_are_no_data(files, message):
    pathlib.Path('photos').mkdir()
    for name in files:
        path = pathlib.Path('photos', name)
        path.parent.mkdir(exist_ok=True)
        path.write_text('something')
    assert message in refusal('photos')


def test_images_of_more_than_eight_bits():
    photos(10)
    Image.fromarray(np.full([8, 8], 40_000, 'uint16')).save('photos/deep.png')
    assert 'deep.png has more than 8 bits for a pixel; convert it to 8' in refusal('photos')


def test_images_for_which_there_is_no_memory(monkeypatch):
    photos(10)
    monkeypatch.setattr(images.psutil, 'virtual_memory', lambda: type('memory', (), {'available': 1000}))
    message = refusal('photos')
    assert 'The 10 images of photos need 0.0 GiB of memory, and 0.0 GiB are free. Give a smaller size' in message


def test_files_are_read_once_and_again_when_they_change(monkeypatch):
    photos(30)
    opened, decode = [], images.pixels
    monkeypatch.setattr(images, 'pixels', lambda *args: opened.append(args) or decode(*args))
    members()
    assert len(opened) == 30
    image('photos/0.png', seed=99)
    os.utime('photos/0.png', (1, 1))
    assert rows([pixels(GREY, 99)])[0] in set.union(*members().values()) and len(opened) == 60


def test_no_progress_where_there_is_no_terminal(monkeypatch, capfd):
    monkeypatch.setattr(folders, 'SOON', 0)
    photos(20)
    data.load('photos')
    assert capfd.readouterr() == ('', '')


def test_progress_in_a_terminal(monkeypatch):
    shown = []

    def bar(files, title, total, **options):
        shown.append((title, total, options['disable'], options['leave']))
        return files

    monkeypatch.setattr(folders, 'tqdm', bar)
    photos(20)
    data.load('photos')
    assert shown == [('Looking at photos', 20, None, False), ('Reading photos', 20, None, False)]


# Paths and names ------------------------------------------------------------------------------------------------------

def test_a_path_in_every_form(monkeypatch, tmp_path):
    photos(20)
    monkeypatch.setenv('HOME', str(tmp_path))
    first = arrays()
    for path in ('./photos', 'photos/', tmp_path / 'photos', str(tmp_path / 'photos'), '~/photos',
                 f'../{tmp_path.name}/photos', pathlib.Path('photos')):
        np.testing.assert_array_equal(arrays(path), first)


def test_names_come_before_folders_and_paths_before_names():
    for name in 'digits', 'mnist', 'wine_quality/red':
        photos(20, folder=name)
        assert paths.path_of(name) is None
        assert arrays(f'./{name}').shape[1:] == (8, 8, 1)
        assert arrays(pathlib.Path(name)).shape[1:] == (8, 8, 1)


@pytest.mark.parametrize('name', ['./none', '/none', '~/none', '../none', pathlib.Path('none'), 'none.npy', 'none.npz',
                                  'none.csv', 'none.parquet', './none.npz'])
def test_a_path_where_there_is_nothing(name):
    with pytest.raises(FileNotFoundError, match=r'There is no file.* (\S*/)?none'):
        data.load(name)


def test_files_of_other_kinds():
    image('photo.png')
    assert 'photo.png should be a folder of images or of WAV files, or end in .npy, .npz, .csv' in refusal('photo.png')
    assert 'neither a file nor a folder here' in refusal('photoz')


# Folders of sounds ----------------------------------------------------------------------------------------------------

def test_sounds_are_companded_and_filled_up():
    expected = sounds()
    together = np.concatenate([arrays('sounds', split) for split in data.SPLITS])
    assert together.shape == (40, 89) and together.dtype == np.float32
    lengths = np.sum(~np.isnan(together), 1)
    for event, length in zip(together, lengths):
        waveform = expected[f'{length - 50}.wav']
        np.testing.assert_array_equal(event[:length], sound.encode(waveform))
        assert np.all(np.isnan(event[length:]))
    short = arrays('sounds', length=20, levels=16)
    assert short.shape[1:] == (20,) and set(np.unique(short)) <= set(range(16))
    assert data.details_of('sounds') == {'data': '40 sounds, 0.0 minutes', 'rate': 8000}


def test_labels_of_sounds():
    sounds(20, 'sounds/low')
    sounds(20, 'sounds/high')
    events, labels = arrays('sounds', labels=True)
    assert len(events) == len(labels) and set(labels) == {0, 1}
    assert data.details_of('sounds', labels=True)['classes'] == ['high', 'low']


def test_all_sounds_that_cannot_be_used_are_named_at_once():
    sounds(20)
    wav('sounds/fast.wav', [1, 2, 3], 16000)
    wav('sounds/silent.wav', [0, 0, 0])
    wav('sounds/stereo.wav', [1, 2, 3, 4], channels=2)
    wav('sounds/none.wav', [])
    pathlib.Path('sounds/no.wav').write_bytes(b'RIFF')
    message = refusal('sounds')
    for part in ('sounds has 5 files that cannot be used: fast.wav has 16,000 samples a second, and most have 8,000',
                 'no.wav is not a WAV file', 'none.wav is empty', 'silent.wav is silent', 'stereo.wav has 2 channels',
                 'Remove them, or convert them to 16 bits, one channel and one sample rate.'):
        assert part in message


@pytest.mark.parametrize('options, message', [
    ({'length': 0}, 'length of sounds must be an integer of at least 1'),
    ({'levels': 1}, 'levels of sound must be an integer of at least 2'),
    ({'size': 5}, 'sounds is a folder of sounds: it takes no size, got 5'),
    ({'binarization': 'fixed'}, "sounds is a folder of sounds: it takes no binarization, got 'fixed'"),
    ({'labels': True}, 'sounds has no labels for 0.wav, 1.wav'),
])
def test_arguments_that_sounds_do_not_take(options, message):
    sounds(20)
    assert message[:40] in refusal('sounds', **options)


def test_sounds_for_which_there_is_no_memory():
    sounds(20)
    assert 'GiB are free. Give a smaller length' in refusal('sounds', length=10**12)


# Arrays ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['uint8', 'int64', 'float32', 'float64', 'bool'])
def test_the_splits_part_an_array(kind):
    values = pixels([80, 4, 4, 1]) % (2 if kind == 'bool' else 200)
    np.save('x.npy', values.astype(kind))
    np.savez('x.npz', x=values.astype(kind), y=np.arange(80), z=['ignored'])
    parts = [arrays('x.npy', split) for split in data.SPLITS]
    assert all(part.dtype == np.float32 for part in parts)
    assert rows(np.concatenate(parts)) == rows(values)
    for split, part in zip(data.SPLITS, parts):
        events, labels = arrays('x.npz', split, labels=True)
        np.testing.assert_array_equal(events, part)
        np.testing.assert_array_equal(values[labels], part)
        assert labels.dtype == np.int32


def test_events_stay_in_their_splits():
    values = np.random.default_rng(0).normal(size=(100, 3)).astype('float32')
    np.save('x.npy', values[:60])
    before = members('x.npy')
    np.save('x.npy', np.concatenate([values[60:], values[59::-1]]).astype('float64'))
    after = members('x.npy')
    assert all(before[split] <= after[split] for split in data.SPLITS)


def test_equal_events_are_in_one_split():
    np.save('x.npy', np.repeat(np.arange(60.)[:, None], 3, 0))
    found = members('x.npy')
    assert sum(map(len, found.values())) == 60


def test_both_zeros_are_one_number():
    values = np.zeros([60, 20])
    values[:, :10] = np.random.default_rng(0).choice([0., -0.], [60, 10])
    np.save('x.npy', values)
    with pytest.raises(data.EmptySplitError):  # All are equal, so that they are in one split.
        members('x.npy')


def test_labels_may_be_vectors():
    np.savez('x.npz', x=np.ones([40, 2]) * np.arange(40)[:, None], y=np.random.default_rng(0).normal(size=(40, 3)))
    _, labels = arrays('x.npz', labels=True)
    assert labels.shape[1:] == (3,) and labels.dtype == np.float32


def test_levels_of_arrays():
    values = pixels([60, 4, 4, 1])
    np.save('x.npy', values)
    full = arrays('x.npy')
    np.testing.assert_array_equal(arrays('x.npy', levels=4), full // 64)
    np.testing.assert_array_equal(arrays('x.npy', binarization='threshold'), full > 127)
    assert arrays('x.npy', size=2).shape[1:] == (2, 2, 1)
    np.save('x.npy', values % 2)
    np.testing.assert_array_equal(arrays('x.npy', binarization='threshold'), arrays('x.npy'))
    for other in values % 17, values.astype('float32'), values.astype('int32'):
        np.save('x.npy', other)
        for options in {'levels': 4}, {'binarization': 'threshold'}, {'size': 2}:
            assert 'It is not known how many levels the numbers in x.npy have' in refusal('x.npy', **options)


X = np.arange(40.).reshape(20, 2)


@pytest.mark.parametrize('given, options, message', [
    ({'x': X[:, 0]}, {}, '[n, *event_shape], and its shape is (20,). Numbers one by one are x[:, None]'),
    ({'x': X[:0]}, {}, 'should hold events, [n, *event_shape], and its shape is (0, 2)'),
    ({'x': np.where(X > 35, np.nan, X)}, {}, 'x in x.npz holds numbers that are not finite in float32, such as nan'),
    ({'x': np.where(X == 3, np.inf, X)}, {}, 'such as inf, at 1 of its 20 places'),
    ({'x': X * 1e38}, {}, 'holds numbers that are not finite in float32, such as'),
    ({'x': X.astype('int64') + 2**24}, {}, 'such as 16777217, at 0, 1, 2, 3, 4, and 15 more of its 20'),
    ({'x': X.astype(str)}, {}, 'x in x.npz should hold numbers, and is of the type <U'),
    ({'x': X.astype(complex)}, {}, 'x in x.npz should hold numbers, and is of the type complex128'),
    ({'x': X.astype(object)}, {}, 'x.npz is not a file of numbers, as numpy.savez writes it'),
    ({'a': X, 'b': X}, {}, "x.npz should hold the events as an array 'x'; it holds a, b"),
    ({'x': X}, {'labels': True}, "x.npz has no labels; a .npz file has them as an array 'y', and this one holds x"),
    ({'x': X, 'y': X[:3, 0]}, {}, 'x.npz has 20 events x, and labels y of shape (3,); expected one for each'),
    ({'x': X, 'y': 1}, {}, 'labels y of shape ()'),
    ({'x': X, 'y': X[:, 0] * np.nan}, {'labels': True}, 'y in x.npz holds numbers that are not finite'),
    ({'x': X, 'y': X[:, 0].astype('int64') + 2**40}, {'labels': True}, 'The labels y in x.npz should be smaller than'),
    ({'x': X, 'y': X.astype(str)}, {'labels': True}, 'y in x.npz should hold numbers'),
    ({'x': X}, {'columns': [0]}, 'x.npz is a file of arrays: it takes no columns, got [0]'),
    ({'x': X}, {'classes': ['a'], 'labels': True}, 'x.npz is a file of arrays: it takes no classes'),
    ({'x': X}, {'split': 'all'}, "x.npz has the splits train, validation, test; got 'all'"),
    ({'x': X[:1]}, {'split': 'validation+test'}, 'x.npz has 1 examples, and none of them is in the split'),
    ({'x': pixels([40, 4])}, {'size': 2}, 'The events of x.npz are no images, [height, width, channels], but (4,)'),
])
def test_arrays_that_are_no_data(given, options, message):
    np.savez('x.npz', **given)
    assert message in refusal('x.npz', **options)


@pytest.mark.parametrize('content', [b'', b'\x93NUMPY', b'PK\x03\x04 and so on', b'text'])
@pytest.mark.parametrize('name', ['x.npy', 'x.npz'])
def test_files_that_hold_no_arrays(content, name):
    pathlib.Path(name).write_bytes(content)
    assert f'{name} is not a file of numbers' in refusal(name)
    np.save('y.npy', X)
    assert 'y.npy has no labels: a .npz file may, as an array y beside x' in refusal('y.npy', labels=True)


# Tables ---------------------------------------------------------------------------------------------------------------

def frame(count=60):
    generator = np.random.default_rng(0)
    return pd.DataFrame({'name': [f'x{index}' for index in range(count)], 'cm': generator.normal(170, 8, count),
                         'kg': generator.normal(65, 9, count), 'children': generator.integers(0, 4, count)})


def test_the_splits_part_a_parquet_table():
    frame().to_parquet('people.parquet')
    parts = [arrays('people.parquet', split, columns=['kg', 'cm', 3]) for split in data.SPLITS]
    assert rows(np.concatenate(parts)) == rows(frame()[['kg', 'cm', 'children']].to_numpy('float32'))
    for split, part in zip(data.SPLITS, parts):
        np.testing.assert_array_equal(arrays('people.parquet', split, columns=['cm']), part[:, 1:2])
    assert data.columns_of('people.parquet', [3, 'cm']) == ['children', 'cm']


def test_rows_of_a_parquet_table_stay_in_their_splits():
    frame(40).to_parquet('people.parquet')
    before = members('people.parquet', columns=['cm', 'kg'])
    pd.concat([frame(60)[40:], frame(40)[::-1]]).to_parquet('people.parquet')
    after = members('people.parquet', columns=['cm', 'kg'])
    assert sum(map(len, after.values())) == 60
    assert all(before[split] <= after[split] for split in data.SPLITS)


def changed(**columns):
    return frame().assign(**columns)


@pytest.mark.parametrize('table, options, message', [
    (frame(), {}, 'The column name of people.parquet holds no numbers, but'),
    (frame(), {'columns': ['age']}, "people.parquet has no column 'age'. Its columns are name, cm, kg, children."),
    (frame(5), {'columns': ['cm']}, 'people.parquet has 5 rows of numbers; to learn a density takes at least 10'),
    (changed(cm=1.), {'columns': ['cm']}, 'The column 0 of those chosen from people.parquet holds 1 in every row'),
    (changed(cm=[None, np.inf, 1e39, *range(57)]), {'columns': ['kg', 'cm']},
     'missing or no finite numbers: row 0, column cm; row 1, column cm; row 2, column cm; the first row is 0'),
    (changed(cm=pd.array([None, *range(59)], 'Int64')), {'columns': ['cm']}, 'no finite numbers: row 0, column'),
    (frame(), {'columns': ['cm'], 'labels': True}, 'people.parquet is a table: it takes no labels'),
    (frame(), {'columns': ['cm'], 'split': 'all'}, 'people.parquet has the splits train, validation, test'),
])
def test_parquet_tables_that_are_no_data(table, options, message):
    table.to_parquet('people.parquet')
    assert message in refusal('people.parquet', **options)


def test_what_is_no_parquet_file():
    pathlib.Path('people.parquet').write_text('cm,kg\n1,2\n')
    assert 'people.parquet is not a Parquet file, or is damaged' in refusal('people.parquet')


# From files to figures ------------------------------------------------------------------------------------------------

def recipe(name, system='Independent', shape=(8, 8, 1), levels=256, dataset=(), **options):
    output = {'class_name': 'tfdgm>Categorical', 'config': {'levels': levels}}
    return {'model': {'class_name': f'tfdgm>{system}', 'config': {'event_shape': shape, 'output': output, **options}},
            'dataset': {'name': name, **dict(dataset)},
            'training': {'epochs': 2, 'batch_size': 16, 'jit_compile': False}}


def write(config):
    pathlib.Path('recipe.json').write_text(json.dumps(config))
    return 'recipe.json'


def trained(config):
    succeed('train', write(config), '-o', 'mine')
    return pretrained.read_config('mine'), pathlib.Path('mine', 'README.md').read_text()


def test_a_model_learns_from_a_folder_with_labels():
    for index in range(60):
        values = np.full([4, 4], (60, 200)[index % 2], 'uint8')
        path = pathlib.Path('photos', ('dark', 'light')[index % 2], f'{index}.png')
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    model = tfdgm.Independent((4, 4, 1), output=tfdgm.outputs.Categorical(4), condition=tfdgm.conditions.Label(2))
    model.compile('adam')
    model.optimizer.learning_rate = 0.3
    model.fit(data.load('photos', labels=True, levels=4).batch(16), epochs=8, verbose=0)
    events, labels = arrays('photos', 'test', labels=True, levels=4)
    assert model.evaluate(events, labels, verbose=0, return_dict=True)['bits_per_dim'] < 0.3


def test_train_and_evaluate_on_a_folder_of_images():
    labelled(shape=COLOUR)
    config, card = trained(recipe('photos', shape=(4, 4, 3), levels=16, condition={
        'class_name': 'tfdgm>Label', 'config': {'num_classes': 2}}, dataset={'labels': True, 'size': 4, 'levels': 16}))
    assert config['record']['classes'] == ['cat', 'dog']
    assert '- data: photos (16 levels): 60 images of 4x4 pixels, in colour, labelled cat, dog\n' in card
    assert 'photos, test:' in succeed('evaluate', 'mine', '--record')

    image('others/dog/1.png', (30, 20, 3))
    image('others/cat/2.png', (20, 30, 3))
    image('others/dog/3.png', (20, 20))
    shown = succeed('evaluate', 'mine', '--dataset', 'others', '--split', WHOLE)
    assert 'others, train+validation+test: 3 examples' in shown
    arguments = arguments_for(pretrained.load('mine'), config, 'others')
    assert arguments == {'name': 'others', 'labels': True, 'levels': 16, 'size': 4, 'color_mode': 'rgb',
                         'classes': ['cat', 'dog']}
    image('others/emu/4.png', (20, 20))
    result = run('evaluate', 'mine', '--dataset', 'others')
    assert result.status == 1 and 'others has the subfolders emu, which are none of the classes cat, dog' in result.err
    pathlib.Path('others/dog/5.png').write_bytes(b'nothing')
    os.replace('others/emu/4.png', 'others/cat/4.png')
    result = run('evaluate', 'mine', '--dataset', 'others')
    assert result.status == 1 and 'others has a file that cannot be used: dog/5.png' in result.err and not result.out


def test_images_for_a_model_of_digits():
    photos(30, (20, 30, 3))
    model = tfdgm.Independent((8, 8, 1), output=tfdgm.outputs.Categorical(17))
    arguments = arguments_for(model, {'dataset': {'name': 'digits'}}, 'photos')
    assert arguments == {'name': 'photos', 'size': 8, 'color_mode': 'grayscale', 'levels': 17}
    assert tfdgm.evaluate.held_out(model, data.load(**arguments))['bits_per_dim'] == pytest.approx(np.log2(17))
    arguments = arguments_for(model, {'dataset': {'name': 'digits', 'binarization': 'threshold'}}, 'photos')
    assert set(np.unique(data.as_arrays(data.load(**arguments)))) <= {0, 1}
    named = arguments_for(model, {'dataset': {'name': 'photos', 'color_mode': 'rgb', 'levels': 4}}, 'digits')
    assert named == {'name': 'digits', 'levels': 4}
    with pytest.raises(ValueError, match=r'photos holds images, and the events of this model have the shape \(4,\)'):
        arguments_for(tfdgm.Independent(4), {'dataset': {'name': 'digits'}}, 'photos')


def test_bad_files_are_found_before_anything_is_trained():
    photos(30)
    pathlib.Path('photos/bad.png').write_bytes(b'nothing')
    result = run('train', write(recipe('photos')), '-o', 'mine')
    assert result.status == 1 and 'photos has a file that cannot be used: bad.png is not an image' in result.err
    assert not pathlib.Path('mine').exists()


@pytest.mark.slow
def test_a_flow_of_few_images_has_a_card():
    for index in range(12):
        image(f'photos/train/{index}.png')
    image('photos/validation/a.png')
    image('photos/validation/b.png')
    config = recipe('photos', 'AffineCouplingFlow', couplings=2, hidden_units=[4], dequantization={
        'class_name': 'tfdgm>UniformDequantization', 'config': {'levels': 256}})
    del config['model']['config']['output']
    config['training']['epochs'] = 1
    _, card = trained(config)
    assert 'Each row goes from one validation image to another' in card
    result = run('evaluate', 'mine')
    assert result.status == 1 and "none of them is in the split 'test'" in result.err


@pytest.mark.slow
def test_train_and_evaluate_on_a_folder_of_sounds():
    sounds()
    config, card = trained(recipe('sounds', 'RecurrentModel', [89], dataset={'levels': 16}, levels=16, units=4,
                                  variable_length=True))
    assert config['record']['rate'] == 8000
    assert '- data: sounds (16 levels): 40 sounds, 0.0 minutes, 8,000 samples a second after' in card
    assert 'samples.wav' in card and pathlib.Path('mine/samples.wav').exists()
    succeed('evaluate', 'mine')
    succeed('sample', 'mine', '-n', '2', '-o', 'two.wav')
    assert len(sound.read('two.wav', 8000)) > 0
    sounds(20, 'others')
    assert '20 examples' in succeed('evaluate', 'mine', '--dataset', 'others', '--split', WHOLE)
    sounds(20, 'fast', 16000)
    result = run('evaluate', 'mine', '--dataset', 'fast')
    assert result.status == 1 and 'fast has 16,000 samples a second, and the model was trained at 8,000' in result.err


@pytest.mark.slow
def test_train_and_evaluate_on_arrays():
    np.savez('x.npz', x=pixels([80, 8, 8, 1]), y=np.arange(80) % 3)
    _, card = trained(recipe('x.npz', levels=4, dataset={'levels': 4, 'labels': True}, condition={
        'class_name': 'tfdgm>Label', 'config': {'num_classes': 3}}))
    assert '- data: x.npz (4 levels): 80 events of shape (8, 8, 1)\n' in card
    succeed('evaluate', 'mine')
    np.savez('other.npz', x=pixels([5, 8, 8, 1]) % 4, y=np.arange(5) % 3)
    shown = succeed('evaluate', 'mine', '--dataset', './other.npz', '--split', WHOLE)
    assert './other.npz, train+validation+test: 5 examples' in shown
    np.savez('other.npz', x=pixels([50, 8, 8, 1]), y=np.arange(50) % 3)
    result = run('evaluate', 'mine', '--dataset', 'other.npz', '--split', 'train')
    assert result.status == 1 and 'an integer from 0 to 3' in result.err and not result.out


@pytest.mark.slow
def test_train_and_evaluate_on_tables_by_the_names_of_their_columns():
    frame().to_parquet('people.parquet')
    config = recipe('people.parquet', 'MADE', [2], hidden_units=[4], dataset={'columns': ['cm', 'kg']})
    config['model']['config']['output'] = {'class_name': 'tfdgm>MixtureOfGaussians', 'config': {'components': 2}}
    config, card = trained(config)
    assert '- data: people.parquet, columns cm, kg\n' in card
    first = succeed('evaluate', 'mine', '--split', WHOLE)
    frame()[['kg', 'name', 'cm']].to_csv('others.csv', index=False)
    other = succeed('evaluate', 'mine', '--dataset', 'others.csv', '--split', WHOLE)
    assert first.split()[-8:] == other.split()[-8:] and '60 examples' in other
    frame()[['kg']].to_csv('others.csv', index=False)
    result = run('evaluate', 'mine', '--dataset', 'others.csv')
    assert result.status == 1 and "others.csv has no column 'cm'" in result.err


@pytest.mark.parametrize('dataset', [{'color_mode': 1}, {'classes': 'cat'}, {'classes': [1]}, {'size': '4'}])
def test_recipes_of_the_wrong_types(dataset):
    result = run('train', write(recipe('photos', dataset=dataset)))
    assert result.status == 1 and next(iter(dataset)) in result.err


def test_a_recipe_knows_all_arguments_of_load():
    taken = {'name', 'seed', *(argument for _, arguments in data.loading.KINDS.values() for argument in arguments)}
    assert taken == set(recipes.DATASET)


def test_images_whose_palette_is_grey_are_grey(tmp_path):
    for number in range(20):
        Image.fromarray(np.arange(64, dtype='uint8').reshape(8, 8) + np.uint8(number)).save(tmp_path / f'{number}.gif')
    assert data.load(tmp_path).element_spec.shape == (8, 8, 1)


def test_a_card_says_where_its_training_is_run_again(tmp_path):
    assert cards.how_to_train(tmp_path, {'name': 'digits'}) == '`tfdgm train config.json -o elsewhere`, in this folder,'
    assert cards.how_to_train(tmp_path, {'name': './photos'}).endswith('-o elsewhere`, where `./photos` lies,')
