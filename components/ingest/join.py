"""The join of posts and labels, as Beam transforms.

Enters: the source files, the heads and the settings. Leaves: for each split the joined authors,
every record set aside, and the tally of all counts. `JoinAuthors` is the unit under test: parsed
records in, no file touched. `reading.ReadSources` stands before it, `IngestSources` is the whole.
Imports Beam, not TFX.

    files -> ReadSources -> posts, labels (keyed by author) -> JoinAuthors -> train, eval, test
                  |                                              |
                  +------------- set aside, counts --------------+-> set_aside-*.gz, audit.json
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from components.disk_shuffle import Disk, GroupRows
from components.heads.declared import Heads
from components.ingest.amounts import CutAmounts
from components.ingest.crowds import DropUnreadTexts, drop_unread
from components.ingest.label_counts import Cuts
from components.ingest.matching import match_author
from components.ingest.reading import (
    LABEL_CODER,
    LABELS,
    POST_CODER,
    POSTS,
    SET_ASIDE,
    TALLY,
    ReadSources,
    is_large,
    read_manifest,
    write_manifest,
)
from components.ingest.records import SPLITS, split_of
from components.ingest.settings import IngestSettings, SplitSettings
from components.ingest.sources import SourceFile, count_shards
from components.ingest.summary import Count, JoinSummary, Key
from components.ingest.tally import AddUp, tally_author, tally_set_aside

AUDIT_FILE = "audit.json"
SET_ASIDE_PREFIX = "set_aside"
# Below it a worker can hold the posts of one author, whoever wrote them all. On a disk
# `disk_shuffle` sees to it.
CROWD_BYTES = 1 << 30


@dataclass(eq=False)
class JoinAuthors(beam.PTransform):
    """Joins posts and label records by author and gives each author to a split.

    In: {"posts": (author_id, PostRow), "labels": (author_id, LabelRow)}, see `matching`.
    Out, by tag: "train", "eval", "test": (author_id, texts, values); "set_aside": (source, line,
    cause); "tally": lists of TallyEntry. `spans`: of each source, where several are read.
    `most`: posts of an author that are used. `disk`: where posts lie that the runner would hold.
    """

    heads: Heads
    splits: SplitSettings
    spans: Sequence[int] = ()
    most: int = sys.maxsize
    disk: Disk | None = None

    def expand(self, records: Mapping[str, PCollection]) -> Any:
        return (
            {POSTS: records[POSTS], LABELS: records[LABELS]}
            | "GroupByAuthor"
            >> GroupRows(
                self.disk,
                {POSTS: POST_CODER, LABELS: LABEL_CODER},
                {POSTS: functools.partial(drop_unread, most=self.most)},
            )
            | "MatchAuthor"
            >> beam.ParDo(
                _MatchAuthor(self.heads, self.splits, self.spans, self.most)
            ).with_outputs(*SPLITS, SET_ASIDE, TALLY)
        )


@dataclass(eq=False)
class IngestSources(beam.PTransform):
    """Reads, joins, and writes the audit into a folder.

    Out: {split: PCollection of (author_id, texts, values)}. When the pipeline has run, the folder
    holds `audit.json` (see `summary`) and `set_aside-*.jsonl.gz`, one JSON object a record:
    {"kind": "posts", "file": "/data/posts.jsonl", "line": 17, "cause": "empty text"}.

    Args:
        sources: the files.
        heads: of which label records hold values.
        settings: of the join.
        audit_folder: gets the audit.
        disk: of `disk_for`, where the runner would hold the posts of all authors.
    """

    sources: Sequence[SourceFile]
    heads: Heads
    settings: IngestSettings
    audit_folder: str
    disk: Disk | None = None

    def expand(self, pipeline: beam.Pipeline) -> dict[str, PCollection]:
        manifest = write_manifest(self.sources, self.audit_folder)
        records = pipeline | "Read" >> ReadSources(
            manifest, any(map(is_large, self.sources)), self.heads, self.settings
        )
        spans = [source.span for source in self.sources]
        most = self.settings.maximum_posts
        posts = records[POSTS]
        size_bytes = sum(source.size_bytes for source in self.sources)
        if self.disk is None and size_bytes > CROWD_BYTES:
            posts = posts | "DropUnread" >> DropUnreadTexts(most)
        joined = {POSTS: posts, LABELS: records[LABELS]} | "Join" >> JoinAuthors(
            self.heads,
            self.settings.splits,
            spans if len(set(spans)) > 1 else (),
            most,
            self.disk,
        )
        set_aside = (records[SET_ASIDE], joined[SET_ASIDE]) | "AllSetAside" >> beam.Flatten()
        self._write_set_aside(set_aside, manifest)
        counts = {}
        for name, one in {"read": records, "joined": joined}.items():
            counts[name] = one[TALLY]
            counts[f"set aside {name}"] = one[SET_ASIDE] | f"Count {name}" >> beam.Map(
                tally_set_aside
            )
        is_cut = any(head.cut_into for head in self.heads)
        cuts = [joined["train"] | CutAmounts(self.heads)] if is_cut else []
        self._write_summary(counts, manifest, [beam.pvalue.AsDict(found) for found in cuts])
        return {split: joined[split] for split in SPLITS}

    def _write_set_aside(self, set_aside: PCollection, manifest: str) -> None:
        _ = (
            set_aside
            | "DescribeSetAside" >> beam.ParDo(_DescribeSetAside(manifest))
            | "WriteSetAside"
            >> beam.io.WriteToText(
                f"{self.audit_folder}/{SET_ASIDE_PREFIX}",
                file_name_suffix=".jsonl.gz",
                num_shards=count_shards(self.sources),
            )
        )

    def _write_summary(
        self, tally: Mapping[str, PCollection], manifest: str, cuts: Sequence[beam.pvalue.AsDict]
    ) -> None:
        _ = (
            tally
            | "AddUp" >> AddUp()
            | "Summarise" >> beam.Map(_summary_json, self.heads, manifest, *cuts)
            | "WriteSummary"
            >> beam.io.WriteToText(f"{self.audit_folder}/{AUDIT_FILE}", shard_name_template="")
        )


@dataclass(eq=False)
class _MatchAuthor(beam.DoFn):
    heads: Heads
    splits: SplitSettings
    spans: Sequence[int]
    most: int

    def process(self, element: tuple[str, Mapping[str, Iterable[Any]]]) -> Iterator[TaggedOutput]:
        author_id, records = element
        outcome = match_author(list(records[POSTS]), list(records[LABELS]), self.spans, self.most)
        for set_aside in outcome.set_aside:
            yield TaggedOutput(SET_ASIDE, set_aside)
        if not outcome.texts:
            return
        split = split_of(author_id, self.splits)
        yield TaggedOutput(split, (author_id, outcome.texts, outcome.values))
        yield TaggedOutput(TALLY, tally_author(split, outcome, self.heads))


class _DescribeSetAside(beam.DoFn):
    def __init__(self, manifest: str) -> None:
        self._manifest = manifest

    def setup(self) -> None:
        self._sources = read_manifest(self._manifest)

    def process(self, element: tuple[int, int, str]) -> Iterator[str]:
        source, line, cause = element
        file = self._sources[source]
        yield json.dumps(
            {"kind": file.kind, "file": file.path, "line": line, "cause": cause},
            ensure_ascii=False,
        )


def _summary_json(
    tally: dict[Key, Count],
    heads: Heads,
    manifest: str,
    cuts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
    found = {name: Cuts.model_validate(of_head) for name, of_head in cuts.items()}
    summary = JoinSummary.from_tally(tally, read_manifest(manifest), heads, found)
    return summary.model_dump_json(indent=2)
