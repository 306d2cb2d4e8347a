"""Bad input: every error names what was wrong and what was expected, before any work is done."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tfdgm import checks
from tfdgm.conditions import Image, Label, Labels, Vector, Vectors
from tfdgm.outputs import Bernoulli, Categorical, MixtureOfGaussians, MixtureOfLogistics


@pytest.fixture
def binary():
    model = tfdgm.FVSBN((4, 4, 1))
    model.compile('adam')
    return model


@pytest.fixture
def labelled():
    model = tfdgm.FVSBN((4, 4, 1), condition=Label(3))
    model.compile('adam')
    return model


def untouched(model):
    return all(np.all(variable == 0) for variable in model.trainable_variables)


@pytest.mark.parametrize('method', ['fit', 'evaluate', 'predict'])
@pytest.mark.parametrize('shape', [(8, 4, 4), (8, 5, 4, 1), (4, 4, 1), (8, 16)])
def test_events_of_the_wrong_shape(binary, method, shape):
    with pytest.raises(ValueError, match=r'Expected events of shape \(4, 4, 1\).*got an array of shape'):
        getattr(binary, method)(np.zeros(shape))
    assert untouched(binary)


def test_log_prob_of_an_event_of_the_wrong_shape(binary):
    with pytest.raises(ValueError, match=r'Expected events of shape \(4, 4, 1\)'):
        binary.distribution().log_prob(np.zeros([4, 4]))


def test_dataset_of_events_of_the_wrong_shape(binary):
    with pytest.raises(ValueError, match=r'Expected events of shape \(4, 4, 1\)'):
        binary.fit(tf.data.Dataset.from_tensor_slices(np.zeros([8, 5, 5, 1])).batch(4))


@pytest.mark.parametrize('method', ['fit', 'evaluate', 'predict'])
def test_nan_in_the_data(binary, method):
    x = np.zeros([8, 4, 4, 1])
    x[5, 1, 2] = np.nan
    with pytest.raises(ValueError, match=r'1 of the 128 values are NaN, the first in event 5.*0 or 1'):
        getattr(binary, method)(x)
    assert untouched(binary)


def test_values_outside_the_support_of_binary_data(binary):
    x = np.zeros([8, 4, 4, 1], 'uint8')
    x[3] = 255
    with pytest.raises(ValueError, match=r'16 of the 128 values lie outside.*such as 255 in event 3.*0 or 1'):
        binary.fit(x)
    assert untouched(binary)


@pytest.mark.parametrize('value', [17, -1, 0.5])
def test_values_outside_the_support_of_quantised_data(value):
    model = tfdgm.Independent(4, output=Categorical(17))
    model.compile('adam')
    with pytest.raises(ValueError, match=f'such as {value}.*an integer from 0 to 16'):
        model.fit(np.full([2, 4], value))


@pytest.mark.parametrize('make', [
    lambda: tfdgm.Independent(4), lambda: tfdgm.Independent(4, output=Categorical(17)),
    lambda: tfdgm.Independent(4, output=MixtureOfLogistics(17)),
    lambda: tfdgm.NICE(4, dequantization=tfdgm.flows.UniformDequantization(17), couplings=2, hidden_units=(4,))])
@pytest.mark.parametrize('value, dtype', [
    (0.999999999, 'float64'), (1e-300, 'float64'), (-1e-300, 'float64'), (-1e-46, 'float64'), (1 + 1e-9, 'float64'),
    (0.9999999999999999, 'longdouble'), (0.9995, 'float16')])
def test_values_are_checked_before_they_are_rounded_to_float32(make, value, dtype):
    model, x = make(), np.ones([3, 4], dtype)
    model.compile('adam')
    checks.events(model, x)
    x[1, 2] = value
    for method in model.fit, model.evaluate, model.predict:
        with pytest.raises(ValueError, match=r'1 of the 12 values lie outside the support, such as .* in event 1'):
            method(x)


@pytest.mark.parametrize('value, fits', [(0.999999999, True), (1e-300, True), (3.4e38, True), (3.5e38, False),
                                         (-1e300, False), (np.finfo('float64').max, False)])
def test_real_values_may_be_rounded_but_not_to_infinity(value, fits):
    model = tfdgm.Independent(2, output=MixtureOfGaussians(1))
    x = np.array([[0., 1.], [value, 2.]])
    if fits:
        checks.events(model, x)
    else:
        with pytest.raises(ValueError, match=r'1 of the 4 values lie outside the support, such as .* a finite real'):
            checks.events(model, x)


def test_infinite_values_of_continuous_data():
    model = tfdgm.Independent(4, output=MixtureOfGaussians(1))
    model.compile('adam')
    with pytest.raises(ValueError, match=r'inf.*a finite real number'):
        model.fit(np.full([2, 4], np.inf))


def test_words_instead_of_numbers(binary):
    with pytest.raises(ValueError, match='Expected events of numbers'):
        binary.fit(np.full([8, 4, 4, 1], 'a'))
    with pytest.raises(ValueError, match='Expected events of numbers'):
        binary.distribution().log_prob(np.full([8, 4, 4, 1], 'a'))


def test_validation_data_is_checked_too(binary):
    with pytest.raises(ValueError, match='outside the support'):
        binary.fit(np.zeros([8, 4, 4, 1]), validation_data=(np.full([8, 4, 4, 1], 2.),))
    assert untouched(binary)


@pytest.mark.parametrize('output, value', [
    (Bernoulli(), 255.), (Bernoulli(), np.nan), (Categorical(17), 17.), (MixtureOfGaussians(2), np.inf)])
def test_log_prob_with_validate_args(output, value):
    model = tfdgm.Independent(4, output=output)
    with pytest.raises(tf.errors.InvalidArgumentError, match='needs every value to be'):
        model.distribution(validate_args=True).log_prob(np.full([2, 4], value, 'float32'))
    inside = np.zeros([2, 4], 'float32')
    checked = tf.function(lambda x: model.distribution(validate_args=True).log_prob(x))
    np.testing.assert_allclose(checked(inside), model.distribution().log_prob(inside))
    with pytest.raises(tf.errors.InvalidArgumentError, match='needs every value to be'):
        checked(np.full([2, 4], value, 'float32'))


def test_a_condition_is_missing(labelled):
    x = np.zeros([8, 4, 4, 1])
    for attempt in [lambda: labelled.distribution(), lambda: labelled.fit(x), lambda: labelled.evaluate(x),
                    lambda: labelled.fit(tf.data.Dataset.from_tensor_slices(x).batch(4))]:
        with pytest.raises(ValueError, match='no condition was given: pass integers from 0 to 2'):
            attempt()
    for attempt in lambda: labelled.predict(x), lambda: labelled(x), lambda: labelled(x[:2]):
        with pytest.raises(ValueError, match=r'This model is conditional: it takes \[events, conditions\]'):
            attempt()
    assert untouched(labelled)


def test_a_condition_is_unexpected(binary):
    x = np.zeros([8, 4, 4, 1])
    for attempt in [lambda: binary.distribution(3), lambda: binary.fit(x, np.zeros(8)),
                    lambda: binary.fit(tf.data.Dataset.from_tensor_slices((x, np.zeros(8))).batch(4))]:
        with pytest.raises(ValueError, match='This model has no condition, but one was given'):
            attempt()


@pytest.mark.parametrize('labels', [3, -1, [0, 1, 7], 0.5])
def test_a_label_that_does_not_exist(labelled, labels):
    with pytest.raises(ValueError, match='Expected a condition of integers from 0 to 2, got'):
        labelled.distribution(labels)


def test_labels_of_the_wrong_shape(labelled):
    x = np.zeros([8, 4, 4, 1])
    for labels in [np.zeros(7), np.zeros([8, 1]), np.zeros([8, 3])]:
        with pytest.raises(ValueError, match=r'Expected one condition for each of the 8 events.*\(8,\)'):
            labelled.fit(x, labels)
    with pytest.raises(ValueError, match='integers'):
        labelled.fit(x, np.array(['a'] * 8))
    assert untouched(labelled)


def test_labels_of_the_wrong_shape_in_a_pipeline(labelled):
    x = np.zeros([8, 4, 4, 1])
    for labels in np.zeros([8, 1]), np.zeros([8, 3]):
        with pytest.raises(ValueError, match=r'Expected conditions of shape \(\), after the batch dimension'):
            labelled.fit(tf.data.Dataset.from_tensor_slices((x, labels)).batch(1))


def test_a_label_that_only_a_graph_sees_never_yields_a_number(labelled):
    x = np.zeros([8, 4, 4, 1], 'float32')
    log_prob = tf.function(lambda label: labelled.distribution(label).log_prob(x))
    assert np.all(np.isfinite(log_prob(tf.constant(2)))) and np.all(np.isnan(log_prob(tf.constant(3))))
    with pytest.raises(ValueError, match='Batch 1 of the epoch holds conditions that are not valid'):
        labelled.fit(tf.data.Dataset.from_tensor_slices((x, np.full(8, 3))).batch(4), verbose=0)
    assert untouched(labelled)


@pytest.mark.parametrize('weights', [
    np.ones(5), 2., np.full(8, np.nan), -np.ones(8), np.zeros(8), ['a'] * 8])
def test_sample_weights_that_are_none(binary, weights):
    x = np.zeros([8, 4, 4, 1])
    for attempt in (lambda: binary.fit(x, sample_weight=weights), lambda: binary.evaluate(x, None, 32, 0, weights),
                    lambda: binary.fit(x, validation_data=(x, None, weights))):
        with pytest.raises(ValueError, match=r'sample weight from 0 for each of the 8|weights of all 8 events are 0'):
            attempt()
    with pytest.raises(ValueError, match='The weights of a pipeline come out of it'):
        binary.fit(tf.data.Dataset.from_tensor_slices(x).batch(4), sample_weight=np.ones(8))
    assert untouched(binary)


def test_a_loss_and_metrics_are_the_model_s_own(binary):
    with pytest.raises(ValueError, match='compile takes no metrics here'):
        binary.compile('adam', metrics=['mae'])
    with pytest.raises(ValueError, match='compile takes no loss here'):
        binary.compile('adam', 'mse')
    binary.fit(np.zeros([8, 4, 4, 1]), verbose=0)


def test_vectors_of_the_wrong_shape():
    model = tfdgm.Independent(4, condition=Vector(3))
    with pytest.raises(ValueError, match=r'Expected conditions of shape \(3,\)'):
        model.distribution(np.zeros(2))
    with pytest.raises(ValueError, match='vectors of 3 finite real numbers, got nan'):
        model.distribution([0., np.nan, 1.])


@pytest.mark.parametrize('make, message', [
    (lambda: tfdgm.Independent(()), 'event_shape must be'),
    (lambda: tfdgm.Independent((4, 0)), 'event_shape must be'),
    (lambda: tfdgm.Independent((4, 2.5)), 'event_shape must be'),
    (lambda: tfdgm.Independent(None), 'event_shape must be'),
    (lambda: tfdgm.FVSBN(4, order=None), "order must be 'natural'"),
    (lambda: tfdgm.FVSBN(4, output=Categorical), 'output must be an object such as'),
    (lambda: tfdgm.FVSBN(4, condition=10), 'condition must be an object such as'),
    (lambda: tfdgm.FVSBN(4, dtype='float64'), 'dtype must be a policy whose variables are float32'),
    (lambda: tfdgm.NADE(4, hidden_units=0), 'hidden_units of NADE must be an integer of at least 1'),
    (lambda: tfdgm.MADE(4, hidden_units=5), 'at least one hidden layer'),
    (lambda: tfdgm.PixelCNN((4, 4)), 'PixelCNN needs images'),
    (lambda: tfdgm.PixelCNN((4, 4, 1), order='random'), 'it takes no order'),
    (lambda: tfdgm.PixelCNN((4, 4, 1), filters=2.5), 'filters of PixelCNN must be an integer'),
    (lambda: Labels(()), 'num_classes of Labels must be one or more positive integers'),
    (lambda: Labels((3, 0)), 'each of the num_classes of Labels must be an integer of at least 1, got 0'),
    (lambda: Image((4, 4)), 'Image needs a shape'),
    (lambda: Image((4, 4, 1), levels=1), 'levels of Image must be an integer of at least 2'),
    (lambda: Label(2.5), 'num_classes of Label must be an integer'),
    (lambda: tfdgm.FVSBN(4, order='raster'), "order must be 'natural', 'random' or a permutation of the 4 sites"),
    (lambda: tfdgm.FVSBN(4, order=[0, 1, 2, 2]), 'a permutation of the 4 sites'),
    (lambda: tfdgm.MADE(4, num_masks=0), 'num_masks of MADE must be an integer of at least 1'),
    (lambda: tfdgm.MADE(4, hidden_units=()), 'at least one hidden layer'),
    (lambda: tfdgm.MADE(4, num_masks=3, order=[[0, 1, 2, 3], [3, 2, 1, 0]]), '2 orders for 3 masks'),
    (lambda: Categorical(1), 'levels of Categorical must be an integer of at least 2'),
    (lambda: MixtureOfGaussians(0), 'components of MixtureOfGaussians must be an integer of at least 1'),
    (lambda: MixtureOfGaussians(2, min_scale=0), 'min_scale of MixtureOfGaussians must be a finite number above 0'),
    (lambda: MixtureOfGaussians(2, min_scale=np.inf), 'min_scale of MixtureOfGaussians must be a finite number'),
    (lambda: Label(0), 'num_classes of Label must be an integer of at least 1'),
    (lambda: Vector(0), 'size of Vector must be an integer of at least 1'),
])
def test_arguments_of_constructors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_weights_of_another_model(tmp_path):
    tfdgm.FVSBN(4).save_weights(tmp_path / 'model.weights.h5')
    with pytest.raises(ValueError):
        tfdgm.FVSBN(5).load_weights(tmp_path / 'model.weights.h5')


def test_compile_is_needed_to_fit():
    with pytest.raises(ValueError, match='compile'):
        tfdgm.FVSBN(4).fit(np.zeros([2, 4]))
    assert isinstance(tfdgm.FVSBN(4), keras.Model)


@pytest.mark.parametrize('output, value', [
    (Bernoulli(), 0.5), (Bernoulli(), -1), (Categorical(3), 0.5), (Categorical(3), 3), (MixtureOfLogistics(3), 1.5),
    (MixtureOfGaussians(2), np.inf)])
def test_the_likelihood_of_an_event_outside_the_support_is_no_number(output, value):
    model = tfdgm.Independent(4, output=output)
    x = np.zeros([2, 4], 'float32')
    x[1, 2] = value
    for log_prob in (model(x), model.distribution().log_prob(x), tf.function(model.distribution().log_prob)(x)):
        np.testing.assert_array_equal(np.isnan(log_prob), [False, True])


@pytest.mark.parametrize('value', [0.999999999, 1 + 1e-12, 1e-60])
def test_what_float32_would_round_to_an_integer_is_none(value):
    for output in Bernoulli(), Categorical(3):
        model = tfdgm.Independent(1, output=output)
        x = np.array([[value], [1.]])
        dist = model.distribution()
        for log_prob in (dist.log_prob(x), dist.log_prob(x.tolist()), dist.log_prob(tf.constant(x)),
                         tf.function(dist.log_prob)(tf.constant(x)), model(tf.constant(x)), dist.prob(x)):
            np.testing.assert_array_equal(np.isnan(log_prob), [True, False])
        with pytest.raises(ValueError, match='outside the support'):
            model.predict(x, verbose=0)
        with pytest.raises(tf.errors.InvalidArgumentError, match='needs every value to be'):
            model.distribution(validate_args=True).log_prob(x)


@pytest.mark.parametrize('condition, valid, invalid', [
    (Label(3), 2, 3), (Label(3), 2., 0.5),
    (Labels((3, 2)), [2, 1], [1, 2]), (Vector(1), [1.], [np.inf]),
    (Vectors(2, 1), [[1.], [2.]], [[1.], [np.nan]]), (Image((1, 1, 1), 4), [[[3]]], [[[4]]])])
def test_in_a_graph_nothing_comes_of_a_condition_that_is_not_valid(condition, valid, invalid):
    model = tfdgm.FVSBN(4, condition=condition)
    values = tf.constant([valid, invalid])

    @tf.function
    def evaluated(values):
        dist = model.distribution(values)
        return dist.log_prob(tf.zeros([2, 4])), dist.sample(seed=0)

    log_prob, samples = evaluated(values)
    np.testing.assert_array_equal(np.isnan(log_prob), [False, True])
    np.testing.assert_array_equal(np.isnan(samples).all(axis=1), [False, True])


@pytest.mark.parametrize('observed, mask', [(3., 1.), (1., 0.5)])
def test_in_a_graph_nothing_comes_of_what_cannot_be_completed(binary, observed, mask):
    @tf.function
    def completed(observed, mask):
        return binary.distribution().sample(seed=0, observed=observed, mask=mask)

    assert np.all(np.isnan(completed(tf.fill([4, 4, 1], observed), tf.fill([4, 4, 1], mask))))


@pytest.mark.parametrize('seed', [1.5, 'a', [1, 2, 3], [[1, 2]], np.array(1.5)])
def test_a_seed_that_is_none(binary, seed):
    with pytest.raises(ValueError, match='seed must be an integer, two of them'):
        binary.distribution().sample(seed=seed)


@pytest.mark.parametrize('seed', [3, np.int64(3), np.array(3), tf.constant(3), [0, 3], tf.constant([0, 3])])
def test_one_seed_in_every_form(binary, seed):
    dist = binary.distribution()
    np.testing.assert_array_equal(dist.sample(2, seed=seed), dist.sample(2, seed=3))


@pytest.mark.parametrize('sample_shape', [-1, 1.5, '3', (2, -1), tf.constant(1.5)])
def test_a_sample_shape_that_is_none(binary, sample_shape):
    with pytest.raises(ValueError, match='sample_shape must be integers from 0'):
        binary.distribution().sample(sample_shape)


def test_events_and_conditions_that_do_not_broadcast(labelled):
    with pytest.raises(ValueError, match=r'Events of batch shape \(2,\) do not fit .* of batch shape \(3,\)'):
        labelled.distribution([0, 1, 2]).log_prob(np.zeros([2, 4, 4, 1]))


def test_a_pipeline_of_single_events(binary, labelled):
    x = np.zeros([4, 4, 4, 1])
    for model, data in (binary, x), (labelled, (x, np.zeros(4))):
        with pytest.raises(ValueError, match=r'This pipeline gives single events.*dataset\.batch'):
            model.fit(tf.data.Dataset.from_tensor_slices(data))
    with pytest.raises(ValueError, match=r'Expected events of shape \(4, 4, 1\), after the batch dimension'):
        binary(x[0])


@pytest.mark.parametrize('data, options, message', [
    ((), {}, 'There are no events'), ((None,), {}, 'There are no events'),
    (({'images': np.zeros([8, 4, 4, 1])},), {}, "got a dictionary of 'images'"),
    ((np.zeros([8, 4, 4, 1]),), {'class_weight': {0: 2.}}, 'weigh the events, by sample_weight'),
    ((np.zeros([8, 4, 4, 1]),), {'epochs': '10'}, "epochs must be an integer of at least 0, got '10'"),
    ((np.zeros([8, 4, 4, 1]),), {'batch_size': 0}, 'batch_size must be an integer of at least 1, got 0')])
def test_what_fit_can_not_learn_from(binary, data, options, message):
    with pytest.raises(ValueError, match=message):
        binary.fit(*data, **options)


def test_conditions_for_a_model_without_one(binary):
    with pytest.raises(ValueError, match='got a list of parts that differ in shape'):
        binary.predict([np.zeros([8, 4, 4, 1]), np.zeros(8)])
