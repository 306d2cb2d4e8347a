"""Training by a recipe: what it writes, how it stops and goes on, and what it refuses."""

import math
import os
from unittest import mock

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

from tests.recipes import STEPS, adam, assert_same, interrupted, no_samples, recipe, schedule, train, write
from tfdgm import data, pretrained
from tfdgm.errors import NonFiniteError
from tfdgm.pretrained import training
from tfdgm.pretrained.checkpoint import Checkpoint

RECIPES = {
    'fvsbn': recipe('FVSBN', optimizer=adam(0.01), batch_size=400),  # The last batch of an epoch is smaller.
    'made': recipe(
        'MADE', {'hidden_units': [16], 'num_masks': 2, 'order': 'random', 'dropout': 0.5}, {'binarization': 'dynamic'},
        optimizer={'class_name': 'AdamW', 'config': {'learning_rate': schedule(
            'CosineDecay', initial_learning_rate=0.02, decay_steps=4 * STEPS)}}),
    'average': recipe('FVSBN', optimizer={'class_name': 'Adam', 'config': {
        'learning_rate': 0.02, 'use_ema': True, 'ema_momentum': 0.8}}),
}


def validation_nll(folder):
    """What the written weights reach."""
    held_out = data.load(split='validation', **pretrained.read_config(folder)['dataset'])
    return -pretrained.load(folder).distribution().log_prob(data.as_arrays(held_out)).numpy().mean()


@pytest.fixture(scope='module', params=[
    pytest.param(name, marks=pytest.mark.slow) if name == 'fvsbn' else name for name in RECIPES])
def uninterrupted(request, tmp_path_factory):
    """A recipe, and what a training without a break makes of it: the configuration, the learning curve, the folder."""
    folder = write(tmp_path_factory.mktemp(request.param), RECIPES[request.param])
    return RECIPES[request.param], *train(folder), folder


# What a training leaves -----------------------------------------------------------------------------------------------

def test_training_lowers_the_loss(uninterrupted):
    _, _, curve, _ = uninterrupted
    assert len(curve) == 4
    for name in ('loss', 'nll', 'bits_per_dim', 'val_loss', 'val_nll', 'val_bits_per_dim'):
        assert curve[-1][name] < curve[0][name]


def test_training_writes_weights_their_hash_and_a_record(uninterrupted):
    written, config, curve, folder = uninterrupted
    assert sorted(path.name for path in folder.iterdir()) == [pretrained.CARD, pretrained.CONFIG, pretrained.WEIGHTS]
    assert pretrained.read_config(folder) == config
    assert {part: config[part] for part in written} == written
    assert config['weights_sha256'] == pretrained.sha256(folder / pretrained.WEIGHTS)
    best = int(np.argmin([epoch['val_nll'] for epoch in curve]))
    record = config['record']
    assert (record['epochs'], record['best_epoch']) == (4, best + 1)
    assert (record['train_nll'], record['validation_nll']) == (curve[best]['nll'], curve[best]['val_nll'])
    assert record['minutes'] >= 0
    assert {'tensorflow', 'keras'} <= set(record['versions'])


def test_the_written_weights_reach_the_recorded_likelihood(uninterrupted):
    written, config, _, folder = uninterrupted
    tolerance = 0.5 if written['dataset']['binarization'] == 'dynamic' else 1e-3
    assert validation_nll(folder) == pytest.approx(config['record']['validation_nll'], abs=tolerance)


def test_pairs_train_a_conditional_model(tmp_path):
    condition = {'class_name': 'tfdgm>Label', 'config': {'num_classes': 10}}
    write(tmp_path, recipe(arguments={'condition': condition}, dataset={'labels': True}, epochs=2, optimizer=adam(0.1)))
    _, curve = train(tmp_path)
    assert curve[1]['val_nll'] < curve[0]['val_nll']
    per_class = pretrained.load(tmp_path).distribution(range(10)).sample(500, seed=0).numpy().mean(axis=0)
    assert np.abs(per_class[0] - per_class[1]).max() > 0.2, 'zeros and ones look different'


def test_of_averaged_weights_the_average_is_validated_and_kept(tmp_path):
    optimizer = {'class_name': 'Adam', 'config': {'learning_rate': 0.02, 'use_ema': True, 'ema_momentum': 1 - 1e-6}}
    config, curve = train(write(tmp_path, recipe(optimizer=optimizer)))
    assert curve[0]['nll'] - curve[3]['nll'] > 2
    assert curve[0]['val_nll'] - curve[3]['val_nll'] < 0.01, 'an average that hardly moves'
    assert validation_nll(tmp_path) == pytest.approx(config['record']['validation_nll'], abs=1e-3)


# Stopping and going on ------------------------------------------------------------------------------------------------

