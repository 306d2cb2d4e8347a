"""Pipelines of Apache Beam: what they make of records is what the model makes of arrays, and no record is lost."""

import contextlib
import glob
import importlib
import json
import os
import pathlib
import signal
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
import tensorflow as tf

import tfdgm
import zoo
from tests.test_cli import process, random_folder, run, succeed
from tfdgm import applications, pretrained
from tfdgm.conditions import Label, Vector

beam = pytest.importorskip('apache_beam', reason="pipelines need pip install 'tfdgm[beam]'")

import tfdgm.beam  # noqa: E402
from tfdgm.beam import records, scoring  # noqa: E402

pytestmark = pytest.mark.usefixtures('elsewhere')

IN_MEMORY = '--', '--direct_running_mode=in_memory', '--direct_num_workers=1'
FOUND = {}


def keep(element, name):
    """Keeps an element for the test: in memory, a pipeline runs in this process."""
    FOUND.setdefault(name, []).append(element)


@contextlib.contextmanager
def pipeline():
    FOUND.clear()
    with beam.Pipeline('FnApiRunner') as made:
        yield made


def outcome(transform, elements):
    """The results and what was refused of a transform of such elements."""
    with pipeline() as made:
        results, refused = made | beam.Create(elements, reshuffle=False) | transform
        _ = results | 'Keep results' >> beam.Map(keep, 'results')
        _ = refused | 'Keep refused' >> beam.Map(keep, 'refused')
    return FOUND.get('results', []), FOUND.get('refused', [])


def drawn(transform):
    """The records that a transform without an input draws, in their order."""
    with pipeline() as made:
        _ = made | transform | beam.Map(keep, 'drawn')
    return sorted(FOUND.get('drawn', []), key=lambda record: record['index'])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return random_folder(tmp_path_factory.mktemp('binary'), tfdgm.MADE((3, 2, 1), hidden_units=(8,)))


@pytest.fixture(scope='module')
def labelled(tmp_path_factory):
    return random_folder(tmp_path_factory.mktemp('labelled'), tfdgm.Independent(4, condition=Label(3)))


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    """A model that was trained on two columns of a table."""
    model = tfdgm.NADE(2, hidden_units=4, output=tfdgm.outputs.MixtureOfGaussians(2))
    return random_folder(tmp_path_factory.mktemp('table'), model, {'name': 'people.csv', 'columns': ['cm', 'kg']})


@pytest.fixture
def events(rng):
    return rng.integers(2, size=[50, 3, 2, 1]).astype('float32')


# Transforms ----------------------------------------------------------------------------------------------------------

def test_scores_are_those_of_predict(folder, events):
    found, refused = outcome(tfdgm.beam.Score(folder, batch_size=8), [
        {'id': index, 'event': event} for index, event in enumerate(events)])
    assert not refused and sorted(record['id'] for record in found) == list(range(50))
    log_probs = pretrained.load(folder).predict(events, verbose=0)
    for record in found:
        np.testing.assert_allclose(record['log_prob'], log_probs[record['id']], rtol=1e-6)
        np.testing.assert_array_equal(record['event'], events[record['id']])


@pytest.mark.parametrize(('make', 'good'), [
    (lambda: tfdgm.MADE(5, hidden_units=(8,)), [[0, 1, 1, 0, 1], (1,) * 5]),
    (lambda: tfdgm.Independent((2, 2, 3)), [np.ones([2, 2, 3], 'uint8'), [0] * 12]),
    (lambda: tfdgm.CausalTransformer((4, 1), variable_length=True, width=8, heads=2, blocks=1, output=(
        tfdgm.outputs.Categorical(3))), [np.array([[0], [2]]), [[1], [2], [0], [1]]]),
    (lambda: tfdgm.RBM((2, 3), hidden_units=4), [np.ones([2, 3])]),
    (lambda: tfdgm.VAE(3, num_latents=2, output=tfdgm.outputs.Bernoulli()), [[0., 1, 0]])])
