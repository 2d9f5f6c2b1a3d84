"""The join of posts and labels, as Beam transforms.

Enters: the source files, the heads and the settings. Leaves: for each split the joined authors,
every record set aside, and the tally of all counts. `JoinAuthors` is the unit under test: parsed
records in, no file touched. `ReadSources` stands before it, `IngestSources` is the whole.
Called by `example_gen` and by `audit_sources`. Imports Beam, not TFX.

    files -> ReadSources -> posts, labels (keyed by author) -> JoinAuthors -> train, eval, test
                  |                                              |
                  +------------- set aside, counts --------------+-> set_aside-*.gz, audit.json
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from components.ingest.lines import Fault, RawRecord
from components.ingest.matching import match_author
from components.ingest.readers import read_records
from components.ingest.records import (
    SPLITS,
    Label,
    Post,
    RecordError,
    parse_label,
    parse_post,
    split_of,
)
from components.ingest.settings import IngestSettings, SplitSettings
from components.ingest.sources import SourceFile, count_shards
from components.ingest.summary import Count, JoinSummary, Key
from components.ingest.tally import AddUp, tally_author, tally_read, tally_set_aside

POSTS = "posts"
LABELS = "labels"
SET_ASIDE = "set_aside"
TALLY = "tally"

AUDIT_FILE = "audit.json"
SET_ASIDE_PREFIX = "set_aside"

_RECORDS_A_MESSAGE = 100_000
_log = logging.getLogger("authorprofile.ingest")


class JoinAuthors(beam.PTransform):
    """Joins posts and label records by author and gives each author to a split.

    In: {"posts": (author_id, PostRow), "labels": (author_id, LabelRow)}, see `matching`.
    Out, by tag: "train", "eval", "test": (author_id, texts, values); "set_aside": (source, line,
    cause); "tally": lists of TallyEntry. `spans`: of each source, where several are read.
    """

    def __init__(
        self, heads: tuple[Any, ...], splits: SplitSettings, spans: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self._heads = heads
        self._splits = splits
        self._spans = tuple(spans)

    def expand(self, records: Mapping[str, PCollection]) -> Any:
        """Builds the transform; see the class."""
        return (
            {POSTS: records[POSTS], LABELS: records[LABELS]}
            | "GroupByAuthor" >> beam.CoGroupByKey()
            | "MatchAuthor"
            >> beam.ParDo(_MatchAuthor(self._heads, self._splits, self._spans)).with_outputs(
                *SPLITS, SET_ASIDE, TALLY
            )
        )


class ReadSources(beam.PTransform):
    """Reads and parses every record of the sources.

    Out, by tag: "posts", "labels": keyed rows for `JoinAuthors`; "set_aside" and "tally" as there.
    """

    def __init__(
        self, sources: Sequence[SourceFile], heads: tuple[Any, ...], settings: IngestSettings
    ) -> None:
        super().__init__()
        self._sources = tuple(sources)
        self._heads = heads
        self._settings = settings

    def expand(self, pipeline: beam.Pipeline) -> Any:
        """Builds the transform; see the class."""
        return (
            pipeline
            | "Sources" >> beam.Create(range(len(self._sources)))
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadFile"
            >> beam.ParDo(_ReadSource(self._sources, self._heads, self._settings)).with_outputs(
                POSTS, LABELS, SET_ASIDE, TALLY
            )
        )


class IngestSources(beam.PTransform):
    """Reads, joins, and writes the audit into a folder.

    Out: {split: PCollection of (author_id, texts, values)}. When the pipeline has run, the folder
    holds `audit.json` (see `summary`) and `set_aside-*.jsonl.gz`, one JSON object a record:
    {"kind": "posts", "file": "/data/posts.jsonl", "line": 17, "cause": "empty text"}.
    """

    def __init__(
        self,
        sources: Sequence[SourceFile],
        heads: tuple[Any, ...],
        settings: IngestSettings,
        audit_folder: str,
    ) -> None:
        super().__init__()
        self._sources = tuple(sources)
        self._heads = heads
        self._settings = settings
        self._audit_folder = audit_folder

    def expand(self, pipeline: beam.Pipeline) -> dict[str, PCollection]:
        """Builds the transform; see the class."""
        records = pipeline | "Read" >> ReadSources(self._sources, self._heads, self._settings)
        joined = {POSTS: records[POSTS], LABELS: records[LABELS]} | "Join" >> JoinAuthors(
            self._heads, self._settings.splits, [source.span for source in self._sources]
        )
        set_aside = (records[SET_ASIDE], joined[SET_ASIDE]) | "AllSetAside" >> beam.Flatten()
        counted = set_aside | "CountSetAside" >> beam.Map(tally_set_aside)
        tally = (records[TALLY], joined[TALLY], counted) | "AllCounts" >> beam.Flatten()
        self._write_set_aside(set_aside)
        self._write_summary(tally)
        return {split: joined[split] for split in SPLITS}

    def _write_set_aside(self, set_aside: PCollection) -> None:
        _ = (
            set_aside
            | "DescribeSetAside" >> beam.Map(_describe_set_aside, sources=self._sources)
            | "WriteSetAside"
            >> beam.io.WriteToText(
                f"{self._audit_folder}/{SET_ASIDE_PREFIX}",
                file_name_suffix=".jsonl.gz",
                num_shards=count_shards(self._sources),
            )
        )

    def _write_summary(self, tally: PCollection) -> None:
        _ = (
            tally
            | "AddUp" >> beam.CombineGlobally(AddUp())
            | "Summarise" >> beam.Map(_summary_json, sources=self._sources, heads=self._heads)
            | "WriteSummary"
            >> beam.io.WriteToText(f"{self._audit_folder}/{AUDIT_FILE}", shard_name_template="")
        )


class _ReadSource(beam.DoFn):
    def __init__(
        self, sources: tuple[SourceFile, ...], heads: tuple[Any, ...], settings: IngestSettings
    ) -> None:
        self._sources = sources
        self._heads = heads
        self._settings = settings

    def process(self, source: int) -> Iterator[TaggedOutput]:
        file = self._sources[source]
        read = 0
        for record in read_records(file.path, self._settings):
            read += 1
            if read % _RECORDS_A_MESSAGE == 0:
                _log.debug("%s records read of %s", f"{read:,}", file.path.rpartition("/")[2])
            yield self._parse(source, file.kind, record)
        yield TaggedOutput(TALLY, tally_read(source, read))

    def _parse(self, source: int, kind: str, record: RawRecord | Fault) -> TaggedOutput:
        if isinstance(record, Fault):
            return TaggedOutput(SET_ASIDE, (source, record.line, record.cause))
        try:
            if kind == POSTS:
                return TaggedOutput(POSTS, post_row(source, record.line, parse_post(record.fields)))
            label = parse_label(record.fields, self._heads)
            return TaggedOutput(LABELS, label_row(source, record.line, label))
        except RecordError as error:
            return TaggedOutput(SET_ASIDE, (source, record.line, error.cause))


def post_row(source: int, line: int, post: Post) -> tuple[str, tuple[Any, ...]]:
    """The post as `JoinAuthors` takes it."""
    return post.author_id, (source, line, post.time_microseconds, post.post_id, post.text)


def label_row(source: int, line: int, label: Label) -> tuple[str, tuple[Any, ...]]:
    """The label record as `JoinAuthors` takes it."""
    return label.author_id, (source, line, label.values)


class _MatchAuthor(beam.DoFn):
    def __init__(
        self, heads: tuple[Any, ...], splits: SplitSettings, spans: tuple[int, ...]
    ) -> None:
        self._heads = heads
        self._splits = splits
        self._spans = spans

    def process(self, element: tuple[str, Mapping[str, Iterable[Any]]]) -> Iterator[TaggedOutput]:
        author_id, records = element
        outcome = match_author(list(records[POSTS]), list(records[LABELS]), self._spans)
        for set_aside in outcome.set_aside:
            yield TaggedOutput(SET_ASIDE, set_aside)
        if not outcome.texts:
            return
        split = split_of(author_id, self._splits)
        yield TaggedOutput(split, (author_id, outcome.texts, outcome.values))
        yield TaggedOutput(TALLY, tally_author(split, outcome, self._heads))


def _describe_set_aside(set_aside: tuple[int, int, str], sources: Sequence[SourceFile]) -> str:
    source, line, cause = set_aside
    file = sources[source]
    return json.dumps(
        {"kind": file.kind, "file": file.path, "line": line, "cause": cause}, ensure_ascii=False
    )


def _summary_json(
    tally: dict[Key, Count], sources: Sequence[SourceFile], heads: tuple[Any, ...]
) -> str:
    return JoinSummary.from_tally(tally, sources, heads).model_dump_json(indent=2)
