"""Rows of a CSV file: its lines in, a raw record or a fault for each row out.

Enters: lines as `lines.read_lines` gives them and the file's `Form`. Leaves: a `RawRecord` for each
row under the header. Quotes may hold line ends; a row that cannot be read is one `Fault` at its
first line, and reading goes on with the line below. Rows without a value, those above the header
and the header met again are set aside; so is, once a file, the header where columns have no name.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any

from components.ingest.encodings import Encoding
from components.ingest.forms import Form
from components.ingest.lines import BAD_HEADER, TOO_LONG, Fault, Line, RawRecord, not_valid

NOT_CSV = "not valid CSV"
FEWER_COLUMNS = "fewer columns than the header"
MORE_COLUMNS = "more columns than the header"
HOLDS_NUL = "holds a NUL character"
EMPTY_ROW = "empty row"
ABOVE_HEADER = "row above the header"
HEADER_AGAIN = "header repeated"
NAMELESS = "columns without a name"

NOT_RECORDS = frozenset({EMPTY_ROW, ABOVE_HEADER, HEADER_AGAIN, NAMELESS})
"""What a table holds beside its records: set aside and counted, but no fault."""


class _CsvError(Exception):
    """The lines of the record under way cannot be one record."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _RecordLines:
    """Feeds csv.reader with lines and remembers those of the record under way, in `taken`.

    A stray quote would swallow every line down to the next quote. So a record that fails is set
    aside by its first line alone, and `step_back` gives the lines below it again. `cause` is what
    else is wrong with the record's lines, empty for nothing.
    """

    def __init__(
        self, lines: Iterator[Line | Fault], maximum_bytes: int, encoding: Encoding
    ) -> None:
        self._lines = lines
        self._maximum_bytes = maximum_bytes
        self._encoding = encoding
        self._waiting: deque[Line | Fault] = deque()
        self.begin()

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.taken.append(line)
        if isinstance(line, Fault):
            raise _CsvError(line.cause if len(self.taken) == 1 else NOT_CSV)
        content = line[1] + b"\n"
        self._bytes += len(content)
        if self._bytes > self._maximum_bytes and len(self.taken) > 1:
            raise _CsvError(TOO_LONG)
        if b"\0" in content:
            self.cause = HOLDS_NUL
        try:
            return self._encoding.decode(content)
        except UnicodeDecodeError:
            self.cause = not_valid(self._encoding.name)
            return content.decode("utf-8", "replace")

    def begin(self) -> None:
        self.taken: list[Any] = []
        self._bytes = 0
        self.cause = ""

    @property
    def first_line(self) -> int:
        first = self.taken[0]
        return first.line if isinstance(first, Fault) else first[0]

    def step_back(self) -> None:
        self._waiting.extendleft(reversed(self.taken[1:]))


def read_csv(
    lines: Iterator[Line | Fault], form: Form, maximum_bytes: int
) -> Iterator[RawRecord | Fault]:
    """Every row under the header.

    Args:
        lines: of the file.
        form: its delimiter, its encoding and how many rows are above the header.
        maximum_bytes: longest row that spans several lines.
    """
    rows = _read_rows(lines, form, maximum_bytes)
    for _, (line, cells) in zip(range(form.rows_above), rows, strict=False):
        yield Fault(line, cells if isinstance(cells, str) else ABOVE_HEADER)
    header = next(rows, None)
    if header is None:
        return
    line, cells = header
    names = [] if isinstance(cells, str) else [name.strip() for name in cells]
    given = [name for name in names if name]
    if not given or len(set(given)) < len(given):
        yield Fault(line, BAD_HEADER)
        return
    if len(given) < len(names):
        yield Fault(line, NAMELESS)
    columns, first = len(names), names[0] if len(given) == len(names) else None
    for line, row in rows:
        # Nearly all rows, at once; `_record` would give the same.
        is_whole = first and type(row) is list and len(row) == columns
        if is_whole and row[0] != first and row[0].strip():
            yield RawRecord(line, dict(zip(names, row, strict=True)))
        else:
            yield _record(line, row, names, cells)


def _record(
    line: int, row: list[str] | str, names: list[str], header: list[str] | str
) -> RawRecord | Fault:
    if isinstance(row, str):
        return Fault(line, row)
    if len(row) != len(names):
        row = _fitted(row, names)
    if not any(row) or not any(map(str.strip, row)):
        return Fault(line, EMPTY_ROW)
    if len(row) != len(names):
        return Fault(line, FEWER_COLUMNS if len(row) < len(names) else MORE_COLUMNS)
    if row == header:
        return Fault(line, HEADER_AGAIN)
    fields = dict(zip(names, row, strict=True))
    fields.pop("", None)
    return RawRecord(line, fields)


def _fitted(row: list[str], names: list[str]) -> list[str]:
    """The row without empty cells beyond the header, or with those of its nameless last columns."""
    row = list(row)
    while len(row) > len(names) and not row[-1].strip():
        row.pop()
    missing = names[len(row) :]
    return row if any(missing) else row + missing


def _read_rows(
    lines: Iterator[Line | Fault], form: Form, maximum_bytes: int
) -> Iterator[tuple[int, list[str] | str]]:
    """First line and fields of each row that is not blank; a fault has its cause for fields."""
    # The module's limit on a field (131,072 characters) holds for the whole process: only raise it.
    csv.field_size_limit(max(csv.field_size_limit(), maximum_bytes))
    feed = _RecordLines(lines, maximum_bytes, form.encoding)
    reader = csv.reader(feed, delimiter=form.delimiter, strict=True)
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
        if feed.cause:
            yield feed.first_line, feed.cause
        elif row:
            yield feed.taken[0][0], row
