"""Whole data sets, scored, drawn and encoded by Apache Beam: transforms for pipelines on one machine or many."""

import importlib

try:
    importlib.import_module('apache_beam')
except ImportError as error:
    raise ImportError("Pipelines need the package apache-beam: pip install 'tfdgm[beam]'.") from error

from tfdgm.beam.sinks import Write, WriteRefused
from tfdgm.beam.sources import Read
from tfdgm.beam.transforms import Compress, Decompress, Encode, Outputs, Sample, Score

__all__ = ['Compress', 'Decompress', 'Encode', 'Outputs', 'Read', 'Sample', 'Score', 'Write', 'WriteRefused']
