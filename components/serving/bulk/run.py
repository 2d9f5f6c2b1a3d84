"""Answers for every author of many files, in an output that appears whole.

Enters: a model, files of posts and the output's path. Leaves: the answers in the order in which
authors are first met, beside them what was set aside, and the counts. Called by `pipeline.bulk`.
Imports Beam, not TFX.

    files -> SpreadPosts -> posts by shard, on disk -> PredictShard, one pipeline a shard
          -> answers by shard, on disk -> merged by the place of each author's first post -> OUTPUT

A killed call, made again, goes on: files and shards that were finished are kept. Beam's local
runner holds one shard in memory (16 MiB of posts; from 8 GiB of input on, a 512th of it); nothing
else holds more than a window of authors. Another runner, whose workers must see the same folders,
gets `SHARDS_ELSEWHERE` shards a pipeline. The disk holds the posts a second time meanwhile.
"""

from __future__ import annotations

import heapq
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.ingest.lines import BREAKS
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.sources import SourceFile
from components.ingest.summary import FileCounts, count_cause
from components.serving.assets import ServedHeads
from components.serving.bulk.shards import PredictShard, answers_file, read_answers, read_counts
from components.serving.bulk.spread import (
    COUNTS_FILE,
    SET_ASIDE_FILE,
    SpreadPosts,
    bulk_shards,
    posts_folder,
)
from components.serving.bulk.tables import SET_ASIDE_SUFFIX, write_answers
from components.serving.bulk.work import claim_work, delete_work, describe_job, mark_finished

SHARDS_ELSEWHERE = 16


class NoPosts(ValueError):
    """No post can be read; the message holds the counts."""


class BulkSummary(NamedTuple):
    """What was read, used and set aside, file by file, and how many authors were answered."""

    files: list[FileCounts]
    authors: int

    def breaks(self) -> list[str]:
        """Places after which a file could not be read at all."""
        return [
            f"{file.file}:{count.first_line}: {cause}; nothing after it was read"
            for file in self.files
            for cause, count in file.set_aside.items()
            if cause in BREAKS
        ]


class Progress(Protocol):
    """Told how far the work is; what Beam runs tells more through `authorprofile.predict`."""

    def reading(self, files: int, finished: int) -> None:
        """The files are being read, but for those that an earlier call finished."""

    def answering(self, posts: int, finished_posts: int, finished_authors: int) -> None:
        """Authors are being answered, but for those that an earlier call finished."""

    def writing(self) -> None:
        """The output is being written."""


def predict_files(
    version: Path,
    served: ServedHeads,
    sources: Sequence[SourceFile],
    output: Path,
    format_name: str,
    progress: Progress,
    force: bool = False,
    beam_arguments: Sequence[str] = (),
    settings: IngestSettings = READ_BY_DEFAULT,
) -> BulkSummary:
    """Answers every author of the files.

    Args:
        version: folder of the model.
        served: what the model says of its answers.
        sources: files of posts; their order is part of the posts' order.
        output: gets the answers.
        format_name: of `tables.check_format`.
        progress: is told how far it is.
        force: whether an output, or unfinished work of another job, gives way.
        beam_arguments: Beam's pipeline arguments; none: of this machine.
        settings: of reading.

    Raises:
        SourceError: a file cannot be read.
        OutputTaken: see `work.claim_work`.
        NoPosts: not one post can be read.
        OSError: a file cannot be written.
    """
    reading = settings.model_dump(mode="json")
    job = describe_job(version, sources, format=format_name, ingest=reading)
    shards = bulk_shards(sources)
    with claim_work(output, job, force) as work:
        read = _spread(sources, settings, shards, work, progress, beam_arguments)
        posts = sum(counts["posts"] for counts in read)
        _answer(version, served, shards, work, posts, progress, beam_arguments)
        progress.writing()
        summary = _summarise(sources, read, shards, work)
        _write_output(served, shards, work, output, format_name, sources)
        delete_work(work)
    return summary


def _spread(
    sources: Sequence[SourceFile],
    settings: IngestSettings,
    shards: int,
    work: Path,
    progress: Progress,
    beam_arguments: Sequence[str],
) -> list[dict[str, Any]]:
    """Counts of each file, all read."""
    folders = [posts_folder(work, source) for source in range(len(sources))]
    progress.reading(len(sources), sum(folder.is_dir() for folder in folders))
    if not all(folder.is_dir() for folder in folders):
        with _pipeline(beam_arguments) as pipeline:
            _ = pipeline | SpreadPosts(sources, settings, shards, work)
    counts = [json.loads((folder / COUNTS_FILE).read_bytes()) for folder in folders]
    if not any(count["posts"] for count in counts):
        records = sum(count["read"] for count in counts)
        found = f"none of their {records:,} records can be read" if records else "they are empty"
        causes = Counter(cause for _, _, cause in _unread(len(sources), work))
        listed = "".join(f"\n  {cause}: {count:,}" for cause, count in causes.most_common())
        delete_work(work)
        raise NoPosts(f"the files must hold at least one post; {found}.{listed}")
    return counts


