"""Every record of the sources, as Beam transforms: read where the workers are, piece by piece.

Enters: the manifest, a file that lists the sources. Leaves: parsed rows, records set aside and
their tally, as `join` takes them. Imports Beam, not TFX.

    manifest -> pieces -> [large files: Cut -> CountLines -> NumberLines] -> ReadPiece -> rows

The graph of the pipeline holds the manifest's path alone, so 100,000 files make it no larger than
one does. A plain file of JSON Lines is cut into pieces of `PIECE_BYTES`, which workers read side by
side; a line is read by the piece in which it begins. Compressed files, UTF-16 and UTF-32, CSV (a
quoted field may hold line ends) and Parquet are read by one worker each: for many workers, give
many files.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import (
    Coder,
    NullableCoder,
    StrUtf8Coder,
    TupleCoder,
    VarIntCoder,
)
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput

from components.heads.declared import Heads
from components.ingest.forms import REQUIRED_FIELDS
from components.ingest.lines import Fault, RawRecord, count_lines
from components.ingest.opening import named, open_source, read_form
from components.ingest.readers import read_records, read_records_between
from components.ingest.records import Label, Post, RecordError, parse_label, parse_post
from components.ingest.settings import IngestSettings
from components.ingest.sources import Kind, SourceFile
from components.ingest.tally import PieceTally, tally_read

POSTS = "posts"
LABELS = "labels"
SET_ASIDE = "set_aside"
TALLY = "tally"

MANIFEST_FILE = "sources.jsonl"
PIECE_BYTES = 64 * 1024 * 1024
_WHOLE = "whole"
_LARGE = "large"
_CUT = "cut"
_RECORDS_A_MESSAGE = 100_000
_log = logging.getLogger("authorprofile.ingest")


class _ValuesCoder(Coder):
    """Label values as JSON, which keeps numbers to the bit; Beam has no coder of mixed kinds."""

    def encode(self, value: Sequence[Any]) -> bytes:
        return json.dumps(value).encode()

    def decode(self, encoded: bytes) -> tuple[Any, ...]:
        return tuple(json.loads(encoded))

    def is_deterministic(self) -> bool:
        return True


POST_CODER = TupleCoder(
    (
        StrUtf8Coder(),
        TupleCoder(
            (
                VarIntCoder(),
                VarIntCoder(),
                NullableCoder(VarIntCoder()),
                NullableCoder(StrUtf8Coder()),
                StrUtf8Coder(),
            )
        ),
    )
)
"""Of `post_row`."""
LABEL_CODER = TupleCoder(
    (StrUtf8Coder(), TupleCoder((VarIntCoder(), VarIntCoder(), _ValuesCoder())))
)
"""Of `label_row`."""


class Piece(NamedTuple):
    """What is read at once: a file, or the lines that begin in [start, end) of one.

    `source` is the file's place among the sources; `first_line` the number of the piece's first.
    """

    source: int
    kind: Kind
    path: str
    start: int = 0
    end: int = 0
    first_line: int = 1


def write_manifest(sources: Sequence[SourceFile], folder: str) -> str:
    """Writes the list of sources, a JSON array a line, and returns its path."""
    path = f"{folder}/{MANIFEST_FILE}"
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        for source in sources:
            file.write(json.dumps(source).encode() + b"\n")
    return path


def read_manifest(path: str) -> tuple[SourceFile, ...]:
    """The sources of a manifest, in their order."""
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return tuple(SourceFile(*json.loads(line)) for line in file)


def is_large(source: SourceFile) -> bool:
    """Whether a file is read in pieces, if it is plain JSON Lines."""
    return source.size_bytes > PIECE_BYTES


def can_be_cut(kind: Kind, path: str, settings: IngestSettings) -> bool:
    """Whether a file is plain JSON Lines, by its first block.

    Raises:
        SourceError: it cannot be read; the message names it.
    """
    form = read_form(path, settings, REQUIRED_FIELDS[kind])
    return form.format == "json_lines" and form.is_plain


@dataclass(eq=False)
class ReadSources(beam.PTransform):
    """Reads and parses every record of the sources.

    Out, by tag: "posts", "labels": keyed rows for `JoinAuthors`; "set_aside" and "tally" as there.

    Args:
        manifest: of `write_manifest`.
        cuts: whether any source `is_large`; without one the graph needs no counting of lines.
        heads: of which label records hold values.
        settings: of reading.
    """

    manifest: str
    cuts: bool
    heads: Heads
    settings: IngestSettings

    def expand(self, pipeline: beam.Pipeline) -> Any:
        pieces = (
            pipeline
            | "Manifest" >> beam.Create([self.manifest])
            | "ListPieces" >> beam.FlatMap(_list_pieces).with_outputs(_LARGE, main=_WHOLE)
        )
        todo = pieces[_WHOLE]
        if self.cuts:
            large = (
                pieces[_LARGE]
                | "SpreadLarge" >> beam.Reshuffle()
                | "Cut" >> beam.FlatMap(_cut, self.settings).with_outputs(_CUT, main=_WHOLE)
            )
            numbered = (
                large[_CUT]
                | "SpreadCounting" >> beam.Reshuffle()
                | "CountLines" >> beam.Map(_count_piece)
                | "GroupByFile" >> beam.GroupByKey()
                | "NumberLines" >> beam.FlatMap(_number_lines)
            )
            todo = (todo, large[_WHOLE], numbered) | "AllPieces" >> beam.Flatten()
        return (
            todo
            | "SpreadPieces" >> beam.Reshuffle()
            | "ReadPiece"
            >> beam.ParDo(_ReadPiece(self.heads, self.settings)).with_outputs(
                POSTS, LABELS, SET_ASIDE, TALLY
            )
        )


def _list_pieces(manifest: str) -> Iterator[Piece | TaggedOutput]:
    for place, source in enumerate(read_manifest(manifest)):
        if is_large(source):
            whole = Piece(place, source.kind, source.path, 0, source.size_bytes)
            yield TaggedOutput(_LARGE, whole)
        else:
            yield Piece(place, source.kind, source.path)


def _cut(large: Piece, settings: IngestSettings) -> Iterator[Piece | TaggedOutput]:
    large = Piece(*large)
    if not can_be_cut(large.kind, large.path, settings):
        yield large._replace(end=0)
        return
    for start in range(0, large.end, PIECE_BYTES):
        end = min(start + PIECE_BYTES, large.end)
        yield TaggedOutput(_CUT, large._replace(start=start, end=end))


def _count_piece(piece: Piece) -> tuple[int, tuple[Piece, int]]:
    piece = Piece(*piece)
    with open_source(piece.path) as stored, named(piece.path):
        return piece.source, (piece, count_lines(stored, piece.start, piece.end))


def _number_lines(file: tuple[int, Iterable[tuple[Piece, int]]]) -> Iterator[Piece]:
    number = 1
    for piece, lines in sorted(file[1], key=lambda counted: counted[0][3]):
        yield Piece(*piece)._replace(first_line=number)
        number += lines


@dataclass(eq=False)
class _ReadPiece(beam.DoFn):
    heads: Heads
    settings: IngestSettings

    def process(self, element: Piece) -> Iterator[TaggedOutput]:
        # A runner that moves elements between processes hands on the plain tuple.
        piece = Piece(*element)
        read = 0
        tally = PieceTally(piece.source, piece.kind)
        for record in self._records(piece):
            read += 1
            if read % _RECORDS_A_MESSAGE == 0:
                _log.debug("%s records read of %s", f"{read:,}", piece.path.rpartition("/")[2])
            yield from self._parse(piece.source, piece.kind, record, tally)
        yield TaggedOutput(TALLY, tally_read(piece.source, read) + tally.entries())

    def _records(self, piece: Piece) -> Iterator[RawRecord | Fault]:
        if not piece.end:
            return read_records(piece.path, self.settings, REQUIRED_FIELDS[piece.kind])
        return read_records_between(
            piece.path, piece.start, piece.end, piece.first_line, self.settings
        )

    def _parse(
        self, source: int, kind: str, record: RawRecord | Fault, tally: PieceTally
    ) -> Iterator[TaggedOutput]:
        if isinstance(record, Fault):
            yield TaggedOutput(SET_ASIDE, (source, record.line, record.cause))
            return
        try:
            if kind == POSTS:
                parsed: Post | Label = parse_post(record.fields, self.settings)
            else:
                parsed = parse_label(record.fields, self.heads, self.settings)
        except RecordError as error:
            yield TaggedOutput(SET_ASIDE, (source, record.line, error.cause))
            return
        tally.see(record.line, parsed.author_id, parsed.notes)
        if isinstance(parsed, Post):
            yield TaggedOutput(POSTS, post_row(source, record.line, parsed))
        else:
            yield TaggedOutput(LABELS, label_row(source, record.line, parsed))


def post_row(source: int, line: int, post: Post) -> tuple[str, tuple[Any, ...]]:
    """The post as `JoinAuthors` takes it."""
    return post.author_id, (source, line, post.time_microseconds, post.post_id, post.text)


def label_row(source: int, line: int, label: Label) -> tuple[str, tuple[Any, ...]]:
    """The label record as `JoinAuthors` takes it."""
    return label.author_id, (source, line, label.values)
