"""Invertible layers: each against its Jacobian, and the spline against TFP's."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfdgm.flows import Chain, as_bijector
from tfdgm.flows.dequantization import Levels
from tfdgm.flows.elementwise import Affine, Shift, Spline
from tfdgm.flows.invertible import Inverse, Permutation, Reshape, Squeeze
from tfdgm.flows.layers import ActNorm, Coupling, InvertibleConvolution, Scaling, Split
from tfdgm.flows.maf import MaskedAffine
from tfdgm.flows.networks import ConvolutionNetwork, DenseNetwork
from tfdgm.layers.masked import MaskedNetwork

IMAGE = (2, 2, 4)
LAYERS = {
    'scaling': (lambda: Scaling(6), (6,)),
    'act_norm': (lambda: ActNorm(6), (6,)),
    'act_norm of an image': (lambda: ActNorm(4), IMAGE),
    'convolution': (lambda: InvertibleConvolution(4, np.random.RandomState(0)), IMAGE),
    'rotation': (lambda: InvertibleConvolution(6, np.random.RandomState(0)), (6,)),
    'permutation': (lambda: Permutation([2, 0, 5, 1, 4, 3]), (6,)),
    'reshape': (lambda: Reshape((2, 3), (6,)), (2, 3)),
    'squeeze': (lambda: Squeeze((4, 2, 2)), (4, 2, 2)),
    'checkerboard': (lambda: Squeeze((4, 2, 2), checkerboard=True), (4, 2, 2)),
    'split': (lambda: Split(IMAGE, 3, Reshape((2, 2, 3), (12,)), ConvolutionNetwork((2, 2, 3), 4, 0, 2)), IMAGE),
    'coupling': (lambda: Coupling(DenseNetwork(4, (8,), 4), Affine(), 4), (6,)),
    'additive coupling': (lambda: Coupling(DenseNetwork(2, (8,), 4), Shift(), 2, keep_first=False), (6,)),
    'spline coupling': (lambda: Coupling(DenseNetwork(3, (8,), 33), Spline(4, 3.), 3), (6,)),
    'coupling of an image': (lambda: Coupling(ConvolutionNetwork((2, 2, 2), 4, 1, 4), Affine(), 2), IMAGE),
    'masked': (lambda: MaskedAffine(MaskedNetwork(np.arange(6)[None], 2, (8,))), (6,)),
    'inverse': (lambda: Inverse(MaskedAffine(MaskedNetwork(np.arange(6)[None], 2, (8,)))), (6,)),
    'levels': (lambda: Levels(16, None, 6), (6,)),
    'logits of levels': (lambda: Levels(16, 0.05, 6), (6,)),
}


def random_weights(layer, rng):
    for weight in layer.trainable_weights:
        weight.assign(weight.numpy() + rng.normal(size=weight.shape) * 0.3)
    return layer


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_undoes_itself_and_knows_its_jacobian(name, rng):
    make, shape = LAYERS[name]
    layer = random_weights(make(), rng)
    x = rng.normal(size=(5, *shape)).astype('float32')
    x = abs(x) * 3 if 'levels' in name else x
    z, log_det = layer(x)
    back, inverse_log_det = layer.inverse(z)
    np.testing.assert_allclose(back, x, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(np.broadcast_to(inverse_log_det, 5), -np.broadcast_to(log_det, 5), atol=1e-4)
    with tf.GradientTape(persistent=True) as tape:
        values = tf.constant(x)
        tape.watch(values)
        z = layer(values)[0]
    size = int(np.prod(shape))
    jacobian = np.reshape(tape.batch_jacobian(z, values, experimental_use_pfor=False), (5, size, size))
    np.testing.assert_allclose(np.broadcast_to(log_det, 5), np.linalg.slogdet(jacobian)[1], atol=1e-4)


def test_a_chain_is_its_layers_one_after_the_other(rng):
    layers = [random_weights(layer, rng) for layer in (ActNorm(6), Permutation([1, 0, 2, 5, 4, 3]), Scaling(6))]
    x = rng.normal(size=(5, 6)).astype('float32')
    z, log_det = Chain([Chain(layers[:2]), layers[2]])(x)
    expected, total = x, 0
    for layer in layers:
        expected, one = layer(expected)
        total += one
    np.testing.assert_allclose(z, expected, rtol=1e-6)
    np.testing.assert_allclose(log_det, total, rtol=1e-6)


def by_tfp(x, parameters, bins, bound, to_latents, least=Spline.least):
    """Values and log-determinants of the same spline by TFP, in the precision that it is given."""
    widths, heights, slopes = tf.split(tf.reshape(parameters, (-1, 3, 3 * bins - 1)), [bins, bins, bins - 1], axis=-1)

    def lengths(logits):
        return 2 * bound * (least / bins + (1 - least) * tf.nn.softmax(logits))

    slopes = least + (1 - least) * tf.math.softplus(slopes + tf.cast(np.log(np.e - 1), slopes.dtype))
    spline = tfp.bijectors.RationalQuadraticSpline(lengths(widths), lengths(heights), slopes, range_min=-bound)
    if to_latents:
        return spline.inverse(x), spline.inverse_log_det_jacobian(x, event_ndims=1)
    return spline.forward(x), spline.forward_log_det_jacobian(x, event_ndims=1)


@pytest.mark.parametrize('scale', [0.3, 3.])
@pytest.mark.parametrize('to_latents', [True, False])
def test_the_spline_has_the_values_and_gradients_of_tfps(to_latents, scale, rng):
    """They are compared with TFP's in float64; in float32 both lose digits where a bin is narrow."""
    bins, bound = 8, 5.
    parameters = (rng.normal(size=(400, 3 * (3 * bins - 1))) * scale).astype('float32')
    x = np.concatenate([rng.normal(size=(398, 3)) * 3, np.full([1, 3], 5.01), np.zeros([1, 3])]).astype('float32')

    def ours(x, parameters):
        layer = Spline(bins, bound)
        return layer(x, parameters) if to_latents else layer.inverse(x, parameters)

    def theirs(x, parameters):
        return by_tfp(x, parameters, bins, bound, to_latents)

    def results(function, dtype):
        arguments = [tf.constant(part, dtype) for part in (x, parameters)]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            values = function(*arguments)
            total = tf.add_n([tf.reduce_sum(part) for part in values])
        return [*values, *tape.gradient(total, arguments)]

    exact = results(theirs, 'float64')
    for own, other, reference in zip(results(ours, 'float32'), results(theirs, 'float32'), exact):
        own, other = (np.abs(np.asarray(part, 'float64') - reference) / (1 + np.abs(reference))
                      for part in (own, other))
        assert np.quantile(own, 0.99) < max(1e-5, 2 * np.quantile(other, 0.99))
        assert own.max() < max(1e-5, 3 * other.max())


