"""The command line: what each command writes, and that bad input ends in one clear line."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from unittest import mock

import keras
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import typer

import tfdgm
import zoo
from tfdgm import data, pretrained
from tfdgm.command_line import cli
from tfdgm.conditions import Label, Labels
from tfdgm.data import sound
from tfdgm.errors import NonFiniteError
from tfdgm.evaluation import pictures
from tfdgm.evaluation.evaluate import held_out
from tfdgm.pretrained import cards, training

pytestmark = pytest.mark.usefixtures('elsewhere')

RECIPE = {
    'model': {'class_name': 'tfdgm>Independent', 'config': {'event_shape': [8, 8, 1]}},
    'dataset': {'name': 'digits', 'binarization': 'threshold'},
    'training': {'epochs': 2, 'batch_size': 399, 'jit_compile': False,
                 'optimizer': {'class_name': 'adam', 'config': {'learning_rate': 0.1}}}}


def run(*arguments):
    """Runs `tfdgm` in this process, as the installed command does."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with mock.patch.object(sys, 'argv', ['tfdgm', *map(str, arguments)]), \
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
    assert not out.closed
    return SimpleNamespace(status=status, out=out.getvalue(), err=err.getvalue())


def succeed(*arguments):
    result = run(*arguments)
    assert result.status == 0, result.err
    return ' '.join(result.out.split())


