"""OutlierDetector: its statistics by hand, thresholds, maps."""

import bz2
import io
import lzma
import zlib

import numpy as np
import PIL.Image
import pytest

import tfdgm
import zoo
from tests.autoregressive.systems import make as made_of
from tfdgm.applications import OutlierDetector
from tfdgm.applications.outliers import complexities

MODEL, BACKGROUND = made_of('made', (4, 4, 1)), made_of('fvsbn', (4, 4, 1))
X = np.random.default_rng(0).integers(2, size=[400, 4, 4, 1])


def normal(event_shape):
    return tfdgm.Independent(event_shape, output=tfdgm.outputs.MixtureOfGaussians(1))


def detector(statistic='likelihood', **options):
    background = BACKGROUND if statistic == 'likelihood_ratio' else None
    return OutlierDetector(MODEL, statistic, background, **options).fit(X)


def test_each_statistic_is_what_its_paper_says():
    log_probs = MODEL.predict(X, verbose=0).astype('float64')
    np.testing.assert_allclose(detector().score_samples(X), log_probs, rtol=1e-6)
    np.testing.assert_allclose(
        detector('typicality').score_samples(X), -abs(log_probs - log_probs.mean()), rtol=1e-3, atol=1e-4)
    ratios = log_probs - BACKGROUND.predict(X, verbose=0)
    np.testing.assert_allclose(detector('likelihood_ratio').score_samples(X), ratios, rtol=1e-4, atol=1e-5)
    lengths = [len(zlib.compress(event.astype('uint8').tobytes(), 9)) for event in X[:5]]
    np.testing.assert_allclose(
        detector('complexity').score_samples(X[:5]), log_probs[:5] + 8 * np.log(2) * np.array(lengths), rtol=1e-6)


def test_the_complexity_is_the_shortest_of_several_files():
    generator = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(32), 3 * np.arange(32))[..., None] + 20 * np.arange(3)
    file = io.BytesIO()
    PIL.Image.fromarray(smooth.astype('uint8')).save(file, 'PNG', optimize=True)
    text = np.tile(generator.integers(256, size=(8, 1)), (256, 1))
    for event, size in ((smooth, len(file.getvalue())), (text, len(zlib.compress(text.astype('uint8').tobytes(), 9)))):
        np.testing.assert_allclose(complexities(event[None], as_bytes=True), 8 * np.log(2) * size)
        assert size <= min(len(bz2.compress(event.astype('uint8').tobytes())), event.size)


def test_values_that_are_no_bytes_take_the_length_of_real_numbers():
    x = np.random.default_rng(0).normal(size=[50, 3])
    found = OutlierDetector(normal, 'complexity', random_state=0).fit(x)
    # No compressor makes three random numbers shorter; LZMA adds the least.
    filters = [{'id': lzma.FILTER_LZMA2, 'preset': 9}]
    lengths = [len(lzma.compress(event.astype('float32').tobytes(), lzma.FORMAT_RAW, filters=filters)) for event in x]
    assert 12 < min(lengths) <= max(lengths) < 20
    np.testing.assert_allclose(
        found.score_samples(x), found.model_.predict(x, verbose=0) + 8 * np.log(2) * np.array(lengths), rtol=1e-5)


@pytest.mark.parametrize('rate', [0.01, 0.05, 0.3])
def test_the_threshold_lets_a_share_of_false_alarms_through(rate):
    found = detector(false_positive_rate=rate)
    assert abs(np.mean(found.predict(X) == -1) - rate) <= 1 / 400
    np.testing.assert_allclose(found.decision_function(X), found.score_samples(X) - found.offset_)


