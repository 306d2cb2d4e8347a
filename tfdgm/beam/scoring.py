"""Files of records scored by a pipeline, on any of Beam's runners: what `tfdgm score --runner` runs."""

import pathlib
import typing
from collections.abc import Sequence

import apache_beam as beam
import joblib
import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from tfdgm.beam.records import CONDITION, EVENT
from tfdgm.beam.sinks import Write, WriteRefused
from tfdgm.beam.sources import SUFFIXES, Read, absolute
from tfdgm.beam.transforms import COUNTERS, LOG_PROB, REFUSED, USED, Score

DIRECT = 'DirectRunner'


class Scored(typing.NamedTuple):
    """A pattern of the files that were written, and how many records were scored and refused, if the runner tells."""

    files: str
    used: int | None
    refused: int | None


def score(model: str, pattern: str, output: str, runner: str = DIRECT, options: Sequence[str] = (),
          condition=None) -> Scored:
    """Scores the records of files, into other files.

    These have every column but `event`, which stays where no other tells the records apart, and `log_prob` in nats.

    Args:
        model: a name of the zoo, a folder, or `hf://user/model`.
        pattern: of the files.
        output: what the names of the files begin with that are written: `output-00000-of-00002.parquet` and so on, and
            `output-refused-00000-of-00001.jsonl`. By its suffix they may be of another kind than those that are read.
        runner: one of Beam's.
        options: of Beam's pipelines, as on a command line.
        condition: of a conditional model, one for all records; by default the `condition` of each.

    Returns:
        What was written, and how many records were scored and how many refused.

    Raises:
        FileNotFoundError: if there are no such files.
        FileExistsError: if there are files of such names as will be written.
        ValueError: if files, the model or an option are not what they should be.
        RuntimeError: if the pipeline fails.
    """
    source, transform = Read(pattern), Score(model, condition=condition)
    names, columns = source.schema.names, transform.columns
    if EVENT not in names and not (columns and set(columns) <= set(names)):
        wanted = f' or those that the model was trained on, {", ".join(map(str, columns))}' if columns else ''
        raise ValueError(f'{pattern} has the columns {", ".join(names)}, and should have the events in one called '
                         f'{EVENT!r}{wanted}.')
    suffix = pathlib.PurePath(output).suffix.lower()
    prefix, suffix = (output[:-len(suffix)], suffix) if suffix in SUFFIXES else (output, source.suffix)
    prefix = absolute(prefix)
    there = FileSystems.match([f'{prefix}-*-of-*'])[0].metadata_list
    if there:
        raise FileExistsError(f'There are files of this name, such as {there[0].path}: remove them, or choose another '
                              'name by -o.')
    options = options_of(runner, options)
    pipeline = beam.Pipeline(runner_of(runner, options), options)
    results, refused = pipeline | 'Read' >> source | 'Score' >> transform
    _ = results | 'Write' >> Write(prefix, suffix, written(source.schema))
    _ = refused | 'Write refused' >> WriteRefused(f'{prefix}-refused')
    result = pipeline.run()
    result.wait_until_finish()
    files = f'{prefix}-*-of-*{suffix}'
    try:
        counters = result.metrics().query(MetricsFilter().with_namespace(COUNTERS))['counters']
    except NotImplementedError:
        return Scored(files, None, None)
    counts = {counter.key.metric.name: counter.result for counter in counters}
    return Scored(files, *(counts.get(name, 0) for name in (USED, REFUSED)))


def written(schema: pa.Schema) -> pa.Schema:
    """The columns of the files that are written."""
    fields = [field for field in schema if field.name != LOG_PROB]
    telling = any(field.name not in (EVENT, CONDITION) for field in fields)
    kept = [field for field in fields if field.name != EVENT] if telling else fields
    return pa.schema([*kept, (LOG_PROB, pa.float32())])


def is_direct(runner: str) -> bool:
    """Whether a name is that of the runner on this machine."""
    return runner.lower() in (DIRECT.lower(), 'direct')


def runner_of(name: str, options: PipelineOptions) -> str | FnApiRunner:
    """A runner; on this machine the one that is all in Python and runs several processes.

    Beam's own `DirectRunner` would first try to download another, and falls back to this one.
    """
    if not is_direct(name):
        return name
    # As that makes it: processes are given the options.
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    return FnApiRunner(provision_info=ExtendedProvisionInfo(
        beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)))


def options_of(runner: str, options: Sequence[str]) -> PipelineOptions:
    """Options of Beam's; on this machine there are as many processes as cores, unless they say otherwise.

    Raises:
        ValueError: if one is none of Beam's, on this machine: other runners have more.
    """
    if not is_direct(runner):
        return PipelineOptions(list(options))
    made = PipelineOptions([
        '--direct_running_mode=multi_processing', f'--direct_num_workers={joblib.cpu_count()}',
        '--default_sdk_harness_log_level=ERROR', *options])
    unknown = set(made.get_all_options(retain_unknown_options=True)) - set(made.get_all_options())
    if unknown:
        raise ValueError(f'Beam has no option --{min(unknown)} for pipelines on this machine.')
    return made
