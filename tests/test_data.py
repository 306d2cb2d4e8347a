"""Named datasets: their splits, binarizations and labels, and what is said of those that are not there."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits

from tfdgm import data
from tfdgm.data import sound


def arrays(name='digits', split='test', **options):
    return data.as_arrays(data.load(name, split, **options))


def rows(events):
    return {event.tobytes() for event in events}


# digits ---------------------------------------------------------------------------------------------------------------

def test_the_splits_of_digits_part_the_whole_set():
    splits = [arrays(split=split) for split in data.SPLITS]
    assert [split.shape for split in splits] == [(1197, 8, 8, 1), (300, 8, 8, 1), (300, 8, 8, 1)]
    together = np.concatenate(splits)
    assert together.dtype == np.float32
    assert set(np.unique(together)) == set(range(17))
    everything = load_digits().images.astype('float32')
    assert sorted(event.tobytes() for event in together) == sorted(event.tobytes() for event in everything)
    np.testing.assert_array_equal(arrays(split='train+test'), np.concatenate([splits[0], splits[2]]))
    assert len(rows(everything)) == 1797, 'no image is there twice, so the splits are disjoint'


def test_digits_are_the_same_every_time():
    first = arrays(labels=True)
    keras.utils.set_random_seed(1)
    for one, other in zip(first, arrays(labels=True)):
        np.testing.assert_array_equal(one, other)


def test_cardinality_is_known():
    assert data.load('digits', 'train', binarization='dynamic').cardinality() == 1197


def test_labels_come_as_pairs_with_their_images():
    events, labels = arrays(labels=True)
    assert labels.dtype == np.int32
    assert data.load('digits', labels=True).element_spec[1].shape == ()
    digits = load_digits()
    label_of = {image.astype('float32').tobytes(): label for image, label in zip(digits.images, digits.target)}
    assert [label_of[event.tobytes()] for event in events] == labels.tolist()


# Binarization ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('binarization', data.BINARIZATIONS)
def test_binary_events_are_zeros_and_ones_and_keep_their_labels(binarization):
    grey, grey_labels = arrays(labels=True)
    binary, labels = arrays(labels=True, binarization=binarization)
    assert binary.dtype == np.float32
    assert set(np.unique(binary)) == {0, 1}
    np.testing.assert_array_equal(labels, grey_labels)
    np.testing.assert_array_equal(binary, arrays(binarization=binarization))
    assert not binary[grey == 0].any()
    if binarization != 'threshold':
        assert np.abs(binary - grey / 16).mean() < 0.2, 'each event is a draw from its own grey image'


def test_threshold_is_above_the_middle():
    np.testing.assert_array_equal(arrays(binarization='threshold'), arrays() > 8)


def test_fixed_binarization_is_the_same_in_each_epoch_and_each_load():
    dataset = data.load('digits', 'test', binarization='fixed')
    first = data.as_arrays(dataset)
    np.testing.assert_array_equal(data.as_arrays(dataset), first)
    np.testing.assert_array_equal(arrays(binarization='fixed'), first)
    assert (arrays(binarization='fixed', seed=1) != first).any()


def test_fixed_binarization_depends_on_no_other_seed():
    first = arrays(binarization='fixed')
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(arrays(binarization='fixed'), first)


def test_dynamic_binarization_draws_anew_in_each_epoch():
    dataset = data.load('digits', 'test', binarization='dynamic')
    first, second = data.as_arrays(dataset), data.as_arrays(dataset)
    grey = arrays()
    sure = (grey == 0) | (grey == 16)
    np.testing.assert_array_equal(first[sure & (grey == 0)], second[sure & (grey == 0)])
    assert 0.2 < (first != second)[~sure].mean() < 0.5


@pytest.mark.parametrize('epochs, binarization', [(400, 'dynamic'), (1, 'fixed')])
def test_the_grey_value_is_the_probability_of_a_one(epochs, binarization):
    count = 10 if epochs > 1 else 300
    draws = data.load('digits', 'test', binarization=binarization).take(count).repeat(epochs)
    means = data.as_arrays(draws).reshape(epochs, count, 64).mean(axis=0)
    probabilities = arrays()[:count].reshape(count, 64) / 16
    np.testing.assert_allclose(means.mean(), probabilities.mean(), atol=0.01)
    for level in np.unique(probabilities):
        here = probabilities == level
        error = 4 * np.sqrt(level * (1 - level) / (epochs * here.sum())) + 1e-3
        np.testing.assert_allclose(means[here].mean(), level, atol=error)


# Bad input ------------------------------------------------------------------------------------------------------------

def test_squares_of_pixels_become_their_mean():
    full, labels = arrays(labels=True)
    small, same_labels = arrays(labels=True, size=4)
    np.testing.assert_array_equal(same_labels, labels)
    assert small.shape == (300, 4, 4, 1)
    np.testing.assert_array_equal(small[:, 1, 2, 0], np.round(full[:, 2:4, 4:6, 0].mean((1, 2))))
    np.testing.assert_array_equal(arrays(size=8), full[:300])
    np.testing.assert_array_equal(arrays(size=4, levels=4), small * 4 // 17)
    assert set(np.unique(arrays(size=4, binarization='threshold'))) == {0, 1}
    # Each of 3x3 pixels covers 8x8 of the parts of 24x24.
    parts = full.repeat(3, axis=1).repeat(3, axis=2).reshape(-1, 3, 8, 3, 8, 1)
    third = arrays(size=3)
    # Many means lie in the middle between two levels.
    assert np.max(abs(third - parts.mean(axis=(2, 4)))) < 0.5001 and np.all(third == np.round(third))


def test_an_image_comes_with_a_coarse_one():
    full = arrays()
    images, coarse = arrays(coarse=4)
    np.testing.assert_array_equal(images, full)
    np.testing.assert_array_equal(coarse, arrays(size=4))
    images, coarse = arrays(coarse=2, levels=4)
    np.testing.assert_array_equal(images, arrays(levels=4))
    np.testing.assert_array_equal(coarse, np.round(images.reshape(-1, 2, 4, 2, 4, 1).mean((2, 4))))


def test_an_image_in_colour_comes_with_a_grey_one(tmp_path):
    colours = np.random.default_rng(0).integers(256, size=[20, 8, 8, 3]).astype('uint8')
    np.save(tmp_path / 'colours.npy', colours)
    images, grey = arrays(str(tmp_path / 'colours.npy'), 'train+validation+test', grey=True)
    assert images.shape == (20, 8, 8, 3) and grey.shape == (20, 8, 8, 1)
    # As television weighs them; rounded.
    assert np.max(abs(grey - images @ [[0.299], [0.587], [0.114]])) < 0.54 and np.all(grey == np.round(grey))
    with pytest.raises(ValueError, match=r'no images in colour, \[height, width, 3\], but \(8, 8, 1\)'):
        arrays(grey=True)


def test_mutations_are_any_level_in_any_place():
    whole, dataset = arrays('digits', 'train', levels=4), data.load('digits', 'train', levels=4, mutation=0.4)
    first, second = data.as_arrays(dataset), data.as_arrays(dataset)
    # A mutation leaves one of four values as it was.
    assert abs(np.mean(first != whole) - 0.3) < 0.01 and np.mean(first != second) > 0.3
    changed = first[first != whole]
    assert set(np.unique(first)) == {0, 1, 2, 3} and abs(np.mean(changed == 3) - np.mean(whole != 3) / 3) < 0.05
    images, labels = arrays(labels=True, mutation=0.1)
    np.testing.assert_array_equal(labels, arrays(labels=True)[1])
    assert 0 < np.mean(images != arrays()) < 0.1


def test_fewer_levels_are_runs_of_the_own_ones():
    full, labels = arrays(labels=True)
    coarse, same_labels = arrays(labels=True, levels=4)
    np.testing.assert_array_equal(same_labels, labels)
    np.testing.assert_array_equal(coarse, np.array([0] * 5 + [1] * 4 + [2] * 4 + [3] * 4)[full.astype(int)])
    np.testing.assert_array_equal(arrays(levels=17), full)
    np.testing.assert_array_equal(arrays(levels=4), coarse)


@pytest.mark.parametrize('options, message', [
    ({'levels': 18}, 'levels of digits can be at most its own 17, got 18'),
    ({'levels': 1}, 'levels of digits must be an integer of at least 2, got 1'),
    ({'mutation': 0}, 'mutation of digits must be above 0'), ({'mutation': 1.5}, 'mutation of digits must be a number'),
    ({'coarse': 9}, 'coarse of digits should be at most the sides of its images'),
    ({'coarse': 2.5}, 'coarse of digits must be an integer'), ({'grey': 1}, 'grey of digits must be True or False'),
    ({'coarse': 4, 'labels': True}, 'comes with one thing that it depends on'),
    ({'coarse': 4, 'binarization': 'threshold'}, 'squares of pixels have no mean that is; leave out coarse'),
    ({'size': 9}, 'size of digits should be at most the sides of its images, .* and these are 8x8; got 9.'),
    ({'size': 16}, 'these are 8x8; got 16.'),
    ({'size': 0}, 'size of digits must be an integer of at least 1, got 0'),
    ({'levels': 4, 'binarization': 'fixed'}, "Either levels or a binarization, got 4 and 'fixed'"),
])
def test_levels_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        data.load('digits', **options)


@pytest.mark.parametrize('arguments, message', [
    (('digits', 'tset'), "digits has the splits train, validation, test; got 'tset'"),
    (('digit',), "Unknown dataset 'digit'.*Did you mean digits.*'digits' is always there"),
    (('fashon_mnist',), "Unknown dataset 'fashon_mnist'.*Did you mean fashion_mnist"),
    (('no such set at all',), 'no such set at all'),
])
def test_unknown_names_and_splits(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(*arguments)


@pytest.mark.parametrize('name', ['digits', 'moons', 'rows.csv', 'spoken_digit', 'wine_red', 'mnist', 'no such set'])
@pytest.mark.parametrize('split', [['train'], None, 0, 1.5, b'train', ('train', 'test'), {'train': 1}, True])
def test_a_split_that_is_no_text(monkeypatch, name, split):
    monkeypatch.setattr(tfds, 'builder', None)  # At once: nothing is looked for.
    with pytest.raises(ValueError, match=r"split must be a text such as 'train', 'validation' or 'test', got"):
        data.load(name, split)


@pytest.mark.parametrize('name', ['digits', 'moons', 'spoken_digit', 'wine_red', 'mnist', 'binarized_mnist'])
@pytest.mark.parametrize('split', ['', 'tset', 'Train', ' train', 'train,test', '[train]'])
def test_a_split_that_there_is_not(dataset, name, split):
    if name not in ('digits', 'moons'):
        dataset({'wine_red': 'wine_quality'}.get(name, name))
    with pytest.raises(ValueError, match=f'{name} has the splits .*train.*; got '):
        data.load(name, split)


def test_unknown_binarization():
    with pytest.raises(ValueError, match="Unknown binarization 'fuzzy': expected None or one of fixed, threshold, dyn"):
        data.load('digits', binarization='fuzzy')


# TensorFlow Datasets --------------------------------------------------------------------------------------------------

def test_binarized_mnist_has_its_published_splits_and_is_binary(dataset):
    dataset('binarized_mnist')
    assert [int(data.load('binarized_mnist', split).cardinality()) for split in data.SPLITS] == [50000, 10000, 10000]
    some = arrays('binarized_mnist', 'test[:500]')
    assert some.shape == (500, 28, 28, 1)
    assert some.dtype == np.float32
    assert set(np.unique(some)) == {0, 1}
    np.testing.assert_array_equal(arrays('binarized_mnist', 'test[:500]', binarization='dynamic'), some)


def test_the_end_of_mnist_s_training_split_is_its_validation_split(dataset):
    dataset('mnist')
    assert [int(data.load('mnist', split).cardinality()) for split in data.SPLITS] == [50000, 10000, 10000]
    for split, same in [('validation', 'train[50000:50500]'), ('train', 'train[:500]')]:
        events, labels = data.as_arrays(data.load('mnist', split, labels=True).take(500))
        expected, expected_labels = arrays('mnist', same, labels=True)
        np.testing.assert_array_equal(events, expected)
        np.testing.assert_array_equal(labels, expected_labels)
        assert events.max() == 255


@pytest.mark.parametrize('name', ['MNIST', 'mnist:3.0.1'])
def test_another_spelling_of_a_name_has_the_same_splits(dataset, name):
    dataset('mnist')
    assert data.load(name, 'validation').cardinality() == 10000


def test_a_tenth_of_a_training_split_is_for_validation_where_there_is_none(dataset):
    dataset('usps')
    train, validation, everything = (arrays('usps', split) for split in ('train', 'validation', 'train[0:7291]'))
    assert len(validation) == round(0.1 * 7291)
    assert len(train) + len(validation) == 7291
    np.testing.assert_array_equal(np.concatenate([train, validation]), everything)


def test_a_split_may_be_an_expression(dataset):
    dataset('usps')
    first = data.as_arrays(data.load('usps', 'train').take(100))
    np.testing.assert_array_equal(arrays('usps', 'train[:100]'), first)


@pytest.mark.parametrize('name, options, message', [
    ('usps', {'split': 'tset'}, "usps has the splits train, test; got 'tset'"),
    ('binarized_mnist', {'labels': True}, 'binarized_mnist has no labels: its features are image'),
    ('binarized_mnist', {'size': 14}, 'The images of binarized_mnist are binary: squares of pixels have no mean'),
    ('wine_red', {'labels': True}, 'wine_red is a table: it takes no labels, got True'),
    ('wine_red', {'split': 'all'}, "wine_red has the splits train, validation, test; got 'all'"),
    ('wine_red', {'columns': ['ph']}, "wine_red has no column 'ph'. Its columns are alcohol, chlorides"),
    ('spoken_digit', {'binarization': 'fixed'}, 'spoken_digit is sound: it takes no binarization'),
    ('spoken_digit', {'size': 4}, 'spoken_digit is sound: it takes no size'),
    ('spoken_digit', {'split': 'train[:5]'}, 'spoken_digit has the splits train, validation, test'),
    ('spoken_digit', {'length': 0}, 'length of spoken_digit must be an integer of at least 1'),
    ('mnist', {'length': 5}, 'mnist is a set of images: it takes no length, got 5'),
])
def test_sets_without_what_is_asked_for(dataset, name, options, message):
    dataset(name)
    with pytest.raises(ValueError, match=message):
        data.load(name, **options)


def test_a_version_that_tfds_does_not_know(dataset):
    dataset('mnist')
    with pytest.raises(ValueError, match=r'mnist:9\.9\.9 is not available'):
        data.load('mnist:9.9.9')


# Sound ----------------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_spoken_digits(dataset):
    dataset('spoken_digit')
    splits = {split: arrays('spoken_digit', split, labels=True) for split in data.SPLITS}
    assert [len(events) for events, _ in splits.values()] == [2400, 300, 300]
    for events, labels in splits.values():
        assert events.shape[1] == 8000 and events.dtype == np.float32
        # So many recordings of each digit by each of six speakers.
        assert np.all(np.bincount(6 * labels[:, 0] + labels[:, 1]) == len(events) // 60)
        missing = np.isnan(events)
        assert np.all(missing[:, 1:] >= missing[:, :-1]), 'only the end is filled up'
        assert set(np.unique(events[~missing])) <= set(range(256))
    recorded = next(iter(tfds.load('spoken_digit', split='train').filter(
        lambda example: example['audio/filename'] == '0_george_0.wav').as_numpy_iterator()))['audio']
    event = splits['test'][0][0]
    np.testing.assert_array_equal(splits['test'][1][0], [0, 0])
    assert np.sum(~np.isnan(event)) == len(recorded)
    wave = sound.decode(event)[:len(recorded)] * 2**15
    assert np.all(abs(wave - recorded) <= 1.02 * (abs(recorded) + 2**15 / 255) * np.log(256) / 255)


def test_spoken_digits_of_another_length_and_number_of_levels(dataset):
    dataset('spoken_digit')
    events = arrays('spoken_digit', 'test', levels=16, length=500)
    assert events.shape == (300, 500)
    assert set(np.unique(events[~np.isnan(events)])) <= set(range(16))
