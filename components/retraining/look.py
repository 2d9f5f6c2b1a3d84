"""The TFX component that looks at one span: can it be used, and what labels does it bring?

Enters: patterns of posts and labels, one span, the heads, the ingest settings. Leaves: an artifact
`SpanFacts` with the join's audit (`audit.json`, the records set aside), TFDV's statistics of the
training split's labels (`FeatureStats.pb`), and `look.json`. Reads the span once and writes no
text; nothing is tokenised or trained. A span that cannot be used is an answer, not a failure: the
store keeps it, and an unchanged one is not read again. `planner` does the same without a component.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from pydantic import Field
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact, Property, PropertyType
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.engine_words import without_engine_words
from components.heads.declared import Heads, heads_from_json
from components.ingest.audit_sources import load_summary
from components.ingest.checks import JoinError, check_records
from components.ingest.examples import JoinedAuthor
from components.ingest.join import IngestSources
from components.ingest.rolling import Span, fill_pattern, find_window
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile
from components.ingest.unreadable import SourceError
from components.retraining.drift import MEASURED_SPLIT, STATISTICS_FILE, Facts, load_facts
from components.strict import Strict
from components.wiring import Artifacts, WiredComponent

LOOK_FILE = "look.json"
AUTHORS_A_BATCH = 1000
_ARROW_TYPES = {"number": pa.float32(), "whole number": pa.int64(), "text": pa.binary()}


class SpanFacts(Artifact):
    """What was seen of one span."""

    TYPE_NAME = "components.SpanFacts"
    PROPERTIES = {"span": Property(type=PropertyType.INT)}


class Look(Strict):
    """Whether a span can be used."""

    span: int
    fault: str = Field("", description="why it cannot be used; empty: it can")


class SpanView:
    """What was seen of one span.

    Args:
        folder: a path or an address that `look_at_span` filled.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.fault = read_look(folder).fault

    @property
    def facts(self) -> Facts:
        """Of a sound one."""
        return load_facts(self.folder, self.folder)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Joins, counts, describes labels."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Looks at one span; see the module."""
        self._log_startup(input_dict, output_dict, exec_properties)
        facts = artifact_utils.get_single_instance(output_dict["facts"])
        span = Span(exec_properties["span"], exec_properties["version"] or None)
        facts.span = span.number
        look_at_span(
            span,
            json.loads(exec_properties["patterns"]),
            heads_from_json(exec_properties["heads"]),
            IngestSettings.model_validate_json(exec_properties["ingest"]),
            facts.uri,
            self._make_beam_pipeline,
        )


def look_at_span(
    span: Span,
    patterns: Sequence[Sequence[str]],
    heads: Heads,
    settings: IngestSettings,
    folder: str,
    make_pipeline: Callable[[], beam.Pipeline],
) -> None:
    """Looks at one span.

    Args:
        span: which one.
        patterns: of posts and of labels.
        heads: what is predicted.
        settings: of the join, without its window.
        folder: where what was seen is written, `look.json` last.
        make_pipeline: of Beam.
    """
    fault = ""
    try:
        posts, labels = patterns
        _describe(find_window(posts, labels, [span]), heads, settings, folder, make_pipeline)
        check_records(load_summary(folder), heads, settings)
    except (SourceError, JoinError) as error:
        fault = " ".join(without_engine_words(str(error)).split())
    look = Look(span=span.number, fault=fault)
    io_utils.write_string_file(os.path.join(folder, LOOK_FILE), look.model_dump_json())


def _describe(
    sources: Sequence[SourceFile],
    heads: Heads,
    settings: IngestSettings,
    folder: str,
    make_pipeline: Callable[[], beam.Pipeline],
) -> None:
    with make_pipeline() as pipeline:
        authors = pipeline | IngestSources(sources, heads, settings, folder)
        _ = (
            authors[MEASURED_SPLIT]
            | "Batch" >> beam.BatchElements(max_batch_size=AUTHORS_A_BATCH)
            | "Labels" >> beam.Map(label_batch, heads=heads)
            | "Describe" >> tfdv.GenerateStatistics(tfdv.StatsOptions())
            | "Write" >> tfdv.WriteStatisticsToBinaryFile(os.path.join(folder, STATISTICS_FILE))
        )


def label_batch(authors: Sequence[JoinedAuthor], heads: Heads) -> pa.RecordBatch:
    """The labels of some authors as TFDV reads them; a label that is not known is null.

    Example:
        [("a", ("hi",), (41.0, None))] with heads age, gender -> {age: [[41.0]], gender: [null]}
    """
    columns = []
    for place, head in enumerate(heads):
        values = [author[2][place] for author in authors]
        lists = [None if value is None else [_plain(value)] for value in values]
        columns.append(pa.array(lists, pa.list_(_ARROW_TYPES[head.stored_as])))
    return pa.RecordBatch.from_arrays(columns, names=[head.name for head in heads])


def _plain(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


class SpanLookSpec(ComponentSpec):
    """Parameters and output of `SpanLook`."""

    PARAMETERS = {
        "patterns": ExecutionParameter(type=str),  # of posts and of labels, as JSON
        "span": ExecutionParameter(type=int),  # 0 where no pattern has a placeholder
        "version": ExecutionParameter(type=int),  # 0 where patterns have none
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        "ingest": ExecutionParameter(type=str),  # `IngestSettings` as JSON, without its window
        # Of the span's files: another one is another look.
        "fingerprint": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, Any] = {}
    OUTPUTS = {"facts": ChannelParameter(type=SpanFacts)}


class SpanLook(WiredComponent, base_beam_component.BaseBeamComponent):
    """Looks at one span; output `facts`."""

    SPEC_CLASS = SpanLookSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)


def read_look(uri: str) -> Look:
    """The answer in a `SpanFacts` folder."""
    with fileio.open(os.path.join(uri, LOOK_FILE)) as file:
        return Look.model_validate_json(file.read())


def span_fingerprint(patterns: Iterable[Sequence[str]], span: Span) -> str:
    """Of the files of a span, posts and labels: their sizes and times."""
    return "\n".join(
        io_utils.generate_fingerprint(str(place), fill_pattern(pattern, span))
        for place, pattern in enumerate(itertools.chain(*patterns))
    )
