"""Lossless compression: arithmetic coding by the probabilities that a model gives one site after the other."""

import hashlib
import json
import platform
import struct
import zlib

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import inputs
from tfdgm.autoregressive import AutoregressiveModel
from tfdgm.distribution import condition_tensor

# What a file begins with: a mark, digests of the model and of where it ran, how many events there are, and checksums of
# the events and of what follows.
MARK, HEADER = b'TFDGM1', struct.Struct('<6s8s4sIII')


def compress(model: AutoregressiveModel, x: ArrayLike, condition: ArrayLike | None = None) -> bytes:
    """Events as bytes, of about -log2 p(x) bits in all, from which `decompress` makes them again.

    Range coding spends on each site the bits that its probability given the sites before is worth. The probabilities
    are those of sampling, site by site, for a decoder can have no others.

    Args:
        model: an autoregressive model of integers, all events of one length.
        x: events, `[n, *event_shape]`.
        condition: of a conditional model, one for each event; `decompress` needs the same, which are not kept.

    Raises:
        ValueError: if the model is of another kind, or events or conditions are not valid.
        ImportError: if the package `constriction` is missing.

    Source: D. MacKay, "Information theory, inference, and learning algorithms", 2003, chapter 6
    (https://www.inference.org.uk/mackay/itila).

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.MADE(8, hidden_units=(16,))
    >>> x = np.random.default_rng(0).integers(2, size=[100, 8])
    >>> packed = tfdgm.applications.compress(model, x)
    >>> len(packed) < 150, bool(np.all(tfdgm.applications.decompress(model, packed) == x))
    (True, True)
    """
    stream = require_constriction()
    check_model(model)
    x, condition, _ = inputs.prepared(model, inputs.array(x, 'events'), condition)
    x = np.asarray(x, 'int32')
    encoder = stream.queue.RangeEncoder()
    for part in parts_of(model, len(x)):
        chain = Sites(model, part, condition)
        symbols = chain.in_chain(x[part])
        previous = np.zeros(len(symbols), 'int32')
        for position in range(model.num_sites):
            probabilities = chain.probabilities(position, previous)
            previous = symbols[:, position]
            encoder.encode(previous, stream.model.Categorical(perfect=False), probabilities)
    payload = encoder.get_compressed().astype('<u4').tobytes()
    found = checksum(x)
    return HEADER.pack(MARK, digest(model), place(), len(x), found, code_of(len(x), found, payload)) + payload


def decompress(model: AutoregressiveModel, packed: bytes, condition: ArrayLike | None = None) -> np.ndarray:
    """The events that `compress` made bytes of, bit by bit the same: `[n, *event_shape]`, int32.

    It has to compute the same probabilities to the last bit. So it takes the same model, versions of the libraries and
    kind of processor; if sums are rounded differently somewhere, the checksum of the events shows it, and nothing is
    returned.

    Args:
        model: the same model, with the same weights.
        packed: what `compress` returned.
        condition: the conditions of the events, if the model has one.

    Raises:
        ValueError: if they were compressed by another model or under other conditions, are damaged, or probabilities
            come out differently here.
        ImportError: if the package `constriction` is missing.
    """
    stream = require_constriction()
    check_model(model)
    count, found, where, payload = unpacked(model, packed)
    condition = condition_tensor(model.condition, condition)
    if condition is not None and condition.shape[0] != count:
        raise ValueError(f'Expected one condition for each of the {count} events, got {condition.shape[0]}.')
    decoder = stream.queue.RangeDecoder(payload)
    events = np.zeros((count, *model.event_shape), 'int32')
    for part in parts_of(model, count):
        chain = Sites(model, part, condition)
        symbols = np.zeros((len(events[part]), model.num_sites), 'int32')
        previous = np.zeros(len(symbols), 'int32')
        for position in range(model.num_sites):
            probabilities = chain.probabilities(position, previous)
            try:
                previous = decoder.decode(stream.model.Categorical(perfect=False), probabilities)
            except AssertionError:  # Other probabilities than those of the encoder: the checksum shows it.
                return require_same(events, None, where, condition)
            symbols[:, position] = previous
        events[part] = chain.from_chain(symbols)
    return require_same(events, found, where, condition)


def require_same(events: np.ndarray, found: int | None, where: bytes, condition) -> np.ndarray:
    """The events; raises unless their checksum is the one that was found before, None where they can't be told."""
    if checksum(events) != found:
        if where != place():
            why = (f'they were compressed by other versions or on another kind of machine than this, {described()}. '
                   'Sums of real numbers are rounded differently there, and one bit decides: decompress them there')
        elif condition is not None:
            why = 'the conditions are not those that they were compressed with, or sums are rounded differently here'
        else:
            why = ('sums of real numbers are rounded differently here than where they were compressed, such as by '
                   'another number of threads: decompress them there')
        raise ValueError(f'The {len(events)} events do not come out as they went in: {why}.')
    return events