def process(*arguments):
    """Starts `tfdgm` in a process of its own."""
    root = str(pathlib.Path(tfdgm.__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get('PYTHONPATH')])])
    return subprocess.Popen(
        [sys.executable, '-m', 'zoo', *arguments], text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': path},
        # A shell starts its background jobs deaf to Ctrl-C, and the tests may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def write(path, config=RECIPE, **parts):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**config, **parts}))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder that `tfdgm train` wrote."""
    root = tmp_path_factory.mktemp('trained')
    write(root / 'recipe.json')
    succeed('train', root / 'recipe.json', '-o', root / 'tiny_digits')
    return root / 'tiny_digits'


def random_folder(folder, model, dataset=RECIPE['dataset']):
    """A folder of a model with random weights."""
    model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
    config = {**RECIPE, 'model': keras.saving.serialize_keras_object(model), 'dataset': dataset}
    pretrained.write_config(folder, pretrained.save_weights(model, folder, config))
    return folder


@pytest.fixture(scope='module')
def labelled(tmp_path_factory):
    return random_folder(tmp_path_factory.mktemp('labelled'), tfdgm.Independent((8, 8, 1), condition=Label(10)))


@pytest.fixture(scope='module')
def vector(tmp_path_factory):
    return random_folder(tmp_path_factory.mktemp('vector'), tfdgm.Independent(4))


@pytest.fixture(scope='module')
def flow(tmp_path_factory):
    model = tfdgm.AffineCouplingFlow((8, 8, 1), dequantization=tfdgm.flows.UniformDequantization(17), couplings=2,
                                     hidden_units=(4,))
    return random_folder(tmp_path_factory.mktemp('flow'), model, {'name': 'digits'})


@pytest.fixture(scope='module')
def speaking(tmp_path_factory):
    model = tfdgm.WaveNet(900, output=tfdgm.outputs.Categorical(256), condition=Labels((10, 6)), variable_length=True,
                          filters=4, dilations=(1, 2), stacks=1)
    return random_folder(tmp_path_factory.mktemp('speaking'), model, {'name': 'spoken_digit', 'length': 900})


@pytest.fixture
def digits():
    """Five events, also in digits.npy."""
    events = data.as_arrays(data.load('digits', 'test', binarization='threshold').take(5))
    np.save('digits.npy', events)
    return events


# What is there --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('command', sorted(typer.main.get_command(cli.app).commands))
def test_the_help_of_every_command_shows_an_example(command):
    assert f'Example: tfdgm {command}' in succeed(command, '--help')


def test_list_shows_every_model_and_its_results():
    out = succeed('list')
    for name in zoo.names():
        assert name in out
        result = pretrained.read_config(zoo.folder(name)).get('results', {}).get('test')
        assert 'nll' not in (result or {}) or f'{result["nll"]:.2f}' in out


def test_card_shows_what_a_model_is_and_how_it_was_trained(trained):
    out = succeed('card', trained)
    nats = pretrained.read_config(trained)['record']['validation_nll']
    for part in ('tiny_digits', 'tfdgm.Independent', 'threshold', f'validation {nats:.2f}'):
        assert part in out


def test_export_writes_a_saved_model(trained, digits):
    assert succeed('export', trained, '-o', 'models/1') == 'models/1 has the signatures log_prob, sample'
    loaded = tf.saved_model.load('models/1')
    log_probs = loaded.signatures['log_prob'](events=tf.constant(digits))['log_prob']
    np.testing.assert_allclose(log_probs, pretrained.load(trained).distribution().log_prob(digits), rtol=1e-5)
    result = run('export', trained, '-o', 'models/1')
    assert result.status == 1 and 'a folder that is not empty' in result.err and 'Traceback' not in result.err


# Sampling -------------------------------------------------------------------------------------------------------------

def test_the_same_seed_gives_the_same_file(trained):
    for name, seed in [('one.npy', 1), ('same.npy', 1), ('other.npy', 2)]:
        assert succeed('sample', trained, '-n', 4, '--seed', seed, '-o', name) == f'4 samples in {name}'
    expected = pretrained.load(trained).distribution().sample(4, seed=1).numpy()
    np.testing.assert_array_equal(np.load('one.npy'), expected)
    assert pathlib.Path('one.npy').read_bytes() == pathlib.Path('same.npy').read_bytes()
    assert (np.load('other.npy') != expected).any()


def test_a_png_holds_a_grid_of_the_samples(trained):
    succeed('sample', trained, '-n', 4, '-o', 'grid.png')
    expected = pictures.grid(pretrained.load(trained).distribution().sample(4, seed=0))
    np.testing.assert_array_equal((matplotlib.image.imread('grid.png')[..., :3] * 255).round(), expected)


@pytest.mark.parametrize('suffix', ['npy', 'png', 'csv', 'wav', 'NPY', 'PNG', 'CSV', 'WAV', 'Npy'])
def test_the_file_of_samples_has_the_name_that_was_given(trained, vector, speaking, suffix):
    model, *options = {'csv': [vector], 'wav': [speaking, '--label', '3,1']}.get(suffix.lower(), [trained])
    succeed('sample', model, '-n', 2, *options, '-o', f'drawn.{suffix}')
    assert os.listdir() == [f'drawn.{suffix}']
    start = {'npy': b'\x93NUMPY', 'png': b'\x89PNG', 'csv': b'0,1,2,3\n', 'wav': b'RIFF'}[suffix.lower()]
    assert pathlib.Path(f'drawn.{suffix}').read_bytes().startswith(start)


def test_many_samples_begin_with_those_of_fewer(trained):
    for number in 10, 25:
        succeed('sample', trained, '-n', number, '--seed', 7, '-o', f'{number}.npy')
    fewer, more = (np.load(f'{number}.npy') for number in (10, 25))
    np.testing.assert_array_equal(more, pretrained.load(trained).distribution().sample(25, seed=7))
    np.testing.assert_array_equal(fewer, more[:10])


def test_a_label_chooses_the_class(labelled):
    succeed('sample', labelled, '-n', 4, '--label', 3, '-o', 'threes.npy')
    expected = pretrained.load(labelled).distribution(3).sample(4, seed=0)
    np.testing.assert_array_equal(np.load('threes.npy'), expected)


def test_a_wav_file_holds_the_samples_with_pauses_between_them(speaking):
    assert succeed('sample', speaking, '-n', 2, '--label', '3,1', '--length', 700, '-o', 'said.wav') == (
        '2 samples in said.wav')
    samples = pretrained.load(speaking).distribution([3, 1]).sample(2, seed=0, length=700).numpy()
    pause = np.zeros(2000)
    wanted = np.concatenate([sound.decode(samples[0, :700]), pause, sound.decode(samples[1, :700])])
    np.testing.assert_allclose(sound.read('said.wav', 8000), wanted, atol=1e-4)


def test_temperature_cools_the_latents_of_a_flow(flow):
    succeed('sample', flow, '-n', 4, '--temperature', 0.5, '-o', 'cool.npy')
    dist = pretrained.load(flow).distribution()
    np.testing.assert_array_equal(np.load('cool.npy'), dist.sample(4, seed=0, temperature=0.5))
    assert (np.load('cool.npy') != dist.sample(4, seed=0).numpy()).any()


def test_a_card_of_a_flow_of_images_shows_the_ways_between_pairs_of_them(flow):
    cards.write(flow, pretrained.load(flow), pretrained.read_config(flow))
    assert '![interpolations](interpolations.png)' in (flow / pretrained.CARD).read_text()
    picture = matplotlib.image.imread(flow / pretrained.INTERPOLATIONS)
    first = data.as_arrays(data.load('digits', 'test'))[0]
    zoomed = np.kron(first[..., 0], np.ones([7, 7])) / 16
    # Each way begins with the image itself, inside of a line.
    np.testing.assert_allclose(picture[1:57, 1:57, 0], zoomed, atol=0.01)


def test_a_card_of_sound_has_spectrograms_and_sounds(speaking):
    config = pretrained.read_config(speaking)
    cards.write(speaking, pretrained.load(speaking), config)
    text = (speaking / pretrained.CARD).read_text()
    for part in ('![spectrograms of samples](samples.png)', '(samples.wav)', 'distribution([3, 3])',
                 'spoken_digit, 8,000 samples a second after μ-law companding'):
        assert part in text
    assert len(sound.read(speaking / pretrained.SOUND, 8000)) == 10 * 900 + 9 * 2000
    assert matplotlib.image.imread(speaking / pretrained.GRID).shape[2] == 4


def test_a_file_name_is_told_as_it_is(trained):
    assert succeed('sample', trained, '-n', 1, '-o', 'odd[b].npy') == '1 samples in odd[b].npy'


# Scoring --------------------------------------------------------------------------------------------------------------

def read_scores(text):
    header, *lines = csv.reader(io.StringIO(text))
    assert header == ['event', 'log_prob']
    assert [line[0] for line in lines] == [str(index) for index in range(len(lines))]
    return [float(line[1]) for line in lines]


def test_score_writes_log_probabilities(trained, digits):
    expected = pretrained.load(trained).distribution().log_prob(digits).numpy()
    assert f'5 log-probabilities in scores.csv, {expected.mean():.2f} nats on average' in succeed(
        'score', trained, 'digits.npy', '-o', 'scores.csv')
    np.testing.assert_allclose(read_scores(pathlib.Path('scores.csv').read_text()), expected, atol=1e-4)


def test_score_under_a_label(labelled, digits):
    succeed('score', labelled, 'digits.npy', '--label', 3, '-o', 'scores.csv')
    expected = pretrained.load(labelled).distribution(3).log_prob(digits)
    np.testing.assert_allclose(read_scores(pathlib.Path('scores.csv').read_text()), expected, atol=1e-4)


def test_a_sound_is_scored_by_its_own_length(speaking):
    waveform = (0.1 * np.sin(np.arange(500) / 3)).astype('float32')
    sound.write('said.wav', waveform, 8000)
    event = np.pad(sound.encode(sound.read('said.wav', 8000)), (0, 400), constant_values=np.nan)
    expected = pretrained.load(speaking).distribution([3, 1]).log_prob(event)
    score, = read_scores(run('score', speaking, 'said.wav', '--label', '3,1').out)
    assert score == pytest.approx(float(expected), rel=1e-4)


def test_score_prints_where_no_file_is_named(trained, digits):
    result = run('score', trained, 'digits.npy')
    assert result.status == 0
    expected = pretrained.load(trained).distribution().log_prob(digits)
    np.testing.assert_allclose(read_scores(result.out), expected, atol=1e-4)


# Evaluating -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('options, split', [
    ((), 'test'), (('--split', 'validation', '--dataset', 'digits'), 'validation')])
