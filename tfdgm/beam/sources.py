"""Sources: records in files, by Beam's own of Parquet, text, TFRecord of `tf.train.Example`s, and by .npy files.

Of each there may be many, by a pattern such as `data-*.parquet`, wherever Beam's file systems reach.
"""

import csv
import functools
import itertools
import os
import pathlib
import struct

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf
from apache_beam.coders import BytesCoder
from apache_beam.io import fileio
from apache_beam.io.filesystems import FileSystems
from google.protobuf.message import DecodeError

from tfdgm.beam.records import EVENT, Unreadable
from tfdgm.data import parquet, tables

TFRECORDS = '.tfrecord', '.tfrecords'
SUFFIXES = *parquet.SUFFIXES, *tables.SUFFIXES, *TFRECORDS, '.npy'
# How many events of a .npy file are read at once.
READ_AT_ONCE = 1024


def absolute(path: str) -> str:
    """A path as every process finds it, and Beam, which looks for no files by a pattern without a folder."""
    return path if '://' in path else os.path.abspath(path)


def schema_of(path: str, suffix: str) -> pa.Schema:
    """The columns of a file, by its beginning."""
    if suffix in tables.SUFFIXES:
        return pa.schema([(name, pa.string()) for name in header_of(path)[0]])
    with FileSystems.open(path) as file:
        if suffix in parquet.SUFFIXES:
            return pyarrow.parquet.read_schema(file)
        if suffix == '.npy':
            kind = header_of_array(file, path)[1]
            fields = [(name, type_of(kind[name].base, bool(kind[name].shape))) for name in kind.names or ()]
            return pa.schema([*(fields or [(EVENT, pa.list_(type_of(kind, False)))]),
                              ('file', pa.string()), ('row', pa.int64())])
        start = file.read(12)  # The length of the first record, and a checksum.
        content = file.read(struct.unpack('<Q', start[:8])[0]) if len(start) == 12 else b''
    example = tf.train.Example.FromString(content)
    if not example.features.feature:
        raise ValueError(f'{path} should begin with a tf.train.Example.')
    return pa.schema([(name, type_of_feature(name, feature))
                      for name, feature in sorted(example.features.feature.items())])


def type_of(kind: np.dtype, several: bool) -> pa.DataType:
    """The type of a column of NumPy's values, or of lists of several."""
    known = {'U': pa.string(), 'S': pa.binary()}
    single = known.get(kind.kind) or pa.from_numpy_dtype(kind)
    return pa.list_(single) if several else single


def type_of_feature(name: str, feature) -> pa.DataType:
    """The type of a column of examples, by the feature of one of them."""
    kind = feature.WhichOneof('kind')
    several = name == EVENT or not kind or len(getattr(feature, kind).value) != 1
    single = {'int64_list': pa.int64(), 'float_list': pa.float32()}.get(kind, pa.binary())
    return pa.list_(single) if several else single


class Read(beam.PTransform):
    """Reads the records of files: a dictionary for each row of a table, example, or event of an array.

    Events of an array have their `file` and `row` beside them. The columns are those of the first file; what is no such
    record, as a line with too few fields, becomes one that is refused.

    Args:
        pattern: such as `data-*.parquet`; of files that all end in .parquet, .csv, .tsv, .tfrecord or .npy.

    Attributes:
        suffix: of the files.
        schema: of the first of them, a `pyarrow.Schema`.

    Raises:
        FileNotFoundError: if there are no such files.
        ValueError: if they are not of one kind, or the first is not what its name says.
    """

    def __init__(self, pattern: str):
        super().__init__()
        self.pattern = absolute(pattern)
        paths = sorted(metadata.path for metadata in FileSystems.match([self.pattern])[0].metadata_list)
        if not paths:
            raise FileNotFoundError(f'There are no files {self.pattern}.')
        kinds = {pathlib.PurePath(path).suffix.lower() for path in paths}
        if len(kinds) > 1 or not kinds <= set(SUFFIXES):
            raise ValueError(f'{self.pattern} should match files that all end in the same one of '
                             f'{", ".join(SUFFIXES)}; some end in {" and ".join(sorted(kinds)) or "nothing"}.')
        self.suffix = kinds.pop()
        try:
            self.schema = schema_of(paths[0], self.suffix)
        except (pa.ArrowException, DecodeError) as error:
            raise ValueError(f'{paths[0]} is not what its name says, or is damaged: {error}') from error

    def expand(self, pipeline) -> beam.PCollection:
        suffix, schema = self.suffix, self.schema
        pattern = pipeline | beam.Create([self.pattern])
        if suffix in parquet.SUFFIXES:
            return (pattern | beam.io.parquetio.ReadAllFromParquetBatched(with_filename=True)
                    | beam.FlatMapTuple(functools.partial(rows_of_table, schema)))
        if suffix in tables.SUFFIXES:
            # Beam's source of CSV goes through its data frames, which do not know pandas 3 and lose lines.
            return (pattern
                    | beam.io.ReadAllFromText(skip_header_lines=1, with_filename=True, coder=BytesCoder())
                    | beam.ParDo(Lines(schema.names)))
        if suffix in TFRECORDS:
            return pattern | beam.io.ReadAllFromTFRecord() | beam.Map(functools.partial(example_of, schema))
        return pattern | fileio.MatchAll() | beam.Reshuffle() | fileio.ReadMatches() | beam.FlatMap(rows_of_array)