def test_a_model_made_here_is_measured_on_what_it_did_not_learn():
    x = np.random.default_rng(0).normal(size=[500, 2]) * [1, 3] + [5, 0]
    found = OutlierDetector(normal, random_state=0, fit_options={'epochs': 2}).fit(x)
    np.testing.assert_array_equal(found.predict([[5., 0.], [5., 30.], [-5., 0.]]), [1, -1, -1])
    assert abs(np.mean(found.predict(x) == -1) - 0.05) < 0.03
    # 400 events to learn from, 100 for the threshold.
    np.testing.assert_allclose(found.model_.standardization.mean, [5, 0], atol=0.4)


def test_maps_say_where_an_event_is_unlikely():
    found = detector()
    maps = found.anomaly_map(X)
    assert maps.shape == X.shape
    np.testing.assert_allclose(maps.sum((1, 2, 3)), -found.score_samples(X), rtol=1e-5)
    x = np.random.default_rng(0).normal(size=[50, 2]) * [1, 100]
    real = OutlierDetector(normal, random_state=0).fit(x)
    np.testing.assert_allclose(real.anomaly_map(x).sum(1), -real.score_samples(x), rtol=1e-5)
    digits = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold'))
    spoiled = digits.copy()
    spoiled[:, 0, 0] = 1 - spoiled[:, 0, 0]
    found = OutlierDetector(zoo.load('gated_pixelcnn_digits')).fit(digits)
    change = np.mean(found.anomaly_map(spoiled) - found.anomaly_map(digits), axis=0)
    assert np.unravel_index(np.argmax(change), change.shape)[:2] == (0, 0)


@pytest.mark.parametrize('arguments, message', [
    ({'statistic': 'entropy'}, 'statistic must be one of'), ({'false_positive_rate': 0}, 'must be above 0'),
    ({'false_positive_rate': 2}, r'false_positive_rate must be a number in \[0, 1\)'),
    ({'statistic': 'likelihood_ratio'}, 'pass both, or neither'), ({'background': BACKGROUND}, 'pass both, or neither'),
    ({'model': tfdgm.GAN((4, 4, 1), levels=2)}, 'a GAN gives none: .* tfdgm.evaluation.measured says'),
    ({'model': made_of('made', (4, 4, 1), condition=tfdgm.conditions.Label(2))}, 'take a BayesClassifier')])
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        OutlierDetector(**{'model': MODEL, **arguments}).fit(X)


def test_maps_need_one_order():
    for model in tfdgm.NICE((4, 4, 1), hidden_units=(4,), dequantization=tfdgm.flows.UniformDequantization(2)), made_of(
            'made_masks', (4, 4, 1)):
        with pytest.raises(ValueError, match='needs the probability of each site given those before it, in one order'):
            OutlierDetector(model).fit(X).anomaly_map(X)


def test_what_is_impossible_does_not_belong():
    x = np.random.default_rng(0).normal(size=[100, 2]).astype('float32')
    model, background = normal(2), normal(2)
    for statistic in 'likelihood', 'typicality', 'likelihood_ratio':
        beside = background if statistic == 'likelihood_ratio' else None
        found = OutlierDetector(model, statistic, beside).fit(x)
        assert found.predict([[1e30, 0.], [0., 0.]])[0] == -1
        with pytest.raises(ValueError, match='Event 100 of those that the threshold is found on is impossible'):
            OutlierDetector(model, statistic, beside).fit(np.concatenate([x, [[1e30, 0.]]]))


def test_a_complexity_does_not_depend_on_the_other_events():
    x = np.random.default_rng(0).random([100, 4, 4, 1])
    found = OutlierDetector(normal((4, 4, 1)), 'complexity').fit(x)
    event = np.zeros([1, 4, 4, 1])
    np.testing.assert_allclose(found.score_samples(np.concatenate([event, x]))[0], found.score_samples(event)[0])


def test_models_of_a_condition_are_not_made():
    with pytest.raises(ValueError, match='makes models without a condition; this MADE has one'):
        OutlierDetector(lambda shape: tfdgm.MADE(shape, condition=tfdgm.conditions.Label(2))).fit(X)