def test_evaluate_measures_a_split(trained, options, split):
    expected = held_out(pretrained.load(trained), data.load(split=split, **RECIPE['dataset']))
    before = (trained / pretrained.CONFIG).read_text()
    out = succeed('evaluate', trained, *options)
    for part in ('tiny_digits', split, f'{expected["nll"]:.2f}', f'{expected["bits_per_dim"]:.4f}', '300'):
        assert part in out
    assert (trained / pretrained.CONFIG).read_text() == before


def test_evaluate_records_its_results_in_the_configuration_and_the_card(trained):
    succeed('evaluate', trained, '--record')
    config = pretrained.read_config(trained)
    expected = held_out(pretrained.load(trained), data.load(split='test', **config['dataset']))
    assert config['results']['test'] == pytest.approx(expected, abs=1e-4)
    assert f'| test | {expected["nll"]:.2f} |' in (trained / pretrained.CARD).read_text()
    assert config['weights_sha256'] == pretrained.sha256(trained / pretrained.WEIGHTS)


# Training -------------------------------------------------------------------------------------------------------------

def test_train_writes_a_whole_folder(trained):
    assert sorted(path.name for path in trained.iterdir()) == sorted(
        [pretrained.CONFIG, pretrained.WEIGHTS, pretrained.CARD, pretrained.GRID])
    assert sorted(path.name for path in trained.parent.iterdir()) == ['recipe.json', 'tiny_digits']
    config = pretrained.read_config(trained)
    assert {part: config[part] for part in RECIPE} == RECIPE
    assert (trained / pretrained.CARD).read_text().startswith('# tiny_digits\n')