def test_event_shapes(tmp_path, make, good):
    folder = random_folder(tmp_path, make())
    model = pretrained.load(folder)
    if isinstance(model, tfdgm.RBM):
        model.estimate_log_partition()
        pretrained.write_config(folder, pretrained.save_weights(model, folder, pretrained.read_config(folder)))
    wrong = [np.zeros([2, 2]), np.zeros(()), [[0, 1], [1]], np.zeros([7, 1]), []]
    found, refused = outcome(tfdgm.beam.Score(folder), [*wrong, *good])
    assert len(refused) == len(wrong) and len(found) == len(good)
    for record, event in zip(found, good):
        x = np.asarray(event, 'float32')
        if model.variable_length:
            x = np.pad(x, [(0, 4 - len(x)), (0, 0)], constant_values=np.nan)
        expected = model.predict(x.reshape(1, *model.event_shape), verbose=0)[0]
        np.testing.assert_allclose(record['log_prob'], expected, rtol=1e-5)


def test_bad_records_are_refused_and_the_rest_is_scored(folder, events):
    bad = {'shape': np.zeros([3, 3, 1]), 'NaN': np.full([3, 2, 1], np.nan), 'support': np.full([3, 2, 1], 2),
           'half': np.full([3, 2, 1], 0.5), 'text': 'an event', 'none': None, 'complex': np.zeros([3, 2, 1], complex),
           'infinite': np.full([3, 2, 1], np.inf), 'ragged': [[1, 0], [1]], 'objects': [object()] * 6}
    elements = [{'id': index, 'event': event} for index, event in enumerate(events)]
    for place, (name, event) in enumerate(bad.items()):
        elements.insert(4 * place, {'id': name, 'event': event})
    elements += [{'id': 'nothing'}, {}]
    found, refused = outcome(tfdgm.beam.Score(folder, batch_size=16), elements)
    assert len(found) + len(refused) == len(elements)
    assert sorted(record['id'] for record in found) == list(range(50))
    reasons = {entry['record'].get('id'): entry['reason'] for entry in refused}
    assert set(reasons) == {*bad, 'nothing', None}
    assert 'Expected events of shape (3, 2, 1)' in reasons['shape']
    assert '6 of the 6 values are NaN' in reasons['NaN']
    assert 'such as 2' in reasons['support'] and '0 or 1' in reasons['support']
    assert "no 'event', but id" in reasons['nothing']
    log_probs = pretrained.load(folder).predict(events, verbose=0)
    np.testing.assert_allclose([record['log_prob'] for record in found],
                               [log_probs[record['id']] for record in found], rtol=1e-6)


def test_a_fault_is_found_among_many_in_few_steps(folder, rng):
    model, calls = pretrained.load(folder), 0
    batch = [{'event': event} for event in rng.integers(2, size=[1024, 3, 2, 1])]
    batch[700] = {'event': np.full([3, 2, 1], 9)}
    check = records.checks.events

    def counted(*args):
        nonlocal calls
        calls += 1
        return check(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records.checks, 'events', counted)
        found = records.usable(model, batch)
    assert list(found.reasons) == [700] and len(found.x) == 1023 and calls < 30


def test_conditions(labelled):
    x = np.array([0., 1, 0, 1])
    elements = [{'event': x, 'condition': label} for label in (0, 2, 3, 1.5, None, 'x', [0, 1])] + [{'event': x}]
    found, refused = outcome(tfdgm.beam.Score(labelled), elements)
    assert [record['condition'] for record in found] == [0, 2] and len(refused) == 6
    assert 'integers from 0 to 2, got 3' in refused[0]['reason']
    model = pretrained.load(labelled)
    expected = model.predict([np.stack([x, x]), np.array([0, 2])], verbose=0)
    np.testing.assert_allclose([record['log_prob'] for record in found], expected, rtol=1e-6)
    found, refused = outcome(tfdgm.beam.Score(labelled, condition=2), [x])
    assert not refused
    np.testing.assert_allclose(found[0]['log_prob'], expected[1], rtol=1e-6)


def test_rows_and_columns(table):
    found, _ = outcome(tfdgm.beam.Score(table), [beam.Row(cm=170., name='Ada', kg=60.)])
    rows = [*found, {'kg': '82.5', 'cm': '181'}, {'kg': 'heavy', 'cm': '181'},
            {'kg': '', 'cm': '181'}, {'cm': 3.}, {'kg': None, 'cm': 1.}]
    found, refused = outcome(tfdgm.beam.Score(table), rows)
    expected = pretrained.load(table).predict(np.array([[170, 60], [181, 82.5]]), verbose=0)
    np.testing.assert_allclose([record['log_prob'] for record in found], expected, rtol=1e-5)
    assert found[0]['name'] == 'Ada' and len(refused) == 4
    assert refused[0]['reason'] == "The column kg holds 'heavy', which is no finite number."


