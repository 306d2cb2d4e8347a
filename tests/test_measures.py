"""Classifiers, and the measures of samples that cards and `tfdgm evaluate` name."""

import shutil

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import tfdgm
import zoo
from tfdgm import data, evaluation, pretrained
from tfdgm.command_line import cli
from tfdgm.conditions import Label


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    """A classifier of digits, and its folder."""
    keras.utils.set_random_seed(0)
    model = tfdgm.Classifier((8, 8, 1), levels=17, condition=Label(10), hidden_units=(64,), dropout=0.2)
    model.compile(keras.optimizers.Adam(3e-3), steps_per_execution=10)
    model.fit(data.load('digits', 'train', labels=True).batch(50), epochs=20, verbose=0)
    folder = tmp_path_factory.mktemp('classifier')
    config = {'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'digits', 'labels': True},
              'training': {}}
    pretrained.write_config(folder, pretrained.save_weights(model, folder, config))
    return model, folder


def test_a_classifier_reads_digits_and_is_saved(classifier, tmp_path):
    model, folder = classifier
    x, labels = data.as_arrays(data.load('digits', 'test', labels=True))
    found = model.evaluate(x, labels, verbose=0, return_dict=True)
    assert found['accuracy'] > 0.93 and found['accuracy'] == pytest.approx(np.mean(model.classify(x) == labels))
    logits = np.asarray(model(x))
    log_probs = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    assert found['loss'] == pytest.approx(-np.mean(log_probs[np.arange(300), labels]), rel=1e-4)
    np.testing.assert_allclose(model.last(model.features(x)), logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pretrained.load(folder).features(x), model.features(x), atol=1e-5)
    model.save(tmp_path / 'model.keras')
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / 'model.keras').classify(x), model.classify(x))


def test_a_classifier_refuses_what_it_cannot_read():
    with pytest.raises(ValueError, match=r'condition must be an object such as tfdgm.conditions.Label\(10\)'):
        tfdgm.Classifier(4, condition=tfdgm.conditions.Vector(2))
    model = tfdgm.Classifier((8, 8, 1), levels=17, condition=Label(10), hidden_units=(4,))
    with pytest.raises(ValueError, match='lie outside the support'):
        model.features(np.full([2, 8, 8, 1], 17))
    model.compile()
    with pytest.raises(ValueError, match='no condition was given'):
        model.fit(np.zeros([4, 8, 8, 1]), verbose=0)


def test_samples_of_a_better_model_are_more_like_the_data(classifier):
    digits = data.load('digits', 'test', binarization='threshold')
    for features in None, classifier[0], lambda x: x.reshape(len(x), -1):
        worse, better = (evaluation.measured(zoo.load(name), digits, features)
                         for name in ('independent_digits', 'nade_digits'))
        for name in 'precision', 'density', 'coverage':
            assert better[name] > worse[name]
        assert better['frechet_distance'] < worse['frechet_distance'] and better['events'] == 300
        assert better == evaluation.measured(zoo.load('nade_digits'), digits, features)


def test_a_classifier_sees_fewer_levels_as_its_own(classifier):
    x = np.random.default_rng(0).integers(2, size=[5, 8, 8, 1]).astype('float32')
    found, = evaluation.measures.features_of(zoo.load('nade_digits'), classifier[0], x)
    np.testing.assert_array_equal(found, classifier[0].features(16 * x))
    with pytest.raises(ValueError, match=r'takes events of shape \(8, 8, 1\), integers; the model gives .* \(2,\)'):
        evaluation.measures.features_of(tfdgm.MAF(2), classifier[0], np.zeros([3, 2]))


def test_conditions_of_the_data_are_those_of_the_samples(monkeypatch):
    model, asked = zoo.load('vae_digits_label'), []
    distribution = tfdgm.VAE.distribution
    monkeypatch.setattr(tfdgm.VAE, 'distribution', lambda self, condition: asked.append(condition) or distribution(
        self, condition))
    examples = data.load('digits', 'test', binarization='threshold', labels=True)
    assert evaluation.measured(model, examples, num_events=50)['events'] == 50
    np.testing.assert_array_equal(asked[0], data.as_arrays(examples)[1][:50])


def test_real_values_are_measured_in_units_of_the_data():
    model = tfdgm.NeuralSplineFlow(2, hidden_units=(8,))
    events = np.random.default_rng(0).normal(size=[100, 2]) * [1, 1e6]
    first, _ = evaluation.measures.features_of(model, None, events, events)
    np.testing.assert_allclose(first.std(axis=0), 1)


def test_what_gives_no_samples_of_one_length_is_refused():
    model = tfdgm.RecurrentModel(8, variable_length=True, units=4)
    assert not evaluation.can_be_measured(model)
    with pytest.raises(ValueError, match='gives no samples of one length'):
        evaluation.measured(model, data.load('digits', 'test'))


def test_the_terminal_measures_samples_and_records_them(classifier, tmp_path, monkeypatch):
    folder = tmp_path / 'nade'
    shutil.copytree(zoo.folder('nade_digits'), folder)
    config = pretrained.read_config(folder)
    pretrained.write_config(folder, {part: value for part, value in config.items() if part != 'samples'})
    monkeypatch.setenv('COLUMNS', '200')

    def run(*options):
        result = CliRunner().invoke(cli.app, ['evaluate', str(folder), *options])
        assert result.exit_code == 0, result.exception
        return result.output

    assert 'Fréchet distance' in run('--no-likelihood', '--samples', '100')
    assert 'samples' not in pretrained.read_config(folder)
    assert 'nats' in run('--samples', '0')
    out = run('--no-likelihood', '--features', str(classifier[1]), '--record')
    assert 'nats' not in out and classifier[1].name in out
    samples = pretrained.read_config(folder)['samples']
    expected = evaluation.measured(zoo.load('nade_digits'), data.load('digits', 'test', binarization='threshold'),
                                   pretrained.load(classifier[1]))
    assert samples['features'] == classifier[1].name and samples['split'] == 'test'
    assert samples['coverage'] == pytest.approx(expected['coverage'], abs=1e-6)
    card = (folder / pretrained.CARD).read_text()
    assert f'| {classifier[1].name} |' in card and f'| {expected["coverage"]:.3f} | 300 |' in card
    result = CliRunner().invoke(cli.app, ['evaluate', str(folder), '--features', 'nade_digits'])
    assert 'names a classifier, such as features_mnist' in str(result.exception)
