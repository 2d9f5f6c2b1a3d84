"""Rows grouped by key on this machine's disk, for Beam's direct runner, whose shuffle is memory.

Enters: keyed rows, by tag. Leaves: each key with all its rows, as `beam.CoGroupByKey`, the plain
reference, gives them.

    rows -> Spill: a bundle appends them to a file a part -> (part, file) -> Gather: part by part

The direct runner holds every row that it groups, some five times over: 5.5 GB for 1 GB of posts.
Here the hash of a key chooses its part (a number chooses by itself), and what is in memory at once
is one part's rows and `HELD_BYTES` of each writer; on the disk lie all rows, some 0.96 bytes a byte
of the posts' files, until their part has been read. Any other runner has a shuffle of its own.
`python -m benchmarks.data` tells the memory and the speed.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.coders import TupleCoder
from apache_beam.coders.coder_impl import create_InputStream, create_OutputStream
from apache_beam.pvalue import PCollection
from apache_beam.runners.direct.direct_runner import SwitchingDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows

PART_BYTES = 32 * 2**20
"""What a part shall hold, of the rows' bytes on disk."""
MOST_PARTS = 1_000
"""Beyond 32 GB of posts parts grow instead: each is a file to append to, again and again."""
HELD_BYTES = 32 * 2**20
"""Rows that one writer of a tag holds before it appends them to their parts' files."""
CROWDED_BYTES = 8 * PART_BYTES
"""A part beyond it has a key with very many rows, which `thin` is there for."""

SHUFFLE_PREFIX = ".shuffle-"

_LENGTH = struct.Struct(">Q")

Row = tuple[Any, Any]
"""A key and what belongs to it."""
Thin = Callable[[Callable[[], Iterator[Row]]], Iterator[Row]]
"""Rows in, as often as asked for; the same rows out, made light."""


@dataclass(frozen=True)
class Disk:
    """Where rows may lie: a folder of this machine, and how many parts they are cut into."""

    folder: str
    parts: int


@contextmanager
def disk_for(pipeline: beam.Pipeline, folder: str, size_bytes: float) -> Iterator[Disk | None]:
    """A place on this machine's disk while it lasts, None where the runner needs none.

    Args:
        pipeline: that will group rows; it must have run before the place is left.
        folder: of the pipeline's results; where it lies elsewhere the temporary folder is taken.
        size_bytes: of all the rows, about.

    Raises:
        OSError: the folder cannot be made.
    """
    if not holds_shuffle(pipeline):
        yield None
        return
    is_here = "://" not in folder
    if is_here:
        os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=SHUFFLE_PREFIX, dir=folder if is_here else None
    ) as place:
        yield Disk(place, min(max(1, round(size_bytes / PART_BYTES)), MOST_PARTS))


def holds_shuffle(pipeline: beam.Pipeline) -> bool:
    """Whether the pipeline's runner keeps in memory what it groups."""
    return isinstance(pipeline.runner, FnApiRunner | SwitchingDirectRunner)


@dataclass(eq=False)
class GroupRows(beam.PTransform):
    """In: {tag: PCollection of (key, row)}. Out: (key, {tag: list of rows}), in no order.

    Args:
        disk: where the rows lie; None: in the runner's own shuffle.
        coders: of each tag's (key, row); the key's must give the same bytes for the same key, and
            none may pickle: it would be read back from a file.
        thin: for a tag, how its rows of a crowded part are made light.
    """

    disk: Disk | None
    coders: Mapping[str, TupleCoder]
    thin: Mapping[str, Thin] = field(default_factory=dict)

    def expand(self, rows: Mapping[str, PCollection]) -> PCollection:
        if self.disk is None:
            return _group(rows)
        # Rows of several tags are not flattened first: the runner would hold them to do it.
        files = [
            rows[tag] | f"Spill {tag}" >> beam.ParDo(_Spill(self.disk, tag, coder))
            for tag, coder in self.coders.items()
        ]
        return (
            files
            | "AllFiles" >> beam.Flatten()
            | "FilesOfPart" >> beam.GroupByKey()
            | "Gather" >> beam.ParDo(_Gather(self.coders, self.thin))
        )


