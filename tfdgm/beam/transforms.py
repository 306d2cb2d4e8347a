"""PTransforms on Beam's own `RunInference`: a handler loads the model, one for each process, and is given batches."""

import abc
import os
import typing
from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference
from numpy.typing import ArrayLike

from tfdgm import applications, checks, random
from tfdgm.applications.compression import check_model, require_constriction
from tfdgm.beam.handler import Handler, Place
from tfdgm.beam.records import CONDITION, EVENT, Unreadable, record_of, usable
from tfdgm.density import DensityModel
from tfdgm.latent_space import LatentSpace
from tfdgm.model import GenerativeModel, Model
from tfdgm.pretrained import files

LOG_PROB, ENCODING, REASON = 'log_prob', 'encoding', 'reason'
# By which the counters of a pipeline are found: of records that a model used, and of those that were refused.
COUNTERS = 'tfdgm'
USED, REFUSED = 'used', 'refused'


class Outputs(typing.NamedTuple):
    """What becomes of records: `results`, and those that are `refused`, `{'record': …, 'reason': …}`."""

    results: beam.PCollection
    refused: beam.PCollection


class OfRecords(beam.PTransform, abc.ABC):
    """A transform of records. A subclass says what it makes of them, by `results`.

    Args:
        model: a name of the zoo, a folder, or `hf://user/model`.
        columns: whose numbers are the event, in records without an `event`; by default those that the model was trained
            on, if it was trained on a table.
        condition: of a conditional model, one for all records; by default the `condition` of each.
        batch_size: how many events go through the model at once; by default as many as fit its event shape.

    Raises:
        ValueError: if there is no such model, it is not of the kind that is needed, or an argument is not.
    """

    def __init__(self, model: str | os.PathLike, *, columns: Sequence[str] | None = None,
                 condition: ArrayLike | None = None, batch_size: int | None = None):
        super().__init__()
        self.place = Place(model)
        built = self.place.build()
        self.check(built)
        if condition is not None:
            checks.condition_given(built.condition, condition)
            condition = checks.conditions_of_each(built.condition, [condition], 1, 'models')[0]
        self.condition = condition
        self.columns = columns or files.columns_of(self.place.config)
        self.batch_size = (getattr(built, 'scoring_batch', 256) if batch_size is None else
                           checks.integer(batch_size, 'batch_size'))

    @abc.abstractmethod
    def check(self, model: Model):
        """Raises a `ValueError` unless a model, which has no weights yet, is one for this transform."""

    @abc.abstractmethod
    def results(self, model: Model, records: list, x: np.ndarray, y: np.ndarray | None) -> Iterable[dict]:
        """What becomes of records with these events and conditions."""

    def expand(self, records):  # To `Outputs`, which Beam would warn that it can't check.
        found = (records | 'Records' >> beam.Map(record_of)
                 | RunInference(Handler(self.place, self._of_batch, self.batch_size))
                 | 'Refuse' >> beam.ParDo(Refuse()).with_outputs(REFUSED, main=USED))
        return Outputs(found[USED], found[REFUSED])

    def _of_batch(self, batch, model):
        found = usable(model, batch, self.columns, self.condition)
        used = [batch[place] for place in found.places]
        results = list(self.results(model, used, found.x, found.y)) if used else []
        # How many records went into the results, for they need not be as many.
        return [(len(used), results), *((batch[place], reason) for place, reason in sorted(found.reasons.items()))]


class Refuse(beam.DoFn):
    """Tells results from records that were refused, and counts both."""

    def __init__(self):
        self.used, self.refused = (Metrics.counter(COUNTERS, name) for name in (USED, REFUSED))

    def process(self, element):
        if isinstance(element[1], str):
            record, reason = element
            self.refused.inc()
            record = record.record if isinstance(record, Unreadable) else record
            yield beam.pvalue.TaggedOutput(REFUSED, {'record': record, REASON: reason})
        else:
            self.used.inc(element[0])
            yield from element[1]


class Score(OfRecords):
    """Scores records: each with its `log_prob` in nats, a float, beside what it holds.

    Args: as in `OfRecords`.

    >>> import apache_beam as beam, numpy as np, tfdgm.beam
    >>> with beam.Pipeline('FnApiRunner') as pipeline:
    ...     records = pipeline | beam.Create([np.ones([8, 8, 1]), np.full([8, 8, 1], np.nan)])
    ...     results, refused = records | tfdgm.beam.Score('made_digits')
    ...     _ = results | beam.Map(lambda record: print(round(record['log_prob'])))
    ...     _ = refused | 'Reason' >> beam.Map(lambda record: print(record['reason'][:32]))
    -286
    64 of the 64 values are NaN, the
    """

    def check(self, model: Model):
        if not isinstance(model, DensityModel):
            raise ValueError(f'{type(model).__name__} gives samples and no density, so it has no log-probabilities.')

    def results(self, model, records, x, y):
        log_probs = model.predict(x if y is None else [x, y], verbose=0)
        return ({**record, LOG_PROB: float(log_prob)} for record, log_prob in zip(records, log_probs))