def test_a_table_of_ones_own_is_modelled_and_scored(elsewhere):
    rows = np.random.default_rng(0).normal([170, 65], [8, 10], size=(3000, 2)).round(1)
    lines = ['name,cm,kg', *(f'x,{cm},{kg}' for cm, kg in rows)]
    pathlib.Path('people.csv').write_text('\n'.join(lines))
    model = tfdgm.Independent(2, output=tfdgm.outputs.MixtureOfGaussians(1))
    write(elsewhere / 'people.json', {
        'model': keras.saving.serialize_keras_object(model), 'dataset': {
            'name': 'people.csv', 'columns': ['cm', 'kg']}, 'training': {**RECIPE['training'], 'epochs': 20}})
    succeed('train', 'people.json', '-o', 'people')
    pathlib.Path('new.csv').write_text('kg,name,cm\n65,x,170\n30,x,210\n')
    scores = [float(row['log_prob']) for row in csv.DictReader(io.StringIO(run('score', 'people', 'new.csv').out))]
    # Two independent normal distributions, in the units of the file.
    assert scores[0] == pytest.approx(-np.log(2 * np.pi * 8 * 10), abs=0.15)
    assert scores[1] < scores[0] - 5
    assert 'people.csv, columns cm, kg' in succeed('card', 'people')
    succeed('sample', 'people', '-n', 50, '-o', 'drawn.csv')
    drawn = [float(row['cm']) for row in csv.DictReader(io.StringIO(pathlib.Path('drawn.csv').read_text()))]
    assert len(drawn) == 50 and 150 < np.mean(drawn) < 190


def test_columns_are_found_by_the_names_of_the_training(elsewhere):
    """Also where the recipe chose none: another order in another file is no other table."""
    rows = np.random.default_rng(0).normal([170, 65], [8, 10], size=(300, 2)).round(1)
    pathlib.Path('people.csv').write_text('\n'.join(['cm,kg', *(f'{cm},{kg}' for cm, kg in rows)]))
    model = tfdgm.Independent(2, output=tfdgm.outputs.MixtureOfGaussians(1))
    write(elsewhere / 'people.json', {
        'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'people.csv'}, 'training': {
            'epochs': 1}})
    succeed('train', 'people.json', '-o', 'people')
    for name, lines in (('same', 'cm,kg\n170,65\n'), ('turned', 'kg;other;cm\n65;1;170\n')):
        pathlib.Path(f'{name}.csv').write_text(lines)
    assert read_scores(run('score', 'people', 'same.csv').out) == read_scores(run('score', 'people', 'turned.csv').out)
    pd.DataFrame({'kg': [65], 'cm': [170]}).to_parquet('turned.parquet')
    assert read_scores(run('score', 'people', 'turned.parquet').out) == read_scores(
        run('score', 'people', 'same.csv').out)
    pathlib.Path('nameless.csv').write_text('65,170\n')
    assert "nameless.csv has no column 'cm'. Its columns are 0, 1." in run('score', 'people', 'nameless.csv').err


