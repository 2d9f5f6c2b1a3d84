"""Answers for every author of many files, in an output that appears whole.

Enters: a model, files of posts and the output's path. Leaves: the answers in the order in which
authors are first met, beside them what was set aside, and the counts. Imports Beam, not TFX.

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
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from components.serving.bulk.work import (
    claim_work,
    delete_work,
    describe_job,
    mark_finished,
    put_in_place,
)

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
    with claim_work(output, job, force) as folder:
        shards = range(bulk_shards(sources))
        work = _Work(version, served, sources, shards, folder, progress, beam_arguments)
        read = work.spread(settings)
        work.answer(sum(counts["posts"] for counts in read))
        progress.writing()
        summary = work.summarise(read)
        work.write_output(output, format_name)
        delete_work(folder)
    return summary


@dataclass(frozen=True)
class _Work:
    """What one call has to do, and the folder that holds it meanwhile."""

    version: Path
    served: ServedHeads
    sources: Sequence[SourceFile]
    shards: range
    folder: Path
    progress: Progress
    beam_arguments: Sequence[str]

    def spread(self, settings: IngestSettings) -> list[dict[str, Any]]:
        """Counts of each file, all read. Raises NoPosts."""
        folders = [posts_folder(self.folder, source) for source in range(len(self.sources))]
        self.progress.reading(len(folders), sum(folder.is_dir() for folder in folders))
        if not all(folder.is_dir() for folder in folders):
            with self._pipeline() as pipeline:
                _ = pipeline | SpreadPosts(self.sources, settings, len(self.shards), self.folder)
        counts = [json.loads((folder / COUNTS_FILE).read_bytes()) for folder in folders]
        if not any(count["posts"] for count in counts):
            records = sum(count["read"] for count in counts)
            found = (
                f"none of their {records:,} records can be read" if records else "they are empty"
            )
            causes = Counter(cause for _, _, cause in self._unread())
            listed = "".join(f"\n  {cause}: {count:,}" for cause, count in causes.most_common())
            delete_work(self.folder)
            raise NoPosts(f"the files must hold at least one post; {found}.{listed}")
        return counts

    def answer(self, posts: int) -> None:
        """Writes the file of each shard that has none yet, of all so many posts."""
        todo = [shard for shard in self.shards if not self._answers_file(shard).is_file()]

        def tell() -> None:
            used, authors = self._add_up(sorted({*self.shards} - {*todo}))
            self.progress.answering(posts, used.total(), authors)

        tell()
        while todo:
            now = todo[: SHARDS_ELSEWHERE if self.beam_arguments else 1]
            with self._pipeline() as pipeline:
                for shard in now:
                    answered = PredictShard(self.folder, shard, self.version, self.served)
                    _ = pipeline | f"Shard{shard}" >> answered
            del todo[: len(now)]
            # What runs here tells of itself; elsewhere only the end of a pipeline is heard of.
            if self.beam_arguments and todo:
                tell()

    def summarise(self, read: list[dict[str, Any]]) -> BulkSummary:
        """What became of the records, by the counts that `spread` returned."""
        used, authors = self._add_up(self.shards)
        files = [
            FileCounts(
                kind="posts",
                file=file.path,
                read=read[source]["read"],
                used=used[source],
                set_aside={},
                notes=read[source]["notes"],
            )
            for source, file in enumerate(self.sources)
        ]
        for source, line, cause in self._set_aside():
            count_cause(files[source].set_aside, cause, line)
        for file in files:
            aside = sum(count.records for count in file.set_aside.values())
            if file.read != file.used + aside:
                raise RuntimeError(
                    f"records read must be used or set aside; of {file.file}, {file.read} were "
                    f"read, {file.used} used, {aside} set aside. Delete {self.folder} and call it "
                    "again."
                )
        return BulkSummary(files, authors)

    def write_output(self, output: Path, format_name: str) -> None:
        """Writes beside, then renames: first what was set aside, the answers last."""
        aside = output.with_name(output.name + SET_ASIDE_SUFFIX)
        partial = self.folder / "set_aside.jsonl"
        records = (
            {"file": self.sources[source].path, "line": line, "cause": cause}
            for source, line, cause in self._set_aside()
        )
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        if partial.stat().st_size:
            put_in_place(partial, aside)
        else:
            aside.unlink(missing_ok=True)
        whole = self.folder / "output"
        # In the order of each author's first post.
        parts = [read_answers(self._answers_file(shard)) for shard in self.shards]
        answers = (answer for _, _, answer in heapq.merge(*parts, key=itemgetter(0, 1)))
        write_answers(answers, whole, format_name, self.served)
        mark_finished(self.folder, whole)
        put_in_place(whole, output)

    def _pipeline(self) -> beam.Pipeline:
        arguments = list(self.beam_arguments or LOCAL_BEAM_ARGUMENTS)
        return beam.Pipeline(options=PipelineOptions(arguments))

    def _answers_file(self, shard: int) -> Path:
        return answers_file(self.folder, shard)

    def _add_up(self, shards: Iterable[int]) -> tuple[Counter[int], int]:
        """Posts used of each file, and authors, in finished shards."""
        used: Counter[int] = Counter()
        authors = 0
        for shard in shards:
            counts = read_counts(self._answers_file(shard))
            used.update({int(source): posts for source, posts in counts["used"].items()})
            authors += counts["authors"]
        return used, authors

    def _unread(self) -> Iterator[tuple[int, int, str]]:
        """What `spread` set aside: source, line and cause."""
        for source in range(len(self.sources)):
            path = posts_folder(self.folder, source) / SET_ASIDE_FILE
            if path.is_file():
                with path.open(encoding="utf-8", newline="\n") as lines:
                    for text in lines:
                        line, cause = json.loads(text)
                        yield source, line, cause

    def _set_aside(self) -> Iterator[tuple[int, int, str]]:
        """All that was set aside, in the order of files and lines for each stage."""
        yield from self._unread()
        for shard in self.shards:
            yield from map(tuple, read_counts(self._answers_file(shard))["set_aside"])
