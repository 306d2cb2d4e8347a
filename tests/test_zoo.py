"""The zoo: every entry is whole and reaches what its configuration says."""

import ast
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
import zoo
from tfdgm import config_file, data, pretrained
from tfdgm.evaluation import measured
from tfdgm.evaluation.evaluate import held_out


def system(name):
    return getattr(tfdgm, pretrained.read_config(zoo.folder(name))['model']['class_name'].removeprefix('tfdgm>'))


DOCS = pathlib.Path(__file__).parents[1] / 'docs'
WITH_WEIGHTS = [name for name in zoo.names() if (zoo.folder(name) / pretrained.WEIGHTS).exists()]
LARGEST_LOGIT = 8.
FLOWS = [name for name in WITH_WEIGHTS if issubclass(system(name), tfdgm.FlowModel)]
# Those whose networks don't take long to compile.
QUICK = (tfdgm.Independent, tfdgm.MarkovChain, tfdgm.FVSBN, tfdgm.NADE, tfdgm.MADE, tfdgm.PixelCNN, tfdgm.GatedPixelCNN,
         tfdgm.NICE, tfdgm.MAF, tfdgm.GAN, tfdgm.WAE)
DIGITS = [name for name in WITH_WEIGHTS if name.endswith('_digits')]


@pytest.fixture(autouse=True)
def unregistered(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(zoo, '_FOLDERS', dict(zoo._FOLDERS))


@pytest.fixture
def own(tmp_path):
    """A folder of one's own with a recipe in it."""
    folder = tmp_path / 'own_digits'
    folder.mkdir()
    pretrained.write_config(folder, pretrained.read_config(zoo.folder('independent_digits')))
    return folder


def test_names_are_sorted_and_include_the_offline_defaults():
    assert zoo.names() == sorted(zoo.names())
    assert {f'{system}_digits' for system in ('independent', 'markov_chain', 'fvsbn', 'nade', 'made')} <= set(DIGITS)


@pytest.mark.parametrize('name', zoo.names())
def test_every_entry_describes_a_model_and_is_small(name):
    config = pretrained.read_config(zoo.folder(name))
    assert '_' + config['dataset']['name'].replace('+', '_').removesuffix('_styles') in name
    assert pretrained.build(config).count_params() > 0
    weights = zoo.folder(name) / pretrained.WEIGHTS
    assert not weights.exists() or weights.stat().st_size < 20e6


def test_the_whole_zoo_is_small():
    assert sum((zoo.folder(name) / pretrained.WEIGHTS).stat().st_size for name in WITH_WEIGHTS) < 200e6


@pytest.mark.parametrize('name', [
    name if system(name) in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DIGITS])
def test_an_entry_reaches_its_recorded_figures(name):
    config = pretrained.read_config(zoo.folder(name))
    model = zoo.load(name)
    for split, result in config.get('results', {}).items():
        found = held_out(model, data.load(split=split, **config['dataset']), num_samples=result.get('num_samples'))
        assert found == pytest.approx(result, abs=0.01)
    # What a critic or a kernel makes of a batch depends on its size.
    validation = data.load(split='validation', **config['dataset']).batch(config['training']['batch_size'])
    figure = next(key for key in config['record'] if key.startswith('validation_'))
    found = model.evaluate(validation, verbose=0, return_dict=True)[figure.removeprefix('validation_')]
    assert found == pytest.approx(config['record'][figure], abs=0.01)


@pytest.mark.parametrize('name', [
    name if system(name) in (tfdgm.NADE, tfdgm.GAN) else pytest.param(name, marks=pytest.mark.slow) for name in DIGITS])
def test_samples_are_as_much_like_the_data_as_recorded(name):
    config = pretrained.read_config(zoo.folder(name))
    if config.get('samples', {}).get('features') != 'values':
        pytest.skip(f'{name} has no recorded measures of the values')
    examples = data.load(split=config['samples']['split'], **config['dataset'])
    found = measured(zoo.load(name), examples, num_events=config['samples']['events'])
    assert found == pytest.approx({key: config['samples'][key] for key in found}, abs=0.02)


@pytest.mark.parametrize('name', [
    name if name == 'glow_digits' else pytest.param(name, marks=pytest.mark.slow) for name in FLOWS])
def test_a_trained_flow_can_be_undone_on_data_and_on_samples_also_unlikely_ones(name):
    model, dataset = zoo.load(name), pretrained.read_config(zoo.folder(name))['dataset']
    x = data.as_arrays(data.load(split='test', **dataset).take(100))
    np.testing.assert_array_equal(model.decode(model.encode(x)), x)
    bijector, dist = model.bijector(), model.continuous_distribution()
    for temperature, share, largest in ((1., 0.95, 2e-3), (1.5, 0.9, np.inf)):
        samples = dist.sample(100, seed=0, temperature=temperature)
        assert np.isfinite(samples).all() and np.isfinite(dist.log_prob(samples)).all()
        again = bijector.forward(tf.identity(bijector.inverse(tf.identity(samples))))
        errors = np.abs(again - samples).max(axis=(1, 2, 3)) / np.abs(samples).max()
        assert np.mean(errors < 1e-4) >= share and np.max(errors) < largest
        # Where a sigmoid is all but flat, its value in float32 has few digits of what it was made from, or none: at
        # 1.5 some pixels lie at its very ends, and what the networks make of these changes others. Images without such
        # pixels must come back, all of them.
        kept = np.abs(model.units(samples)[0]).max(axis=(1, 2, 3)) < LARGEST_LOGIT
        assert np.mean(kept) >= 0.4
        # FFJORD's solver accepts an error in each step.
        assert np.max(errors[kept]) < (2e-3 if name.startswith('ffjord') else 1e-4)


@pytest.mark.parametrize('name', WITH_WEIGHTS)
def test_a_card_states_the_recorded_results(name):
    config = pretrained.read_config(zoo.folder(name))
    if 'results' not in config:
        pytest.skip(f'{name} has no recorded results')
    card = zoo.card(name)
    assert card.startswith(f'# {name}\n')
    for split, result in config['results'].items():
        assert f'| {split} | {next(iter(config_file.shown(result).values()))} |' in card


def test_an_installation_has_all_files_of_the_zoo():
    setup = (DOCS.parent / 'setup.py').read_text()
    patterns = ast.literal_eval(re.search(r"'zoo': (\[.*?\])", setup, re.DOTALL)[1])
    files = {path for name in zoo.names() for path in zoo.folder(name).iterdir() if path.is_file()}
    assert files == {path for pattern in patterns for path in zoo.folder('nade_digits').parent.glob(pattern)}


def test_the_page_of_the_zoo_states_the_recorded_results():
    page = (DOCS / 'zoo.md').read_text()
    results = {name: pretrained.read_config(zoo.folder(name)).get('results', {}).get('test', {})
               for name in zoo.names()}
    assert [name for name, result in results.items()
            if 'nll' in result and f'| `{name}` | {result["nll"]:,.2f} |' not in page] == []


def test_the_table_of_families_states_the_recorded_measures(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    make_tables = importlib.import_module('make_tables')
    written, entries = make_tables.TABLE.read_text(), make_tables.measured_entries()
    assert 'gan_digits' in entries
    assert [name for name, config in entries.items() if make_tables.row_of(name, config) not in written] == []


@pytest.mark.parametrize('find', [zoo.load, zoo.card, zoo.folder])
def test_an_unknown_name_gives_the_nearest(find):
    with pytest.raises(ValueError, match=r"The zoo has no 'nade_digit'\. Did you mean nade_digits"):
        find('nade_digit')
    with pytest.raises(ValueError, match=r"The zoo has no 'qqq'\. There are .*nade_digits"):
        find('qqq')


def test_a_folder_of_one_s_own_gets_a_name(own):
    with pytest.raises(FileNotFoundError, match='There is no card'):
        zoo.card(zoo.register(own))
    assert 'own_digits' in zoo.names()
    assert zoo.folder('own_digits') == own
    (own / pretrained.CARD).write_text('# Mine')
    assert zoo.card('own_digits') == '# Mine'
    with pytest.raises(pretrained.WeightsError, match='There are no weights in'):
        zoo.load('own_digits')


def test_a_folder_may_be_registered_twice_and_by_a_relative_path(own, monkeypatch):
    monkeypatch.chdir(own)
    assert zoo.register(own) == zoo.register('.') == zoo.register(str(own)) == 'own_digits'


def test_two_folders_cannot_share_a_name(own, tmp_path):
    zoo.register(own)
    for name, taken_by in [('own_digits', own), ('nade_digits', zoo.folder('nade_digits'))]:
        other = tmp_path / 'elsewhere' / name
        shutil.copytree(own, other)
        with pytest.raises(ValueError, match=f'The zoo has a {name!r} already, in .*; rename the folder'):
            zoo.register(other)
        assert zoo.folder(name) == taken_by


def test_only_a_folder_with_a_configuration_can_be_registered(own, tmp_path):
    (own / pretrained.CONFIG).write_text('{}')
    with pytest.raises(ValueError, match='has no model'):
        zoo.register(own)
    for path in (tmp_path, tmp_path / 'nowhere'):
        with pytest.raises(FileNotFoundError, match='There is no'):
            zoo.register(path)
    assert 'own_digits' not in zoo.names()


@pytest.mark.slow
def test_the_example_scores_in_two_processes():
    path = pathlib.Path(zoo.__file__).parents[1] / 'examples' / 'processes.py'
    finished = subprocess.run(
        [sys.executable, path], text=True, stdout=subprocess.PIPE, timeout=300, check=True,
        env={**os.environ, 'PYTHONPATH': str(path.parents[1])})
    nats = pretrained.read_config(zoo.folder('nade_digits'))['results']['test']['nll']
    assert finished.stdout == f'300 digits, {-nats:.2f} nats on average\n'
