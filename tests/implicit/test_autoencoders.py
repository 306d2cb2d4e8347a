"""AAE and WAE: reconstructions, latents that follow a prior, and the penalties against sums by hand."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.implicit.systems import make, some_events
from tests.systems import every_of
from tfdgm.conditions import Label, Vector
from tfdgm.implicit.wae import SCALES, discrepancies

AUTOENCODERS = 'aae', 'wae', 'gan_wae', 'convolutional_wae'
every_autoencoder = every_of(AUTOENCODERS, 'aae', 'wae')


def by_two_loops(first, second, expected):
    def kernel(a, b):
        square = np.sum((a - b)**2)
        return sum(scale * expected / (scale * expected + square) for scale in SCALES)

    count = len(first)
    pairs = list(itertools.permutations(range(count), 2))
    within = sum(kernel(one[i], one[j]) for one in (first, second) for i, j in pairs)
    across = sum(kernel(a, b) for a in first for b in second)
    return within / len(pairs) - 2 * across / count**2


def test_the_discrepancy_is_that_of_two_loops():
    first, second = np.random.default_rng(0).normal(size=[2, 7, 3]).astype('float32')
    second[:, 0] += 1
    np.testing.assert_allclose(
        np.mean(discrepancies(tf.constant(first), tf.constant(second), 6.)), by_two_loops(first, second, 6.), rtol=1e-4)


def test_the_discrepancy_is_unbiased_and_zero_for_equal_distributions():
    generator, compiled = np.random.default_rng(0), tf.function(discrepancies)

    def estimates(shift):
        return [np.mean(compiled(*(tf.constant(generator.normal(size=[20, 2]) + by, tf.float32)
                                   for by in (0, shift)), 4.)) for _ in range(300)]

    same, moved = np.array(estimates(0)), np.array(estimates(1))
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(300) and same.min() < 0
    assert moved.mean() > 10 * moved.std() / np.sqrt(300)


@pytest.mark.xla
def test_seeds_that_follow_from_events_are_the_same_with_xla_and_without():
    x = tf.constant(np.random.default_rng(0).normal(size=[200, 1, 3]), tf.float32)
    compiled = tf.function(tfdgm.random.seed_of, jit_compile=True)
    seeds = [tuple(tfdgm.random.seed_of(event).numpy()) for event in x]
    assert seeds == [tuple(compiled(event).numpy()) for event in x] and len(set(seeds)) == 200


def test_mostly_black_images_do_not_leave_it_black():
    x = np.zeros([64, 8, 8, 1], 'float32')
    x[np.arange(64), np.arange(64) % 8, 0] = 255
    model = tfdgm.WAE((8, 8, 1), levels=256, num_latents=2, filters=8)
    model.compile(keras.optimizers.Adam(3e-3), steps_per_execution=10)
    losses = model.fit(x, batch_size=32, epochs=100, verbose=0).history['reconstruction']
    assert losses[-1] < 2, 'and a pixel between -1 and 1 that stays black has an error of 4'
    found = model.reconstruct(x[:8]).numpy()
    assert found.min() >= 0 and found.max() <= 255 and np.all(found == np.round(found))


def test_a_critic_is_named_only_where_there_is_one():
    for system, named in ('wae', False), ('aae', True):
        model = make(system)
        model.compile(keras.optimizers.SGD(1e30))
        with pytest.raises(tfdgm.errors.NonFiniteError) as raised:
            model.fit(some_events(model, 16), batch_size=4, epochs=20, verbose=0)
        assert ('critics' in str(raised.value)) == named


def test_one_event_alone_has_a_penalty_that_is_finite():
    model = make('wae')
    model.compile()
    assert np.isfinite(model.fit(some_events(model, 5), batch_size=4, verbose=0).history['loss'][0])
    assert model.evaluate(some_events(model, 5), batch_size=1, verbose=0, return_dict=True)['mmd'] == 0


def test_the_best_critic_of_latents_gives_the_jensen_shannon_divergence():
    keras.utils.set_random_seed(0)
    model = tfdgm.AAE(1, num_latents=1, hidden_units=(4,))
    model.encoder_network.trainable = model.latents_layer.trainable = model.decoder_network.trainable = False
    x = np.random.default_rng(0).normal(size=[4000, 1])
    z = np.asarray(model.encode(x))
    # All of the generator's side stands still.
    model.compile(critic_optimizer=keras.optimizers.Adam(3e-3), steps_per_execution=20)
    model.fit(x, batch_size=200, epochs=15, verbose=0)
    found = model.evaluate(x, batch_size=1000, verbose=0, return_dict=True)['js']
    grid = np.linspace(-6, 6, 241)
    of_data = np.histogram(z, grid)[0] / len(z)
    of_prior = np.exp(-(grid[:-1] + 0.025)**2 / 2)
    of_prior /= of_prior.sum()
    mixture = (of_data + of_prior) / 2
    wanted = sum(np.sum(one[one > 0] * np.log(one[one > 0] / mixture[one > 0])) for one in (of_data, of_prior)) / 2
    assert found == pytest.approx(wanted, abs=0.06)


@every_autoencoder
@pytest.mark.parametrize('levels, xla', [(None, False), pytest.param(4, True, marks=pytest.mark.slow)])
def test_fit_moves_all_weights_and_reports_all_parts(system, levels, xla):
    model = make(system, levels=levels)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(jit_compile=xla)
    x = some_events(model, 16)
    history = model.fit(x, batch_size=4, epochs=2, verbose=0, validation_data=x[:8]).history
    parts = {'reconstruction', 'mmd'} if system in ('wae', 'convolutional_wae') else {
        'reconstruction', 'js', 'generator_loss'}
    assert set(history) == {prefix + name for prefix in ('', 'val_') for name in (*parts, 'loss')}
    assert all(np.any(weight != old) for weight, old in zip(model.trainable_weights, before))
    assert model.evaluate(x, verbose=0) == model.evaluate(x, verbose=0)


@every_autoencoder
def test_the_latent_space_is_that_of_variational_autoencoders(system):
    model = make(system, levels=4)
    x = some_events(model, 3)
    z = model.encode(x)
    np.testing.assert_array_equal(model.posterior(x).sample(), z)
    np.testing.assert_array_equal(model.decode(z).mean(), model.reconstruct(x))
    assert model.decode(z).sample(2).shape == (2, 3, 8, 8, 1)
    assert np.isin(model.reconstruct(x), range(4)).all()
    assert model.interpolate(x, x[::-1], 5).shape == model.traverse(x, 1, range(5)).shape == (3, 5, 8, 8, 1)
    assert model.prior().sample(2).shape == (2, 3)


def test_a_model_of_its_own_is_the_prior_and_stays_as_it_is(tmp_path):
    prior = tfdgm.MAF(3, blocks=1, hidden_units=(4,))
    prior.compile()
    prior.fit(np.random.default_rng(0).normal(size=[64, 3]) * 5 + 20, verbose=0)
    weights = prior.get_weights()
    for system in 'wae', 'aae':
        model = make(system, prior=prior)
        assert prior.trainable
        model.prior_model.set_weights(weights)
        model.compile()
        model.fit(some_events(model), verbose=0)
        for old, new in zip(weights, model.prior_model.get_weights()):
            np.testing.assert_array_equal(old, new)
        assert model.prior().sample(2, seed=0).shape == (2, 3)
        assert type(model).from_config(model.get_config()).prior_model.event_shape == (3,)
        path = str(tmp_path / f'{system}.keras')
        model.save(path)
        loaded = keras.models.load_model(path)
        assert [len(weights) for _, weights in loaded.optimized()] == [len(weights) for _, weights in model.optimized()]
        assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) > 0


@pytest.mark.slow
def test_training_brings_the_latents_to_the_prior_and_the_events_back():
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    # A curved line in the plane of a latent that is uniform.
    angle = generator.uniform(0, np.pi, size=[2000, 1])
    x = np.concatenate([np.cos(angle), np.sin(angle), angle], axis=1)
    for model in (tfdgm.WAE(3, num_latents=1, hidden_units=(64, 64), weight=2.),
                  tfdgm.AAE(3, num_latents=1, hidden_units=(64, 64), weight=0.5)):
        model.adapt(x)
        optimizers = {'optimizer': keras.optimizers.Adam(2e-3)}
        if model.critics:
            optimizers['critic_optimizer'] = keras.optimizers.Adam(2e-3, beta_1=0.5)
        model.compile(**optimizers, steps_per_execution=10)
        model.fit(x, batch_size=100, epochs=40, verbose=0)
        z = np.asarray(model.encode(x))
        assert np.mean((model.reconstruct(x) - x)**2) < 0.03
        assert abs(z.mean()) < 0.25 and abs(z.std() - 1) < 0.25
        samples = model.distribution().sample(500, seed=0).numpy()
        # They lie on the line too.
        assert np.mean(abs(np.hypot(samples[:, 0], samples[:, 1]) - 1)) < 0.1


@pytest.mark.slow
def test_conditions():
    labels = np.arange(8) % 3
    for system in AUTOENCODERS:
        model = make(system, condition=Label(3))
        model.compile()
        model.fit(some_events(model), labels, verbose=0)
        assert model.distribution(labels[:2]).sample(3).shape == (3, 2, 8, 8, 1)
        assert model.encode(some_events(model), labels).shape == (8, 3)


def critic(activation=None):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation)])


BAD = [
    ({'weight': 0.}, 'weight must be a finite number above 0'),
    ({'num_latents': 0}, 'num_latents must be an integer of at least 1'),
    ({'encoder': keras.Sequential([keras.Input((4,)), keras.layers.Reshape((2, 2))])}, 'should make a vector of each'),
    ({'decoder': keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])}, r'it gives an array of .*\(None, 5\)'),
    ({'critic': critic('sigmoid'), 'penalty': 'gan'}, 'The critic ends in a sigmoid'),
    ({'critic': critic()}, "A critic is for penalty='gan'"),
    ({'prior': 'normal'}, r'prior must be an object such as tfdgm.MAF\(3\)'),
    ({'penalty': 'kl'}, "penalty must be one of 'mmd', 'gan'; got 'kl'"),
]


@pytest.mark.parametrize('arguments, message', BAD, ids=[message for _, message in BAD])
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.WAE(4, **{'num_latents': 3, **arguments})


@pytest.mark.parametrize('prior', [
    lambda: tfdgm.MAF(2), lambda: tfdgm.NADE(3), lambda: tfdgm.MAF(3, condition=Vector(2))],
    ids=['of another size', 'of integers', 'with a condition'])
def test_a_prior_that_is_none_of_these_latents(prior):
    with pytest.raises(ValueError, match='A prior of 3 latents is a model of real vectors of that length without'):
        tfdgm.WAE(4, num_latents=3, prior=prior())


def test_a_critic_s_optimizer_is_for_those_that_have_one():
    with pytest.raises(ValueError, match='This WAE has no critic: leave critic_optimizer out'):
        make('wae').compile(critic_optimizer='adam')
