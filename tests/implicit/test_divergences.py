"""What critics estimate, against closed forms and sums by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import jensenshannon

import tfdgm
from tests.implicit.systems import make, some_events

# A critic gains from a slope a little above 1, by the distance over twice the weight of the penalty.
PENALTY = 200.


def test_the_best_critic_of_a_gan_gives_the_jensen_shannon_divergence():
    model = tfdgm.GAN(1, hidden_units=(4,))
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    scores = tf.constant(np.log(p / q), tf.float32)
    wanted = jensenshannon(p, q)**2

    # Every pair of an event and a sample, with its probability.
    pairs = np.outer(p, q).ravel()
    real, generated = tf.repeat(scores, 6), tf.tile(scores, [6])
    np.testing.assert_allclose(pairs @ model.divergence(real, generated).numpy(), wanted, rtol=1e-5)
    np.testing.assert_allclose(
        pairs @ model.critic_losses(real, generated).numpy(), np.log(4) - 2 * wanted, rtol=1e-5)
    # No other critic sees more.
    for _ in range(20):
        other = tf.constant(rng.normal(scale=2, size=6), tf.float32)
        assert pairs @ model.divergence(tf.repeat(other, 6), tf.tile(other, [6])).numpy() < wanted


def test_both_losses_of_a_generator_are_those_of_the_paper():
    scores = tf.constant([-2., 0., 3.])
    probabilities = 1 / (1 + np.exp(-scores.numpy()))
    for loss, wanted in ('non_saturating', -np.log(probabilities)), ('minimax', np.log(1 - probabilities)):
        model = tfdgm.GAN(1, hidden_units=(4,), generator_loss=loss)
        np.testing.assert_allclose(model.generator_losses(scores), wanted, rtol=1e-5)


def shifted(shift):
    """A generator of normal numbers with another mean, which does not learn."""
    layer = keras.layers.Dense(1, kernel_initializer='identity', bias_initializer=keras.initializers.Constant(shift))
    return keras.Sequential([keras.Input((1,)), layer], trainable=False)


def trained_critic(model, x, **options):
    model.compile(critic_optimizer=keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(5e-3, len(x) // 200 * 30)), steps_per_execution=20, **options)
    model.fit(x, batch_size=200, epochs=30, verbose=0)
    return model.evaluate(x, batch_size=1000, verbose=0, return_dict=True)


def test_a_trained_critic_of_a_gan_comes_close_to_the_divergence_of_two_normals():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=[4000, 1])
    model = tfdgm.GAN(1, num_latents=1, generator=shifted(1.5), hidden_units=(32, 32))
    grid = np.linspace(-8, 10, 4001)
    densities = [np.exp(-0.5 * (grid - mean)**2) for mean in (0., 1.5)]
    assert trained_critic(model, x)['js'] == pytest.approx(jensenshannon(*densities)**2, rel=0.08)


def test_a_trained_critic_of_a_wgan_gives_the_wasserstein_distance_of_shifted_normals():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=[4000, 1])
    model = tfdgm.WGAN(1, num_latents=1, generator=shifted(1.5), hidden_units=(32, 32), gradient_penalty=PENALTY)
    assert trained_critic(model, x)['wasserstein'] == pytest.approx(1.5, rel=0.05)


def test_a_trained_critic_of_a_wgan_gives_the_wasserstein_distance_of_two_points():
    keras.utils.set_random_seed(0)
    point = keras.Sequential([keras.Input((1,)), keras.layers.Dense(
        2, kernel_initializer='zeros', bias_initializer=keras.initializers.Constant(1.))], trainable=False)
    model = tfdgm.WGAN(2, num_latents=1, generator=point, hidden_units=(32, 32), gradient_penalty=PENALTY)
    found = trained_critic(model, np.tile([[-2., 5.]], (2000, 1)))
    assert found['wasserstein'] == pytest.approx(5., rel=0.05)


def test_the_gradient_penalty_is_that_of_a_linear_critic_by_hand():
    slopes = np.array([[3.], [4.]], 'float32')
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    critic.layers[0].kernel.assign(slopes)
    model = tfdgm.WGAN(2, critic=critic, gradient_penalty=7.)
    x = tf.random.normal([5, 2], seed=0)
    np.testing.assert_allclose(model.penalties(x, x + 1, None, tf.constant([0, 1])), 7 * (5 - 1)**2, rtol=1e-4)


def test_the_gradient_penalty_is_that_of_differences_between_events_and_samples():
    model = make('wgan', gradient_penalty=1.)
    x, generated = some_events(model, 3), some_events(model, 6)[3:]
    seed = tf.constant([1, 2])
    share = tf.random.stateless_uniform((3, 1, 1, 1), seed, alg='philox')
    between = tf.constant(x) + share * (generated - x)
    step, slopes = 1e-2, []
    for site in range(64):
        change = np.zeros([1, 64], 'float32')
        change[0, site] = step
        change = change.reshape(1, 8, 8, 1)
        slopes.append((model.scores(between + change, None) - model.scores(between - change, None)) / (2 * step))
    wanted = (np.linalg.norm(slopes, axis=0) - 1)**2
    np.testing.assert_allclose(model.penalties(tf.constant(x), generated, None, seed), wanted, atol=2e-3)


def test_weights_of_a_clipped_critic_stay_small():
    model = make('clipped_wgan', (2,))
    model.compile(critic_optimizer=keras.optimizers.Adam(0.5))
    model.fit(some_events(model), verbose=0, epochs=3)
    largest = max(abs(weight.numpy()).max() for weight in model.critic_layer.trainable_weights)
    assert largest == pytest.approx(0.1)
    assert max(abs(weight.numpy()).max() for weight in model.generator_network.weights) > 0.1


def test_kernels_of_a_spectrally_normalised_critic_have_a_largest_singular_value_of_one():
    model = make('convolutional_gan')
    critic = model.critic_layer
    for _ in range(200):
        critic.iterate()
    for layer in [*critic.network.down, critic.last]:
        given = keras.layers.Dense.kernel.fget(layer) if layer is critic.last else None
        matrix = np.reshape(layer.kernel, (-1, layer.kernel.shape[-1]))
        assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, rel=1e-3)
        assert given is None or np.linalg.norm(given) != pytest.approx(1, rel=1e-3)


def test_the_gradient_of_spectral_normalisation_is_that_of_the_singular_value():
    layer = make('convolutional_gan').critic_layer.last
    for _ in range(200):
        layer.iterate()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer.kernel[:3])
    gradient = tape.gradient(total, layer.trainable_weights[0])
    weights = layer.trainable_weights[0].numpy().astype('float64')

    def by_svd(weights):
        return np.sum((weights / np.linalg.svd(weights, compute_uv=False)[0])[:3])

    for place in range(5):
        change = np.zeros_like(weights)
        change[place, 0] = 1e-5
        wanted = (by_svd(weights + change) - by_svd(weights - change)) / 2e-5
        assert gradient.numpy()[place, 0] == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def test_a_critic_of_packs_sees_each_event_beside_the_next():
    model = make('packed_gan', (2,))
    x = some_events(model, 4)
    pairs = np.concatenate([x, np.roll(x, -1, axis=0)], axis=1)
    np.testing.assert_allclose(model.scores(tf.constant(x), None), model.critic_layer(pairs), rtol=1e-6)


@pytest.mark.parametrize('kind, options', [('packed_gan', {}), ('gan', {'condition': tfdgm.conditions.Label(3)})])
def test_one_pass_gives_the_scores_of_events_and_of_samples(kind, options):
    model = make(kind, (2,), **options)
    x, generated = tf.split(some_events(model, 8), 2)
    condition = tf.constant([0, 1, 2, 1]) if options else None
    both = model.scores_of_both(x, generated, condition)
    for found, events in zip(both, (x, generated)):
        np.testing.assert_allclose(found, model.scores(events, condition), rtol=1e-5)


def test_a_condition_adds_the_product_of_features_to_the_score():
    model = make('gan', (2,), condition=tfdgm.conditions.Label(3))
    x, critic = tf.constant(some_events(model, 3)), model.critic_layer
    seen = critic.network(x)
    for label in range(3):
        wanted = critic.last(seen)[:, 0] + tf.linalg.matvec(seen, critic.projection.kernel[label])
        np.testing.assert_allclose(model.scores(x, tf.fill([3], label)), wanted, rtol=1e-5)
