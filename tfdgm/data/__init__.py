"""Data as `tf.data` pipelines of events in the library's common space: sets by name, and files of one's own.

An event is a float32 tensor: integers 0 … levels-1 for quantised data, {0, 1} for binary data, real numbers for
tables; NaN fills up sounds that are shorter than others. `digits` comes with scikit-learn and needs nothing, nor do
the densities of `tfdgm.planes`; a path is a folder of images or of WAV files, arrays of NumPy, or a table; every other
name is one of TensorFlow Datasets.
"""

from tfdgm.data import planes, sound, tables
from tfdgm.data.errors import DatasetUnavailableError, EmptySplitError
from tfdgm.data.in_memory import as_arrays
from tfdgm.data.loading import columns_of, details_of, is_here, load
from tfdgm.data.pixels import BINARIZATIONS
from tfdgm.data.published import LONGEST_SOUND, SAMPLE_RATES, SOUND_LEVELS, TABLES
from tfdgm.data.splits import SPLITS
from tfdgm.data.translation import are_matched, unpaired

__all__ = [
    'BINARIZATIONS', 'LONGEST_SOUND', 'SAMPLE_RATES', 'SOUND_LEVELS', 'SPLITS', 'TABLES', 'DatasetUnavailableError',
    'EmptySplitError', 'are_matched', 'as_arrays', 'columns_of', 'details_of', 'is_here', 'load', 'planes', 'sound',
    'tables', 'unpaired']
