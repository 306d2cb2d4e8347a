"""Sinks: records into files, by Beam's own of Parquet, text and TFRecord, and into .npy files."""

import base64
import csv
import functools
import io
import json

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from apache_beam.coders import BytesCoder
from apache_beam.io.filebasedsink import FileBasedSink

from tfdgm.data import parquet, tables

# How many records go into one .npy file: NumPy has to know how many before it writes the first.
WRITTEN_TO_ONE = 2**16


class Write(beam.PTransform):
    """Writes records to files `prefix-00000-of-00002.suffix`, whole ones alone: what is unfinished has other names.

    Args:
        prefix: what their names begin with.
        suffix: one of '.parquet', '.csv', '.tfrecord', '.npy'; the last has structured arrays, a field for a column.
        schema: which columns are written; arrays of several axes as flat lists, but to .npy as they are.
    """

    def __init__(self, prefix: str, suffix: str, schema: pa.Schema):
        super().__init__()
        self.prefix, self.suffix, self.schema = prefix, suffix, schema

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        names, ending = self.schema.names, {'file_name_suffix': self.suffix}
        if self.suffix == '.npy':
            return records | beam.io.Write(ArraySink(self.prefix, names))
        rows = records | beam.Map(lambda record: {name: flat(record[name]) for name in names})
        if self.suffix in parquet.SUFFIXES:
            return rows | beam.io.WriteToParquet(self.prefix, self.schema, codec='snappy', **ending)
        if self.suffix in tables.SUFFIXES:
            separator = '\t' if self.suffix == '.tsv' else ','
            line = functools.partial(line_of, separator=separator)
            return (rows | 'Line' >> beam.Map(lambda row: line(row.values()))
                    | beam.io.WriteToText(self.prefix, header=line(names), **ending))
        return rows | 'Example' >> beam.Map(content_of) | beam.io.WriteToTFRecord(self.prefix, **ending)


class WriteRefused(beam.PTransform):
    """Writes records that were refused, each with its reason, as lines of JSON; no file where there are none."""

    def __init__(self, prefix: str):
        super().__init__()
        self.prefix = prefix

    def expand(self, records: beam.PCollection) -> beam.PCollection:
        return (records | beam.Map(lambda record: json.dumps(record, default=plain, ensure_ascii=False))
                | beam.io.WriteToText(self.prefix, file_name_suffix='.jsonl', skip_if_empty=True))


class ArraySink(FileBasedSink):
    """A sink of .npy files."""

    def __init__(self, prefix: str, names: list):
        super().__init__(prefix, BytesCoder(), '.npy', max_records_per_shard=WRITTEN_TO_ONE)
        self.names = names

    def open(self, temp_path):
        return super().open(temp_path), []

    def write_record(self, file_handle, value):
        file_handle[1].append(tuple(np.asarray(value[name]) for name in self.names))

    def close(self, file_handle):
        file, rows = file_handle
        columns = [np.stack(column) for column in zip(*rows)] if rows else [np.zeros(0) for _ in self.names]
        kinds = [(name, column.dtype, column.shape[1:]) for name, column in zip(self.names, columns)]
        array = np.zeros(len(rows), kinds)
        for name, column in zip(self.names, columns):
            array[name] = column
        content = io.BytesIO()
        np.save(content, array)
        file.write(content.getvalue())
        super().close(file)


def flat(value):
    """A value as tables hold it: an array as a flat one."""
    return value.reshape(-1) if isinstance(value, np.ndarray) else value


def line_of(values, separator: str) -> str:
    """Values as a line of a CSV file; lists have spaces between them."""
    text = io.StringIO(newline='')
    fields = [' '.join(map(str, value)) if isinstance(value, np.ndarray | list) else value for value in values]
    csv.writer(text, delimiter=separator, lineterminator='').writerow(fields)
    return text.getvalue()


def content_of(row: dict) -> bytes:
    """A row as a serialised `tf.train.Example`."""
    features = {}
    for name, value in row.items():
        # NumPy cuts zeros off the end of single bytes.
        values = np.atleast_1d(np.array(value, object) if isinstance(value, bytes) else value)
        if values.dtype.kind in 'biu':
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values.tolist()))
        elif values.dtype.kind == 'f':
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
        else:
            texts = [part.encode() if isinstance(part, str) else part for part in values.tolist()]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def plain(value):
    """A value for JSON, which is none of its own: arrays as lists, bytes by base64, what else there is as text."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