@pytest.mark.parametrize('x', [-5., 5., 5.01, -1e6])
def test_a_spline_is_the_identity_beyond_its_bounds(x, rng):
    layer, parameters = Spline(8, 5.), rng.normal(size=(1, 23)).astype('float32')
    for values, log_det in (layer(np.float32([[x]]), parameters), layer.inverse(np.float32([[x]]), parameters)):
        assert values.numpy() == np.float32(x) and log_det.numpy() == 0


def test_a_spline_of_zeros_is_the_identity(rng):
    x = rng.normal(size=(10, 3)).astype('float32') * 4
    z, log_det = Spline(5, 4.)(x, np.zeros([10, 3 * 14], 'float32'))
    np.testing.assert_allclose(z, x, atol=1e-5)
    np.testing.assert_allclose(log_det, 0, atol=1e-5)


def test_a_bijector_of_a_layer_takes_any_leading_shape_and_has_its_variables(rng):
    network = DenseNetwork(2, (8,), 4, condition_features=3)
    layer = random_weights(Coupling(network, Affine(), 2), rng)
    features = rng.normal(size=(5, 3)).astype('float32')
    bijector = as_bijector(layer, (4,), 4, tf.constant(features), [weight.value for weight in layer.trainable_weights])
    x = rng.normal(size=(2, 5, 4)).astype('float32')
    z = bijector.inverse(x)
    assert z.shape == (2, 5, 4) and bijector.inverse_log_det_jacobian(x, event_ndims=1).shape == (2, 5)
    np.testing.assert_allclose(z[1], layer(x[1], features)[0], atol=1e-6)
    np.testing.assert_allclose(bijector.forward(tf.identity(z)), x, atol=1e-5)
    base = tfp.distributions.Sample(tfp.distributions.Normal(0., 1.), 4)
    flow = tfp.distributions.TransformedDistribution(base, bijector)
    assert len(flow.trainable_variables) == len(layer.trainable_weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(flow.log_prob(x))
    assert all(gradient is not None for gradient in tape.gradient(loss, flow.trainable_variables))
