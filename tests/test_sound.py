"""Sound: companding, and WAV files."""

import wave

import numpy as np
import pytest

import tfdgm
from tfdgm.data import sound


@pytest.mark.parametrize('levels', [2, 16, 255, 256])
def test_every_level_comes_back(levels):
    values = np.arange(levels)
    waveform = sound.decode(values, levels)
    assert waveform[0] == -1 and waveform[-1] == 1
    assert np.all(np.diff(waveform) > 0)
    np.testing.assert_array_equal(sound.encode(waveform, levels), values)
    np.testing.assert_allclose(waveform, -waveform[::-1], atol=1e-6)


def test_the_curve_is_that_of_the_recommendation():
    """F(x) = sign(x) ln(1 + μ|x|) / ln(1 + μ), at points worked out by hand for μ = 255."""
    waveform = np.array([0, 1 / 255, 3 / 255, 15 / 255, 1])  # ln(1 + μx) = 0, ln 2, ln 4, ln 16, ln 256.
    companded = np.array([0, 1 / 8, 2 / 8, 4 / 8, 1])
    np.testing.assert_array_equal(sound.encode(waveform), np.floor((companded + 1) / 2 * 255 + 0.5))


def test_an_error_of_rounding_is_relative_to_the_wave():
    waveform = np.random.default_rng(0).uniform(-1, 1, size=10_000)
    error = abs(sound.decode(sound.encode(waveform)) - waveform)
    # Half a level: ln(256) / 255 of 1/255 + |x|.
    assert np.all(error <= 1.02 * (abs(waveform) + 1 / 255) * np.log(256) / 255)


def test_what_is_missing_is_silent():
    assert sound.decode([np.nan]) == 0


@pytest.mark.parametrize('waveform', [[-3, 3], [np.nan], [np.inf], [1j], ['a'], np.array([1000, -1000], 'int16')])
def test_what_is_no_waveform_has_no_levels(waveform):
    with pytest.raises(ValueError, match='Expected a waveform, real numbers from -1 to 1'):
        sound.encode(waveform)


@pytest.mark.parametrize('values', [[255], [16], [-1], [0.5], [np.inf], ['a']])
def test_what_is_no_level_is_no_sound(values):
    with pytest.raises(ValueError, match='Expected integers from 0 to 15, levels of sound'):
        sound.decode(values, levels=16)


def test_a_file_comes_back(tmp_path):
    waveform = np.random.default_rng(0).uniform(-1, 1, size=999).astype('float32')
    sound.write(tmp_path / 'noise.wav', waveform, 8000)
    read = sound.read(tmp_path / 'noise.wav', 8000)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, waveform, atol=1 / 2**15)
    with wave.open(str(tmp_path / 'noise.wav')) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 8000, 999)


def test_the_loudest_numbers_do_not_wrap_around(tmp_path):
    sound.write(tmp_path / 'loud.wav', np.array([1, -1]), 8000)
    np.testing.assert_allclose(sound.read(tmp_path / 'loud.wav', 8000), [1, -1], atol=1 / 2**14)


def wav(path, channels=1, width=2, rate=8000, data=b'\1\0' * 8):
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)


@pytest.mark.parametrize('options, message', [
    ({'channels': 2}, 'has 2 channels; mix it down to one'),
    ({'width': 1}, 'has 8-bit numbers; convert it to 16 bits'),
    ({'rate': 44100}, 'has 44100 samples a second, and the model takes 8000; resample it'),
    ({'data': b''}, 'is empty'),
    ({'data': b'\0\0' * 50}, 'is silent'),
])
def test_files_that_no_model_takes_are_refused(tmp_path, options, message):
    wav(tmp_path / 'a.wav', **options)
    with pytest.raises(ValueError, match=message):
        sound.read(tmp_path / 'a.wav', 8000)


@pytest.mark.parametrize('damage, message', [
    (lambda data: data[:100], 'is damaged: it should hold 1998 bytes of sound and holds 56'),
    (lambda data: data[:101], 'is damaged: it should hold 1998 bytes of sound and holds 57'),
    (lambda data: data[:30], 'is not a WAV file of integers, or damaged'),
    (lambda data: b'', 'is not a WAV file of integers, or damaged'),
    (lambda data: data[:16] + b'\xff' * 4 + data[20:], 'is not a WAV file of integers, or damaged'),
])
def test_damaged_files_are_refused(tmp_path, damage, message):
    sound.write(tmp_path / 'a.wav', np.sin(np.arange(999)), 8000)
    (tmp_path / 'a.wav').write_bytes(damage((tmp_path / 'a.wav').read_bytes()))
    with pytest.raises(ValueError, match=rf'a\.wav {message}'):
        sound.read(tmp_path / 'a.wav', 8000)


@pytest.mark.parametrize('waveform, rate', [
    (np.ones(3), 8000.), (np.ones(3), 0), (np.ones(3), 10**12), (np.array([1000, -1000], 'int16'), 8000),
    ([120., 128.], 8000), ([2., -2.], 8000), (['a'], 8000), ([np.inf], 8000)])
def test_what_cannot_be_written_leaves_a_file_as_it_is(tmp_path, waveform, rate):
    sound.write(tmp_path / 'a.wav', np.ones(3), 8000)
    before = (tmp_path / 'a.wav').read_bytes()
    with pytest.raises(ValueError):
        sound.write(tmp_path / 'a.wav', waveform, rate)
    assert (tmp_path / 'a.wav').read_bytes() == before


def test_what_is_no_sound_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'There is no file .*none\.wav'):
        sound.read(tmp_path / 'none.wav', 8000)
    (tmp_path / 'text.wav').write_text('not a sound')
    with pytest.raises(ValueError, match=r'text\.wav is not a WAV file'):
        sound.read(tmp_path / 'text.wav', 8000)
    with pytest.raises(ValueError, match='rate of sound must be an integer'):
        sound.read(tmp_path / 'text.wav', '8000')
    for waveform in [], [[0.]], [np.nan]:
        with pytest.raises(ValueError, match='Expected a waveform'):
            sound.write(tmp_path / 'a.wav', waveform, 8000)
    with pytest.raises(ValueError, match='levels of sound must be an integer of at least 2'):
        sound.encode([0.], levels=1)


def test_a_sound_is_fitted_to_the_events_of_a_model():
    options = {'output': tfdgm.outputs.Categorical(256), 'filters': 4, 'dilations': (1,), 'stacks': 1}
    several, one = (tfdgm.WaveNet(5, variable_length=flag, **options) for flag in (True, False))
    np.testing.assert_array_equal(sound.fitted(np.arange(3.), several, 'a.wav'), [0, 1, 2, np.nan, np.nan])
    np.testing.assert_array_equal(sound.fitted(np.arange(5.), one, 'a.wav'), np.arange(5))
    with pytest.raises(ValueError, match=r'a\.wav has 6 samples, and the model takes at most 5; cut it'):
        sound.fitted(np.zeros(6), several, 'a.wav')
    with pytest.raises(ValueError, match=r'a\.wav has 3 samples, and the events of this model have 5 each'):
        sound.fitted(np.zeros(3), one, 'a.wav')