def test_train_does_not_overwrite_a_trained_model(trained):
    before = pretrained.sha256(trained / pretrained.WEIGHTS)
    for arguments in [(trained / pretrained.CONFIG,), (trained,), (trained.parent / 'recipe.json', '-o', trained)]:
        result = run('train', *arguments)
        assert result.status == 1
        assert 'holds a trained model already. Name another folder with -o' in result.err
    assert pretrained.sha256(trained / pretrained.WEIGHTS) == before


def test_train_goes_on_after_an_interruption(elsewhere, monkeypatch):
    def interrupt(checkpoint, batch, logs=None):
        if checkpoint.history:
            raise KeyboardInterrupt

    write(elsewhere / 'mine' / pretrained.CONFIG)
    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, 'on_train_batch_end', interrupt, raising=False)
        result = run('train', f'mine/{pretrained.CONFIG}')
    assert result.status == 130
    assert ' '.join(result.err.split()) == (
        'Interrupted. All whole epochs are kept in mine/checkpoint; the same command goes on.')
    assert os.listdir('mine/checkpoint')
    epochs = []
    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, 'on_train_begin', lambda self, logs=None: epochs.append(len(self.history)))
        assert 'mine: epoch 2 of 2 was kept' in succeed('train', f'mine/{pretrained.CONFIG}')
    assert epochs == [1]
    assert not pathlib.Path('mine/checkpoint').exists()


def test_a_recipe_with_more_epochs_goes_on_with_what_was_begun(elsewhere, monkeypatch):
    write(elsewhere / 'recipe.json')
    write(elsewhere / 'mine' / pretrained.CONFIG)
    assert training.train('mine', verbose=0, epochs=1) is None
    longer = json.loads(pathlib.Path('recipe.json').read_text())
    longer['training']['epochs'] += 1
    pathlib.Path('recipe.json').write_text(json.dumps(longer))
    begun = []
    monkeypatch.setattr(training.Checkpoint, 'on_train_begin', lambda self, logs=None: begun.append(len(self.history)))
    assert f'of {longer["training"]["epochs"]} was kept' in succeed('train', 'recipe.json', '-o', 'mine')
    assert begun == [1]
    longer['training']['batch_size'] = 7
    write(elsewhere / 'other' / pretrained.CONFIG)
    pathlib.Path('recipe.json').write_text(json.dumps(longer))
    assert 'other/config.json is another recipe than recipe.json' in run('train', 'recipe.json', '-o', 'other').err


def test_train_says_that_an_epoch_diverged_and_keeps_the_ones_before(elsewhere, monkeypatch):
    def diverge(checkpoint, batch, logs=None):
        if checkpoint.history:
            raise NonFiniteError('The loss of batch 1 is not finite.')

    write(elsewhere / 'mine' / pretrained.CONFIG)
    monkeypatch.setattr(training.Checkpoint, 'on_train_batch_end', diverge, raising=False)
    out = succeed('train', 'mine')
    assert 'mine: epoch 1 of 1 was kept' in out
    assert 'Epoch 2 diverged, which ended the training; a lower learning rate may go further.' in out
    assert pretrained.read_config('mine')['record']['diverged'] == 2
    assert isinstance(pretrained.load('mine'), tfdgm.Independent)


def test_an_interruption_that_a_library_swallows_is_heeded(elsewhere, monkeypatch):
    batches = []

    def swallow(checkpoint, batch, logs=None):
        batches.append(batch)
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)

    write(elsewhere / 'mine' / pretrained.CONFIG)
    monkeypatch.setattr(training.Checkpoint, 'on_train_batch_begin', swallow, raising=False)
    hearing = signal.signal(signal.SIGINT, signal.default_int_handler)  # The tests may run deaf to Ctrl-C.
    try:
        assert run('train', 'mine').status == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, hearing)
    assert batches == [0]


@pytest.mark.slow
def test_ctrl_c_ends_a_training_without_a_traceback(elsewhere):
    write(elsewhere / 'mine' / pretrained.CONFIG, training={'epochs': 100_000, 'batch_size': 399})
    running = process('train', 'mine')
    try:
        deadline = time.time() + 120
        while not pathlib.Path('mine/checkpoint/state.npz').exists():
            assert running.poll() is None, running.stderr.read()
            assert time.time() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert 'Traceback' not in stderr
    assert 'the same command goes on' in ' '.join(stderr.split())
    assert os.listdir('mine/checkpoint') == ['state.npz']