@pytest.mark.parametrize('make', [
    lambda: tfdgm.VAE(4, num_latents=2, output=tfdgm.outputs.MixtureOfGaussians(1)),
    lambda: tfdgm.NICE(4, hidden_units=(4,))])
def test_encodings_are_those_of_the_model(tmp_path, rng, make):
    folder, x = random_folder(tmp_path, make()), rng.normal(size=[9, 4]).astype('float32')
    elements = [{'id': index, 'event': event} for index, event in enumerate(x)] + [{'id': 9, 'event': [np.nan] * 4}]
    found, refused = outcome(tfdgm.beam.Encode(folder, batch_size=4), elements)
    assert [entry['record']['id'] for entry in refused] == [9]
    encodings = [record['encoding'] for record in sorted(found, key=lambda record: record['id'])]
    np.testing.assert_allclose(encodings, pretrained.load(folder).encode(x), rtol=1e-4, atol=1e-5)


def test_encodings_under_conditions(tmp_path, rng):
    folder = random_folder(tmp_path, tfdgm.NICE(4, hidden_units=(4,), condition=Vector(2)))
    x, y = rng.normal(size=[3, 4]), rng.normal(size=[3, 2])
    found, _ = outcome(tfdgm.beam.Encode(folder), [
        {'event': event, 'condition': condition} for event, condition in zip(x, y)])
    np.testing.assert_allclose([record['encoding'] for record in found], pretrained.load(folder).encode(x, y),
                               rtol=1e-4, atol=1e-5)


def test_encodings_of_a_classifier_need_no_labels(tmp_path, rng):
    folder = random_folder(tmp_path, tfdgm.Classifier((4, 2), condition=Label(3), hidden_units=(5,)))
    x = rng.normal(size=[6, 4, 2])
    found, refused = outcome(tfdgm.beam.Encode(folder), [*x, np.zeros([4, 3])])
    assert len(refused) == 1
    np.testing.assert_allclose([record['encoding'] for record in found], pretrained.load(folder).features(x),
                               rtol=1e-4, atol=1e-5)


def test_encodings_by_a_layer(folder, events):
    with pytest.raises(ValueError, match=r'has no latents: name a layer'):
        tfdgm.beam.Encode(folder)
    model = pretrained.load(folder)
    layer = next(name for name, layer in applications.features.layers_of(model).items() if layer is model.network)
    found, refused = outcome(tfdgm.beam.Encode(folder, layer=layer, batch_size=16), list(events))
    features = applications.Features(model, layer).fit(events).transform(events)
    assert not refused
    np.testing.assert_allclose([record['encoding'] for record in found], features, rtol=1e-5)


@pytest.mark.parametrize('count', [0, 1, 150])
def test_samples_are_those_of_the_distribution(folder, count, monkeypatch):
    monkeypatch.setattr(tfdgm.MADE, 'sampling_batch', 64)
    found = drawn(tfdgm.beam.Sample(folder, count, seed=3))
    expected = pretrained.load(folder).distribution().sample(count, seed=3)
    assert [record['index'] for record in found] == list(range(count))
    np.testing.assert_array_equal(np.reshape([record['event'] for record in found], expected.shape), expected)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['nice_digits', 'vae_digits', 'rbm_digits', 'gan_digits'])
def test_samples_of_other_families(name, monkeypatch):
    model = zoo.load(name)
    monkeypatch.setattr(type(model), 'sampling_batch', 16)
    found = drawn(tfdgm.beam.Sample(name, 40, seed=3))
    np.testing.assert_array_equal([record['event'] for record in found], model.distribution().sample(40, seed=3))


def test_samples_of_several_conditions(labelled, monkeypatch):
    monkeypatch.setattr(tfdgm.Independent, 'sampling_batch', 16)
    found = drawn(tfdgm.beam.Sample(labelled, 20, seed=[1, 2], conditions=[2, 0]))
    expected = pretrained.load(labelled).distribution([2, 0]).sample(20, seed=[1, 2])
    np.testing.assert_array_equal([record['event'] for record in found], np.reshape(expected, [40, 4]))
    assert [int(record['condition']) for record in found] == [2, 0] * 20
    other = drawn(tfdgm.beam.Sample(labelled, 20, seed=4, conditions=[2, 0]))
    assert any(np.any(one['event'] != two['event']) for one, two in zip(found, other))


