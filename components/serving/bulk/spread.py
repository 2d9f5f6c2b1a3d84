"""Posts of all files, spread over shards by the author's hash, on disk.

Enters: files of posts. Leaves: for each file a folder with the posts of each shard, what was set
aside, and the count of all records read. Imports Beam, not TFX. Holds one record at a time; a
file's folder appears by one rename, when it is whole.

    WORK/posts/00003/shard-00017.jsonl   ["a", [3, 1, null, null, "I went"]]
    WORK/posts/00003/set_aside.jsonl     [17, "empty text"]
    WORK/posts/00003/counts.json         {"read": 2, "posts": 1, "notes": {}}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import apache_beam as beam
from apache_beam.pvalue import PCollection

from components.ingest.forms import REQUIRED_FIELDS
from components.ingest.lines import Fault
from components.ingest.readers import read_records
from components.ingest.reading import post_row
from components.ingest.records import RecordError, parse_post
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile, count_shards
from components.ingest.summary import CauseCount, count_cause

POSTS_FOLDER = "posts"
SET_ASIDE_FILE = "set_aside.jsonl"
COUNTS_FILE = "counts.json"
# A shard goes through Beam's memory as a whole, many times its size; all shards' files are open at
# once, which the usual 1,024 a process must allow.
_MAXIMUM_SHARDS = 512
_RECORDS_A_MESSAGE = 1_000
_log = logging.getLogger("authorprofile.predict")


def bulk_shards(sources: Sequence[SourceFile]) -> int:
    """Shards for the files: one for each 16 MiB of input, as if not compressed; 512 at the most."""
    return min(_MAXIMUM_SHARDS, count_shards(sources, share=8))


def shard_of(author_id: str, shards: int) -> int:
    """The shard of an author, from the hash of the id alone (BLAKE2b, RFC 7693)."""
    digest = hashlib.blake2b(author_id.encode(), digest_size=8, person=b"bulk").digest()
    return int.from_bytes(digest, "big") % shards


class SpreadPosts(beam.PTransform):
    """Reads every file that has no folder yet and writes its folder.

    Out: the places of the files read, in the list of sources, which are part of the posts' order.
    """

    def __init__(
        self, sources: Sequence[SourceFile], settings: IngestSettings, shards: int, work: Path
    ) -> None:
        super().__init__()
        self._sources = tuple(sources)
        self._settings = settings
        self._shards = shards
        self._work = work

    def expand(self, pipeline: beam.Pipeline) -> PCollection:
        todo = [n for n in range(len(self._sources)) if not posts_folder(self._work, n).is_dir()]
        return (
            pipeline
            | "Sources" >> beam.Create(todo)
            | "SpreadFiles" >> beam.Reshuffle()
            | "SpreadFile" >> beam.Map(self._spread)
        )

    def _spread(self, source: int) -> int:
        whole = posts_folder(self._work, source)
        partial = whole.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_source(source, self._sources[source].path, self._settings, self._shards, partial)
        partial.rename(whole)
        return source


def posts_folder(work: Path, source: int) -> Path:
    """Where a file's posts lie."""
    return work / POSTS_FOLDER / f"{source:05d}"


def shard_file(folder: Path, shard: int) -> Path:
    """Where one shard's posts of a file lie; missing where it has none."""
    return folder / f"shard-{shard:05d}.jsonl"


def _write_source(
    source: int, path: str, settings: IngestSettings, shards: int, folder: Path
) -> None:
    read = posts = 0
    notes: dict[str, CauseCount] = {}
    with _Files() as files:
        for record in read_records(path, settings, REQUIRED_FIELDS["posts"]):
            read += 1
            try:
                if isinstance(record, Fault):
                    raise RecordError(record.cause)
                post = parse_post(record.fields, settings)
                author_id, row = post_row(source, record.line, post)
                files.write(shard_file(folder, shard_of(author_id, shards)), [author_id, row])
                posts += 1
                for note in post.notes:
                    count_cause(notes, note.what, record.line)
            except RecordError as error:
                files.write(folder / SET_ASIDE_FILE, [record.line, error.cause])
            if read % _RECORDS_A_MESSAGE == 0:
                _log.debug("%d records read", read, extra={"records": _RECORDS_A_MESSAGE})
        _log.debug("%d records read", read, extra={"records": read % _RECORDS_A_MESSAGE})
        noted = {what: count.model_dump() for what, count in notes.items()}
        files.write(folder / COUNTS_FILE, {"read": read, "posts": posts, "notes": noted})


class _Files:
    """Files under way, each opened by its first line; on disk once all are closed."""

    def __init__(self) -> None:
        self._open: dict[Path, TextIO] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *exception: Any) -> None:
        for file in self._open.values() if exception[0] is None else ():
            file.flush()
            os.fsync(file.fileno())
        self._stack.close()

    def write(self, path: Path, content: Any) -> None:
        if path not in self._open:
            file = path.open("w", encoding="utf-8", newline="\n")
            self._open[path] = self._stack.enter_context(file)
        self._open[path].write(json.dumps(content, ensure_ascii=False) + "\n")


def read_shard(paths: Sequence[Path]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The keyed rows of one shard's files, as `PredictAuthors` takes them."""
    for path in paths:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                author_id, row = json.loads(line)
                yield author_id, tuple(row)