def _answer(
    version: Path,
    served: ServedHeads,
    shards: int,
    work: Path,
    posts: int,
    progress: Progress,
    beam_arguments: Sequence[str],
) -> None:
    todo = [s for s in range(shards) if not answers_file(work, s).is_file()]

    def tell() -> None:
        used, authors = _add_up(sorted({*range(shards)} - {*todo}), work)
        progress.answering(posts, used.total(), authors)

    tell()
    while todo:
        now = todo[: SHARDS_ELSEWHERE if beam_arguments else 1]
        with _pipeline(beam_arguments) as pipeline:
            for shard in now:
                _ = pipeline | f"Shard{shard}" >> PredictShard(work, shard, version, served)
        del todo[: len(now)]
        # What runs in this process tells of itself; elsewhere only a pipeline's end is heard of.
        if beam_arguments and todo:
            tell()


def _add_up(shards: Iterable[int], work: Path) -> tuple[Counter[int], int]:
    """Posts used of each file, and authors, in finished shards."""
    used: Counter[int] = Counter()
    authors = 0
    for shard in shards:
        counts = read_counts(answers_file(work, shard))
        used.update({int(source): posts for source, posts in counts["used"].items()})
        authors += counts["authors"]
    return used, authors


def _pipeline(arguments: Sequence[str]) -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions(list(arguments or LOCAL_BEAM_ARGUMENTS)))


def _summarise(
    sources: Sequence[SourceFile], read: list[dict[str, Any]], shards: int, work: Path
) -> BulkSummary:
    used, authors = _add_up(range(shards), work)
    files = [
        FileCounts(
            kind="posts",
            file=file.path,
            read=read[source]["read"],
            used=used[source],
            set_aside={},
            notes=read[source]["notes"],
        )
        for source, file in enumerate(sources)
    ]
    for source, line, cause in _set_aside(len(sources), shards, work):
        count_cause(files[source].set_aside, cause, line)
    for file in files:
        aside = sum(count.records for count in file.set_aside.values())
        if file.read != file.used + aside:
            raise RuntimeError(
                f"records read must be used or set aside; of {file.file}, {file.read} were read, "
                f"{file.used} used, {aside} set aside. Delete {work} and call it again."
            )
    return BulkSummary(files, authors)


def _unread(sources: int, work: Path) -> Iterator[tuple[int, int, str]]:
    """What `spread` set aside: source, line and cause."""
    for source in range(sources):
        path = posts_folder(work, source) / SET_ASIDE_FILE
        if path.is_file():
            with path.open(encoding="utf-8", newline="\n") as lines:
                for text in lines:
                    line, cause = json.loads(text)
                    yield source, line, cause


def _set_aside(sources: int, shards: int, work: Path) -> Iterator[tuple[int, int, str]]:
    """All that was set aside, in the order of files and lines for each stage."""
    yield from _unread(sources, work)
    for shard in range(shards):
        yield from map(tuple, read_counts(answers_file(work, shard))["set_aside"])


def _write_output(
    served: ServedHeads,
    shards: int,
    work: Path,
    output: Path,
    format_name: str,
    sources: Sequence[SourceFile],
) -> None:
    """Writes beside, then renames: first what was set aside, the answers last."""
    aside = output.with_name(output.name + SET_ASIDE_SUFFIX)
    partial = work / "set_aside.jsonl"
    records = (
        {"file": sources[source].path, "line": line, "cause": cause}
        for source, line, cause in _set_aside(len(sources), shards, work)
    )
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if partial.stat().st_size:
        _move(partial, aside)
    else:
        aside.unlink(missing_ok=True)
    write_answers(_merged(shards, work), work / "output", format_name, served)
    mark_finished(work, work / "output")
    _move(work / "output", output)


def _merged(shards: int, work: Path) -> Iterator[dict[str, Any]]:
    """All answers in the order of each author's first post."""
    parts = [read_answers(answers_file(work, shard)) for shard in range(shards)]
    for _, _, answer in heapq.merge(*parts, key=itemgetter(0, 1)):
        yield answer


def _move(partial: Path, path: Path) -> None:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)