def test_compressed_records_come_out_again(folder, events):
    pytest.importorskip('constriction')
    elements = [{'id': index, 'event': event} for index, event in enumerate(events)] + [{'id': 50, 'event': [7] * 6}]
    found, refused = outcome(tfdgm.beam.Compress(folder, batch_size=16), elements)
    assert [entry['record']['id'] for entry in refused] == [50] and len(found) == 4
    assert found[0]['packed'] == applications.compress(pretrained.load(folder), events[:16])
    with pipeline() as made:
        _ = made | beam.Create(found) | tfdgm.beam.Decompress(folder) | beam.Map(keep, 'again')
    again = {record['id']: record['event'] for record in FOUND['again']}
    assert set(again) == set(range(50))
    for index, event in again.items():
        np.testing.assert_array_equal(event, events[index])


def test_one_model_in_a_process(tmp_path, events, monkeypatch):
    folder = random_folder(tmp_path, tfdgm.Independent((3, 2, 1)))
    loaded, load = [], pretrained.load
    monkeypatch.setattr(pretrained, 'load', lambda path: loaded.append(path) or load(path))
    with pipeline() as made:
        elements = made | beam.Create(list(events))
        for place in range(3):
            results, _ = elements | f'Score {place}' >> tfdgm.beam.Score(folder, batch_size=4)
            _ = results | f'Keep {place}' >> beam.Map(keep, place)
    assert [len(FOUND[place]) for place in range(3)] == [50] * 3
    assert len(loaded) == 1


def test_other_weights_than_where_the_pipeline_was_made(tmp_path):
    folder = random_folder(tmp_path, tfdgm.Independent(2))
    transform = tfdgm.beam.Score(folder)
    model = pretrained.load(folder)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    pretrained.write_config(folder, pretrained.save_weights(model, folder, pretrained.read_config(folder)))
    with pytest.raises(ValueError, match='has other weights here'):
        outcome(transform, [[0, 1]])


def test_arguments(folder, labelled):
    with pytest.raises(ValueError, match="The zoo has no 'nade_digit'"):
        tfdgm.beam.Score('nade_digit')
    with pytest.raises(ValueError, match='GAN gives samples and no density'):
        tfdgm.beam.Score('wgan_digits')
    with pytest.raises(ValueError, match='has no condition'):
        tfdgm.beam.Score(folder, condition=1)
    with pytest.raises(ValueError, match='integers from 0 to 2, got 3'):
        tfdgm.beam.Score(labelled, condition=3)
    with pytest.raises(ValueError, match='batch_size must be an integer'):
        tfdgm.beam.Score(folder, batch_size=0)
    with pytest.raises(ValueError, match='conditional and no condition was given'):
        tfdgm.beam.Sample(labelled, 3)
    with pytest.raises(ValueError, match='count must be an integer of at least 0'):
        tfdgm.beam.Sample(folder, -1)
    with pytest.raises(ValueError, match='autoregressive'):
        tfdgm.beam.Compress('nice_digits')


