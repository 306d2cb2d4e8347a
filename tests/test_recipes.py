"""Recipes with a part of their own: warm-up of the KL term, weights to start from, and the prior of codes."""

import json

import keras
import numpy as np
import pytest

import tfdgm
from tests.recipes import no_samples
from tfdgm import pretrained
from tfdgm.pretrained import training
from tfdgm.pretrained.checkpoint import PRIOR_STATE, STATE

DATASET = {'name': 'digits', 'binarization': 'threshold'}
VAE = {'class_name': 'tfdgm>VAE', 'config': {'event_shape': [8, 8, 1], 'num_latents': 2, 'hidden_units': [4]}}
VQVAE = {'class_name': 'tfdgm>VQVAE', 'config': {
    'event_shape': [8, 8, 1], 'num_codes': 4, 'code_size': 2, 'filters': 2,
    'prior': {'class_name': 'tfdgm>GatedPixelCNN', 'config': {
        'event_shape': [2, 2, 1], 'filters': 2, 'blocks': 1,
        'output': {'class_name': 'tfdgm>Categorical', 'config': {'levels': 4, 'ordered': False}}}}}}
FAST = {'batch_size': 399, 'jit_compile': False}


def folder_with(path, model, settings):
    path.mkdir(exist_ok=True)
    config = {'model': model, 'dataset': DATASET, 'training': {**FAST, **settings}}
    (path / 'config.json').write_text(json.dumps(config))
    return path


def test_a_recipe_warms_up_the_kl_term_and_joins_steps(tmp_path, monkeypatch):
    seen = []
    set_weight = tfdgm.latent.KLWarmUp.on_epoch_begin

    def watched(callback, epoch, logs=None):
        set_weight(callback, epoch, logs)
        seen.append((float(callback.model.kl_weight), callback.model.steps_per_execution))

    monkeypatch.setattr(tfdgm.latent.KLWarmUp, 'on_epoch_begin', watched)
    folder = folder_with(tmp_path / 'one', VAE, {'epochs': 4, 'kl_warm_up': 2, 'steps_per_execution': 3})
    training.train(folder, verbose=0)
    assert seen == [(0., 3), (0.5, 3), (1., 3), (1., 3)]


@pytest.mark.slow
def test_a_training_starts_from_weights(tmp_path):
    first = folder_with(tmp_path / 'first', VAE, {'epochs': 1})
    training.train(first, verbose=0)
    settings = {'epochs': 1, 'optimizer': {'class_name': 'SGD', 'config': {'learning_rate': 0.}},
                'initial_weights': 'first'}
    second = folder_with(tmp_path / 'second', VAE, settings)
    training.train(second, verbose=0, folder_of=lambda name: tmp_path / name)
    for one, other in zip(*(pretrained.load(folder).get_weights() for folder in (first, second))):
        np.testing.assert_array_equal(one, other)
    wider = {**VAE, 'config': {**VAE['config'], 'hidden_units': [5]}}
    for model, name in (wider, 'first'), (VAE, 'nowhere'):
        folder = folder_with(tmp_path / f'bad_{name}', model, {**settings, 'initial_weights': name})
        with pytest.raises(ValueError, match=r'"initial_weights" in "training" should name a pretrained model'):
            training.train(folder, verbose=0, folder_of=lambda name: tmp_path / name)


def test_the_prior_of_codes_is_trained_after_them(tmp_path):
    settings = {'epochs': 3, 'prior': {'epochs': 4, **FAST}}
    folder = folder_with(tmp_path / 'codes', VQVAE, settings)
    with no_samples():
        whole = training.train(folder, verbose=0)
    assert whole['record']['epochs'] == 3 and whole['record']['prior']['epochs'] == 4
    model = pretrained.load(folder)
    assert float(model.prior_is_fitted) == 1
    assert model.distribution().sample(2, seed=0).shape == (2, 8, 8, 1)
    assert 'The prior over the codes took 4 more epochs' in (folder / 'README.md').read_text()


@pytest.mark.slow
def test_a_training_with_a_prior_can_be_stopped_in_either_part(tmp_path):
    settings = {'epochs': 3, 'prior': {'epochs': 4, **FAST}}
    whole = training.train(folder_with(tmp_path / 'codes', VQVAE, settings), verbose=0)
    other = folder_with(tmp_path / 'cut', VQVAE, settings)
    for epochs, states in (2, {STATE}), (5, {STATE, PRIOR_STATE}):
        assert training.train(other, verbose=0, epochs=epochs) is None
        assert {path.name for path in (other / 'checkpoint').glob('*.npz')} == states
    assert training.train(other, verbose=0)['weights_sha256'] == whole['weights_sha256']
    assert not list(other.glob('checkpoint/*.npz'))


@pytest.mark.parametrize('model, settings, message', [
    (VAE, {'kl_warm_up': -1}, 'kl_warm_up in "training" must be an integer of at least 0'),
    (VAE, {'steps_per_execution': 0}, 'steps_per_execution in "training" must be an integer'),
    (VAE, {'prior': {'epochs': 1}}, 'which a VQVAE needs and others do not have; this is a VAE'),
    (VQVAE, {}, 'prior in "training" holds the settings .* this is a VQVAE'),
    (VQVAE, {'prior': {'speed': 1}}, 'Unknown in "prior": speed'),
    (VQVAE, {'prior': {'kl_warm_up': 2}}, 'Unknown in "prior": kl_warm_up; it takes epochs'),
    (VQVAE, {'prior': {'optimizer': 'newton'}}, "an optimizer that Keras does not know, 'newton'"),
    (VQVAE, {'prior': {'epochs': 0}}, 'epochs in "prior" must be an integer of at least 1'),
    ({'class_name': 'tfdgm>NADE', 'config': {'event_shape': [8, 8, 1]}}, {'kl_warm_up': 2}, 'NADE has no KL term'),
])
def test_settings_that_do_not_fit_are_refused(model, settings, message):
    keras.utils.set_random_seed(0)
    with pytest.raises(ValueError, match=message):
        training.check({'model': model, 'dataset': DATASET, 'training': {**FAST, **settings}})


ADVERSARIAL = {'class_name': 'tfdgm>WGAN', 'config': {
    'event_shape': [8, 8, 1], 'levels': 2, 'num_latents': 2, 'hidden_units': [4], 'critic_steps': 2}}


def test_a_training_by_two_optimizers_goes_on_after_a_break(tmp_path):
    settings = {'epochs': 3, 'optimizer': 'adam', 'critic_optimizer': {
        'class_name': 'RMSprop', 'config': {'learning_rate': 0.01}}}
    whole = folder_with(tmp_path / 'whole', ADVERSARIAL, settings)
    record = training.train(whole, verbose=0)['record']
    assert record['best_epoch'] == 3 and 'epoch 3, the last, was kept' in (whole / 'README.md').read_text()
    cut = folder_with(tmp_path / 'cut', ADVERSARIAL, settings)
    assert training.train(cut, verbose=0, epochs=1) is None
    training.train(cut, verbose=0)
    for one, other in zip(*(pretrained.load(folder).get_weights() for folder in (whole, cut)), strict=True):
        np.testing.assert_array_equal(one, other)