class Encode(OfRecords):
    """Encodes records: each with its `encoding`, what the model has learned of the event, beside what it holds.

    By default they are the latents that `encode` gives, `[*latent_shape]`, and of a `tfdgm.Classifier` its features;
    of any model without a condition the activations of a layer, as `tfdgm.applications.Features` gives them.

    Args: as in `OfRecords`, and
        layer: the name of one of the model's layers, or None.
    """

    def __init__(self, model: str | os.PathLike, *, layer: str | None = None, **options):
        self.layer = layer
        super().__init__(model, **options)

    def check(self, model: Model):
        if not self._has_own(model):
            applications.Features(model, self.layer).fit(np.zeros((1, *model.event_shape), 'float32'))

    def _has_own(self, model):
        return self.layer is None and isinstance(model, LatentSpace)

    def results(self, model, records, x, y):
        if self._has_own(model):
            encodings = np.asarray(model.encode(x, y))
        else:
            encodings = applications.Features(model, self.layer).fit(x[:1]).transform(x)
        return ({**record, ENCODING: encoding} for record, encoding in zip(records, encodings))


class Compress(OfRecords):
    """Compresses records without loss, a batch at a time, for `Decompress` to make them again.

    A result is `{'packed': bytes, 'records': …}`: the events of a batch by `tfdgm.applications.compress`, and a list of
    what else their records hold.

    Args: as in `OfRecords`.

    Raises:
        ImportError: if the package `constriction` is missing.
    """

    def check(self, model: Model):
        require_constriction()
        check_model(model)
        if model.condition is not None:
            raise ValueError('Pipelines compress by models without a condition, for those would have to be kept as '
                             'well.')

    def results(self, model, records, x, y):
        others = [{key: value for key, value in record.items() if key != EVENT and key not in (self.columns or ())}
                  for record in records]
        return [{'packed': applications.compress(model, x), 'records': others}]


class Decompress(beam.PTransform):
    """Makes the records again that `Compress` was given: their `event` is an array, int32.

    Args:
        model: the same model, where it runs as it ran there: see `tfdgm.applications.decompress`.
    """

    def __init__(self, model: str | os.PathLike):
        super().__init__()
        require_constriction()
        self.place = Place(model)

    def expand(self, packed: beam.PCollection) -> beam.PCollection:
        return packed | RunInference(Handler(self.place, self._of_batch, 1)) | beam.FlatMap(lambda records: records)

    def _of_batch(self, batch, model):
        return [[{**record, EVENT: event} for record, event in zip(
            packed['records'], applications.decompress(model, packed['packed']))] for packed in batch]


class Sample(beam.PTransform):
    """Draws events: records `{'index': …, 'event': …}`, and their `condition` if there is one.

    On however many machines, they are those of `model.distribution(conditions).sample(count, seed)`, whose first axes
    are one here, along which `index` counts. Every piece of them is drawn from a seed of its own.

    Args:
        model: a name of the zoo, a folder, or `hf://user/model`.
        count: how many, of each condition if there are several.
        seed: an integer, or a stateless seed.
        conditions: of a conditional model, one or several, `[*batch_shape, *condition.shape]`.

    Raises:
        ValueError: if there is no such model, or an argument is not of its kind.

    >>> import apache_beam as beam, tfdgm.beam
    >>> with beam.Pipeline('FnApiRunner') as pipeline:
    ...     drawn = pipeline | tfdgm.beam.Sample('made_digits', 100, seed=0)
    ...     _ = drawn | beam.combiners.Count.Globally() | beam.Map(print)
    100
    """

    def __init__(self, model: str | os.PathLike, count: int, seed: ArrayLike = 0, conditions: ArrayLike | None = None):
        super().__init__()
        self.place = Place(model)
        built = self.place.build()
        if not isinstance(built, GenerativeModel):
            raise ValueError(f'{type(built).__name__} draws no samples.')
        checks.condition_given(built.condition, conditions)
        self.conditions = None
        if conditions is not None:
            self.conditions = checks.conditions(built.condition, conditions).reshape(-1, *built.condition.shape)
        self.count = checks.integer(count, 'count', 0) * (1 if conditions is None else len(self.conditions))
        self.seed = random.stateless_seed(seed).numpy().tolist()
        self.size = built.sampling_batch

    def expand(self, pipeline) -> beam.PCollection:
        starts = range(0, self.count, self.size)
        return (pipeline | beam.Create(starts) | beam.Reshuffle()
                | RunInference(Handler(self.place, self._pieces, 1)) | beam.FlatMap(lambda events: events))

    def _pieces(self, starts, model):
        return [self._piece(start, model) for start in starts]

    def _piece(self, start, model):
        # As `tfdgm.execution.pieces` draws them.
        seed = tf.constant(self.seed, tf.int32)
        seed = random.fold_in(seed, start // self.size) if start else seed
        indices = range(start, min(start + self.size, self.count))
        if self.conditions is None:
            events = model.distribution().sample(len(indices), seed=seed).numpy()
            return [{'index': index, EVENT: event} for index, event in zip(indices, events)]
        conditions = self.conditions[np.array(indices) % len(self.conditions)]
        events = model.distribution(conditions).sample(seed=seed).numpy()
        return [{'index': index, EVENT: event, CONDITION: condition}
                for index, event, condition in zip(indices, events, conditions)]

