"""CycleGAN: translations of a known map, its losses by hand, its pool, and sets of two kinds."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import tfdgm
from tests.conftest import require_dataset
from tests.implicit.systems import make
from tfdgm import pretrained
from tfdgm.command_line import cli
from tfdgm.implicit.pool import Pool


def two_sets(count=12, levels=4):
    return np.random.default_rng(2).integers(levels, size=[2, count, 8, 8, 1]).astype('float32')


@pytest.mark.slow
def test_it_finds_a_known_map_between_two_sets():
    """Digits in red, and in green before a blue background."""
    keras.utils.set_random_seed(0)
    train, test = (tfdgm.data.as_arrays(tfdgm.data.load('digits', split)) for split in ('train', 'test'))

    def red(x):
        return np.concatenate([x, 0 * x, 0 * x], axis=-1)

    def mapped(x):
        return np.concatenate([0 * x, x, 16 - x], axis=-1)

    model = tfdgm.CycleGAN((8, 8, 3), levels=17, filters=16, blocks=1, halvings=0, identity_weight=0.)
    optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]
    model.compile(optimizers[0], critic_optimizer=optimizers[1], steps_per_execution=5)
    pairs = tfdgm.data.unpaired(red(train[:600]), mapped(train[600:]))
    model.fit(pairs.shuffle(600).batch(32), epochs=25, verbose=0)
    errors = model.translate(red(test)) - mapped(test)
    # Beside the best image for all of them.
    assert np.mean(errors**2) < 0.4 * np.mean((mapped(test).mean(axis=0) - mapped(test))**2)
    back = model.translate(mapped(test), 'B', 'A') - red(test)
    assert np.mean(back**2) < 0.4 * np.mean((red(test).mean(axis=0) - red(test))**2)


def test_the_losses_are_those_of_the_paper():
    model = make('cycle_gan', levels=4, cycle_weight=7., identity_weight=2.)
    a, b = two_sets()
    found = {name: np.mean(value) for name, value in model.validation_terms(tf.constant(a), tf.constant(b)).items()}

    def seen(x):
        return tf.constant(x / 1.5 - 1, tf.float32)

    def to(domain, x):
        return tf.tanh(model.generators[domain](x))

    generators, critics, cycles = 0., 0., 0.
    for source, target, x, y in (('A', 'B', seen(a), seen(b)), ('B', 'A', seen(b), seen(a))):
        made, critic = to(target, x), model.critic_networks[target]
        cycle = np.mean(abs(to(source, made) - x))
        generators += np.mean((critic(made) - 1)**2) + 7 * cycle + 2 * np.mean(abs(to(target, y) - y))
        critics += np.mean((critic(y) - 1)**2) + np.mean(critic(made)**2)
        cycles += cycle / 2
    np.testing.assert_allclose(found['generator_loss'], generators, rtol=1e-4)
    np.testing.assert_allclose(found['loss'], critics, rtol=1e-4)
    np.testing.assert_allclose(found['cycle'], cycles, rtol=1e-4)
    np.testing.assert_allclose(found['triangular'], 1 - critics, rtol=1e-4)


def test_the_best_critic_gives_the_triangular_discrimination():
    p, q = np.random.default_rng(0).dirichlet(np.ones(6), size=2)
    scores = tf.constant(p / (p + q), tf.float32)
    pairs = np.outer(p, q).ravel()
    found = pairs @ tfdgm.implicit.losses.triangular(tf.repeat(scores, 6), tf.tile(scores, [6])).numpy()
    np.testing.assert_allclose(found, np.sum((p - q)**2 / (p + q)) / 2, rtol=1e-4)


def test_the_pool_gives_back_what_it_was_shown_before():
    pool = Pool(4, (1,))
    seen, old = set(), 0
    for index in range(200):
        x = tf.constant([[2. * index], [2. * index + 1]])
        shown, contents = pool(x, tf.constant([0, index]))
        pool.keep(contents)
        assert set(shown.numpy().ravel()) <= seen | set(x.numpy().ravel())
        seen |= set(x.numpy().ravel())
        old += np.sum(shown.numpy() != x.numpy())
    assert 150 < old < 250 and pool.filled.numpy().all()
    x = tf.range(6.)[:, None] + 1000
    shown, contents = pool(x, tf.constant([0, 0]))
    np.testing.assert_array_equal(shown[4:], x[4:])
    assert Pool(0, (1,))(x, tf.constant([0, 0]))[1] is None


def test_fit_moves_all_of_it():
    model, (a, b) = make('cycle_gan', levels=4), two_sets()
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile()
    history = model.fit(a, b, batch_size=4, epochs=2, verbose=0, validation_data=(a, b)).history
    assert set(history) == {prefix + name for prefix in ('', 'val_') for name in (
        'loss', 'generator_loss', 'cycle', 'triangular')}
    # Shifts before a normalisation fall out of it, but for rounding.
    moved = [np.any(weight != old) for weight, old in zip(model.trainable_weights, before)]
    assert np.mean(moved) > 0.9 and model.pools['A'].filled.numpy().all()


@pytest.mark.slow
def test_a_saved_model_goes_on(tmp_path):
    model, (a, b) = make('cycle_gan', levels=4), two_sets()
    model.compile()
    model.fit(a, b, batch_size=4, verbose=0)
    model.save(tmp_path / 'model.keras')
    other = keras.saving.load_model(tmp_path / 'model.keras')
    other._noise_seeds.state.assign(model._noise_seeds.state)
    for one in (model, other):
        one.fit(a, b, verbose=0, batch_size=4, shuffle=False)
    for one, another in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_allclose(one, another, atol=1e-5)


def test_a_distribution_translates_its_condition():
    model, (a, b) = make('cycle_gan', levels=4), two_sets()
    np.testing.assert_array_equal(model.distribution(b).sample(2, seed=0)[1], model.translate(b, 'B', 'A'))
    assert np.isin(model.translate(a), range(4)).all()


def test_sets_of_two_sizes_become_pairs():
    a, b = np.arange(5.), np.arange(3.) + 10
    pairs = tfdgm.data.as_arrays(tfdgm.data.unpaired(a[:, None], b[:, None]))
    assert sorted(pairs[0].ravel()) == list(a) and set(pairs[1].ravel()) == set(b)
    with pytest.raises(ValueError, match=r'events of one shape.*got 5 of shape \(2,\) and 3 of shape \(1,\)'):
        tfdgm.data.unpaired(np.zeros([5, 2]), b[:, None])


def test_sets_of_two_kinds_by_name():
    require_dataset('emoji_styles')
    pairs = {split: tfdgm.data.as_arrays(tfdgm.data.load('emoji_styles', split))
             for split in ('train', 'validation', 'test')}
    assert [len(a) for a, _ in pairs.values()] == [1590, 177, 360] and all(len(a) == len(b) for a, b in pairs.values())
    # Those of the test split show the same emoji: they are nearer to their own than to the next.
    a, b = (x / 255 for x in pairs['test'])
    assert np.mean((a - b)**2) < 0.75 * np.mean((a - np.roll(b, 1, axis=0))**2)
    assert tfdgm.data.are_matched('emoji_styles', 'test') and not tfdgm.data.are_matched('emoji_styles', 'train')
    assert tfdgm.data.load('emoji_styles', 'trainB').cardinality() == 1767


def test_bad_input():
    model, (a, _) = make('cycle_gan', levels=4), two_sets()
    np.testing.assert_array_equal(model.translate(a, 'B'), model.translate(a, target='A'))
    np.testing.assert_array_equal(model.translate(a), model.translate(a, 'A', 'B'))
    with pytest.raises(ValueError, match='source and target are the two kinds'):
        model.translate(a, 'A', 'A')
    with pytest.raises(ValueError, match="target must be one of 'A', 'B'; got 'C'"):
        model.translate(a, 'A', 'C')
    with pytest.raises(ValueError, match='lie outside the support'):
        model.translate(a + 9)
    model.compile()
    with pytest.raises(ValueError, match=r'conditions of shape \(8, 8, 1\)'):
        model.fit(a, np.zeros([12, 4, 4, 1]), verbose=0)
    with pytest.raises(ValueError, match=r"pass B's, images .*, beside A's, as fit\(a, b\)"):
        model.fit(a, verbose=0)
    with pytest.raises(ValueError, match=r'adapts to events of both kinds: adapt\(a, b\)'):
        tfdgm.CycleGAN(4).adapt(np.ones([3, 4]))
    with pytest.raises(ValueError, match='CycleGAN takes no condition'):
        tfdgm.CycleGAN(4, condition=tfdgm.conditions.Label(3))
    with pytest.raises(ValueError, match=r'translates images, .*, and vectors of real values'):
        tfdgm.CycleGAN(4, levels=3)
    with pytest.raises(ValueError, match='critic_b ends in a sigmoid'):
        tfdgm.CycleGAN(4, critic_b=keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, 'sigmoid')]))
    with pytest.raises(ValueError, match='generator_a should make events of events'):
        tfdgm.CycleGAN(4, generator_a=keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))


LABELLED = tfdgm.data.load('digits', 'test', labels=True)


@pytest.mark.parametrize('make, message', [
    (lambda: tfdgm.data.unpaired(LABELLED, LABELLED), 'two sets of events alone; one has pairs'),
    (lambda: tfdgm.data.unpaired(['a'], ['b']), r'numbers of shape \[n, …\]; got an array of shape \(1,\)'),
    (lambda: tfdgm.data.unpaired(3., 4.), r'numbers of shape \[n, …\]; got an array of shape \(\)'),
    (lambda: tfdgm.data.unpaired([[1, 2], [3]], [[1, 2]]), 'a list of parts that differ in shape'),
    (lambda: tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test').batch(200)), r'dataset.unbatch\(\) gives them'),
    (lambda: tfdgm.data.load('digits+digits', 'train', labels=True), 'it takes no labels'),
    (lambda: tfdgm.data.load('digits+', 'train'), r"one plus between them, such as mnist\+usps; got 'digits\+'"),
    (lambda: tfdgm.data.load('digits+digits+digits', 'train'), 'one plus between them')])
def test_pairs_say_what_is_wrong_with_sets(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_terminal_translates(tmp_path):
    model, folder = make('cycle_gan', levels=4), tmp_path / 'folder'
    folder.mkdir()
    config = {'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'emoji_styles'}, 'training': {}}
    pretrained.write_config(folder, pretrained.save_weights(model, folder, config))
    np.save(tmp_path / 'events.npy', two_sets()[0])
    for options, output in ([], 'there.npy'), (['--back'], 'back.npy'), ([], 'grid.png'):
        result = CliRunner().invoke(cli.app, [
            'translate', str(folder), str(tmp_path / 'events.npy'), '-o', str(tmp_path / output), *options])
        assert result.exit_code == 0, result.exception
    assert np.load(tmp_path / 'there.npy').shape == (12, 8, 8, 1)
    assert np.any(np.load(tmp_path / 'there.npy') != np.load(tmp_path / 'back.npy'))