def _group(rows: Mapping[str, PCollection]) -> PCollection:
    if len(rows) > 1:
        return rows | beam.CoGroupByKey()
    # Of one tag a runner may give the rows one by one, and hold none of them.
    ((tag, of_tag),) = rows.items()
    return (
        of_tag | beam.GroupByKey() | "Name" >> beam.MapTuple(lambda key, found: (key, {tag: found}))
    )


class _Spill(beam.DoFn):
    """In: (key, row). Out: (part, (tag, path)) of each file that the bundle has written."""

    def __init__(self, disk: Disk, tag: str, coder: TupleCoder) -> None:
        self._disk = disk
        self._tag = tag
        self._coder = coder

    def setup(self) -> None:
        self._row = self._coder.get_impl()
        self._key = self._coder.key_coder().get_impl()

    def start_bundle(self) -> None:
        self._name = f"{self._tag}-{uuid.uuid4().hex}"
        self._streams: Any = defaultdict(create_OutputStream)
        self._written: set[int] = set()
        self._held = 0

    def process(self, element: Row) -> None:
        part = self._part_of(element[0])
        stream = self._streams[part]
        before = stream.size()
        self._row.encode_to_stream(element, stream, True)
        self._held += stream.size() - before
        if self._held > HELD_BYTES:
            self._append()

    def finish_bundle(self) -> Iterator[Any]:
        self._append()
        for part in sorted(self._written):
            file = part, (self._tag, str(self._path(part)))
            yield GlobalWindows.windowed_value_at_end_of_window(file)

    def _part_of(self, key: Any) -> int:
        number = key if isinstance(key, int) else zlib.crc32(self._key.encode(key))
        return number % self._disk.parts

    def _append(self) -> None:
        try:
            for part, stream in self._streams.items():
                self._path(part).parent.mkdir(parents=True, exist_ok=True)
                with self._path(part).open("ab") as file:
                    file.write(_LENGTH.pack(stream.size()))
                    file.write(stream.get())
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                "no space left on the disk for the rows that are grouped, about as many bytes as "
                "the posts have; free some, or take another --out or, where that is a bucket, "
                f"another TMPDIR. The folder is {self._disk.folder}",
            ) from error
        self._written.update(self._streams)
        self._streams.clear()
        self._held = 0

    def _path(self, part: int) -> Path:
        return Path(self._disk.folder, str(part), self._name)


class _Gather(beam.DoFn):
    """In: (part, (tag, path) of each of its files). Out: (key, {tag: rows}). Deletes the files."""

    def __init__(self, coders: Mapping[str, TupleCoder], thin: Mapping[str, Thin]) -> None:
        self._coders = coders
        self._thin = thin

    def process(self, element: tuple[int, Iterable[tuple[str, str]]]) -> Iterator[Row]:
        part = _Part(self._coders)
        for tag, path in element[1]:
            part.paths[tag].append(path)
        groups: dict[Any, dict[str, list[Any]]] = {}
        is_crowded = part.size_bytes > CROWDED_BYTES
        for tag in self._coders:
            for key, row in self._rows(part, tag, is_crowded):
                if key not in groups:
                    groups[key] = {other: [] for other in self._coders}
                groups[key][tag].append(row)
        while groups:
            yield groups.popitem()
        part.delete()

    def _rows(self, part: _Part, tag: str, is_crowded: bool) -> Iterator[Row]:
        if is_crowded and tag in self._thin:
            return self._thin[tag](lambda: part.rows(tag))
        return part.rows(tag)


@dataclass(frozen=True)
class _Part:
    """The files of one part, by tag."""

    coders: Mapping[str, TupleCoder]
    paths: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def size_bytes(self) -> int:
        return sum(os.path.getsize(path) for paths in self.paths.values() for path in paths)

    def rows(self, tag: str) -> Iterator[Row]:
        decode = self.coders[tag].get_impl().decode_from_stream
        for path in sorted(self.paths[tag]):
            for block in _blocks(path):
                stream = create_InputStream(block)
                while stream.size() > 0:
                    yield decode(stream, True)

    def delete(self) -> None:
        for paths in self.paths.values():
            for path in paths:
                os.remove(path)


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while length := file.read(_LENGTH.size):
            yield file.read(*_LENGTH.unpack(length))
