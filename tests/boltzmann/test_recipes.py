"""Boltzmann machines trained by a recipe: log Z at the end, and what their cards show."""

import numpy as np
import pytest

import tfdgm
from tests.recipes import no_samples, recipe, write
from tfdgm import data, pretrained
from tfdgm.evaluation.evaluate import held_out
from tfdgm.pretrained import cards, training


def test_a_recipe_ends_with_an_estimate_of_log_z(tmp_path):
    described = recipe('RBM', {'hidden_units': 24, 'num_chains': 10, 'burn_in': 5}, epochs=2,
                       log_partition={'num_chains': 20, 'temperatures': 30})
    folder, again = tmp_path / 'rbm', tmp_path / 'again'
    for path in folder, again:
        path.mkdir()
        write(path, described)
    config = training.train(folder, verbose=0)
    assert {'train_loss', 'validation_loss'} <= set(config['record']) and config['record']['best_epoch'] == 2
    model = pretrained.load(folder)
    known = model.log_partition
    assert 2 < known.effective_sample_size <= 20
    results = held_out(model, data.load(split='test', **config['dataset']))
    assert results['log_partition'] == known.value and results['reverse_log_partition'] == known.reverse
    shown = cards.save_samples(folder, model, config)
    card = cards.text(folder, model, {**config, 'results': {'test': results}}, shown)
    for part in '![filters](filters.png)', '![chains](chains.png)', '| log Z | its error | log Z in reverse |', (
            'comes from annealed importance sampling'):
        assert part in card
    assert (folder / 'filters.png').exists()
    # A training that is stopped and goes on has the same chains, and so the same end.
    assert training.train(again, verbose=0, epochs=1) is None
    assert training.train(again, verbose=0)['weights_sha256'] == config['weights_sha256']


def test_a_dbm_may_begin_with_an_rbm(tmp_path):
    for name in 'rbm', 'dbm':
        (tmp_path / name).mkdir()
    write(tmp_path / 'rbm', recipe('RBM', {'hidden_units': 24, 'num_chains': 10, 'burn_in': 5}, epochs=1,
                                   log_partition={'num_chains': 2, 'temperatures': 2}))
    write(tmp_path / 'dbm', recipe(
        'DBM', {'hidden_units': [24, 22], 'num_chains': 10, 'burn_in': 5}, epochs=1, optimizer='sgd',
        initial_weights=str(tmp_path / 'rbm'), log_partition={'num_chains': 2, 'temperatures': 2}))
    with no_samples():
        for name in 'rbm', 'dbm':
            training.train(tmp_path / name, verbose=0)
    kernels = [pretrained.load(tmp_path / name).kernels[0].numpy() for name in ('rbm', 'dbm')]
    assert 0 < np.max(np.abs(kernels[0] - kernels[1])) < 0.1


def test_settings_of_log_z_are_for_models_that_have_one(tmp_path):
    for config, message in (
            (recipe('NADE', log_partition={}), 'is for densities known up to a constant, and a NADE is none'),
            (recipe('RBM', log_partition={'temperatures': 0}), 'temperatures must be an integer'),
            (recipe('RBM', log_partition={'exact': True}), 'too many states for log Z to be a sum'),
            (recipe('RBM', log_partition={'steps': 3}), 'unexpected keyword argument')):
        with pytest.raises(ValueError, match=message):
            training.check(config)


def test_filters_are_the_largest_kernels():
    model = tfdgm.RBM((4, 4, 1), hidden_units=120)
    norms = np.arange(120.)
    model.kernels[0].assign(np.tile(norms / 4, (16, 1)))
    filters = cards.filters_of(model)
    assert filters.shape == (100, 4, 4, 1)
    np.testing.assert_allclose(filters, 1)
    categorical = tfdgm.RBM((4, 4, 1), output=tfdgm.outputs.Categorical(3), hidden_units=5)
    assert cards.filters_of(categorical).shape == (5, 4, 4, 1)
