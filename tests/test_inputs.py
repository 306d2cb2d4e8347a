"""Everything that becomes an array, and every pipeline: what is checked is what Keras is given."""

import keras
import numpy as np
import pandas
import pytest
import scipy.sparse
import tensorflow as tf

import tfdgm
from tfdgm.conditions import Label
from tfdgm.outputs import MixtureOfGaussians

X = (np.random.default_rng(0).random((12, 4)) < 0.5).astype('float32')
LABELS = np.arange(12) % 3


def compiled(model, **kwargs):
    # Eagerly: what is given is the same, and there is no graph to wait for.
    model.compile('adam', **{'run_eagerly': True, **kwargs})
    return model


@pytest.fixture
def binary():
    return compiled(tfdgm.FVSBN(4))


@pytest.fixture
def labelled():
    return compiled(tfdgm.FVSBN(4, condition=Label(3)))


FORMS_OF_LABELS = {
    'list': LABELS.tolist(), 'tuple': tuple(LABELS.tolist()), 'int8': LABELS.astype('int8'), 'float': LABELS * 1.,
    'tensor': tf.constant(LABELS), 'variable': tf.Variable(LABELS), 'series': pandas.Series(LABELS),
    'other index': pandas.Series(LABELS, index=range(100, 112)), 'nullable': pandas.Series(LABELS, dtype='Int64'),
    'categorical': pandas.Series(LABELS).astype('category'), 'masked': np.ma.array(LABELS, mask=False)}


@pytest.mark.parametrize('form', FORMS_OF_LABELS)
def test_labels_in_every_form_mean_the_same_to_every_method(form, labelled):
    given, data = FORMS_OF_LABELS[form], {'verbose': 0, 'batch_size': 5}
    wanted = labelled.predict([X, LABELS], **data)
    np.testing.assert_allclose(labelled.predict([X, given], **data), wanted, rtol=1e-6)
    assert labelled.evaluate(X, given, **data, return_dict=True)['nll'] == pytest.approx(-wanted.mean(), rel=1e-5)
    history = labelled.fit(X, given, **data, validation_data=(X, given)).history
    assert np.isfinite(history['val_nll']).all()


@pytest.mark.parametrize('form', [
    X.tolist(), X.astype('float64'), X.astype('uint8'), X.astype(bool), tf.constant(X), tf.Variable(X),
    pandas.DataFrame(X), pandas.DataFrame(X, columns=list('abcd')).convert_dtypes(), np.ma.array(X, mask=False),
    keras.Variable(X)], ids=lambda form: type(form).__name__)
def test_events_in_every_form_mean_the_same(form, binary):
    wanted = binary.predict(X, verbose=0)
    np.testing.assert_allclose(binary.predict(form, verbose=0), wanted, rtol=1e-6)
    assert binary.evaluate(form, verbose=0, return_dict=True)['nll'] == pytest.approx(-wanted.mean(), rel=1e-5)
    binary.fit(form, verbose=0, validation_data=(form,))


@pytest.mark.parametrize('weights', [[1.] * 12, np.ones(12), pandas.Series(np.ones(12)), tf.ones(12)],
                         ids=lambda form: type(form).__name__)
def test_weights_in_every_form(weights, binary, labelled):
    binary.fit(X, sample_weight=weights, verbose=0)
    labelled.fit(X, LABELS, sample_weight=weights, verbose=0, validation_data=(X, LABELS, weights))
    binary.fit({'events': X, 'sample_weight': weights}, verbose=0)


MASKED = np.ma.masked_equal(np.where(np.arange(12)[:, None] == 3, -999., X), -999.)


@pytest.mark.parametrize('x, message', [
    (scipy.sparse.csr_matrix(X), r'dense array, got csr_matrix: pass values\.toarray'),
    (scipy.sparse.coo_array(X), 'dense array, got coo_array'),
    (tf.sparse.from_dense(X), 'dense array, got SparseTensor'),
    (tf.RaggedTensor.from_tensor(X), 'dense array, got RaggedTensor'),
    (MASKED, '4 of the events are masked'),
    (pandas.DataFrame(MASKED.filled(np.nan)), '4 of the 48 values are NaN'),
    (pandas.DataFrame(X).astype(str), 'array of type object'),
    (pandas.DataFrame(X).convert_dtypes().replace(1, pandas.NA), r'\d+ of the 48 values are NaN'),
    ({'image': X, 'label': LABELS}, r"got a dictionary of 'image', 'label'.*example\['image'\], example\['label'\]")])
