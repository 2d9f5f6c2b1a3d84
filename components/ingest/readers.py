"""Readers of JSON Lines, CSV and Parquet: a file in, a stream of raw records and faults out.

Enters: a path (local or on an object store, through Beam's FileSystems) and the ingest settings.
Leaves: for each record a `RawRecord`, or a `Fault` where it cannot be read, each with its line
(Parquet: its row), counted from 1. Called by `join`. Streams: holds one record at a time; for CSV
the lines that an open quote spans, at most `maximum_record_bytes`; for Parquet a batch of rows.

| format | a record is | a fault takes |
|---|---|---|
| JSON Lines | a line that is not blank | its line |
| CSV, TSV | a row under the header; quotes may hold newlines | its first line; reading goes on |
| Parquet | a row | its row |

Where a file breaks (`lines.BREAKS`), what follows cannot be told apart: the break is one fault.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from components.ingest.json_lines import parse_json_line
from components.ingest.lines import (
    BAD_HEADER,
    NOT_UTF8,
    TOO_LONG,
    Fault,
    Line,
    RawRecord,
    read_lines,
    read_lines_between,
)
from components.ingest.parquet import read_parquet
from components.ingest.settings import IngestSettings
from components.ingest.sources import format_of

NOT_CSV = "not valid CSV"
FEWER_COLUMNS = "fewer columns than the header"
MORE_COLUMNS = "more columns than the header"


def read_records(file_path: str, settings: IngestSettings) -> Iterator[RawRecord | Fault]:
    """Every record of a file, in order.

    Raises:
        SourceError: the ending names no known format.
        OSError: the file cannot be opened, or the storage fails while it is read.
    """
    format_name, compression = format_of(file_path)
    maximum_bytes = settings.maximum_record_bytes
    with FileSystems.open(file_path, compression_type=CompressionTypes.UNCOMPRESSED) as stored:
        if format_name == "parquet":
            yield from read_parquet(stored, maximum_bytes)
            return
        lines = read_lines(stored, compression, maximum_bytes)
        if format_name == "json_lines":
            yield from _read_json_lines(lines)
        else:
            delimiter = "," if format_name == "csv" else "\t"
            yield from _read_csv(lines, delimiter, maximum_bytes)


def read_records_between(
    file_path: str, start: int, end: int, first_line: int, settings: IngestSettings
) -> Iterator[RawRecord | Fault]:
    """The records of a plain JSON Lines file whose lines begin in [start, end), in order."""
    with FileSystems.open(file_path, compression_type=CompressionTypes.UNCOMPRESSED) as stored:
        yield from _read_json_lines(
            read_lines_between(stored, start, end, first_line, settings.maximum_record_bytes)
        )


def _read_json_lines(lines: Iterator[Line | Fault]) -> Iterator[RawRecord | Fault]:
    for line in lines:
        if isinstance(line, Fault):
            yield line
        elif line[1].strip():
            yield parse_json_line(*line)


class _CsvError(Exception):
    """The lines of the record under way cannot be one record."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _RecordLines:
    """Feeds csv.reader with lines and remembers those of the record under way.

    A stray quote would swallow every line down to the next quote. So a record that fails is set
    aside by its first line alone, and `step_back` gives the lines below it again.
    """

    def __init__(self, lines: Iterator[Line | Fault], maximum_bytes: int) -> None:
        self._lines = lines
        self._maximum_bytes = maximum_bytes
        self._waiting: deque[Line | Fault] = deque()
        self._taken: list[Line | Fault] = []
        self._bytes = 0
        self.is_utf8 = True

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self._taken.append(line)
        if isinstance(line, Fault):
            raise _CsvError(line.cause if len(self._taken) == 1 else NOT_CSV)
        content = line[1] + b"\n"
        self._bytes += len(content)
        if self._bytes > self._maximum_bytes and len(self._taken) > 1:
            raise _CsvError(TOO_LONG)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            self.is_utf8 = False
            return content.decode("utf-8", "replace")

    def begin(self) -> None:
        self._taken = []
        self._bytes = 0
        self.is_utf8 = True

    @property
    def first_line(self) -> int:
        first = self._taken[0]
        return first.line if isinstance(first, Fault) else first[0]

    def step_back(self) -> None:
        self._waiting.extendleft(reversed(self._taken[1:]))


def _read_csv(
    lines: Iterator[Line | Fault], delimiter: str, maximum_bytes: int
) -> Iterator[RawRecord | Fault]:
    rows = _read_rows(lines, delimiter, maximum_bytes)
    header = next(rows, None)
    if header is None:
        return
    line, cells = header
    names = [] if isinstance(cells, str) else [name.strip() for name in cells]
    if not names or len(set(names)) < len(names):
        yield Fault(line, BAD_HEADER)
        return
    for line, row in rows:
        if isinstance(row, str):
            yield Fault(line, row)
        elif len(row) != len(names):
            yield Fault(line, FEWER_COLUMNS if len(row) < len(names) else MORE_COLUMNS)
        else:
            yield RawRecord(line, dict(zip(names, row, strict=True)))


def _read_rows(
    lines: Iterator[Line | Fault], delimiter: str, maximum_bytes: int
) -> Iterator[tuple[int, list[str] | str]]:
    """First line and fields of each row that is not blank; a fault has its cause for fields."""
    # The module's limit on a field (131,072 characters) holds for the whole process: only raise it.
    csv.field_size_limit(max(csv.field_size_limit(), maximum_bytes))
    feed = _RecordLines(lines, maximum_bytes)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            row = next(reader)
        except StopIteration:
            return
        except (_CsvError, csv.Error) as error:
            feed.step_back()
            yield feed.first_line, error.cause if isinstance(error, _CsvError) else NOT_CSV
            continue
        if not feed.is_utf8:
            yield feed.first_line, NOT_UTF8
        elif row:
            yield feed.first_line, row
