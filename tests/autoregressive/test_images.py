"""What holds for autoregressive models of images besides the family's properties: colours, fields of view, layers."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import tfdgm
from tests.autoregressive.systems import (
    IMAGE_SYSTEMS,
    dependencies,
    every_event,
    make,
    some_condition,
    some_events,
    step_by_step,
)
from tfdgm.autoregressive.images.causal import CausalConvolution, Everywhere, Row, Site
from tfdgm.autoregressive.images.pixel_rnn import DiagonalLSTM, ReverseDiagonalLSTM, RowLSTM
from tfdgm.conditions import Image, Label
from tfdgm.outputs import Bernoulli, Categorical, MixtureOfGaussians, MixtureOfLogistics

# Systems whose chain of channels takes any output; that of PixelCNN++ takes logistic mixtures.
ANY_OUTPUT = [system for system in IMAGE_SYSTEMS if system != 'pixel_cnn_pp']
every_image_system = pytest.mark.parametrize('system', IMAGE_SYSTEMS)


# Colours --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('system, output, condition', [
    *[(system, output, condition) for system in ANY_OUTPUT for output, condition in [
        (Bernoulli(), Image((2, 3, 1), levels=5)), (Categorical(4), Label(3)), (MixtureOfGaussians(2), None)]],
    *[(system, MixtureOfLogistics(4, 2), condition) for system in IMAGE_SYSTEMS for condition in [
        None, Label(3), Image((2, 3, 1), levels=5)]]])
def test_of_an_image_in_colour_step_gives_the_parameters_of_the_parallel_form(system, output, condition):
    model = make(system, (3, 4, 3), output=output, condition=condition)
    x, values = some_events(model, 2), some_condition(condition, (2,))
    wanted = np.reshape(model.parameters(x, values), (2, 36, -1))
    np.testing.assert_allclose(step_by_step(model, x, values), wanted, atol=1e-4)


@every_image_system
@pytest.mark.parametrize('shape', [(1, 4, 1), (4, 1, 1)])
def test_of_one_row_or_column_step_sees_the_condition_at_its_own_site(system, shape):
    condition = Image(shape, levels=5)
    model = make(system, shape, output=MixtureOfLogistics(4, 2), condition=condition)
    x, values = some_events(model, 2), some_condition(condition, (2,))
    wanted = np.reshape(model.parameters(x, values), (2, 4, -1))
    np.testing.assert_allclose(step_by_step(model, x, values), wanted, atol=1e-4)


@every_image_system
def test_probabilities_of_images_in_colour_sum_to_one(system):
    model = make(system, (2, 2, 3), condition=Image((1, 1, 1), levels=4), output=MixtureOfLogistics(2, 3))
    events = every_event((2, 2, 3), 2)
    total = sum(np.sum(model.distribution([[[2]]]).prob(part)) for part in np.split(events, 4))
    assert total == pytest.approx(1, abs=1e-5)


@every_image_system
def test_green_sees_red_and_blue_sees_both(system):
    model = positive(make(system, (2, 2, 3), output=MixtureOfLogistics(4, 2)))
    for channel in range(3):
        np.testing.assert_array_equal(seen(model, 1, 0, channel).ravel(), np.arange(12) < 6 + channel)


# Fields of view -------------------------------------------------------------------------------------------------------

def seen(model, row, column, channel=0):
    """Which sites the parameters at one site depend on."""
    site = np.ravel_multi_index((row, column, channel), model.event_shape)
    return dependencies(model, sites=[site]).reshape(model.event_shape)


def positive(model):
    """Positive weights, with which no ReLU is off and no gradients cancel."""
    for variable in model.trainable_variables:
        variable.assign(np.full(variable.shape, 0.1) if len(variable.shape) > 1 else np.zeros(variable.shape))
    return model


def pixels_before(height, width, row, column):
    return np.arange(height * width).reshape(height, width, 1) < row * width + column


@pytest.mark.parametrize('make_model', [
    lambda: positive(tfdgm.GatedPixelCNN((9, 9, 1), filters=4, blocks=6)),
    lambda: positive(tfdgm.GatedPixelCNN((9, 9, 1), filters=4, blocks=3, dilations=(1, 2, 4))),
    lambda: tfdgm.PixelCNNPlusPlus((9, 9, 1), filters=4, blocks=2, dilations=(1, 2))])
def test_without_a_blind_spot_a_model_sees_exactly_the_pixels_before(make_model):
    model = make_model()
    for row, column in [(0, 0), (0, 8), (4, 0), (5, 4), (8, 8)]:
        np.testing.assert_array_equal(seen(model, row, column), pixels_before(9, 9, row, column))


def test_pixel_cnn_sees_pixels_before_but_for_the_blind_spot_of_its_paper():
    model = positive(tfdgm.PixelCNN((9, 9, 1), filters=4, blocks=6))
    for row, column in [(0, 8), (4, 0), (5, 4), (8, 8)]:
        field, before = seen(model, row, column), pixels_before(9, 9, row, column)
        assert not np.any(field & ~before)
        # The first layer sees three columns to the right in the rows above, and each of the others one more for each
        # row up: what lies further right is blind.
        rows, columns = np.indices((9, 9, 1))[:2]
        np.testing.assert_array_equal(field, before & (columns - column <= (row - rows) + 2 * (rows < row)))


def test_diagonal_bilstm_sees_every_pixel_before_but_the_end_of_the_row_above():
    model = tfdgm.PixelRNN((9, 9, 1), cell='DiagonalBiLSTM', filters=4, blocks=1)
    for row, column in [(0, 0), (0, 8), (4, 0), (4, 4), (5, 5), (8, 8)]:
        wanted = pixels_before(9, 9, row, column)
        if row > 0 and column < 5:
            # No feature of that row sees its last pixel, and the first layer's three columns don't reach it.
            wanted[row - 1, 8] = False
        np.testing.assert_array_equal(seen(model, row, column), wanted)


def test_row_lstm_sees_the_triangle_of_its_paper():
    model = tfdgm.PixelRNN((9, 9, 1), cell='RowLSTM', filters=4, blocks=1)
    for row, column in [(0, 8), (4, 0), (5, 4), (8, 8)]:
        field, before = seen(model, row, column), pixels_before(9, 9, row, column)
        rows, columns = np.indices((9, 9, 1))[:2]
        # Its first layer sees three columns to either side, of the rows above; the gates one column to the left; the
        # memory one column more for each row up.
        up = row - rows
        assert not np.any(field & ~before)
        np.testing.assert_array_equal(
            field, before & (columns >= column - 4 - up) & (columns <= column + 2 + up))


# Layers ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('size', [(1, 1), (2, 3), (3, 5), (1, 3), (2, 2)])
@pytest.mark.parametrize('kind', ['raster', 'left', 'rows'])
@pytest.mark.parametrize('channels, parts, dilation', [(1, 1, 1), (3, 2, 1), (1, 1, 2)])
def test_a_convolution_gives_the_same_in_every_view(size, kind, channels, parts, dilation):
    layer = CausalConvolution(6, 12, size, kind, channels=channels, parts=parts, dilation=dilation, name='layer')
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype('float32')
    wanted = Everywhere(x, None, False)(layer, x)
    caches = {'layer': layer.initial_cache(5, 2)}
    for row in range(4):
        caches = {'layer': layer.start_row(caches['layer'])}
        if kind == 'rows':
            view = Row(None, None, caches, row)
            np.testing.assert_allclose(
                view(layer, np.swapaxes(x[:, row], 0, 1)), np.swapaxes(wanted[:, row], 0, 1), atol=1e-5)
            caches = view.caches
            continue
        for column in range(5):
            view = Site(None, None, caches, row, column)
            np.testing.assert_allclose(view(layer, x[:, row, column]), wanted[:, row, column], atol=1e-5)
            caches = view.caches


@pytest.mark.parametrize('layer', [RowLSTM, DiagonalLSTM, ReverseDiagonalLSTM])
def test_a_memory_gives_the_same_in_every_view(layer):
    layer = layer(6, 4, 1, name='layer')
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype('float32')
    wanted = Everywhere(x, None, False)(layer, x)
    caches = {'layer': layer.initial_cache(5, 2)}
    for row in range(4):
        caches = {'layer': layer.start_row(caches['layer'])}
        for column in range(5):
            view = Site(None, None, caches, row, column)
            np.testing.assert_allclose(view(layer, x[:, row, column]), wanted[:, row, column], atol=1e-5)
            caches = view.caches


# Outputs --------------------------------------------------------------------------------------------------------------

def test_logistic_mixture_is_the_formula_of_its_paper():
    output = MixtureOfLogistics(256, 3)
    parameters = np.random.default_rng(0).normal(size=(50, 9))
    x = np.random.default_rng(1).integers(256, size=50)
    x[:2] = 0, 255
    logits, locations, log_scales = np.split(parameters, 3, axis=-1)
    locations, scales = locations + np.array([-0.5, 0., 0.5]), np.exp(log_scales)
    sigmoid, scaled = scipy.special.expit, (2 * x / 255 - 1)[:, None]
    upper = np.where(x[:, None] == 255, 1, sigmoid((scaled + 1 / 255 - locations) / scales))
    lower = np.where(x[:, None] == 0, 0, sigmoid((scaled - 1 / 255 - locations) / scales))
    wanted = np.log(np.sum(scipy.special.softmax(logits, axis=-1) * (upper - lower), axis=-1))
    given = output.distribution(tf.constant(parameters, tf.float32)).log_prob(x.astype('float32'))
    np.testing.assert_allclose(given, wanted, rtol=2e-3)


@pytest.mark.parametrize('levels', [2, 3, 17, 256, 257, 4096, 65536])
def test_logistic_mixture_has_finite_derivatives_whatever_the_network_says(levels):
    output, every_level = MixtureOfLogistics(levels, 1), tf.range(levels, dtype=tf.float32)
    for location in (0., 0.37, -1., -10., 1e4):
        for log_scale in (-50., -12., -7., 0., 7., 50.):
            parameters = tf.tile([[0., location, log_scale]], [levels, 1])
            with tf.GradientTape() as tape:
                tape.watch(parameters)
                log_prob = output.distribution(parameters).log_prob(every_level)
            assert np.all(np.isfinite(log_prob))
            assert np.all(np.isfinite(tape.gradient(log_prob, parameters)))
            assert scipy.special.logsumexp(np.float64(log_prob)) == pytest.approx(0, abs=1e-3)
    # One level can have nearly all the probability, and any two beside each other nearly the same.
    middle = levels // 2
    location = 2 * middle / (levels - 1) - 1
    assert output.distribution([0., location, -50.]).prob(middle) > 0.95
    flat = output.distribution([0., 0., 50.]).log_prob(every_level[1:-1])
    assert not len(flat) or np.ptp(flat) < 1e-3


def test_pixels_of_pixel_cnn_pp_have_the_joint_density_of_its_paper():
    model = tfdgm.PixelCNNPlusPlus((1, 1, 3), output=MixtureOfLogistics(6, 2), filters=4, blocks=1, dilations=(1,))
    outputs = np.random.default_rng(0).normal(size=(1, model.num_outputs)).astype('float32')
    logits, *rest = np.split(outputs[0], model.num_outputs // 2)
    (red, green, blue), scales, (a, b, c) = rest[:3], rest[3:6], np.tanh(rest[6:])
    x = every_event((3,), 6)
    scaled = 2 * x / 5 - 1
    locations = [red + 0 * scaled[:, :1], green + a * scaled[:, :1], blue + b * scaled[:, :1] + c * scaled[:, 1:2]]
    log_probs = np.broadcast_to(np.log(scipy.special.softmax(logits)), (216, 2))
    for channel in range(3):
        parameters = np.concatenate(
            [np.zeros([216, 2]), locations[channel], np.tile(scales[channel], (216, 1))], axis=-1).astype('float32')
        log_probs = log_probs + model.output.components_of(parameters).log_prob(x[:, channel, None])
    chain = model.log_prob_given(model.of_pixel(np.tile(outputs, (216, 1)), x), x)
    np.testing.assert_allclose(chain, scipy.special.logsumexp(log_probs, axis=-1), atol=1e-4)
    assert np.sum(np.exp(chain)) == pytest.approx(1, abs=1e-4)


# Completion -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('system', ['nade', 'made', *IMAGE_SYSTEMS])
def test_completion_draws_from_the_exact_conditional(system):
    model = make(system, (2, 2, 1), output=Categorical(3))
    dist, count = model.distribution(), 4000
    observed, mask = np.array([1, 2, 0, 0]).reshape(2, 2, 1), np.array([1, 1, 0, 0]).reshape(2, 2, 1)
    completed = dist.sample(count, seed=0, observed=observed, mask=mask).numpy().reshape(count, 4)
    assert np.all(completed[:, :2] == [1, 2])
    endings = every_event((2,), 3)
    joint = dist.prob(np.concatenate([np.tile([1, 2], (9, 1)), endings], axis=1).reshape(9, 2, 2, 1)).numpy()
    frequencies = np.bincount((completed[:, 2] * 3 + completed[:, 3]).astype(int), minlength=9) / count
    np.testing.assert_allclose(frequencies, joint / joint.sum(), atol=0.035)


@pytest.mark.parametrize('system', ['nade', 'made_masks', *IMAGE_SYSTEMS])
def test_completion_keeps_what_is_known_in_every_shape(system):
    model = make(system, (2, 3, 1), condition=Label(3), order='random')
    dist = model.distribution([0, 2])
    observed = np.random.default_rng(0).integers(2, size=(5, 1, 2, 3, 1))
    mask = np.random.default_rng(1).integers(2, size=(2, 3, 1))
    completed = dist.sample((4, 5), seed=0, observed=observed, mask=mask)
    assert completed.shape == (4, 5, 2, 2, 3, 1)
    np.testing.assert_array_equal(completed * mask, np.broadcast_to(observed * mask, completed.shape))
    assert len(np.unique(completed.numpy().reshape(-1, 6), axis=0)) > 5, 'the rest is drawn'
    nothing = dist.sample(4, seed=0, observed=np.zeros([2, 3, 1]), mask=np.zeros([2, 3, 1]))
    np.testing.assert_array_equal(nothing, dist.sample(4, seed=0))


@pytest.mark.parametrize('observed, mask, message', [
    (np.zeros([2, 2, 1]), None, 'pass both'),
    (None, np.zeros([2, 2, 1]), 'pass both'),
    (np.zeros([3, 2, 1]), np.ones([2, 2, 1]), r'observed must have a shape that broadcasts to \(4, 2, 2, 1\)'),
    (np.zeros([2, 2, 1]), np.ones([2, 2, 2]), r'mask must have a shape that broadcasts to \(4, 2, 2, 1\)'),
    (np.zeros([2, 2, 1]), np.full([2, 2, 1], 0.5), 'mask must be 1 where observed is known and 0 elsewhere, got 0.5'),
    (np.full([2, 2, 1], 3), np.ones([2, 2, 1]), 'observed holds 3.0 where mask is 1'),
    (np.full([2, 2, 1], np.nan), np.ones([2, 2, 1]), 'observed holds nan where mask is 1'),
])
def test_bad_masks_and_observations(observed, mask, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.PixelCNN((2, 2, 1), filters=4, blocks=1).distribution().sample(4, observed=observed, mask=mask)


def test_what_is_unknown_may_hold_anything():
    dist = tfdgm.PixelCNN((2, 2, 1), filters=4, blocks=1).distribution()
    observed, mask = np.array([1, np.nan, np.nan, np.nan]).reshape(2, 2, 1), np.array([1, 0, 0, 0]).reshape(2, 2, 1)
    assert np.all(np.isin(dist.sample(4, seed=0, observed=observed, mask=mask), [0, 1]))


@every_image_system
def test_dropout_acts_in_training_only(system):
    model = make(system, (2, 2, 1), dropout=0.5)
    x = every_event((2, 2, 1), 2)
    assert not np.array_equal(model(x, training=True), model(x, training=True))
    np.testing.assert_array_equal(model(x), model(x))
    assert np.sum(np.exp(model(x))) == pytest.approx(1, abs=1e-5)
    assert type(model).from_config(model.get_config()).dropout == 0.5


# Bad input ------------------------------------------------------------------------------------------------------------

@every_image_system
@pytest.mark.parametrize('shape', [(8, 8, 3), (8, 9, 1), (8, 8)])
def test_images_of_the_wrong_shape(system, shape):
    model = make(system, (8, 8, 1))
    model.compile('adam')
    with pytest.raises(ValueError, match=r'Expected events of shape \(8, 8, 1\)'):
        model.fit(np.zeros([4, *shape]))


@pytest.mark.parametrize('system', [tfdgm.PixelCNN, tfdgm.GatedPixelCNN, tfdgm.PixelCNNPlusPlus])
@pytest.mark.parametrize('dilations', [(), 2, (1, 0), (1, 1.5), '12'])
def test_dilations_that_are_none(system, dilations):
    with pytest.raises(ValueError, match=f'dilations of {system.__name__} must be'):
        system((4, 4, 1), dilations=dilations)


@every_image_system
@pytest.mark.parametrize('dropout', [1, -0.1, '0.5'])
def test_dropout_that_is_no_share(system, dropout):
    with pytest.raises(ValueError, match=r'dropout of \w+ must be a number in \[0, 1\), got'):
        make(system, (2, 2, 1), dropout=dropout)


def test_grey_values_beyond_the_levels():
    model = tfdgm.PixelCNN((4, 4, 1), filters=4, blocks=1, output=Categorical(16))
    model.compile('adam')
    with pytest.raises(ValueError, match=r'such as 255 in event 0.*an integer from 0 to 15'):
        model.fit(np.full([4, 4, 4, 1], 255))


def test_an_image_as_condition_of_the_wrong_shape_or_range():
    model = tfdgm.PixelCNN((4, 4, 1), filters=4, blocks=1, condition=Image((2, 2, 1), levels=4))
    with pytest.raises(ValueError, match=r'Expected conditions of shape \(2, 2, 1\)'):
        model.distribution(np.zeros([3, 3, 1]))
    with pytest.raises(ValueError, match='each value an integer from 0 to 3, got 4'):
        model.distribution(np.full([2, 2, 1], 4))
