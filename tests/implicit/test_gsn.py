"""GSN: its chain, what that draws in the long run, and how it is trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.implicit.systems import make
from tfdgm.conditions import Label
from tfdgm.evaluation import pictures
from tfdgm.outputs import Categorical, MixtureOfGaussians
from tfdgm.pretrained import cards


def test_in_the_long_run_the_chain_draws_the_data_s_distribution():
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(8) * 0.7)
    events = np.array([[index >> bit & 1 for bit in range(3)] for index in range(8)], 'float32')
    # One step, and little corruption: then what is lost of an event is mostly one site, and the sites of the rest do
    # not depend on each other.
    model = tfdgm.GSN(3, hidden_units=(64,), corruption=0.1, walk_back=1, burn_in=60)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, 2000)), steps_per_execution=50)
    model.fit(events[generator.choice(8, size=20_000, p=probabilities)], batch_size=200, epochs=20, verbose=0)
    samples = model.distribution().sample(8000, seed=0).numpy()
    shares = np.bincount((samples @ [1, 2, 4]).astype(int), minlength=8) / len(samples)

    def chi_squared(shares):
        return np.sum((shares - probabilities)**2 / probabilities)

    marginals = probabilities @ events
    independent = np.prod(np.where(events, marginals, 1 - marginals), axis=1)
    assert chi_squared(shares) < 0.05 < 0.2 < chi_squared(independent)


def test_what_a_corruption_leaves_and_what_it_draws():
    model = tfdgm.GSN(4, output=Categorical(5), hidden_units=(4,), corruption=0.4)
    x = np.full([20_000, 4], 3., 'float32')
    corrupted = model.corrupted(tf.constant(x), tf.constant([0, 1])).numpy()
    shares = np.bincount(corrupted.astype(int).ravel(), minlength=5) / corrupted.size
    np.testing.assert_allclose(shares, [0.08, 0.08, 0.08, 0.68, 0.08], atol=0.01)
    real = tfdgm.GSN(4, output=MixtureOfGaussians(1), hidden_units=(4,), corruption=0.4)
    noise = real.corrupted(tf.constant(x), tf.constant([0, 1])).numpy() - 3
    assert abs(noise.std() - 0.4) < 0.01 and abs(noise.mean()) < 0.01


def test_the_hidden_layers_see_what_is_below_and_above():
    model = make('gsn')
    layer = model.denoiser
    kernels, biases = ([weight.numpy() for weight in weights] for weights in (layer.kernels, layer.biases))
    x, first, second = (np.random.default_rng(0).normal(size=[2, size]).astype('float32')
                        for size in (64, *model.hidden_units))
    layer.noise = 0.
    parameters, hidden = layer(x, [first, second], None, tf.constant([0, 0]))
    wanted = np.tanh(x @ kernels[0] + biases[0] + second @ kernels[1].T)
    np.testing.assert_allclose(hidden[0], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(hidden[1], np.tanh(wanted @ kernels[1] + biases[1]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parameters, layer.last(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.xla
def test_samples_and_chains_are_the_same_for_a_seed():
    model = make('gsn', burn_in=5)
    dist = model.distribution()
    samples = dist.sample(5, seed=3).numpy()
    np.testing.assert_array_equal(dist.sample(3, seed=3), samples[:3])
    np.testing.assert_array_equal(tf.function(lambda: dist.sample(5, seed=3))(), samples)
    np.testing.assert_array_equal(dist.sample(5, seed=3, burn_in=5), samples)
    assert np.any(dist.sample(5, seed=3, burn_in=6) != samples)
    chain = model.chain(6, 2, seed=1).numpy()
    np.testing.assert_array_equal(model.chain(3, 2, seed=1), chain[:3])
    np.testing.assert_array_equal(model.chain(4, 2, burn_in=2, seed=1), chain[2:])
    assert dist.sample((2, 3), seed=0, thinning=2).shape == (2, 3, 8, 8, 1)


def test_a_chain_starts_where_it_is_told_and_forgets_it():
    model = make('gsn')
    start = np.ones([3, 8, 8, 1])
    assert model.chain(4, start=start, seed=0).shape == (4, 3, 8, 8, 1)
    with pytest.raises(ValueError, match='lie outside the support'):
        model.chain(4, start=2 * start)
    mixing = tfdgm.evaluation.mixing(model.chain(200, 4, seed=0))
    assert mixing.effective_sample_size.shape == mixing.potential_scale_reduction.shape == (8, 8, 1)
    # What is not corrupted stays, so that states next to each other are alike.
    assert 1 < np.nanmedian(mixing.effective_sample_size) < 800
    assert np.nanmax(mixing.potential_scale_reduction) < 1.2


def test_chains_that_stay_apart_have_not_mixed():
    apart = np.random.default_rng(0).normal(loc=np.array([[0], [5]]), size=[100, 2, 3])
    mixing = tfdgm.evaluation.mixing(apart)
    assert np.all(mixing.potential_scale_reduction > 2)
    together = tfdgm.evaluation.mixing(np.random.default_rng(0).normal(size=[1000, 4, 3]))
    assert np.all(together.potential_scale_reduction < 1.02) and np.all(together.effective_sample_size > 3000)


@pytest.mark.parametrize('output, values', [
    (None, 2), pytest.param(Categorical(4), 4, marks=pytest.mark.slow),
    pytest.param(MixtureOfGaussians(2), None, marks=pytest.mark.slow)], ids=['binary', 'categorical', 'real'])
def test_any_output(output, values):
    model = make('gsn', 3, output=output, condition=Label(2))
    generator = np.random.default_rng(0)
    x = generator.normal(loc=7, size=[64, 3]) if values is None else generator.integers(values, size=[64, 3])
    if values is None:
        model.adapt(x)
    model.compile()
    labels = np.arange(64) % 2
    history = model.fit(x, labels, validation_data=(x, labels), verbose=0).history
    assert set(history) == {'loss', 'val_loss'} and np.isfinite(history['val_loss'][0])
    assert model.evaluate(x, labels, verbose=0) == model.evaluate(x, labels, verbose=0)
    samples = model.distribution([0, 1]).sample(5, seed=0).numpy()
    assert samples.shape == (5, 2, 3)
    if values is not None:
        assert np.isin(samples, range(values)).all()
    assert model.distribution([0, 1]).sample(5, thinning=2).shape == (5, 2, 3)
    assert model.distribution([0, 1]).sample((0, 2), thinning=2).shape == (0, 2, 2, 3)
    assert model.chain(4, 2, condition=labels[:2]).shape == (4, 2, 3)
    with pytest.raises(ValueError, match='one condition for each of the 3 chains, got 2'):
        model.chain(4, 3, condition=labels[:2])


def test_the_first_layer_alone_is_a_denoising_autoencoder():
    model = tfdgm.GSN(4, hidden_units=(8,), walk_back=1)
    model.compile()
    model.fit(np.ones([8, 4]), verbose=0)
    assert model.distribution().sample(2, burn_in=3).shape == (2, 4)


@pytest.mark.parametrize('labels', [False, True])
def test_a_card_shows_chains_from_test_images(labels, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, 'save_grid', lambda path, images, columns: shown.append((path.name, images, columns)))
    model = make('gsn', condition=Label(10) if labels else None)
    dataset = {'name': 'digits', 'binarization': 'threshold', 'labels': labels}
    lines = cards.save_chains(tmp_path, model, dataset)
    (name, images, columns), = shown
    assert f'![chains]({name})' in lines
    first = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold').take(8))
    np.testing.assert_array_equal(images[::columns], first)
    assert len(images) == 8 * columns and np.isin(images, [0, 1]).all()


@pytest.mark.parametrize('arguments, message', [
    ({'corruption': 0.}, 'corruption must be a finite number above 0'),
    ({'corruption': 1.5}, 'a probability, at most 1'),
    ({'noise': -1.}, 'noise must be'), ({'walk_back': 0}, 'walk_back must be'),
    ({'walk_back': 1}, 'walk_back must be at least the number of hidden layers, 2; got 1'),
    ({'burn_in': 0}, 'burn_in must be'),
    ({'output': 'bernoulli'}, 'output must be an object such as')])
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.GSN(4, **arguments)


def test_there_is_no_density():
    model = make('gsn')
    with pytest.raises(NotImplementedError, match=r'GSN has no density.*Compare samples'):
        model.distribution().log_prob(np.zeros([8, 8, 1]))
    with pytest.raises(NotImplementedError, match='GSN has no density'):
        model(np.zeros([1, 8, 8, 1]))