def test_without_the_package(monkeypatch):
    for name in [name for name in sys.modules if name.startswith('tfdgm.beam')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    with pytest.raises(ImportError, match=r"pip install 'tfdgm\[beam\]'"):
        importlib.import_module('tfdgm.beam')
    result = run('score', 'made_digits', 'digits.npy', '-o', 'scores', '--runner', 'DirectRunner')
    assert result.status == 1 and "pip install 'tfdgm[beam]'" in result.err and result.err.count('\n') == 1


# Files ---------------------------------------------------------------------------------------------------------------

def write_source(kind, events, ids):
    """Two files of events of a kind, with their ids where they have any."""
    for part in (0, 1):
        chosen = slice(part, None, 2)
        if kind == 'npy':
            np.save(f'data-{part}.npy', events[chosen])
        elif kind == 'structured':
            rows = np.zeros(len(events[chosen]), [('id', 'i8'), ('event', 'f4', events.shape[1:])])
            rows['id'], rows['event'] = ids[chosen], events[chosen]
            np.save(f'data-{part}.npy', rows)
        elif kind in ('parquet', 'nested'):
            values = [event.tolist() if kind == 'nested' else event.ravel() for event in events[chosen]]
            pd.DataFrame({'id': ids[chosen], 'event': values}).to_parquet(f'data-{part}.parquet')
        else:
            with tf.io.TFRecordWriter(f'data-{part}.tfrecord') as writer:
                for number, event in zip(ids[chosen], events[chosen]):
                    writer.write(tf.train.Example(features=tf.train.Features(feature={
                        'id': tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                        'event': tf.train.Feature(float_list=tf.train.FloatList(value=event.ravel()))},
                    )).SerializeToString())


def reasons_of(prefix):
    """Why records were refused, as it was written."""
    lines = [line for path in glob.glob(f'{prefix}-refused-*-of-*.jsonl')
             for line in pathlib.Path(path).read_text().splitlines()]
    return [json.loads(line)['reason'] for line in lines]


def read_scores(kind):
    """The scores in files that were written: a data frame."""
    paths = sorted(glob.glob(f'scores-*-of-*.{kind}'))
    assert paths
    if kind == 'parquet':
        return pd.concat(map(pd.read_parquet, paths))
    if kind == 'csv':
        return pd.concat(map(pd.read_csv, paths))
    if kind == 'npy':
        rows = np.concatenate(list(map(np.load, paths)))
        return pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    examples = [tf.train.Example.FromString(content).features.feature
                for content in tf.data.TFRecordDataset(paths).as_numpy_iterator()]
    return pd.DataFrame([{name: getattr(feature, feature.WhichOneof('kind')).value[0]
                          for name, feature in example.items()} for example in examples])


@pytest.mark.parametrize(('source', 'sink'), [
    ('parquet', 'parquet'), ('nested', 'csv'), ('npy', 'npy'), ('structured', 'parquet'), ('tfrecord', 'tfrecord'),
    ('tfrecord', 'npy'), ('npy', 'tfrecord')])
def test_sources_and_sinks(folder, events, source, sink):
    if 'tfrecord' in (source, sink):
        pytest.importorskip('google_crc32c', reason="Beam's TFRecords need pip install 'tfdgm[beam]'")
    ids = np.arange(50) + 100
    expected = dict(zip(ids.tolist(), pretrained.load(folder).predict(events, verbose=0)))
    spoilt = np.concatenate([events, np.full([2, 3, 2, 1], 3, 'float32')])
    write_source(source, spoilt, np.arange(52) + 100)
    counts = scoring.score(folder, f'data-*.{"npy" if source == "structured" else source}'.replace('nested', 'parquet'),
                           f'scores.{sink}', options=IN_MEMORY[1:])
    assert counts[1:] == (50, 2)
    found = read_scores(sink)
    if source == 'npy':
        names = found['file'].map(lambda name: name if isinstance(name, str) else name.decode())
        found['id'] = 100 + 2 * found['row'] + names.map(lambda name: int(name.endswith('data-1.npy')))
        assert set(found) == {'file', 'row', 'log_prob', 'id'}
    else:
        assert set(found) - {'file', 'row'} == {'id', 'log_prob'}
    assert sorted(found['id']) == sorted(expected)
    np.testing.assert_allclose(found['log_prob'], [expected[number] for number in found['id']], rtol=1e-6)
    assert [reason.startswith('6 of the 6 values lie outside') for reason in reasons_of('scores')] == [True, True]


def test_tables_of_text(table):
    pathlib.Path('a.csv').write_text('name,cm,kg\n"Ada, L.",170,60\nBo,181,x\nCy,1,2,3\n\nDi,160\nEd,150,50\n')
    pathlib.Path('b.csv').write_bytes(b'name,cm,kg\nFi\xff,170,60\nGo,171,61\n')
    pathlib.Path('c.csv').write_text('name,kg,cm\nHy,60,170\n')
    counts = scoring.score(table, '[abc].csv', 'scores', options=IN_MEMORY[1:])
    assert counts[1:] == (3, 5)
    found = read_scores('csv').sort_values('name')
    assert found['name'].tolist() == ['Ada, L.', 'Ed', 'Go'] and list(found) == ['name', 'cm', 'kg', 'log_prob']
    expected = pretrained.load(table).predict(np.array([[170, 60], [150, 50], [171, 61]]), verbose=0)
    np.testing.assert_allclose(found['log_prob'], expected, rtol=1e-5)
    reasons = ' '.join(reasons_of('scores'))
    for expected in "holds 'x'", 'has 4 fields', 'has 2 fields', 'not CSV', 'not those of the first file':
        assert expected in reasons


def test_shards_that_differ(folder, events):
    pd.DataFrame({'id': [1], 'event': [events[0].ravel()]}).to_parquet('a.parquet')
    pd.DataFrame({'event': [events[1].ravel()]}).to_parquet('b.parquet')
    pd.DataFrame({'id': ['x'], 'event': [events[1].ravel()]}).to_parquet('c.parquet')
    assert scoring.score(folder, '[abc].parquet', 'scores', options=IN_MEMORY[1:])[1:] == (1, 2)


def test_examples_that_differ(folder, events):
    pytest.importorskip('google_crc32c', reason="Beam's TFRecords need pip install 'tfdgm[beam]'")
    for name, feature in ('a', tf.train.Feature(float_list=tf.train.FloatList(value=events[0].ravel()))), (
            'b', tf.train.Feature(bytes_list=tf.train.BytesList(value=[b'x']))):
        with tf.io.TFRecordWriter(f'{name}.tfrecord') as writer:
            writer.write(tf.train.Example(features=tf.train.Features(feature={'event': feature})).SerializeToString())
            writer.write(b'\xff\xff')
    assert scoring.score(folder, '[ab].tfrecord', 'scores', options=IN_MEMORY[1:])[1:] == (1, 3)


def test_the_event_stays_where_nothing_else_tells_records_apart(folder, events):
    pd.DataFrame({'event': [event.ravel() for event in events]}).to_parquet('data.parquet')
    scoring.score(folder, 'data.parquet', 'scores', options=IN_MEMORY[1:])
    found = read_scores('parquet')
    log_probs = pretrained.load(folder).predict(np.stack(found['event']).reshape(events.shape), verbose=0)
    np.testing.assert_allclose(found['log_prob'], log_probs, rtol=1e-6)


def test_large_arrays_are_written_to_several_files(monkeypatch):
    monkeypatch.setattr('tfdgm.beam.sinks.WRITTEN_TO_ONE', 4)
    with pipeline() as made:
        _ = (made | beam.Create([{'id': index, 'event': np.full([2, 2], index)} for index in range(10)])
             | tfdgm.beam.Write('out', '.npy', pa.schema([('id', pa.int64()), ('event', pa.null())])))
    parts = [np.load(path) for path in sorted(glob.glob('out-*.npy'))]
    assert sorted(len(part) for part in parts) == [2, 4, 4]
    assert sorted(np.concatenate(parts)['id']) == list(range(10)) and parts[0]['event'].shape[1:] == (2, 2)


@pytest.mark.parametrize(('write', 'message'), [
    (lambda: None, 'data-*.npy'),
    (lambda: pathlib.Path('data-0.npy').write_text('no array'), 'not a .npy file of numbers'),
    (lambda: np.save('data-0.npy', np.asfortranarray(np.zeros([3, 4]))), 'one event after the other'),
    (lambda: np.save('data-0.npy', np.array(['x', None])), 'array of numbers')])
def test_files_that_are_none(write, message):
    write()
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        tfdgm.beam.Read('data-*.npy')
    assert message in str(caught.value)


def test_other_files_that_are_none(table):
    pathlib.Path('a.csv').write_text('1,2\n3,4\n')
    pathlib.Path('b.csv').write_text('x,y\n3,4\n')
    pathlib.Path('c.parquet').write_text('x')
    pathlib.Path('d.tfrecord').write_text('x')
    for pattern, message in ('a.csv', 'a line of different names'), ('c.parquet', 'damaged'), (
            'd.tfrecord', 'should begin with'), ('*', 'all end in the same'):
        with pytest.raises(ValueError, match=message):
            tfdgm.beam.Read(pattern)
    with pytest.raises(ValueError, match='those that the model was trained on, cm, kg'):
        scoring.score(table, 'b.csv', 'scores')


# The command ---------------------------------------------------------------------------------------------------------

def test_command(folder, labelled, events):
    np.save('data-0.npy', events)
    out = succeed('score', folder, 'data-*.npy', '-o', 'scores.csv', '--runner', 'DirectRunner', *IN_MEMORY)
    assert '50 log-probabilities' in out and 'scores-*-of-*.csv' in out and 'refused' not in out
    np.testing.assert_allclose(read_scores('csv').sort_values('row')['log_prob'],
                               pretrained.load(folder).predict(events, verbose=0), rtol=1e-6)
    np.save('labelled.npy', np.ones([3, 4]))
    succeed('score', labelled, 'labelled.npy', '-o', 'given', '--label', 2, '--runner', 'DirectRunner', *IN_MEMORY)
    np.testing.assert_allclose(np.load('given-00000-of-00001.npy')['log_prob'], pretrained.load(labelled).predict(
        [np.ones([3, 4]), np.full(3, 2)], verbose=0), rtol=1e-6)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['data.npy', '--runner', 'DirectRunner'], 'by -o'),
    (['data.npy', 'other.npy', '-o', 'scores', '--runner', 'DirectRunner'], 'pattern of several files in quotes'),
    (['data.npy', 'other.npy'], 'a pattern of several files needs --runner'),
    (['missing-*.npy', '-o', 'scores', '--runner', 'DirectRunner'], 'missing-*.npy'),
    (['data.npy', '-o', 'scores', '--runner', 'DirectRunner', '--', '--direct_worker=2'], 'no option --direct_worker'),
    (['data.npy', '-o', 'there', '--runner', 'DirectRunner', *IN_MEMORY], 'There are files of this name'),
    (['data.npy', '-o', 'scores', '--runner', 'NoRunner'], 'NoRunner')])