def unpacked(model, packed: bytes) -> tuple:
    """How many events there are, their checksum, the digest of where they were compressed, and their code."""
    if not isinstance(packed, bytes | bytearray | memoryview):
        raise ValueError(f'Compressed events are bytes, got {type(packed).__name__}.')
    packed = bytes(packed)
    if len(packed) < HEADER.size or not packed.startswith(MARK[:5]):
        raise ValueError('These bytes are no events that tfdgm.applications.compress made.')
    mark, of_model, where, count, events, code = HEADER.unpack_from(packed)
    if mark != MARK:
        raise ValueError(f'These events were compressed in the format {mark[5:].decode(errors="replace")}, and this '
                         f'version of tfdgm reads format {MARK[5:].decode()}.')
    if of_model != digest(model):
        raise ValueError(f'These events were compressed by another model, or by this {type(model).__name__} with other '
                         'weights: load the one that compressed them.')
    payload = packed[HEADER.size:]
    if code_of(count, events, payload) != code:
        raise ValueError('These events are damaged or cut off: their checksum is not what it was.')
    return count, events, where, np.frombuffer(payload, '<u4').astype('uint32')


class Sites:
    """The probabilities of the values of one site after the other, for some of the events.

    Args:
        model: an autoregressive model of integers.
        part: a slice, which events.
        condition: of all events, or None.
    """

    def __init__(self, model: AutoregressiveModel, part: slice, condition):
        self.model = model
        self.condition = None if condition is None else tf.convert_to_tensor(condition[part])
        # Without XLA: its programs of a few operations each are no faster here.
        self.run = lambda method, *args: model.run(method, *args, jit_compile=False)
        # Models that draw an order, draw the same one each time.
        self.state = self.run(model.initial_state, part.stop - part.start, self.condition, tf.constant([0, 0]))

    def probabilities(self, position: int, previous: np.ndarray) -> np.ndarray:
        """The probabilities of all values at a position of the chain, `[events, levels]`, given those before."""
        model, place = self.model, tf.constant(position)
        previous = tf.constant(previous, tf.float32)
        if position % model.row_length == 0:
            self.state = self.run(model.start_row, self.state, place // model.row_length, previous)
        if position % model.pixel_length == 0:
            self.state = self.run(model.start_pixel, self.state, place, previous)
        parameters, self.state = self.run(model.step, self.state, place, previous)
        levels = tf.range(model.support.levels, dtype=tf.float32)
        log_probs = model.output.log_prob(tf.cast(parameters, tf.float32)[:, None], levels[None])
        return np.exp(log_probs.numpy())

    def in_chain(self, x: np.ndarray) -> np.ndarray:
        """Events as they stand in the chain: `[events, sites]`."""
        return np.asarray(self.model.chain_of_samples(tf.constant(x, tf.float32), self.state)).astype('int32')

    def from_chain(self, symbols: np.ndarray) -> np.ndarray:
        """The way back: `[events, *event_shape]`."""
        return np.asarray(self.model.samples_from_chain(tf.constant(symbols, tf.float32), self.state)).astype('int32')


def parts_of(model, count: int) -> list:
    """Slices of so many events, as many at once as the model draws."""
    size = model.sampling_batch
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def check_model(model):
    """Raises unless a model can compress."""
    if not isinstance(model, AutoregressiveModel):
        raise ValueError(f'Compression needs the probability of one site after the other, which a '
                         f'{type(model).__name__} does not give: take an autoregressive model, such as a '
                         'tfdgm.GatedPixelCNN.')
    if not model.support.is_discrete:
        raise ValueError(f'Compression is of integers; the values of this {type(model).__name__} are {model.support}.')
    if model.variable_length:
        raise ValueError('Compression is of events of one length; this model has variable_length=True.')


def digest(model) -> bytes:
    """Eight bytes that stand for a model and its weights."""
    config = {name: value for name, value in model.get_config().items() if name not in ('name', 'trainable')}
    found = hashlib.sha256(json.dumps(keras.saving.serialize_keras_object(config), sort_keys=True).encode())
    for weight in model.weights:
        found.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return found.digest()[:8]


def described() -> str:
    """The versions and the machine that real numbers are computed by."""
    return f'TensorFlow {tf.__version__}, Keras {keras.__version__}, {platform.machine()}, {platform.system()}'


def place() -> bytes:
    """Four bytes that stand for these."""
    return hashlib.sha256(described().encode()).digest()[:4]


def code_of(count: int, events: int, payload: bytes) -> int:
    """A number by which damage shows, of the code and what is said of it."""
    return zlib.crc32(payload, zlib.crc32(struct.pack('<II', count, events)))


def checksum(x: np.ndarray) -> int:
    """A number by which other events than these show."""
    return zlib.crc32(np.ascontiguousarray(x, '<i4').tobytes())


def require_constriction():
    """The package's coders; raises if it is not installed."""
    try:
        import constriction
    except ImportError as error:
        raise ImportError("Compression needs the package constriction: pip install 'tfdgm[compression]'.") from error
    return constriction.stream
