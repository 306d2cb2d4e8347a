"""The commands: classify, outliers, complete, compress, decompress."""

import csv

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

import tfdgm
import zoo
from tfdgm.command_line import cli
from tfdgm.pretrained import files


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder with some digits in a file, which is the current one."""
    monkeypatch.chdir(tmp_path)
    x, y = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold', labels=True))
    np.save('digits.npy', x[:20])
    return x[:20], y[:20]


def run(*arguments):
    """The result of a command; what the library says of bad input is its exception."""
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return ' '.join(result.output.split())


def rows(path):
    with open(path, newline='') as file:
        return list(csv.reader(file))


def test_what_is_compressed_comes_back(digits):
    assert '20 events in ' in done('compress', 'nade_digits', 'digits.npy', '-o', 'digits.tfdgm')
    done('decompress', 'nade_digits', 'digits.tfdgm', '-o', 'back.npy')
    np.testing.assert_array_equal(np.load('back.npy'), digits[0])
    done('decompress', 'nade_digits', 'digits.tfdgm', '-o', 'back.png')
    assert matplotlib.image.imread('back.png').ndim == 3
    assert 'by another model' in str(run('decompress', 'made_digits', 'digits.tfdgm', '-o', 'b.npy').exception)


def test_half_of_an_image_is_completed(digits):
    said = done('complete', 'nade_digits', 'digits.npy', '--keep', 'upper', '-n', 3, '-o', 'completed.npy')
    assert '3 completions of each of 20 events' in said and said.endswith('by the chain rule')
    completed = np.load('completed.npy')
    assert completed.shape == (20, 3, 8, 8, 1)
    assert np.all(completed[:, :, :4] == digits[0][:, None, :4])
    np.save('mask.npy', np.arange(8)[:, None] >= 4)
    said = done('complete', 'rbm_digits', 'digits.npy', '--mask', 'mask.npy', '-n', 2, '-o', 'completed.png')
    assert said.endswith('by chains that hold what is known, which comes near')
    # Twenty rows of what is known and two completions, each of 56 pixels.
    assert matplotlib.image.imread('completed.png').shape[:2] == (20 * 57 + 1, 3 * 57 + 1)


@pytest.mark.parametrize('keep, part', [('upper', np.s_[:4]), ('lower', np.s_[4:]), ('left', np.s_[:, :4]),
                                        ('right', np.s_[:, 4:])])
def test_each_half_can_be_kept(digits, keep, part):
    done('complete', 'rbm_digits', 'digits.npy', '--keep', keep, '-n', 1, '-o', 'completed.npy')
    completed = np.load('completed.npy')[:, 0]
    changed = np.any(completed != digits[0], axis=0)
    assert not np.any(changed[part]) and np.any(changed)


def test_labels_come_from_bayes_rule_or_a_classifier(digits):
    done('classify', 'vae_digits_label', 'digits.npy', '-o', 'labels.csv')
    header, *table = rows('labels.csv')
    assert header == ['event', 'label', 'probability'] and len(table) == 20
    assert np.mean([int(label) for _, label, _ in table] == digits[1]) > 0.8
    np.save('noise.npy', np.random.default_rng(0).integers(2, size=[5, 8, 8, 1]))
    done('classify', 'vae_digits_label', 'noise.npy', '--reject', 0.05, '-o', 'labels.csv')
    assert {label for _, label, _ in rows('labels.csv')[1:]} == {'-1'}
    np.save('image.npy', np.zeros([2, 28, 28, 1]))
    assert 'event,label,probability' in run('classify', 'features_mnist', 'image.npy').output
    assert 'leave out --reject' in str(run('classify', 'features_mnist', 'image.npy', '--reject', 0.1).exception)
    assert 'BayesClassifier needs p(x | label)' in str(run('classify', 'nade_digits', 'digits.npy').exception)


def test_outliers_are_told(digits):
    np.save('both.npy', np.concatenate([digits[0], np.random.default_rng(0).integers(2, size=[5, 8, 8, 1])]))
    said = done('outliers', 'nade_digits', 'both.npy', '--statistic', 'likelihood', '-o', 'told.csv')
    assert 'outliers among 25 events' in said
    header, *table = rows('told.csv')
    assert header == ['event', 'score', 'outlier']
    told = np.array([int(outlier) for *_, outlier in table])
    assert np.all(told[20:] == 1) and np.mean(told[:20]) < 0.3
    scores = zoo.load('nade_digits').predict(np.load('both.npy'), verbose=0)
    np.testing.assert_allclose([float(score) for _, score, _ in table], scores, atol=1e-4)


@pytest.mark.parametrize('arguments, message', [
    (('complete', 'rbm_digits', 'digits.npy', '-o', 'c.png'), 'either --keep, a half of images, or --mask'),
    (('complete', 'rbm_digits', 'digits.npy', '--keep', 'middle', '-o', 'c.png'), '--keep must be one of upper, lower'),
    (('complete', 'gan_digits', 'digits.npy', '--keep', 'left', '-o', 'c.png'), 'completes nothing'),
    (('complete', 'rbm_digits', 'none.npy', '--keep', 'left', '-o', 'c.png'), 'There is no file none.npy'),
    (('compress', 'rbm_digits', 'digits.npy', '-o', 'c.tfdgm'), 'take an autoregressive model'),
    (('compress', 'nade_digits', 'digits.npy', '-o', 'c.zip'), 'should end in .tfdgm'),
    (('decompress', 'nade_digits', 'digits.npy', '-o', 'c.npy'), 'are no events that'),
    (('outliers', 'nade_digits', 'digits.npy', '--statistic', 'entropy'), 'statistic must be one of'),
    (('outliers', 'gan_digits', 'digits.npy'), 'needs log-probabilities'),
    (('classify', 'nade_digits', 'digits.npy', '-o', 'labels.png'), 'should end in .csv')])
def test_bad_input(digits, arguments, message):
    result = run(*arguments)
    assert result.exit_code and message in str(result.exception)
    assert [name for name in ('c.png', 'c.tfdgm', 'c.zip', 'c.npy', 'labels.png') if files.pathlib.Path(name).exists()
            ] == []
