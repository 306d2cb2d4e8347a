"""The base class, by models that are no densities: they go through `fit`, files, recipes, the zoo and the command."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import tfdgm
import zoo
from tests.toys import Duel, KernelMatcher
from tfdgm.command_line.cli import app

both = pytest.mark.parametrize('kind', [KernelMatcher, Duel])
OPTIMIZERS = {KernelMatcher: {}, Duel: {'critic_optimizer': {'class_name': 'SGD', 'config': {'learning_rate': 0.1}}}}


def events(rng, count=200):
    return rng.normal([2., -1.], [0.5, 0.2], size=(count, 2)).astype('float32')


def fitted(kind, rng, **kwargs):
    model = kind(2)
    model.compile(keras.optimizers.Adam(0.02), **OPTIMIZERS[kind])
    model.fit(events(rng), epochs=40, verbose=0, **kwargs)
    return model


@both
def test_a_model_without_a_density_learns_and_is_saved_with_its_optimizers(kind, rng, tmp_path):
    model = fitted(kind, rng)
    samples = model.distribution().sample(500, seed=0)
    np.testing.assert_allclose(np.mean(samples, axis=0), [2., -1.], atol=0.25)
    model.save(tmp_path / 'toy.keras')
    loaded = keras.saving.load_model(tmp_path / 'toy.keras')
    np.testing.assert_array_equal(loaded.distribution().sample(5, seed=1), model.distribution().sample(5, seed=1))
    for (old, _), (new, _) in zip(model.optimized(), loaded.optimized()):
        assert type(new) is type(old)
        for before, after in zip(old.variables, new.variables, strict=True):
            np.testing.assert_array_equal(before, after)
    assert set(loaded.evaluate(events(rng), verbose=0, return_dict=True)) == {'loss'}


@both
def test_its_distribution_samples_and_says_that_it_has_no_density(kind):
    dist = kind((2, 1)).distribution()
    assert dist.sample((3, 2), seed=0).shape == (3, 2, 2, 1)
    np.testing.assert_array_equal(dist.sample(4, seed=0)[:2], dist.sample(2, seed=0))
    for method in dist.log_prob, dist.prob:
        with pytest.raises(NotImplementedError, match=f'{kind.__name__} gives samples and no density'):
            method(np.zeros([3, 2, 1]))
    assert not isinstance(dist, tfdgm.DensityDistribution)


@both
def test_its_steps_are_guarded(kind, rng):
    x = events(rng)
    x[150] = np.nan
    model = kind(2)
    model.compile(**OPTIMIZERS[kind])
    before = model.get_weights()[:2]
    with pytest.raises(ValueError, match='Batch 1 of the epoch holds 2 values that are NaN'):
        model.fit(tf.data.Dataset.from_tensors(x), verbose=0)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@both
def test_the_command_trains_lists_samples_and_measures_it(kind, rng, elsewhere):
    np.savetxt('data.csv', events(rng), delimiter=',', header='a,b', comments='')
    recipe = {
        'model': keras.saving.serialize_keras_object(kind(2)),
        'dataset': {'name': 'data.csv', 'columns': ['a', 'b']},
        'training': {'epochs': 3, 'batch_size': 32, 'optimizer': 'adam', **OPTIMIZERS[kind]}}
    folder = elsewhere / 'toy'
    folder.mkdir()
    (folder / 'config.json').write_text(json.dumps(recipe))

    def run(*words):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert 'loss on the validation split' in run('train', 'toy/config.json')
    zoo.register(folder)
    assert 'toy' in run('list')
    run('sample', 'toy', '-n', '5', '-o', 'samples.csv')
    assert len(np.loadtxt('samples.csv', delimiter=',', skiprows=1)) == 5
    assert 'loss' in run('evaluate', 'toy', '--record')
    assert '| split | loss | examples |' in zoo.card('toy')
    (elsewhere / 'events.npy').write_bytes(b'')
    np.save('events.npy', events(rng))
    with pytest.raises(ValueError, match='gives samples and no density'):
        CliRunner().invoke(app, ('score', 'toy', 'events.npy'), catch_exceptions=False)
    assert isinstance(zoo.load('toy'), kind)


def test_a_recipe_with_an_optimizer_that_the_model_does_not_take_says_so(elsewhere):
    config = {'model': keras.saving.serialize_keras_object(KernelMatcher(2)), 'dataset': {'name': 'data.csv'},
              'training': {'critic_optimizer': 'adam'}}
    with pytest.raises(ValueError, match=r'optimizers that KernelMatcher does not take: .*critic_optimizer'):
        tfdgm.training.check(config)


class Renamed(KernelMatcher):
    """A subclass as users write them: other names of what is passed on, and no word on whether it is built."""

    def __init__(self, event_shape, **options):
        super().__init__(event_shape, **options)
        self.built = False


def test_a_subclass_may_call_its_options_as_it_likes_and_need_not_say_that_it_is_built(rng):
    model = Renamed(2, noise=4, name='other')
    assert Renamed.from_config(model.get_config()).noise == 4
    with tf.distribute.MirroredStrategy(['cpu:0']).scope():
        model = Renamed(2)
        model.compile()
    model.fit(events(rng), verbose=0)


def test_one_loss_for_all_events_is_refused(rng):
    class Wrong(KernelMatcher):
        def training_loss(self, x, condition):
            return tf.reduce_mean(super().training_loss(x, condition))

    model = Wrong(2)
    model.compile()
    with pytest.raises(ValueError, match=r'Wrong should give one loss for each event .* shape \(\)'):
        model.fit(events(rng), verbose=0)


def test_a_base_class_without_what_it_needs_cannot_be_made():
    class Nothing(tfdgm.GenerativeModel):
        pass

    with pytest.raises(TypeError, match=r'abstract .*sample.*support.*training_loss'):
        Nothing(2)