# Bad input ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def files(elsewhere, digits):
    """Files of all the wrong sorts."""
    np.save('grey.npy', digits * 3)
    np.save('shape.npy', digits[:, :4])
    np.save('none.npy', digits[:0])
    np.save('words.npy', np.full([2, 8, 8, 1], 'a'))
    np.savez('several.npz', digits)
    pathlib.Path('several.npy').write_bytes(pathlib.Path('several.npz').read_bytes())
    for name in 'array.png', 'array', 'array.csv', 'ARRAY.TSV', 'array.wav':
        pathlib.Path(name).write_bytes(pathlib.Path('digits.npy').read_bytes())
    pictures.save_grid('picture.png', digits)
    pathlib.Path('picture.png').rename('picture.npy')
    np.save('almost.npy', 0.999999999 * digits.astype('float64'))
    pathlib.Path('text.npy').write_text('not an array')
    pathlib.Path('cut.npy').write_bytes(pathlib.Path('digits.npy').read_bytes()[:500])
    pathlib.Path('not_json.json').write_text('{')
    pathlib.Path('cut.npz').write_bytes(pathlib.Path('several.npz').read_bytes()[:60])
    pathlib.Path('folder.csv').mkdir()
    for name, steps, rate, loudness in [('short', 500, 8000, 0.1), ('long', 901, 8000, 0.1), ('fast', 500, 44100, 0.1),
                                        ('silent', 500, 8000, 0)]:
        sound.write(f'{name}.wav', loudness * np.sin(np.arange(steps)), rate)
    write(elsewhere / 'unknown_key.json', training={'epoch': 3})
    write(elsewhere / 'optimizer.json', training={'optimizer': 'adm'})
    write(elsewhere / 'shape.json', model=keras.saving.serialize_keras_object(tfdgm.Independent((9, 9, 1))))
    write(elsewhere / 'mine' / pretrained.CONFIG, about='Mine.')


