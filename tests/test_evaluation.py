"""Measures of samples and divergences, against closed forms, brute force and other libraries."""

import itertools

import numpy as np
import ot
import prdc
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.spatial.distance import cdist, jensenshannon

import tfdgm
from tfdgm import evaluation
from tfdgm.evaluation import samples
from tfdgm.outputs import Categorical

tfd = tfp.distributions


def normals(seed, count=60, size=3, shift=0.):
    return np.random.default_rng(seed).normal(size=[count, size]) + shift


def by_loops(first, second, kernel):
    """The unbiased estimate as its definition says."""
    n, m = len(first), len(second)
    inside = [sum(kernel(a, b) for (i, a), (j, b) in itertools.product(enumerate(one), repeat=2) if i != j)
              for one in (first, second)]
    across = sum(kernel(a, b) for a in first for b in second)
    return inside[0] / (n * (n - 1)) + inside[1] / (m * (m - 1)) - 2 * across / (n * m)


@pytest.mark.parametrize('measure, kernel', [
    (lambda a, b: evaluation.maximum_mean_discrepancy(a, b, bandwidth=1.5),
     lambda a, b: np.exp(-np.sum((a - b)**2) / (2 * 1.5**2))),
    (evaluation.kernel_distance, lambda a, b: (a @ b / 3 + 1)**3),
    (evaluation.energy_distance, lambda a, b: -np.linalg.norm(a - b))], ids=['mmd', 'kernel', 'energy'])
@pytest.mark.parametrize('block', [2**22, 50])
def test_unbiased_distances_are_those_of_a_double_loop(measure, kernel, block, monkeypatch):
    monkeypatch.setattr(samples, 'BLOCK', block)
    first, second = normals(0, 13), normals(1, 9, shift=0.5)
    assert measure(first, second).value == pytest.approx(by_loops(first, second, kernel), rel=1e-9)
    # Images are flattened.
    assert measure(first.reshape(13, 3, 1), second.reshape(9, 3, 1)) == measure(first, second)


def test_numbers_of_half_precision_are_numbers():
    x = tf.constant(normals(0, 9), tf.bfloat16)
    assert evaluation.energy_distance(x, x).value == evaluation.energy_distance(*[x.numpy().astype('f4')] * 2).value


@pytest.mark.parametrize('shift', [0., 0.5])
def test_standard_errors_are_those_of_many_samples(shift):
    found = [evaluation.energy_distance(normals(seed), normals(1000 + seed, shift=shift)) for seed in range(200)]
    values, errors = np.array(found).T
    # Of samples of the same distribution, terms of the second order are what is left.
    assert 0.7 < np.mean(errors) / np.std(values) < (1.3 if shift else 2.5)
    if not shift:
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)


def test_frechet_distance_is_that_of_two_normal_distributions():
    generator = np.random.default_rng(0)
    first, second = (generator.normal(size=[400, 4]) @ generator.normal(size=[4, 4]) + 1 for _ in range(2))
    means, covariances = zip(*((x.mean(0), np.cov(x, rowvar=False)) for x in (first, second)))
    wanted = ot.gaussian.bures_wasserstein_distance(*means, *covariances)**2
    assert evaluation.frechet_distance(first, second) == pytest.approx(wanted, rel=1e-6)
    assert evaluation.frechet_distance(first[:3], first[:3]) == pytest.approx(0, abs=1e-6)


def test_wasserstein_distances():
    first, second = normals(0, 40), normals(1, 40, shift=2.)
    for order in (1, 2):
        # In one dimension it is known.
        wanted = np.mean(abs(np.sort(first[:, 0]) - np.sort(second[:, 0]))**order)**(1 / order)
        assert evaluation.wasserstein_distance(first[:, 0], second[:, 0], order) == pytest.approx(wanted, rel=1e-6)
    assert evaluation.wasserstein_distance(first[:, 0], second[:, 0]) == pytest.approx(
        scipy.stats.wasserstein_distance(first[:, 0], second[:, 0]))
    # A shift by (2, 2, 2), seen from all directions, is one by its length over the root of three.
    shifted = evaluation.sliced_wasserstein_distance(first, first + 2., projections=4000)
    assert shifted == pytest.approx(2., rel=0.05)


def by_definition(real, fake, k):
    radii, own = (np.sort(cdist(one, one), axis=1)[:, k] for one in (real, fake))
    between = cdist(real, fake)
    inside = between <= radii[:, None]
    return inside.any(0).mean(), (between <= own).any(1).mean(), inside.sum(0).mean() / k, inside.any(1).mean()