def test_a_resumed_training_ends_as_an_uninterrupted_one(uninterrupted, tmp_path):
    written, config, curve, folder = uninterrupted
    write(tmp_path, written)
    with interrupted():
        training.train(tmp_path, verbose=0)
    assert os.listdir(tmp_path / 'checkpoint') == ['state.npz']
    assert pretrained.read_config(tmp_path) == written
    assert not (tmp_path / pretrained.WEIGHTS).exists()

    resumed, resumed_curve = train(tmp_path)
    assert resumed_curve == curve
    assert {**resumed['record'], 'minutes': None} == {**config['record'], 'minutes': None}
    assert_same(tmp_path, folder)
    assert not (tmp_path / 'checkpoint').exists()


def test_patience_ends_a_training_and_survives_a_break(tmp_path):
    too_fast = schedule('PiecewiseConstantDecay', boundaries=[2 * STEPS], values=[0.02, 10.])
    write(tmp_path, recipe(optimizer=adam(too_fast), epochs=50, patience=2))
    assert training.train(tmp_path, verbose=0, epochs=3) is None
    config, curve = train(tmp_path)
    record = config['record']
    assert (record['epochs'], record['best_epoch']) == (4, 2)
    assert record['validation_nll'] == curve[1]['val_nll'] < curve[3]['val_nll'] - 10
    best = pytest.approx(record['validation_nll'], abs=1e-3)
    assert validation_nll(tmp_path) == best, 'the best epoch, not the last, is kept'


@pytest.mark.parametrize('curve, best, finished', [
    ([5., 4., 3.], 2, False), ([5., 3., 4.], 1, False), ([5., 3., 4., 3.], 1, True), ([3., 4., 5.], 0, True),
    ([5., 3., math.nan, math.nan], 1, True), ([5., 3., math.nan], 1, False), ([5., math.inf], 0, False),
    ([5., -math.inf], 0, False), ([math.inf, 5.], 1, False)])
def test_the_best_epoch_is_the_first_of_the_lowest_and_never_one_that_diverged(tmp_path, curve, best, finished):
    checkpoint = Checkpoint(tmp_path, recipe(), examples=9, patience=2)
    checkpoint.history = [{'val_nll': value} for value in curve]
    assert checkpoint.best_epoch() == best
    assert checkpoint.finished() == finished


@pytest.mark.parametrize('curve, kept', [([3., 4., 5.], 2), ([5., 3., math.nan], 1), ([math.nan], 0)])
def test_without_a_figure_to_choose_by_the_last_epoch_is_kept(tmp_path, curve, kept):
    checkpoint = Checkpoint(tmp_path, recipe(), examples=9, patience=None, monitor=None)
    checkpoint.history = [{'val_loss': value} for value in curve]
    assert checkpoint.best_epoch() == kept


def test_a_training_that_diverges_from_the_start_writes_no_weights(tmp_path):
    write(tmp_path, recipe(optimizer={'class_name': 'SGD', 'config': {'learning_rate': 3e38}}, epochs=2))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r'diverged.*Lower the learning rate'):
            training.train(tmp_path, verbose=0)
    assert not (tmp_path / pretrained.WEIGHTS).exists()


def diverging(epoch):
    """A block in which a step of an epoch is not finite."""
    def diverge(checkpoint, index, logs=None):
        if len(checkpoint.history) == epoch and index == 1:
            raise NonFiniteError('The gradient of batch 2 is not finite.')
    return mock.patch.object(training.Checkpoint, 'on_train_batch_end', diverge)


@pytest.mark.parametrize('broken', [False, True])
def test_a_training_that_diverges_later_keeps_the_best_epoch_before(tmp_path, broken):
    whole, folder = tmp_path / 'whole', tmp_path / 'diverging'
    for place, epochs in (whole, 2), (folder, 4):
        place.mkdir()
        write(place, recipe(optimizer=adam(0.1), epochs=epochs, jit_compile=False))
    config, curve = train(whole)
    with diverging(epoch=2):
        if broken:
            with no_samples():
                assert training.train(folder, verbose=0, epochs=1) is None
        diverged, its_curve = train(folder)
    assert its_curve == curve
    record = {**config['record'], 'minutes': None}
    assert {**diverged['record'], 'minutes': None} == {**record, 'diverged': 3}
    assert pretrained.read_config(folder) == diverged
    assert 'Epoch 3 diverged, which ended the training.' in (folder / pretrained.CARD).read_text()
    assert 'diverged' not in (whole / pretrained.CARD).read_text()
    assert_same(folder, whole)
    assert not (folder / 'checkpoint').exists()


