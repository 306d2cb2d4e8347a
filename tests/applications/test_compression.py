"""Compression: what comes out is what went in, in as many bytes as the probabilities say."""

import subprocess
import sys

import numpy as np
import pytest

import tfdgm
import zoo
from tests.autoregressive.systems import SYSTEMS, every_event
from tests.autoregressive.systems import make as made_of
from tests.systems import every_of
from tfdgm.applications import compress, decompress
from tfdgm.applications.compression import HEADER, code_of

every_system = every_of(SYSTEMS, 'made', 'gated_pixel_cnn')


def make(system):
    return made_of(system, (2, 4, 1))


def all_events(model):
    return every_event(model.event_shape, 2)


def bits_of(model, x, condition=None):
    return -np.sum(model.predict(x if condition is None else [x, condition], verbose=0)) / np.log(2)


@every_system
def test_every_event_of_a_small_space_comes_back(system):
    model = make(system)
    x = all_events(model)
    packed = compress(model, x)
    np.testing.assert_array_equal(decompress(model, packed), x)
    # Words of 32 bits, of which one may be begun and one left over.
    assert len(packed) * 8 < 1.02 * bits_of(model, x) + 64 + HEADER.size * 8


@pytest.mark.parametrize('output', [
    tfdgm.outputs.Categorical(5), tfdgm.outputs.MixtureOfLogistics(levels=9, components=2)])
def test_integers_of_several_levels_come_back(output):
    model = tfdgm.GatedPixelCNN((4, 4, 1), output=output, filters=4, blocks=1)
    x = np.random.default_rng(0).integers(output.support.levels, size=[200, 4, 4, 1])
    packed = compress(model, x)
    np.testing.assert_array_equal(decompress(model, packed), x)
    assert abs((len(packed) - HEADER.size) * 8 / bits_of(model, x) - 1) < 0.01


def test_conditions_are_known_to_both_sides():
    model = tfdgm.MADE((4, 4, 1), hidden_units=(32,), condition=tfdgm.conditions.Label(3))
    generator = np.random.default_rng(0)
    x, labels = generator.integers(2, size=[300, 4, 4, 1]), generator.integers(3, size=300)
    model.compile('adam')
    model.fit(x, labels, verbose=0)
    packed = compress(model, x, labels)
    np.testing.assert_array_equal(decompress(model, packed, labels), x)
    with pytest.raises(ValueError, match=r'one condition for each of the 300 events, got 2'):
        decompress(model, packed, labels[:2])
    with pytest.raises(ValueError, match='This model is conditional and no condition was given'):
        decompress(model, packed)


def test_real_images_take_the_bits_of_their_likelihood():
    model = zoo.load('gated_pixelcnn_digits')
    x = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'train', binarization='threshold'))
    packed = compress(model, x)
    np.testing.assert_array_equal(decompress(model, packed), x)
    assert abs((len(packed) - HEADER.size) * 8 / bits_of(model, x) - 1) < 0.01
    # The batches that a model draws at once are coded one after the other.
    model.__class__.sampling_batch, whole = 512, model.__class__.sampling_batch
    try:
        np.testing.assert_array_equal(decompress(model, compress(model, x)), x)
    finally:
        model.__class__.sampling_batch = whole


def test_another_process_reads_it(tmp_path):
    x = tfdgm.data.as_arrays(tfdgm.data.load('digits', 'test', binarization='threshold'))[:50]
    (tmp_path / 'packed').write_bytes(compress(zoo.load('nade_digits'), x))
    script = ('import sys, numpy, tfdgm, zoo; packed = open(sys.argv[1], "rb").read();'
              'numpy.save(sys.argv[2], tfdgm.applications.decompress(zoo.load("nade_digits"), packed))')
    subprocess.run([sys.executable, '-c', script, tmp_path / 'packed', tmp_path / 'x.npy'], check=True,
                   capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / 'x.npy'), x)


@pytest.fixture(scope='module')
def packed():
    model = make('made')
    return model, compress(model, all_events(model))


def test_what_is_damaged_is_refused(packed):
    model, whole = packed
    other = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:] for place in (HEADER.size, len(whole) - 1)]
    for damaged in (whole[:-1], whole[:-4], whole[:HEADER.size], whole + b'\0', *other):
        with pytest.raises(ValueError, match='are damaged or cut off'):
            decompress(model, damaged)
    for other in (b'', b'TFDGM', b'\x89PNG' + whole):
        with pytest.raises(ValueError, match=r'are no events that tfdgm\.applications\.compress made'):
            decompress(model, other)
    with pytest.raises(ValueError, match='compressed in the format 2, and this version of tfdgm reads format 1'):
        decompress(model, whole.replace(b'TFDGM1', b'TFDGM2', 1))
    with pytest.raises(ValueError, match='are bytes, got str'):
        decompress(model, 'text')


def test_another_model_is_refused(packed):
    _, whole = packed
    changed = make('made')
    changed.trainable_variables[0].assign(changed.trainable_variables[0] + 1e-3)
    for other in (changed, make('nade')):
        with pytest.raises(ValueError, match=r'by another model, or by this (MADE|NADE) with other weights'):
            decompress(other, whole)


def test_what_comes_out_otherwise_is_not_returned(packed):
    model, whole = packed
    mark, of_model, where, count, events, _ = HEADER.unpack_from(whole)
    payload = whole[HEADER.size:]

    def altered(where, payload=payload):
        return HEADER.pack(mark, of_model, where, count, events + 1, code_of(count, events + 1, payload)) + payload

    for same in altered(where), altered(where, b'\xff' * len(payload)):
        with pytest.raises(ValueError, match=r'do not come out as they went in: .* another number of threads'):
            decompress(model, same)
    with pytest.raises(ValueError, match='by other versions or on another kind of machine than this, TensorFlow'):
        decompress(model, altered(b'else'))


def test_a_damaged_header_is_refused(packed):
    model, whole = packed
    for place in range(HEADER.size):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:]
        if place not in range(14, 18):  # What says where it was compressed serves the message alone.
            with pytest.raises(ValueError, match=r'are no events|the format|another model|damaged or cut off'):
                decompress(model, damaged)


@pytest.mark.parametrize('model, message', [
    (lambda: tfdgm.RBM(4, hidden_units=3), 'which a RBM does not give: take an autoregressive model'),
    (lambda: tfdgm.GAN(4), 'which a GAN does not give'),
    (lambda: tfdgm.NADE(4, output=tfdgm.outputs.MixtureOfGaussians(1)), 'is of integers; the values of this NADE'),
    (lambda: tfdgm.WaveNet(4, variable_length=True), 'variable_length=True')])
def test_models_that_do_not_compress(model, message):
    with pytest.raises(ValueError, match=message):
        compress(model(), np.ones([2, 4]))


def test_events_that_are_not_valid(packed):
    model, _ = packed
    with pytest.raises(ValueError, match='0 or 1'):
        compress(model, all_events(model) + 0.5)
    with pytest.raises(ValueError, match='at least one event'):
        compress(model, all_events(model)[:0])