@pytest.mark.parametrize('block', [2**22, 90])
def test_manifolds_are_those_of_their_definitions(block, monkeypatch):
    monkeypatch.setattr(samples, 'BLOCK', block)
    real, fake = normals(0), normals(1, 50, shift=0.7)
    np.testing.assert_allclose(evaluation.manifolds(real, fake, 4), by_definition(real, fake, 4), rtol=1e-9)
    theirs = prdc.compute_prdc(real, fake, 4)
    assert evaluation.manifolds(real, fake, 4)._asdict() == pytest.approx(theirs)
    assert evaluation.manifolds(real, real + 100.) == (0, 0, 0, 0)
    # Many of these distances are equal.
    binary, other = (np.random.default_rng(seed).integers(2, size=[60, 5]) for seed in (0, 1))
    np.testing.assert_allclose(evaluation.manifolds(binary, other, 4), by_definition(binary, other, 4), rtol=1e-9)


@pytest.mark.parametrize('events', [
    normals(0, 10, size=256), np.random.default_rng(0).integers(17, size=[10, 64])], ids=['normal', 'integers'])
def test_manifolds_of_repeated_events(events):
    repeated = np.repeat(events, 30, axis=0)
    assert evaluation.manifolds(repeated, repeated, 5) == (1, 1, 6, 1)
    more = np.concatenate([events, np.random.default_rng(1).permuted(events, axis=1) + 100])
    assert evaluation.manifolds(more, repeated, 5).recall == 0.5


@pytest.mark.parametrize('measure', [
    evaluation.energy_distance, evaluation.maximum_mean_discrepancy, evaluation.manifolds, evaluation.frechet_distance])
def test_distances_do_not_change_far_from_0(measure):
    first, second = normals(0), normals(1, shift=0.5)
    np.testing.assert_allclose(measure(first + 1e7, second + 1e7), measure(first, second), rtol=1e-5)


def test_modes():
    centres = np.array([[0., 0.], [10., 0.], [0., 10.], [10., 10.]])
    found = evaluation.modes_near([[0.1, 0.], [0., -0.2], [9.9, 0.], [5., 5.]], centres, radius=0.3)
    assert found.hit == 2 and found.high_quality == 0.75
    assert found.reverse_kl == pytest.approx(sum(share * np.log(share * 4) for share in (2 / 3, 1 / 3)))
    assert evaluation.modes_near(centres + 1e8, centres + 1e8, radius=0.3).hit == 4
    nowhere = evaluation.modes_of([-1, -1], 3)
    assert nowhere[:2] == (0, 0) and np.isnan(nowhere.reverse_kl)
    even = evaluation.modes_of(np.repeat(np.arange(4), 5), 4)
    assert even == (4, 1., pytest.approx(0, abs=1e-12))


# Divergences ----------------------------------------------------------------------------------------------------------

def tables():
    """Two distributions of two sites of three levels, and their probabilities."""
    models = [tfdgm.FullTable(2, output=Categorical(3)) for _ in range(2)]
    for seed, model in enumerate(models):
        generator = np.random.default_rng(seed)
        for weight in model.weights:
            weight.assign(generator.normal(size=weight.shape))
    events = np.array(list(itertools.product(range(3), repeat=2)), 'float32')
    return [model.distribution() for model in models], [
        np.exp(model.distribution().log_prob(events).numpy().astype('float64')) for model in models]


def test_divergences_of_models_with_few_events_are_exact():
    (p, q), (a, b) = tables()
    assert evaluation.kl(p, q) == (pytest.approx(scipy.stats.entropy(a, b), rel=1e-5), 0.)
    assert evaluation.js(p, q) == (pytest.approx(jensenshannon(a, b)**2, rel=1e-5), 0.)


def test_divergences_by_samples_lie_within_their_errors():
    p, q = tfd.Normal(0., 1.), tfd.Normal(1.5, 1.)
    grid = np.linspace(-8, 10, 4001)
    densities = [np.exp(-0.5 * (grid - mean)**2) for mean in (0., 1.5)]
    found = evaluation.js(p, q)
    assert abs(found.value - jensenshannon(*densities)**2) < 4 * found.standard_error < 0.02
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), tfd.Normal([0., 1.], 1.))
    found = evaluation.kl(p, mixture)
    weights = densities[0] / densities[0].sum()
    wanted = weights @ (p.log_prob(grid).numpy() - mixture.log_prob(grid).numpy())
    assert abs(found.value - wanted) < 4 * found.standard_error < 0.02
    assert evaluation.kl(p, q) == (pytest.approx(1.5**2 / 2), 0.)
    assert evaluation.wasserstein(p, q, 1000) == pytest.approx(1.5, rel=0.1)


def test_a_model_that_fits_better_has_a_lower_divergence():
    (p, _), _ = tables()
    model = tfdgm.Independent(2, output=Categorical(3))
    model.compile('adam')
    before = evaluation.kl(p, model.distribution()).value
    x = p.sample(500, seed=0)
    model.fit(x, epochs=20, verbose=0)
    assert evaluation.kl(p, model.distribution()).value < before


# Bad input ------------------------------------------------------------------------------------------------------------

