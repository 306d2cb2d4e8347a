"""What holds for every flow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.flows.systems import CONDITIONS, SYSTEMS, VECTOR_SYSTEMS, make, some_condition, some_events
from tfdgm.flows import UniformDequantization

tfb = tfp.bijectors
tfd = tfp.distributions

# Of what shared machinery gives to all alike, these are in the default suite.
QUICK = 'affine', 'maf', 'glow'
quick_systems = pytest.mark.parametrize('system', [
    system if system in QUICK else pytest.param(system, marks=pytest.mark.slow) for system in SYSTEMS])
every_vector_system = pytest.mark.parametrize('system', VECTOR_SYSTEMS)
# Each layer is tested for itself in test_invertible.py.
systems_and_conditions = pytest.mark.parametrize('system, condition', [
    ('affine', 'label'), ('iaf', 'unconditional'), ('glow', 'vector'),
    *(pytest.param(system, 'label', marks=pytest.mark.slow) for system in SYSTEMS if system != 'affine'),
    *(pytest.param(system, 'unconditional', marks=pytest.mark.slow) for system in SYSTEMS if system != 'iaf')])


def bound(tensor):
    """The same values in another tensor: TFP's cache knows the first one."""
    return tf.constant(tensor.numpy())


@systems_and_conditions
def test_inverse_goes_back_and_log_determinants_are_those_of_the_jacobian(system, condition):
    model = make(system, condition=CONDITIONS[condition])
    values = some_condition(model.condition, (6,))
    x = some_events(model, 6)
    model.adapt(x + 1)
    model.compile(jit_compile=False)  # It takes long to compile; see below for both.
    size = model.num_sites
    latents = model.bijector(values).inverse(x)
    assert latents.shape == (6, size)
    np.testing.assert_allclose(model.bijector(values).forward(bound(latents)), x, atol=1e-4)
    np.testing.assert_allclose(model.decode(model.encode(x, values), values), x, atol=1e-4)
    samples = model.distribution(values).sample(6 if values is None else (), seed=0)
    np.testing.assert_allclose(model.decode(model.encode(samples, values), values), samples, atol=1e-4)

    @tf.function
    def jacobian(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z = model.bijector(values).inverse(x)
        return tape.batch_jacobian(z, x, experimental_use_pfor=False)  # It would compile a solver's loop for minutes.

    _, log_det = np.linalg.slogdet(jacobian(tf.constant(x)).numpy().reshape(6, size, size))
    bijector = model.bijector(values)
    np.testing.assert_allclose(bijector.inverse_log_det_jacobian(x, event_ndims=3), log_det, atol=1e-3)
    np.testing.assert_allclose(-model.bijector(values).forward_log_det_jacobian(bound(latents), event_ndims=1), log_det,
                               atol=1e-3)
    expected = np.sum(model.base().log_prob(latents), axis=1) + log_det
    np.testing.assert_allclose(model.distribution(values).log_prob(x), expected, atol=1e-3, rtol=1e-5)
    inputs = x if values is None else [x, values]
    np.testing.assert_allclose(model.predict(inputs, verbose=0), expected, atol=1e-3, rtol=1e-5)


@every_vector_system
def test_density_of_two_numbers_integrates_to_one(system):
    model = make(system, 2)
    axis = np.linspace(-15, 15, 301, dtype='float32')
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    integral = np.sum(model.distribution().prob(grid), dtype='float64') * (axis[1] - axis[0]) ** 2
    assert integral == pytest.approx(1, abs=0.01)


@quick_systems
def test_a_batch_of_conditions_is_the_batch_of_the_distribution(system):
    model = make(system, condition=CONDITIONS['label'])
    dist = model.distribution([[0], [2]])
    model.compile(jit_compile=False)
    x = dist.sample(3, seed=0)
    assert x.shape == (3, 2, 1, *model.event_shape)
    assert dist.batch_shape == dist.distribution.batch_shape == (2, 1)
    log_prob = dist.log_prob(x)
    assert log_prob.shape == (3, 2, 1)
    # TFP's own way through the base and the bijector.
    np.testing.assert_allclose(tfd.TransformedDistribution._log_prob(dist, x), log_prob, atol=1e-4)
    for index, label in enumerate((0, 2)):
        np.testing.assert_allclose(model.distribution(label).log_prob(x[:, index, 0]), log_prob[:, index, 0], atol=1e-4)


@pytest.mark.xla
@quick_systems
def test_a_seed_means_the_same_samples_with_xla_and_without(system):
    model = make(system)
    dist = model.distribution()
    first = dist.sample(20, seed=3)
    np.testing.assert_array_equal(dist.sample(20, seed=3), first)
    assert not np.array_equal(dist.sample(20, seed=4), first)
    drawn, log_prob = dist.experimental_sample_and_log_prob(20, seed=3)
    np.testing.assert_allclose(drawn, first, atol=1e-4)
    np.testing.assert_allclose(log_prob, dist.log_prob(drawn), atol=1e-3)
    np.testing.assert_allclose(tf.function(lambda: dist.sample(20, seed=3))(), first, atol=1e-4)
    cool = dist.sample(20, seed=3, temperature=1e-6)
    middle = model.decode(np.zeros([1, model.num_sites]))
    np.testing.assert_allclose(cool, np.broadcast_to(middle, cool.shape), atol=1e-3)


@pytest.mark.parametrize('system, jit_compile', [
    *((system, False) for system in QUICK), pytest.param('nice', True, marks=pytest.mark.slow),
    # XLA takes long to compile these.
    *(pytest.param(system, False, marks=pytest.mark.slow) for system in SYSTEMS if system not in QUICK),
    *(pytest.param(system, True, marks=pytest.mark.slow) for system in SYSTEMS if system != 'nice')])
def test_gradients_reach_every_weight_and_training_helps(system, jit_compile):
    model = make(system, condition=CONDITIONS['label'], dequantization=UniformDequantization(4, logit=0.05))
    x, labels = some_events(model, 64), some_condition(model.condition, (64,))
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model((x, labels), training=True))
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, [
            variable.value for variable in model.trainable_variables])):
        assert gradient is not None and np.any(tf.convert_to_tensor(gradient) != 0), variable.path
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=jit_compile)
    history = model.fit(x, labels, epochs=8, batch_size=16, verbose=0).history
    assert history['nll'][-1] < history['nll'][0]
    assert history['bits_per_dim'][-1] == pytest.approx(history['nll'][-1] / model.num_sites / np.log(2), rel=1e-4)


@quick_systems
def test_a_saved_flow_is_the_same(system, tmp_path):
    model = make(system, dequantization=UniformDequantization(4), condition=CONDITIONS['label'], seed=5)
    x, labels = some_events(model), some_condition(model.condition, (8,))
    model.save(tmp_path / 'flow.keras')
    loaded = keras.saving.load_model(tmp_path / 'flow.keras')
    for each in (model, loaded):
        each.compile(jit_compile=False)
    np.testing.assert_allclose(loaded.distribution(labels).log_prob(x), model.distribution(labels).log_prob(x),
                               rtol=1e-5)
    np.testing.assert_array_equal(loaded.distribution(labels).sample(seed=1), model.distribution(labels).sample(seed=1))


@quick_systems
def test_flows_compute_in_float32_under_every_policy(system):
    model, full = make(system, dtype='mixed_bfloat16'), make(system)
    full.set_weights(model.get_weights())
    x = some_events(model) * 3 + 50
    for each in (model, full):
        each.adapt(x)
    np.testing.assert_allclose(model.distribution().log_prob(x), full.distribution().log_prob(x), rtol=1e-6)
    np.testing.assert_allclose(model.decode(model.encode(x)), x, rtol=1e-5)