@pytest.mark.parametrize('line, message', [
    ('sample TRAINED -o nowhere/grid.png', 'The folder nowhere does not exist; make it first.'),
    ('sample TRAINED -o grid.jpg', 'grid.jpg should end in .png or .wav or .csv or .npy.'),
    ('sample TRAINED -o grid.png --label 3', 'This model is not conditional: leave out --label'),
    ('sample LABELLED -o grid.png', 'This model is conditional: choose by --label, integers from 0 to 9.'),
    ('sample LABELLED -o grid.png --label 10', 'Expected a condition of integers from 0 to 9, got 10.'),
    ('sample TRAINED -o rows.csv', 'rows.csv is for rows of a table, and the events of this model have the shape (8'),
    ('sample LABELLED -o grid.png --label 99999999999999999999', '--label takes a class'),
    ('sample LABELLED -o grid.png --label 3,4', '--label 3,4 is no condition of this model: it takes integers'),
    ('sample LABELLED -o grid.png --label three', '--label takes a class, or several as in 7,0; got three.'),
    ('sample TRAINED -o grid.png --temperature 0.5', 'Independent takes no --temperature.'),
    ('sample FLOW -o grid.png --temperature 0', 'temperature must be a finite number above 0'),
    ('sample FLOW -o grid.png --length 3', 'AffineCouplingFlow takes no --length.'),
    ('sample TRAINED -o grid.png --length 3', 'All events of this Independent have the shape (8, 8, 1)'),
    ('sample TRAINED -o digit.wav', 'digit.wav is for sound, and this model was trained on digits.'),
    ('sample SOUND -o digit.wav', 'This model is conditional'),
    ('sample SOUND -o digit.wav --label 3', '--label 3 is no condition of this model: it takes 2 integers'),
    ('sample SOUND -o digit.wav --label 3,6', '2 integers, from 0 to 9 and 0 to 5, got 6.'),
    ('sample SOUND -o digit.wav --label 3,1 --length 901', 'length must be integers from 1 to 900, got 901'),
    ('sample SOUND -o digit.png --label 3,1', 'digit.png is for images, and the events of this model have'),
    ('score SOUND missing.wav --label 3,1', 'There is no file missing.wav.'),
    ('score SOUND long.wav --label 3,1', 'long.wav has 901 samples, and the model takes at most 900; cut it.'),
    ('score SOUND fast.wav --label 3,1', 'fast.wav has 44100 samples a second, and the model takes 8000; resample it.'),
    ('score SOUND silent.wav --label 3,1', 'silent.wav is silent.'),
    ('score SOUND short.wav', 'This model is conditional'),
    ('score TRAINED short.wav', 'short.wav is for sound, and this model was trained on digits.'),
    ('sample VECTOR -o grid.png', 'grid.png is for images, and the events of this model have the shape (4,)'),
    ('sample nade_digit -o grid.png', "The zoo has no 'nade_digit'. Did you mean nade_digits"),
    ('sample [red] -o grid.png', "The zoo has no '[red]'."),
    ('sample ./nowhere -o grid.png', 'There is no nowhere: expected a configuration'),
    ('score TRAINED missing.npy -o scores.csv', 'There is no file missing.npy.'),
    ('score TRAINED folder.csv', 'There is no file folder.csv.'),
    ('score TRAINED digits.npy -o folder.csv', 'folder.csv is a folder; name a file in it.'),
    ('score TRAINED digits.npy --label 3', 'This model is not conditional: leave out --label'),
    ('score TRAINED missing[a].npy -o scores.csv', 'There is no file missing[a].npy.'),
    ('score TRAINED text.npy -o scores.csv', 'text.npy is not a .npy file of numbers'),
    ('score TRAINED cut.npz -o scores.csv', 'cut.npz should end in one of .npy, .wav, .csv, .tsv, .parquet, .pq.'),
    ('score TRAINED cut.npy -o scores.csv', 'cut.npy is not a .npy file of numbers'),
    ('score TRAINED several.npz -o scores.csv', 'several.npz should end in one of .npy, .wav, .csv, .tsv, .parquet, '),
    ('score TRAINED several.npy -o scores.csv', 'several.npy is not a .npy file of numbers'),
    ('score TRAINED array.png -o scores.csv', 'array.png should end in one of .npy, .wav, .csv, .tsv, .parquet, .pq.'),
    ('score TRAINED array -o scores.csv', 'array should end in one of .npy, .wav, .csv, .tsv, .parquet, .pq.'),
    ('score VECTOR array.csv', 'array.csv is not a CSV file'),
    ('score VECTOR ARRAY.TSV', 'ARRAY.TSV is not a CSV file'),
    ('score SOUND array.wav --label 3,1', 'array.wav is not a WAV file'),
    ('score TRAINED picture.npy', 'picture.npy is not a .npy file of numbers'),
    ('score TRAINED almost.npy', 'values lie outside the support, such as 0.999999999 in event 0'),
    ('sample TRAINED -n 1000000000000 -o many.npy', 'many.npy need about 715,255.7 GiB of memory, and '),
    ('sample TRAINED -n 1000000000 -o many.PNG', 'GiB are free. Draw fewer at once, such as -n '),
    ('score TRAINED words.npy -o scores.csv', 'Expected events of numbers'),
    ('score TRAINED none.npy -o scores.csv', 'at least one event'),
    ('score TRAINED shape.npy -o scores.csv', 'Expected events of shape (8, 8, 1)'),
    ('score TRAINED grey.npy -o scores.csv', 'values lie outside the support, such as 3.0 in event 0'),
    ('score TRAINED digits.npy -o scores.txt', 'scores.txt should end in .csv.'),
    ('score TRAINED digits.npy -o nowhere/scores.csv', 'The folder nowhere does not exist; make it first.'),
    ('score LABELLED digits.npy -o scores.csv', 'This model is conditional'),
    ('score nade_digit digits.npy -o scores.csv', "The zoo has no 'nade_digit'. Did you mean nade_digits"),
    ('evaluate made_digit', "The zoo has no 'made_digit'. Did you mean made_digits"),
    ('evaluate TRAINED --split tset', "digits has the splits train, validation, test; got 'tset'."),
    ('evaluate TRAINED --dataset digit', "Unknown dataset 'digit'"),
    ('evaluate TRAINED --dataset ../digits', '../digits'),
    ('evaluate TRAINED --dataset digits --record', 'leave out --dataset'),
    ('card nade_digit', "The zoo has no 'nade_digit'. Did you mean nade_digits"),
    ('train missing.json', 'There is no missing.json: expected a configuration such as'),
    ('train not_json.json -o new', 'not_json.json is not JSON'),
    ('train unknown_key.json -o new', 'Unknown in "training": epoch; it takes epochs, '),
    ('train optimizer.json -o new', "an optimizer that Keras does not know, 'adm'"),
    ('train shape.json -o new', 'Expected events of shape (9, 9, 1)'),
    ('train shape.json -o text.npy', 'text.npy is a file; name a folder with -o.'),
    ('train unknown_key.json -o mine', 'Unknown in "training": epoch; it takes epochs, '),
])
def test_bad_input_ends_in_one_line_and_leaves_no_file(trained, labelled, vector, flow, speaking, files, line, message):
    before = sorted(os.listdir())
    folders = {'TRAINED': trained, 'LABELLED': labelled, 'VECTOR': vector, 'FLOW': flow, 'SOUND': speaking}
    result = run(*(folders.get(word, word) for word in line.split()))
    assert result.status == 1
    assert message in result.err
    assert re.fullmatch(r'error: .+\n', result.err)
    assert sorted(os.listdir()) == before
    assert json.loads(pathlib.Path('mine', pretrained.CONFIG).read_text())['about'] == 'Mine.'