def test_what_would_lose_its_meaning_is_refused_everywhere(x, message, binary):
    for method in binary.fit, binary.evaluate, binary.predict:
        with pytest.raises(ValueError, match=message):
            method(x)
    with pytest.raises(ValueError, match=message):
        binary.fit(X, validation_data=x if isinstance(x, dict) else (x,))
    real = tfdgm.MAF(4, hidden_units=(4,))
    with pytest.raises(ValueError, match=r'masked|dense|NaN|object|dictionary'):
        real.adapt(x)


def test_masked_conditions_and_weights_are_refused(labelled):
    masked = np.ma.array(LABELS, mask=LABELS == 1)
    with pytest.raises(ValueError, match='4 of the conditions are masked'):
        labelled.fit(X, masked)
    with pytest.raises(ValueError, match='4 of the sample weights are masked'):
        labelled.fit(X, LABELS, sample_weight=np.ma.array(np.ones(12), mask=LABELS == 1))


def test_adapt_does_not_take_what_is_masked_for_data():
    model = tfdgm.NADE(4, hidden_units=3, output=MixtureOfGaussians(1))
    with pytest.raises(ValueError, match='masked'):
        model.adapt(MASKED)
    model.adapt(pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 4))))


def test_pipelines_of_dictionaries_say_how_to_map_them(binary, labelled):
    data = tf.data.Dataset.from_tensor_slices({'image': X, 'label': LABELS}).batch(4)
    for model in binary, labelled:
        for method in model.fit, model.evaluate, model.predict:
            with pytest.raises(ValueError, match=r'dataset\.map.*example\[.image.\], example\[.label.\]'):
                method(data)
        with pytest.raises(ValueError, match="dictionary of 'image', 'label'"):
            model.fit((({'image': x, 'label': y},) for x, y in [(X, LABELS)]), verbose=0)
    labelled.fit(data.map(lambda example: (example['image'], example['label'])), verbose=0)


def test_pipelines_of_unknown_rank_have_the_models_shapes(binary, labelled):
    def unknown(*parts):
        def generate():
            for start in range(0, 12, 4):
                batch = tuple(part[start:start + 4] for part in parts)
                yield batch if len(batch) > 1 else batch[0]

        specs = [tf.TensorSpec(None, part.dtype) for part in parts]
        return tf.data.Dataset.from_generator(
            generate, output_signature=tuple(specs) if len(parts) > 1 else specs[0])

    weights = np.ones(12, 'float32')
    for model, data in ((binary, (X,)), (labelled, (X, LABELS)), (labelled, (X, LABELS, weights))):
        model.fit(unknown(*data), verbose=0, validation_data=unknown(*data))
        result = model.evaluate(unknown(*data), verbose=0, return_dict=True)
        inputs = data[0] if len(data) == 1 else list(data[:2])
        assert result['nll'] == pytest.approx(-model.predict(inputs, verbose=0).mean(), rel=1e-5)
    with pytest.raises(Exception, match='not compatible'):
        binary.fit(unknown(X[:, :3]), verbose=0)


@pytest.mark.parametrize('options', [
    {'metrics': []}, {'metrics': None}, {'loss': None}, {'weighted_metrics': []}, {'loss_weights': {}}])
def test_compile_takes_what_asks_for_nothing(options):
    compiled(tfdgm.FVSBN(4), **options).fit(X, verbose=0)


@pytest.mark.parametrize('options', [{'metrics': ['mse']}, {'loss': 'mse'}, {'weighted_metrics': ['mse']}])
def test_compile_refuses_losses_and_metrics(options):
    with pytest.raises(ValueError, match=f'compile takes no {next(iter(options))} here'):
        compiled(tfdgm.FVSBN(4), **options)