def test_command_refuses(folder, events, arguments, message):
    np.save('data.npy', events)
    np.save('there-00000-of-00001.npy', events)
    result = run('score', folder, *arguments)
    assert result.status and message in result.err and result.err.count('\n') == 1
    assert not glob.glob('scores*')


def test_a_pipeline_that_fails_says_why_in_one_line(folder, events):
    np.save('data-0.npy', events)
    np.save('data-1.npy', events)
    os.truncate('data-1.npy', 1000)
    result = run('score', folder, 'data-*.npy', '-o', 'scores', '--runner', 'DirectRunner', *IN_MEMORY)
    assert result.status == 1 and 'cut short' in result.err and result.err.count('\n') == 1
    assert not glob.glob('scores-*')


# Several processes ---------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_several_processes(rng):
    model = zoo.load('made_digits')
    x = model.distribution().sample(400, seed=0).numpy()
    x[7, 0, 0, 0], x[300] = np.nan, 5
    for part in range(4):
        np.save(f'data-{part}.npy', x[100 * part:100 * part + 100])
    out = succeed('score', 'made_digits', 'data-*.npy', '-o', 'scores', '--runner', 'DirectRunner', '--',
                  '--direct_num_workers=2')
    assert '398 log-probabilities' in out and '2 refused' in out
    found = read_scores('npy')
    assert len(glob.glob('scores-*-of-00002.npy')) == 2
    places = 100 * found['file'].str[-5].astype(int) + found['row']
    assert sorted(places) == sorted(set(range(400)) - {7, 300})
    np.testing.assert_allclose(found['log_prob'], model.predict(x[places], verbose=0), rtol=1e-5)


@pytest.mark.slow
def test_a_killed_run_leaves_no_shards(rng):
    x = zoo.load('made_digits').distribution().sample(2000, seed=0).numpy()
    for part in range(40):
        np.save(f'data-{part}.npy', np.tile(x, [10, 1, 1, 1]))
    arguments = ('score', 'made_digits', 'data-*.npy', '-o', 'scores', '--runner', 'DirectRunner', '--',
                 '--direct_num_workers=2')
    running = process(*arguments)
    with running.stderr:
        while not glob.glob('beam-temp-scores-*/*'):  # Until a worker writes.
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.1)
        workers = psutil.Process(running.pid).children(recursive=True)
        assert len(workers) >= 2
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert not glob.glob('scores-*')
    _, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    assert not alive and not glob.glob('scores-*')
    for part in range(2, 40):
        os.remove(f'data-{part}.npy')
    succeed(*arguments)
    found = read_scores('npy')
    assert len(found) == 40_000 and not found.duplicated(['file', 'row']).any()