def test_a_training_that_diverges_in_its_first_epoch_says_why(tmp_path):
    write(tmp_path, recipe(optimizer=adam(0.1), jit_compile=False))
    with diverging(epoch=0), pytest.raises(RuntimeError, match=r'diverged: .*Lower the learning rate and tr') as error:
        training.train(tmp_path, verbose=0)
    assert isinstance(error.value.__cause__, NonFiniteError)
    assert os.listdir(tmp_path) == [pretrained.CONFIG]


@pytest.mark.parametrize('jit_compile', [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_recipe_says_whether_xla_compiles(tmp_path, monkeypatch, jit_compile):
    told = []
    monkeypatch.setattr(training.Checkpoint, 'on_train_begin', lambda self, logs=None: told.append(
        self.model.jit_compile))
    folder = write(tmp_path, recipe(jit_compile=jit_compile, epochs=2))
    assert training.train(folder, verbose=0, epochs=1) is None
    train(folder)
    assert told == [jit_compile] * 2, 'also after a break'


@pytest.mark.parametrize('labels', [True, False])
def test_a_recipe_can_ask_for_mirror_images(labels):
    examples = data.load('digits', labels=labels)
    images = data.as_arrays(examples)[0] if labels else data.as_arrays(examples)
    shape = {'batch_size': 100, 'seed': 0}
    straight, some = (
        list(training.batches(examples, {**shape, 'mirror': mirror}).take(24)) for mirror in (False, True))
    turned = []
    for straight_one, one in zip(straight, some):
        if labels:
            np.testing.assert_array_equal(one[1], straight_one[1])
            straight_one, one = straight_one[0], one[0]
        same = np.all(one == straight_one, axis=(1, 2, 3))
        mirrored = np.all(one == straight_one[:, :, ::-1], axis=(1, 2, 3))
        assert np.all(same | mirrored)
        turned.append(mirrored & ~same)
    assert sum(map(len, turned)) == 2 * len(images)
    assert np.mean(np.concatenate(turned)) == pytest.approx(0.5, abs=0.05)
    first, second = np.concatenate(turned[:12]), np.concatenate(turned[12:])
    assert np.mean(first == second) < 0.6, 'anew in each epoch'
    later = next(iter(training.batches(examples, {**shape, 'mirror': True}).skip(5)))
    np.testing.assert_array_equal(later[0] if labels else later, some[5][0] if labels else some[5])


# Bad input ------------------------------------------------------------------------------------------------------------

def test_a_recipe_can_train_on_the_validation_split_too(tmp_path, monkeypatch):
    sizes = []
    batches = training.batches
    monkeypatch.setattr(training, 'batches', lambda examples, recipe: (
        sizes.append(int(examples.cardinality())), batches(examples, recipe))[1])
    folder = write(tmp_path, recipe(with_validation=True, epochs=3, optimizer=adam(schedule(
        'PiecewiseConstantDecay', boundaries=[8], values=[0.1, 50.]))))
    config, curve = train(folder)
    assert sizes == [sum(len(data.as_arrays(data.load('digits', split))) for split in ('train', 'validation'))]
    assert curve[-1]['val_nll'] > curve[1]['val_nll'], 'or the last would be the best'
    assert config['record']['best_epoch'] == 3
    assert validation_nll(folder) == pytest.approx(config['record']['validation_nll'], abs=1e-3)
    card = (folder / pretrained.CARD).read_text()
    assert 'epoch 3, the last of a training on the validation split too, was kept' in card


def test_unknown_keys_of_the_training(tmp_path):
    with pytest.raises(ValueError, match='Unknown in "training": epoch, patient; it takes epochs, batch_size, opt'):
        training.train(write(tmp_path, recipe(epoch=3, patient=1)))


def without(part):
    return {name: value for name, value in recipe().items() if name != part}


@pytest.mark.parametrize('config, message', [
    ('{', 'config.json is not JSON'),
    ('5', 'config.json'),
    ('null', 'config.json'),
    ('[]', 'config.json'),
    (without('model'), 'config.json has no model'),
    (without('dataset'), 'config.json has no dataset'),
    ({}, 'config.json has no model and no dataset and no training'),
    ({**recipe(), 'model': 'nade'}, 'config.json: "model" should be a JSON object, got .nade.'),
    ({**recipe(), 'dataset': 'digits'}, '"dataset"'),
    ({**recipe(), 'dataset': {}}, '"dataset".*name'),
    ({**recipe(), 'training': []}, '"training"'),
    (recipe('Nope'), '"model" is refused: it names tfdgm>Nope'),
    (recipe(arguments={'hiden_units': 3}), 'hiden_units'),
    (recipe('FVSBN', {'order': 'raster'}), "order must be 'natural', 'random' or a permutation"),
    (recipe(dataset={'nam': 'digits'}), '"dataset".*nam'),
    (recipe(dataset={'split': 'test'}), '"dataset".*split'),
    (recipe(dataset={'name': 'digit'}), "Unknown dataset 'digit'.*Did you mean digits"),
    (recipe(dataset={'binarization': 'fuzzy'}), "Unknown binarization 'fuzzy'"),
    (recipe(dataset={'binarization': None}), 'lie outside the support.*0 or 1'),
    (recipe(dataset={'labels': True}), 'This model has no condition, but one was given'),
    (recipe(arguments={'event_shape': [4, 4, 1]}), r'Expected events of shape \(4, 4, 1\)'),
    (recipe(epochs=0), 'epochs'),
    (recipe(epochs='ten'), 'epochs'),
    (recipe(batch_size=0), 'batch_size'),
    (recipe(patience='long'), 'patience'),
    (recipe('GAN', {'levels': 2}, patience=3), 'patience in "training" .* of this GAN none does: leave it out'),
    (recipe('RBM', {'hidden_units': 3}, patience=3), 'patience in "training" .* of this RBM none does: leave it out'),
    (recipe(jit_compile='fast'), 'jit_compile in "training" should be true, false or "auto"'),
    (recipe(mirror=1), 'mirror in "training" should be true or false, got 1'),
    (recipe(with_validation='yes'), "with_validation in .training. should be true or false, got 'yes'"),
    (recipe(with_validation=True, patience=3),
     'patience in "training" .* of this Independent trained with the validation split none does: leave it out'),
    (recipe('MAF', {'event_shape': [2]}, {'name': 'moons', 'binarization': None}, mirror=True),
     r'mirror in "training" is for images, got events of shape \(2,\)'),
    (recipe(dataset={'binarization': None, 'levels': 20}), 'levels of digits can be at most its own 17, got 20'),
    (recipe(epochs=True), 'epochs in "training" should be an integer, got True'),
    (recipe(dataset={'seed': 'a'}), 'seed in "dataset" should be an integer'),
    ({**recipe(), 'aboutt': 'this'}, 'holds aboutt, which is unknown'),
    ({**recipe(), 'about': 3}, '"about" should be a text, got 3'),
    (recipe(optimizer='adamm'), 'adamm'),
    (recipe(optimizer=None), 'optimizer'),
])
def test_what_is_no_recipe_is_refused_and_nothing_is_written(tmp_path, config, message):
    write(tmp_path, config)
    with pytest.raises(ValueError, match=message):
        training.train(tmp_path, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == [pretrained.CONFIG]


def test_a_folder_without_a_recipe(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'There is no .*config\.json: expected a configuration such as'):
        training.train(tmp_path)


def test_an_image_is_learned_from_a_coarse_one(tmp_path):
    condition = {'module': 'tfdgm.conditions', 'class_name': 'Image', 'config': {'shape': [4, 4, 1], 'levels': 17},
                 'registered_name': 'tfdgm>Image'}
    write(tmp_path, recipe('GatedPixelCNN', {
        'output': {'module': 'tfdgm.outputs', 'class_name': 'Categorical', 'config': {'levels': 17},
                   'registered_name': 'tfdgm>Categorical'}, 'condition': condition, 'filters': 4, 'blocks': 1},
        {'binarization': None, 'coarse': 4}, epochs=1, batch_size=64))
    training.train(tmp_path, verbose=0)
    card = (tmp_path / pretrained.CARD).read_text()
    assert 'On the left, what the model is given; then 5 draws given that; on the right, the test image itself.' in card
    picture = matplotlib.image.imread(tmp_path / pretrained.GRID)
    # Twelve rows of what is given, five draws and the image, each of 56 pixels.
    assert picture.shape[:2] == (12 * 57 + 1, 7 * 57 + 1)
    test, coarse = data.as_arrays(data.load('digits', 'test', coarse=4))
    np.testing.assert_allclose(picture[1:57:14, 1:57:14, 0], coarse[0, :, :, 0] / 16, atol=0.01)
    np.testing.assert_allclose(picture[1:57:7, -57:-1:7, 0], test[0, :, :, 0] / 16, atol=0.01)


def test_images_are_mirrored_with_those_beside_them():
    images = tf.reshape(tf.range(2. * 4 * 4 * 3), (2, 4, 4, 3))
    for seed in range(4):
        turned, grey = training.mirrored((images, images[..., :1]), tf.constant([seed, 0]))
        np.testing.assert_array_equal(grey, turned[..., :1])
        alone, _ = training.mirrored((images, tf.constant([1, 2])), tf.constant([seed, 0]))
        np.testing.assert_array_equal(alone, turned)
    assert training.mirrored((images, tf.constant([1, 2])), tf.constant([0, 0]))[1].shape == (2,)