def rows_of_table(schema: pa.Schema, path: str, table: pa.Table):
    """Yields the rows of a part of a Parquet file; lists of numbers are arrays."""
    try:
        table = table.select(schema.names).cast(schema)
    except (KeyError, pa.ArrowException, ValueError) as error:
        reason = f'The columns of {path} are not those of the first file: {error}'
        yield from (Unreadable(row, reason) for row in table.to_pylist())
        return
    columns = [values_of(column.combine_chunks()) for column in table.columns]
    yield from (dict(zip(schema.names, row)) for row in zip(*columns))


def values_of(column: pa.Array) -> list:
    """The values of a column; of lists of numbers views of one array, which is many times faster."""
    kind = column.type
    if isinstance(column, pa.ChunkedArray) or not pa.types.is_list(kind) or column.null_count or not (
            pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return column.to_pylist()
    values, offsets = column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()
    return [values[start:end] for start, end in itertools.pairwise(offsets)]


def header_of(path: str) -> tuple:
    """The names of the columns of a CSV file, and what separates them.

    Raises:
        ValueError: if there is no such line.
    """
    with FileSystems.open(path) as file:
        text = file.read(tables.LONGEST_LINE).decode('utf-8-sig', errors='replace')
    separator = tables.separator_of(path, text)
    rows = list(itertools.islice(filter(None, csv.reader(text.splitlines(), delimiter=separator)), 2))
    names = [name.strip() for name in rows[0]] if rows else []
    if not rows or not tables.is_header(rows) or len(set(names)) < len(names):
        raise ValueError(f'{path} should begin with a line of different names, of its columns.')
    return names, separator


class Lines(beam.DoFn):
    """Reads lines of CSV files, `(path, line)`: records of text.

    Args:
        names: the columns of the first file.
    """

    def __init__(self, names: list):
        self.names = names

    def setup(self):
        self.header = functools.lru_cache(header_of)

    def process(self, element):
        path, line = element
        names, separator = self.header(path)
        try:
            fields = next(csv.reader([line.decode()], delimiter=separator, strict=True), None)
        except (csv.Error, UnicodeDecodeError) as error:
            yield Unreadable({'file': path, 'line': line.decode(errors='replace')}, f'The line is not CSV: {error}')
            return
        if not fields:
            return
        record = dict(zip(names, fields))
        if len(fields) != len(names):
            yield Unreadable({'file': path, 'line': line.decode()},
                             f'The line has {len(fields)} fields, and the first line of {path} has {len(names)}.')
        elif names != self.names:
            yield Unreadable(record, f'The columns of {path} are not those of the first file, {", ".join(self.names)}.')
        else:
            yield record


def example_of(schema: pa.Schema, content: bytes) -> dict | Unreadable:
    """A record of a serialised `tf.train.Example`: a column is a single value or an array, as in the first of all."""
    try:
        features = tf.train.Example.FromString(content).features.feature
    except DecodeError as error:
        return Unreadable({'content': content}, f'This is no tf.train.Example: {error}')
    record, faults = {}, []
    for name, kind in zip(schema.names, schema.types):
        feature = features[name] if name in features else tf.train.Feature()
        found, several = feature.WhichOneof('kind'), pa.types.is_list(kind)
        values = list(getattr(feature, found).value) if found else []
        fits = type_of_feature(EVENT, feature) == pa.list_(kind.value_type if several else kind)
        if not fits or (len(values) != 1 and not several):
            faults.append(name)
        single = kind.value_type if several else kind
        array = np.array(values, object if pa.types.is_binary(single) else single.to_pandas_dtype() if fits else None)
        record[name] = array if several or len(array) != 1 else array[0]
    if faults:
        return Unreadable(record, f'This record has no {faults[0]!r} of the type {schema.field(faults[0]).type}, as '
                                  'the first one has.')
    return record


def rows_of_array(readable):
    """Yields the events of a .npy file, with its name and theirs: a few at a time, so that it may be of any size."""
    path = readable.metadata.path
    with readable.open() as file:
        shape, kind = header_of_array(file, path)
        size = kind.itemsize * int(np.prod(shape[1:]))
        for start in range(0, shape[0], READ_AT_ONCE):
            count = min(READ_AT_ONCE, shape[0] - start)
            content = file.read(count * size)
            if len(content) < count * size:
                raise ValueError(f'{path} is cut short: it should hold {shape[0]} events.')
            for row, event in enumerate(np.frombuffer(content, kind).reshape(count, *shape[1:]), start):
                fields = {name: event[name] for name in kind.names} if kind.names else {EVENT: event}
                yield {**fields, 'file': path, 'row': row}


def header_of_array(file, path: str) -> tuple:
    """The shape and the type of an array of numbers, in a file that is read up to where they begin.

    Raises:
        ValueError: if it is none.
    """
    try:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, kind = reader(file)
    except (ValueError, KeyError) as error:
        raise ValueError(f'{path} is not a .npy file of numbers, as numpy.save writes it: {error}') from error
    if not shape or kind.hasobject or (fortran and len(shape) > 1):
        raise ValueError(f'{path} should be an array of numbers, [n, *event_shape], one event after the other; write '
                         'it by numpy.save(file, numpy.ascontiguousarray(events)).')
    return shape, kind

