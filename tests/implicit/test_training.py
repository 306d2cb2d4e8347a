"""How adversarial models are trained, sampled, saved and kept from what is not finite."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfdgm
from tests.implicit.systems import SYSTEMS, make, some_events
from tests.systems import every_of
from tfdgm.conditions import Image, Label

every_system = every_of(SYSTEMS, 'packed_gan', 'clipped_wgan')


def values(model):
    return [weight.numpy() for weight in model.weights]


@every_system
@pytest.mark.parametrize('levels, xla', [(None, False), (4, True)])
def test_fit_moves_both_and_reports_both(system, levels, xla):
    model = make(system, levels=levels)
    before = values(model)
    model.compile(jit_compile=xla)
    history = model.fit(some_events(model, 16), batch_size=4, epochs=2, verbose=0, validation_data=some_events(model))
    name = model.divergence_name
    assert set(history.history) == {
        part + metric for metric in ('loss', 'generator_loss', name) for part in ('', 'val_')}
    moved = {weight.path for weight, old in zip(model.weights, before) if not np.array_equal(weight, old)}
    # The bias of a score falls out of differences.
    without = {model.critic_layer.last.bias.path} if isinstance(model, tfdgm.WGAN) else set()
    assert {weight.path for weight in model.trainable_weights} - without <= moved
    assert model.optimizer.iterations == 8 // model.critic_steps and model.critic_optimizer.iterations == 8


@every_system
def test_a_seed_means_the_same_samples_everywhere(system):
    model = make(system, levels=4)
    dist = model.distribution()
    samples = dist.sample(5, seed=3).numpy()
    assert set(np.unique(samples)) <= {0., 1., 2., 3.} and len(np.unique(samples)) > 1
    np.testing.assert_array_equal(dist.sample(9, seed=3)[:5], samples)
    np.testing.assert_array_equal(tf.function(lambda: dist.sample(5, seed=3))(), samples)
    with tf.GradientTape():
        np.testing.assert_array_equal(dist.sample(5, seed=3), samples)


def test_gradients_flow_through_samples_to_the_weights_and_the_condition():
    model = make('gan', (4,), condition=tfdgm.conditions.Vector(2))
    condition = tf.Variable([[0.5, -1.], [1., 2.]])
    dist = model.distribution(condition)
    assert dist.reparameterization_type == tfp.distributions.FULLY_REPARAMETERIZED
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(dist.sample(3, seed=0)**2)
    gradients = tape.gradient(loss, [condition, *(weight.value for weight in model.generator_network.weights)])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    step = 1e-2

    def changed(by):
        return np.sum(model.distribution(condition.numpy() + by).sample(3, seed=0).numpy().astype('float64')**2)

    by = np.zeros([2, 2], 'float32')
    by[0, 1] = step
    np.testing.assert_allclose(gradients[0][0, 1], (changed(by) - changed(-by)) / (2 * step), rtol=0.02)


def test_integers_are_rounded_and_pass_the_gradient_on():
    model = make('gan', (4,), levels=3)
    with tf.GradientTape() as tape:
        samples = model.distribution().sample(3, seed=0)
        loss = tf.reduce_sum(samples)
    assert set(np.unique(samples)) <= {0., 1., 2.}
    assert any(np.abs(gradient).max() > 0 for gradient in tape.gradient(
        loss, [weight.value for weight in model.generator_network.weights]))


@pytest.mark.parametrize('condition, values', [
    (Label(3), np.arange(8) % 3), (Image((8, 8, 1), levels=2), np.ones([8, 8, 8, 1]))], ids=['label', 'image'])
def test_conditions(condition, values):
    model = make('wgan', condition=condition)
    model.compile()
    model.fit(some_events(model), values, verbose=0)
    assert model.distribution(values[:2]).sample(3).shape == (3, 2, 8, 8, 1)


@every_system
def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(system, tmp_path):
    models = [make(system)]
    x = some_events(models[0])
    models[0].compile(optimizer=keras.optimizers.Adam(0.01), critic_optimizer=keras.optimizers.RMSprop(0.02))
    models[0].fit(x, verbose=0, batch_size=4)
    models[0].save(tmp_path / 'model.keras')
    models.append(keras.saving.load_model(tmp_path / 'model.keras'))
    assert isinstance(models[1].critic_optimizer, keras.optimizers.RMSprop)
    # Keras's files do not say how far a generator of seeds has come.
    models[1]._noise_seeds.state.assign(models[0]._noise_seeds.state)
    for model in models:
        model.fit(x, verbose=0, batch_size=4, shuffle=False)
    for one, other in zip(*map(values, models)):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(*(model.distribution().sample(2, seed=0) for model in models), atol=1e-5)


@every_system
def test_training_that_diverges_stops_and_keeps_finite_weights(system):
    model = make(system)
    model.compile(keras.optimizers.SGD(1e30), critic_optimizer=keras.optimizers.SGD(1e30))
    with pytest.raises(tfdgm.errors.NonFiniteError, match=r'has diverged\. .*, but for a step that the critics'):
        model.fit(some_events(model, 16), batch_size=4, epochs=20, verbose=0)
    assert all(np.isfinite(value).all() for value in values(model))


def test_events_that_are_not_valid_change_nothing():
    model = make('gan', (4,), levels=3)
    model.compile()
    before = values(model)
    pipeline = tf.data.Dataset.from_tensor_slices(np.array([[0., 1., 2., 3.]], 'float32')).batch(1)
    with pytest.raises(ValueError, match='holds 1 values that are NaN or outside the support'):
        model.fit(pipeline, verbose=0)
    for old, new in zip(before, values(model)):
        np.testing.assert_array_equal(old, new)


def test_frozen_parts_stay_as_they_are():
    model = make('gan', (2,))
    model.generator_network.trainable = False
    before = [weight.numpy() for weight in model.generator_network.weights]
    model.compile()
    model.fit(some_events(model), verbose=0)
    for old, weight in zip(before, model.generator_network.weights):
        np.testing.assert_array_equal(old, weight)


@pytest.mark.parametrize('policy', ['mixed_bfloat16', 'mixed_float16'])
def test_mixed_precision(policy):
    model = make('wgan', dtype=policy)
    model.compile()
    model.fit(some_events(model), verbose=0)
    assert model.distribution().sample(2).dtype == tf.float32


def network(inputs, outputs, **kwargs):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs, **kwargs)])


def ending_in(*layers):
    """A critic of four numbers whose last layers are these."""
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), *layers])


def around(critic):
    """A model with another one in it."""
    x = keras.Input((4,))
    return keras.Model(x, critic(x))


def by_operations():
    x = keras.Input((4,))
    return keras.Model(x, keras.ops.sigmoid(keras.layers.Dense(1)(x)))


def of_two_outputs():
    z = keras.Input((3,))
    return keras.Model(z, [keras.layers.Dense(4)(z), keras.layers.Dense(4)(z)])


def sharing():
    """A generator and a critic with a layer of both."""
    shared, z, x = keras.layers.Dense(4, name='shared'), keras.Input((4,)), keras.Input((4,))
    return {'num_latents': 4, 'generator': keras.Model(z, shared(z)),
            'critic': keras.Model(x, keras.layers.Dense(1)(shared(x)))}


BAD_ARGUMENTS = [
    ({'generator': of_two_outputs()}, 'generator should give one array; it gives 2'),
    (sharing(), 'critic shares weights with what it judges, shared/kernel, shared/bias'),
    ({'levels': 5, 'generator': network(3, 4, activation='tanh')}, 'generator ends in a tanh: .* -1 and 1 itself'),
    ({'critic': ending_in(keras.layers.Activation('sigmoid'), keras.layers.Reshape((1,)))}, 'ends in a sigmoid'),
    ({'critic': around(network(4, 1, activation='sigmoid'))}, 'critic ends in a sigmoid'),
    ({'critic': by_operations()}, 'critic ends in a sigmoid'),
    ({'critic': ending_in(keras.layers.Activation('tanh'))}, 'critic ends in a tanh'),
    ({'levels': 1}, 'levels must be an integer of at least 2, got 1'),
    ({'num_latents': 0}, 'num_latents must be an integer of at least 1'),
    ({'pack': 0}, 'pack must be an integer of at least 1'),
    ({'critic_steps': 0}, 'critic_steps must be an integer of at least 1'),
    ({'generator_loss': 'hinge'}, "generator_loss must be one of 'non_saturating', 'minimax'; got 'hinge'"),
    ({'generator': network(3, 5)}, r'\(None, 3\) -> \(None, 4\); it gives an array of shape \(None, 5\)'),
    ({'critic': network(4, 2)}, r'one score of each event, \(None, 4\) -> \(None, 1\); it gives .* \(None, 2\)'),
    ({'critic': network(4, 1, activation='sigmoid')}, r'The critic ends in a sigmoid: .* Leave the activation out'),
    ({'critic': network(4, 1), 'condition': Label(2)}, 'critic should take two inputs, the second the features of'),
    ({'critic': network(4, 1), 'spectral_normalization': True}, 'wrap the layers of yours in keras.layers.Spectral'),
    ({'pack': 2, 'condition': Label(2)}, 'leave pack or condition out'),
]


@pytest.mark.parametrize('arguments, message', BAD_ARGUMENTS, ids=lambda value: value[:30] if isinstance(
    value, str) else None)
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.GAN(4, **{'num_latents': 3, **arguments})


def test_of_real_values_a_generator_may_end_as_it_likes():
    model = tfdgm.GAN(4, num_latents=3, generator=network(3, 4, activation='tanh'))
    assert model.distribution().sample(2).shape == (2, 4)


def test_a_penalty_of_gradients_is_for_critics_that_see_events_one_by_one():
    def critic():
        return keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])

    with pytest.raises(ValueError, match=r'take keras\.layers\.LayerNormalization'):
        tfdgm.WGAN(4, critic=critic())
    assert tfdgm.WGAN(4, critic=critic(), clip=0.1).gradient_penalty == 0


def test_both_sides_have_an_optimizer_of_their_own():
    model, optimizer = make('gan', (2,)), keras.optimizers.Adam()
    with pytest.raises(ValueError, match='One optimizer was given for both sides'):
        model.compile(optimizer, critic_optimizer=optimizer)
    model.compile('adam', 'sgd')
    assert isinstance(model.critic_optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize('shape', [None, True, -1, 1.5])
def test_sample_shapes_that_are_none(shape):
    with pytest.raises(ValueError, match='sample_shape must be integers from 0'):
        make('gan', (2,)).distribution().sample(shape)


def test_there_is_no_density():
    model = make('gan', (2,))
    for call in (lambda: model.distribution().log_prob(np.zeros(2)), lambda: model.distribution().entropy(),
                 lambda: model(np.zeros([1, 2])), lambda: model.predict(np.zeros([1, 2]), verbose=0)):
        with pytest.raises(NotImplementedError, match=r'GAN has no density.*Compare samples with data'):
            call()


def test_a_generator_without_a_turn_has_no_loss():
    model = make('wgan', (8, 8, 1))
    model.compile()
    assert np.isnan(model.fit(some_events(model), batch_size=8, verbose=0).history['generator_loss'][0])


def test_a_critic_that_is_clipped_has_no_penalty_unless_asked():
    given = [tfdgm.WGAN(2, hidden_units=(4,), **options).gradient_penalty
             for options in ({}, {'clip': 0.1}, {'clip': 0.1, 'gradient_penalty': 1.})]
    assert given == [10., 0., 1.]