FLOW = tfdgm.NICE(2, hidden_units=(4,), dequantization=tfdgm.flows.UniformDequantization(2)).distribution()
ALL = [evaluation.maximum_mean_discrepancy, evaluation.kernel_distance, evaluation.energy_distance,
       evaluation.frechet_distance, evaluation.wasserstein_distance, evaluation.sliced_wasserstein_distance,
       evaluation.manifolds]


@pytest.mark.parametrize('measure', ALL, ids=lambda measure: measure.__name__)
@pytest.mark.parametrize('first, second, message', [
    (np.ones([1, 2]), np.ones([3, 2]), r'two events or more in the first sample.* shape \(1, 2\)'),
    (np.ones([3, 2]), np.ones([3, 4]), r'events of one shape; got events of shapes \(2,\) and \(4,\)'),
    (np.ones([3, 2]), np.array([[0, 1], [0, np.nan]]), 'second sample holds values that are NaN .* event 1'),
    (np.ones([3, 2]), np.array([[0, 1], [0, 1e26]]), r'second sample holds values beyond 1e\+25'),
    (np.ones([3, 0]), np.ones([3, 0]), r'two events or more in the first sample.* shape \(3, 0\)'),
    (np.array(['a', 'b']), np.ones(2), 'numbers of shape')], ids=['one', 'shapes', 'nan', 'large', 'none', 'text'])
def test_measures_say_what_is_wrong_with_samples(measure, first, second, message):
    with pytest.raises(ValueError, match=message):
        measure(first, second)


def test_measures_say_what_is_wrong_with_arguments():
    x = normals(0, 5)
    for call, message in (
            (lambda: evaluation.manifolds(x, x), 'more than neighbours=5 events in each sample, got 5 and 5'),
            (lambda: evaluation.wasserstein_distance(x, x, 3), 'order must be one of 1, 2; got 3'),
            (lambda: evaluation.maximum_mean_discrepancy(x, x, 0.), 'bandwidth must be'),
            (lambda: evaluation.modes_of([0, 2], 2), 'integers from -1, for none, to 1'),
            (lambda: evaluation.modes_near(x, x[:1], 1.), 'two centres of modes or more, got 1'),
            (lambda: evaluation.kl(FLOW, tfdgm.FullTable(2).distribution()), 'NICE are lower bounds'),
            (lambda: evaluation.js(tfdgm.FullTable(2).distribution(), FLOW), 'NICE are lower bounds'),
            (lambda: evaluation.kl(tfdgm.FullTable(2).distribution(), tfdgm.MAF(2, hidden_units=(4,)).distribution()),
             'integers as events and the other real numbers'),
            (lambda: evaluation.kl(tfd.Poisson(3.), tfd.Normal(1., 2.)), 'One of Poisson and Normal has integers'),
            (lambda: evaluation.js(tfd.Normal(1., 2.), tfd.Poisson(3.)), 'integers as events'),
            (lambda: evaluation.kl(tfdgm.FullTable(2).distribution(), tfd.MultivariateNormalDiag([0., 0.])),
             'integers as events'),
            (lambda: evaluation.kl(tfd.Categorical(probs=[.2, .3, .5]), tfd.Categorical(probs=[.5, .5])),
             'Categorical and Categorical are not of the same events'),
            (lambda: evaluation.js(tfd.Categorical(probs=[.2, .3, .5]), tfd.Categorical(probs=[.5, .5])),
             'are not of the same events'),
            (lambda: evaluation.kl(tfdgm.GAN(2).distribution(), tfd.MultivariateNormalDiag([0., 0.])),
             'GAN has no density'),
            (lambda: evaluation.kl(tfd.Normal([0., 1.], 1.), tfd.Normal(0., 1.)), r'has the batch shape \(2,\)'),
            (lambda: evaluation.js(tfd.Normal(0., 1.), tfd.MultivariateNormalDiag([0., 1.])), 'of the same events')):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_model_of_integers_beside_a_distribution_of_tfp():
    logits = tf.constant([[0., 1., 0.5], [0.2, 0., 0.]])
    model = tfdgm.Independent(2, output=Categorical(3)).distribution()
    other = tfd.Independent(tfd.Categorical(logits=logits), 1)
    probabilities = tf.nn.softmax(logits).numpy()
    wanted = float(np.sum(np.log(1 / 3 / probabilities)) / 3)
    found = evaluation.kl(model, other)
    assert found.value == pytest.approx(wanted, abs=4 * found.standard_error)
    assert 0 < evaluation.js(other, model).value < np.log(2)


def test_log_probs_of_values_that_a_model_does_not_know():
    few, many = (tfdgm.Independent(2, output=Categorical(levels)).distribution() for levels in (2, 3))
    assert evaluation.kl(few, many).value == pytest.approx(2 * np.log(3 / 2), rel=1e-5)
    assert evaluation.kl(many, few).value == np.inf
    assert 0 < evaluation.js(few, many).value < np.log(2)
