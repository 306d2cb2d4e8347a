"""Training by a recipe: what it writes, how it stops and goes on, and what it refuses."""

import json
import math

import keras
import numpy as np
import pytest

from tfdgm import data, pretrained, training

STEPS = 3  # The 1,197 digits make three batches of 399: one shape only, for XLA compiles each anew.


def recipe(system='Independent', arguments=(), dataset=(), **options):
    return {
        'model': {'class_name': f'tfdgm>{system}', 'config': {'event_shape': [8, 8, 1], **dict(arguments)}},
        'dataset': {'name': 'digits', 'binarization': 'threshold', **dict(dataset)},
        'training': {'epochs': 4, 'batch_size': 399, 'seed': 3, **options}}


def adam(learning_rate):
    return {'class_name': 'Adam', 'config': {'learning_rate': learning_rate}}


def schedule(name, **config):
    return {'module': 'keras.optimizers.schedules', 'class_name': name, 'config': config}


RECIPES = {
    'fvsbn': recipe('FVSBN', optimizer=adam(0.01), batch_size=400),  # The last batch of an epoch is smaller.
    'made': recipe(
        'MADE', {'hidden_units': [16], 'num_masks': 2, 'order': 'random', 'dropout': 0.5}, {'binarization': 'dynamic'},
        optimizer={'class_name': 'AdamW', 'config': {'learning_rate': schedule(
            'CosineDecay', initial_learning_rate=0.02, decay_steps=4 * STEPS)}}),
    'average': recipe('FVSBN', optimizer={'class_name': 'Adam', 'config': {
        'learning_rate': 0.02, 'use_ema': True, 'ema_momentum': 0.8}}),
}


def write(folder, config):
    (folder / pretrained.CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


def train(folder, **options):
    """Trains; gives the configuration and the learning curve, which `train` itself removes with the checkpoint."""
    checkpoints = []

    class Remembered(training.Checkpoint):
        def __init__(self, *args):
            super().__init__(*args)
            checkpoints.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, 'Checkpoint', Remembered)
        config = training.train(folder, verbose=0, **options)
    return config, [{**epoch, 'seconds': None} for epoch in checkpoints[-1].history]


def interrupt(checkpoint, batch, logs=None):
    """Ctrl-C in the middle of the third epoch."""
    if checkpoint.model.optimizer.iterations > 2 * STEPS + 1:
        raise KeyboardInterrupt


def weights(folder):
    return pretrained.load(folder).get_weights()


def validation_nll(folder):
    """What the written weights reach."""
    held_out = data.load(split='validation', **pretrained.read_config(folder)['dataset'])
    return -pretrained.load(folder).distribution().log_prob(data.as_arrays(held_out)).numpy().mean()


@pytest.fixture(scope='module', params=RECIPES)
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
    assert sorted(path.name for path in folder.iterdir()) == [pretrained.CONFIG, pretrained.WEIGHTS]
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

@pytest.mark.parametrize('stop', ['after two epochs', 'by Ctrl-C in the third epoch'])
def test_a_resumed_training_ends_as_an_uninterrupted_one(uninterrupted, stop, tmp_path, monkeypatch):
    written, config, curve, folder = uninterrupted
    write(tmp_path, written)
    if stop == 'after two epochs':
        assert training.train(tmp_path, verbose=0, epochs=2) is None
    else:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(training.Checkpoint, 'on_train_batch_end', interrupt, raising=False)
            training.train(tmp_path, verbose=0)
    assert len(json.loads((tmp_path / 'checkpoint' / 'history.json').read_text())) == 2
    assert pretrained.read_config(tmp_path) == written
    assert not (tmp_path / pretrained.WEIGHTS).exists()

    resumed, resumed_curve = train(tmp_path)
    assert resumed_curve == curve
    assert {**resumed['record'], 'minutes': None} == {**config['record'], 'minutes': None}
    for one, other in zip(weights(tmp_path), weights(folder), strict=True):
        np.testing.assert_array_equal(one, other)
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
    ([5., 3., math.nan, math.nan], 1, True), ([5., 3., math.nan], 1, False), ([5., math.inf], 0, False)])
def test_the_best_epoch_is_the_first_of_the_lowest_and_never_one_that_diverged(tmp_path, curve, best, finished):
    checkpoint = training.Checkpoint(tmp_path, patience=2)
    checkpoint.history = [{'val_nll': value} for value in curve]
    assert checkpoint.best_epoch() == best
    assert checkpoint.finished() == finished


def test_a_crash_between_an_epoch_s_history_and_its_state_is_mended(tmp_path):
    checkpoint = training.Checkpoint(tmp_path, patience=None)
    checkpoint.history = [{'val_nll': 3.}, {'val_nll': 2.}, {'val_nll': 1.}]
    checkpoint.forget_after(2)
    assert checkpoint.best_epoch() == 1


def test_a_training_that_diverges_from_the_start_writes_no_weights(tmp_path):
    write(tmp_path, recipe(optimizer={'class_name': 'SGD', 'config': {'learning_rate': 3e38}}, epochs=2))
    with pytest.raises(RuntimeError, match=r'diverged.*Lower the learning rate'):
        training.train(tmp_path, verbose=0)
    assert not (tmp_path / pretrained.WEIGHTS).exists()


@pytest.mark.parametrize('jit_compile', [True, False])
def test_a_recipe_says_whether_xla_compiles(tmp_path, monkeypatch, jit_compile):
    told = []
    compiled = keras.Model.compile
    monkeypatch.setattr(keras.Model, 'compile', lambda self, *args, **kwargs: (
        told.append(kwargs['jit_compile']), compiled(self, *args, **kwargs))[1])
    folder = write(tmp_path, recipe(jit_compile=jit_compile, epochs=2))
    assert training.train(folder, verbose=0, epochs=1) is None
    training.train(folder, verbose=0)
    assert told[0] is jit_compile and told[-1] is jit_compile, 'also after a break'


@pytest.mark.parametrize('labels', [True, False])
def test_a_recipe_can_ask_for_mirror_images(labels):
    examples = data.load('digits', labels=labels)
    images = data.as_arrays(examples)[0] if labels else data.as_arrays(examples)
    shape = {'batch_size': 100, 'seed': 0}
    straight, some = (
        list(training.batches(examples, {**shape, 'mirror': mirror}, 0).take(24)) for mirror in (False, True))
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
    later = next(iter(training.batches(examples, {**shape, 'mirror': True}, 5)))
    np.testing.assert_array_equal(later[0] if labels else later, some[5][0] if labels else some[5])


# Bad input ------------------------------------------------------------------------------------------------------------

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
    (recipe('Nope'), r'"model" does not describe a tfdgm model(.|\n)*tfdgm>Nope'),
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
    (recipe(jit_compile='auto'), 'jit_compile in "training" should be true or false'),
    (recipe(mirror=1), 'mirror in "training" should be true or false, got 1'),
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


def test_a_damaged_checkpoint_says_what_to_do(tmp_path):
    write(tmp_path, recipe())
    assert training.train(tmp_path, verbose=0, epochs=1) is None
    for name in 'state.keras', 'history.json':
        (tmp_path / 'checkpoint' / name).write_bytes(b'damaged')
        with pytest.raises(RuntimeError, match=r'The checkpoint in .*checkpoint is damaged .*Remove it to start again'):
            training.train(tmp_path, verbose=0)