def test_a_table_that_is_constant_in_the_training_rows_leaves_no_folder(elsewhere):
    values = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    values[:, 1] = 0
    values[np.random.RandomState(0).permutation(60)[-1], 1] = 1  # A row of the test split.
    pathlib.Path('rows.csv').write_text('a,b\n' + '\n'.join(f'{a},{b}' for a, b in values))
    output = {'class_name': 'tfdgm>MixtureOfGaussians', 'config': {'components': 2}}
    pathlib.Path('recipe.json').write_text(json.dumps({
        'model': {'class_name': 'tfdgm>NADE', 'config': {'event_shape': [2], 'output': output}},
        'dataset': {'name': 'rows.csv'}, 'training': {'epochs': 1}}))
    result = run('train', 'recipe.json', '-o', 'new')
    assert result.status == 1 and 'The values at site (1,) are the same in all 48 events' in result.err
    assert not pathlib.Path('new').exists()


def test_a_corrected_recipe_takes_the_place_of_a_refused_one(elsewhere):
    for key in ('epoch', 'patient'):
        write(elsewhere / 'recipe.json', training={key: 3})
        assert f'Unknown in "training": {key};' in run('train', 'recipe.json', '-o', 'mine').err


def test_a_folder_named_like_a_model_of_the_zoo_is_not_taken_for_it(elsewhere):
    pathlib.Path('nade_digits').mkdir()
    assert 'nade_digits' in succeed('card', 'nade_digits'), 'a folder that holds no model is not meant'
    write(elsewhere / 'nade_digits' / pretrained.CONFIG)
    assert 'write ./nade_digits for the folder' in run('card', 'nade_digits').err
    assert 'There is no card nade_digits/README.md' in run('card', './nade_digits').err


def test_an_unfinished_training_of_another_recipe_is_not_taken_for_this_one(elsewhere):
    write(elsewhere / 'recipe.json', training={'epochs': 1})
    write(elsewhere / 'mine' / pretrained.CONFIG)
    pathlib.Path('mine/checkpoint').mkdir()
    result = run('train', 'recipe.json', '-o', 'mine')
    assert result.status == 1
    assert 'mine' in result.err
    assert sorted(os.listdir('mine')) == ['checkpoint', pretrained.CONFIG]


def test_a_process_ends_with_status_1_one_line_and_no_traceback():
    running = process('sample', 'nade_digit', '-o', 'grid.png')
    _, stderr = running.communicate(timeout=120)
    assert running.returncode == 1
    assert re.fullmatch(r"error: The zoo has no 'nade_digit'\. Did you mean nade_digits.*\n", stderr)
    assert not os.listdir()
