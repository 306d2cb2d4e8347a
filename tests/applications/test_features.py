"""Features, conditioning by a classifier, augmentation."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import tfdgm
import zoo
from tests.autoregressive.systems import every_event
from tests.autoregressive.systems import make as made_of
from tfdgm.applications import Features, augment, condition_by_classifier
from tfdgm.applications.features import layers_of

X = every_event((2, 2, 1), 2)


# Features -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('model', [
    lambda: tfdgm.RBM((2, 2, 1), hidden_units=3), lambda: tfdgm.VAE((2, 2, 1), num_latents=2, hidden_units=(4,)),
    lambda: tfdgm.NICE((2, 2, 1), hidden_units=(4,), dequantization=tfdgm.flows.UniformDequantization(2)),
    lambda: tfdgm.AAE((2, 2, 1), levels=2, num_latents=2, hidden_units=(4,))])
def test_latents_are_features(model):
    model = model()
    found = Features(model).fit_transform(X)
    np.testing.assert_allclose(found, np.reshape(model.encode(X), (16, -1)), rtol=1e-5)
    assert len(Features(model).fit(X).get_feature_names_out()) == found.shape[1]


def test_a_classifier_has_its_own():
    model = tfdgm.Classifier((2, 2, 1), levels=2, condition=tfdgm.conditions.Label(3), hidden_units=(5,))
    np.testing.assert_allclose(Features(model).fit_transform(X), model.features(X), rtol=1e-5)


def test_a_layer_of_any_model_gives_its_mean_activations():
    model = tfdgm.GatedPixelCNN((4, 4, 1), filters=6, blocks=2)
    x = np.random.default_rng(0).integers(2, size=[300, 4, 4, 1])
    names = layers_of(model)
    name = next(name for name in names if 'penultimate' in name)
    features = Features(model, layer=name).fit(x)
    found = features.transform(x)
    assert found.shape == (300, names[name].filters) and found.dtype == np.float32
    before = model.predict(x, verbose=0)
    np.testing.assert_allclose(features.transform(x[:7]), found[:7], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    assert 'call' not in names[name].__dict__
    # Of a dense layer over vectors, the values themselves; one of a decoder has no entry for each event.
    vae = tfdgm.VAE(4, num_latents=2, hidden_units=(5,))
    dense = {tuple(layer.kernel.shape): name for name, layer in layers_of(vae).items() if hasattr(layer, 'kernel')}
    assert Features(vae, layer=dense[4, 5]).fit_transform(x[:, 0, :, 0]).shape == (300, 5)
    with pytest.raises(ValueError, match='name one that gives an array with an entry for each'):
        Features(vae, layer=dense[2, 5]).fit(x[:, 0, :, 0])


def test_features_go_into_pipelines():
    x, y = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'train', binarization='threshold', labels=True))
    pipeline = make_pipeline(Features(zoo.load('rbm_digits')), LogisticRegression(max_iter=500)).fit(x, y)
    test, labels = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold', labels=True))
    assert pipeline.score(test, labels) > 0.9


@pytest.mark.parametrize('arguments, message', [
    ({'model': tfdgm.MADE((2, 2, 1))}, 'A MADE has no latents: name a layer, one of'),
    ({'model': tfdgm.MADE((2, 2, 1)), 'layer': 'nope'}, "layer must be one of .*; got 'nope'"),
    ({'model': 'nade_digits'}, 'takes a trained tfdgm.Model'),
    ({'model': tfdgm.VAE((2, 2, 1), num_latents=1, condition=tfdgm.conditions.Label(2))}, 'has a condition')])
def test_what_has_no_features(arguments, message):
    with pytest.raises(ValueError, match=message):
        Features(**arguments).fit(X)


# Conditioning by a classifier -----------------------------------------------------------------------------------------

def posteriors():
    """p(x) of a model, p(y | x) by a table of all events, p(y) by both."""
    model = made_of('made', (2, 2, 1))
    p_x = np.exp(model.predict(X, verbose=0).astype('float64'))
    table = np.random.default_rng(0).dirichlet(np.ones(3), size=16)
    powers = tf.constant([8., 4., 2., 1.])

    def classifier(x):
        places = tf.cast(tf.tensordot(tf.reshape(x, (-1, 4)), powers, 1), tf.int32)
        return tf.gather(tf.constant(np.log(table), tf.float32), places)

    return model, classifier, p_x, table, p_x @ table


@pytest.mark.parametrize('label', [0, 2])
def test_the_posterior_of_a_label_is_exact(label):
    model, classifier, p_x, table, prior = posteriors()
    dist = condition_by_classifier(model, classifier, label, prior)
    expected = p_x * table[:, label] / prior[label]
    np.testing.assert_allclose(np.exp(dist.log_prob(X)), expected, rtol=1e-4)
    np.testing.assert_allclose(np.sum(np.exp(dist.log_prob(X))), 1, rtol=1e-4)
    drawn = dist.draw(5000, num_proposals=50_000, seed=0)
    found = np.array([np.mean(np.all(drawn.events == event, axis=(1, 2, 3))) for event in X])
    np.testing.assert_allclose(found, expected, atol=0.03)
    weights = table[:, label]
    np.testing.assert_allclose(
        drawn.effective_sample_size, 50_000 * (p_x @ weights)**2 / (p_x @ weights**2), rtol=0.03)
    assert dist.sample((2, 3), seed=0).shape == (2, 3, 2, 2, 1) and dist.event_shape == (2, 2, 1)


def test_real_values_move_by_hamiltonian_monte_carlo():
    model = tfdgm.Independent(2, output=tfdgm.outputs.MixtureOfGaussians(1))
    model.standardization.deviation.assign([1., 3.])
    scale = np.std(model.distribution().sample(20_000, seed=1), axis=0)

    def classifier(x):  # Of two labels, by the first number.
        return tf.math.log_sigmoid(tf.stack([-5 * x[:, 0], 5 * x[:, 0]], axis=1))

    dist = condition_by_classifier(model, classifier, 1, [0.5, 0.5])
    drawn = dist.draw(2000, method='hmc', num_steps=200, seed=0)
    assert drawn.acceptance_rate > 0.4 and drawn.potential_scale_reduction < 1.2
    resampled = dist.draw(2000, seed=1)
    np.testing.assert_allclose(drawn.events.mean(0) / scale, resampled.events.mean(0) / scale, atol=0.1)
    np.testing.assert_allclose(drawn.events.std(0), resampled.events.std(0), rtol=0.1)


def test_a_classifier_of_the_library_conditions():
    classifier = tfdgm.Classifier((2, 2, 1), levels=2, condition=tfdgm.conditions.Label(3), hidden_units=(5,))
    model = made_of('made', (2, 2, 1))
    dist = condition_by_classifier(model, classifier, 1, [0.2, 0.3, 0.5])
    expected = model.predict(X, verbose=0) + classifier.log_prob_of_labels(X)[:, 1] - np.log(0.3)
    np.testing.assert_allclose(dist.log_prob(X), expected, rtol=1e-4)
    assert len(dist.trainable_variables) == len(model.trainable_variables)


@pytest.mark.parametrize('arguments, message', [
    ({'model': tfdgm.GAN((2, 2, 1), levels=2)}, 'gives none'), ({'classifier': 3}, 'classifier must be'),
    ({'model': made_of('made', (2, 2, 1), condition=tfdgm.conditions.Label(2))}, r'is p\(x \| condition\) by itself'),
    ({'label': 3}, 'label must be one of the 3 labels'), ({'prior': [0.5, 0.6, 0.1]}, 'of sum 1'),
    ({'prior': [0.5, 0.5, 0.]}, 'above 0'),
    ({'classifier': tfdgm.Classifier(4, levels=2, condition=tfdgm.conditions.Label(3), hidden_units=(5,))},
     'The classifier should take events of shape')])
def test_what_does_not_condition(arguments, message):
    model, classifier, _, _, prior = posteriors()
    with pytest.raises(ValueError, match=message):
        condition_by_classifier(**{'model': model, 'classifier': classifier, 'label': 0, 'prior': prior, **arguments})


def test_integers_do_not_move():
    model, classifier, _, _, prior = posteriors()
    dist = condition_by_classifier(model, classifier, 0, prior)
    with pytest.raises(ValueError, match="method='hmc' moves real values"):
        dist.draw(3, method='hmc')
    for wrong in (lambda x: classifier(x)[:, :2], lambda x: classifier(x)[:1], lambda x: tf.exp(classifier(x)),
                  lambda x: classifier(x) * np.nan, lambda x: classifier(x) + 5):
        with pytest.raises(ValueError, match='should give log p'):
            condition_by_classifier(model, wrong, 0, prior).log_prob(X)
    never = condition_by_classifier(model, lambda x: tf.math.log([[0., 0.5, 0.5]] * len(x)), 0, prior)
    with pytest.raises(ValueError, match='the weights of all are 0'):
        never.draw(3)


# Augmentation ---------------------------------------------------------------------------------------------------------

def labelled():
    return tfdgm.data.load('digits', 'train', binarization='threshold', labels=True).take(100)


def test_data_become_larger_by_samples_of_their_labels():
    model = zoo.load('vae_digits_label')
    before = tfdgm.data.as_arrays(labelled())
    x, y = tfdgm.data.as_arrays(augment(labelled(), model, 2.5, seed=0))
    assert x.shape == (250, 8, 8, 1)
    np.testing.assert_array_equal(x[:100], before[0])
    np.testing.assert_array_equal(y, np.resize(before[1], 250))
    np.testing.assert_array_equal(x, tfdgm.data.as_arrays(augment(labelled(), model, 2.5, seed=0))[0])
    reader = LogisticRegression(max_iter=500).fit(x[:100].reshape(100, -1), y[:100])
    assert reader.score(x[100:].reshape(150, -1), y[100:]) > 0.6


def test_a_classifier_keeps_what_it_is_confident_of():
    model = zoo.load('vae_digits_label')
    classifier = tfdgm.Classifier((8, 8, 1), levels=2, condition=tfdgm.conditions.Label(10), hidden_units=(32,))
    classifier.compile('adam')
    train = tfdgm.data.load('digits', 'train', binarization='threshold', labels=True)
    classifier.fit(*tfdgm.data.as_arrays(train), epochs=40, verbose=0)
    x, y = tfdgm.data.as_arrays(augment(labelled(), model, 3, classifier=classifier, confidence=0.5))
    log_probs = classifier.log_prob_of_labels(x[100:]).numpy()
    assert np.all(log_probs[np.arange(200), y[100:]] >= np.log(0.5) - 1e-5)
    with pytest.raises(ValueError, match=r'the classifier is not confident after 20 attempts at each'):
        augment(labelled(), model, 3, classifier=classifier, confidence=0.9999999)


def test_types_stay_what_they_were():
    model = zoo.load('vae_digits_label')
    examples = labelled().map(lambda x, y: (tf.cast(x, tf.uint8), tf.cast(y, tf.int64)))
    assert augment(examples, model).element_spec == examples.element_spec
    assert len(examples.concatenate(augment(examples, model))) == 300


@pytest.mark.parametrize('arguments, message', [
    ({'dataset': labelled().batch(4)}, r'pass dataset\.unbatch'), ({'dataset': labelled().take(0)}, 'no examples'),
    ({'dataset': labelled().map(lambda x, y: (x, y, 1.))}, 'takes pairs of an event and its label'),
    ({'dataset': labelled().map(lambda x, y: {'x': x})}, 'takes pairs of an event and its label'),
    ({'factor': 1.}, 'factor must be above 1'), ({'factor': -1}, 'factor must be'),
    ({'model': tfdgm.MADE((8, 8, 1))}, r'from a model whose condition is a tfdgm\.conditions\.Label'),
    ({'dataset': np.ones(3)}, 'dataset must be an object'), ({'confidence': 0}, 'confidence must be above 0'),
    ({'dataset': tfdgm.data.load('digits', 'test', binarization='threshold')}, 'takes pairs of an event and its label'),
    ({'classifier': tfdgm.Classifier(4, levels=2, condition=tfdgm.conditions.Label(3), hidden_units=(5,))},
     'should tell labels of events as the model draws them')])
def test_what_does_not_augment(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment(**{'dataset': labelled(), 'model': zoo.load('vae_digits_label'), **arguments})
