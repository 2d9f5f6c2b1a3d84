"""Statistics of the labels: what TFX's StatisticsGen leaves, from a Beam graph a tenth as large.

Enters: examples, the features to be told of. Leaves: the same artifact, TFDV's `FeatureStats.pb` of
each split, which TFDV's own tools read too.

    splits -> their files -> ReadLabels: batches of the wanted features -> CombinePerKey -> a file

The statistics are TFDV's own generators'. Its graph asks for slices, weights and counters that
nobody reads, apart for each split: 900 steps, most of what statistics of a few columns cost. Of a
text feature's values the 1,024 commonest are counted exactly, as TFDV does where it works without
Beam; a head's labels have a handful.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tfx import types
from tfx.components.statistics_gen import component as stock_component
from tfx.components.statistics_gen import executor as stock_executor
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils, stats_utils
from tfx_bsl.arrow import table_util
from tfx_bsl.coders import example_coder

from components.beam_graphs import answers_kept
from components.wiring import Artifacts

# Whole examples are held only until their labels are out.
_EXAMPLES_READ = 32
_ROWS_A_BATCH = 1024


class LabelStatisticsExecutor(base_beam_executor.BaseBeamExecutor):
    """Computes statistics of every split; see the module."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        statistics = artifact_utils.get_single_instance(output_dict["statistics"])
        splits = artifact_utils.decode_split_names(examples.split_names)
        _describe(statistics, examples.span, splits)
        options = tfdv.StatsOptions.from_json(
            exec_properties[standard_component_specs.STATS_OPTIONS_JSON_KEY]
        )
        folders = {split: artifact_utils.get_split_uri([examples], split) for split in splits}
        with answers_kept(), self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | LabelStatistics(folders, options)
                | "Write" >> beam.Map(_write, folder=statistics.uri)
            )


class LabelStatistics(beam.PTransform):
    """In: folders of gzip TFRecords by split. Out: (split, serialized statistics).

    Args:
        folders: of each split.
        options: TFDV's; `feature_allowlist` names the features.
    """

    def __init__(self, folders: dict[str, str], options: tfdv.StatsOptions) -> None:
        super().__init__()
        self._folders = folders
        self._options = options

    def expand(self, pipeline: beam.Pipeline) -> Any:
        return (
            pipeline
            | "Splits" >> beam.Create(sorted(self._folders.items()))
            | "Files" >> beam.FlatMapTuple(_list_files)
            | "Spread" >> beam.Reshuffle()
            | "ReadLabels"
            >> beam.FlatMap(_read_labels, features=tuple(self._options.feature_allowlist))
            | "Combine" >> beam.CombinePerKey(_Combine(self._options))
        )


class _Combine(beam.CombineFn):
    """TFDV's generators, all over the same batches."""

    def __init__(self, options: tfdv.StatsOptions) -> None:
        self._generators = stats_impl.get_generators(options, in_memory=True)

    def setup(self) -> None:
        for generator in self._generators:
            generator.setup()

    def create_accumulator(self) -> list[Any]:
        return [generator.create_accumulator() for generator in self._generators]

    def add_input(self, totals: list[Any], batch: pa.RecordBatch) -> list[Any]:
        pairs = zip(self._generators, totals, strict=True)
        return [generator.add_input(total, batch) for generator, total in pairs]

    def merge_accumulators(self, parts: Iterable[list[Any]]) -> list[Any]:
        by_generator = zip(self._generators, zip(*parts, strict=True), strict=True)
        return [generator.merge_accumulators(totals) for generator, totals in by_generator]

    def compact(self, totals: list[Any]) -> list[Any]:
        pairs = zip(self._generators, totals, strict=True)
        return [generator.compact(total) for generator, total in pairs]

    def extract_output(self, totals: list[Any]) -> bytes:
        statistics = stats_impl.extract_statistics_output(totals, self._generators)
        return bytes(statistics.SerializeToString())


class LabelStatisticsGen(stock_component.StatisticsGen):
    """TFX's StatisticsGen with the executor of this module, of the features `labels` alone."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(LabelStatisticsExecutor)

    def __init__(self, examples: types.BaseChannel, labels: Sequence[str]) -> None:
        super().__init__(examples, stats_options=tfdv.StatsOptions(feature_allowlist=list(labels)))


def _describe(statistics: types.Artifact, span: int, splits: list[str]) -> None:
    """The properties that TFX's executor sets."""
    statistics.split_names = artifact_utils.encode_split_names(splits)
    statistics.span = span
    statistics.set_string_custom_property(
        stock_executor.STATS_DASHBOARD_LINK, stats_utils.generate_stats_dashboard_link(statistics)
    )
    statistics.set_json_value_custom_property(
        stock_executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME,
        json_utils.dumps(dict.fromkeys(splits, 1.0)),
    )


def _list_files(split: str, folder: str) -> Iterator[tuple[str, str]]:
    # A split without an example has statistics all the same.
    yield split, ""
    for name in tf.io.gfile.glob(os.path.join(folder, "*.gz")):
        yield split, name


def _read_labels(
    place: tuple[str, str], features: tuple[str, ...]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Batches of the wanted columns of a file, but for those that no example of a batch has."""
    split, file = place
    if not file:
        yield split, pa.RecordBatch.from_arrays([], [])
        return
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    held: list[pa.RecordBatch] = []
    for examples in tf.data.TFRecordDataset(file, "GZIP").batch(_EXAMPLES_READ).as_numpy_iterator():
        batch = decoder.DecodeBatch(list(examples))
        held.append(batch.select([name for name in features if name in batch.schema.names]))
        if len(held) * _EXAMPLES_READ >= _ROWS_A_BATCH:
            yield split, table_util.MergeRecordBatches(held)
            held = []
    if held:
        yield split, table_util.MergeRecordBatches(held)


def _write(element: tuple[str, bytes], folder: str) -> None:
    split, statistics = element
    path = os.path.join(folder, f"Split-{split}", stock_executor.DEFAULT_FILE_NAME)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(statistics)
