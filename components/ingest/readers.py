"""The one reader of records: a file or a stream in, raw records and faults out.

Enters: a path or an open stream, and the ingest settings. Leaves: for each record a `RawRecord`, or
a `Fault` where it cannot be read, each with its line (Parquet: its row), counted from 1. Streams:
holds one record at a time; for CSV the lines that an open quote spans, at most
`maximum_record_bytes`; for Parquet a batch of rows.

| format | a record is | a fault takes |
|---|---|---|
| JSON Lines | a line that is not blank | its line |
| CSV | a row under the header; quotes may hold newlines | its first line; reading goes on |
| Parquet | a row | its row |
| raw text | a line that is not blank | its line |

Where a file breaks (`lines.BREAKS`), what follows cannot be told apart: the break is one fault. A
file that is no such file at all is a SourceError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.ingest.blocks import look, stored_blocks
from components.ingest.encodings import Encoding, encoding_of
from components.ingest.forms import HEAD_BYTES, REQUIRED_FIELDS, Form
from components.ingest.json_lines import parse_json_line
from components.ingest.lines import (
    COMMENT,
    Fault,
    Line,
    RawRecord,
    not_valid,
    read_lines,
    read_lines_between,
)
from components.ingest.opening import Content, named, open_content, open_source, read_form
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile
from components.ingest.tables import HOLDS_NUL, read_csv


def check_files(sources: Sequence[SourceFile], settings: IngestSettings) -> None:
    """Looks at the first block of each local file, so that one that cannot be read is told early.

    Files of an object store are looked at when they are read.

    Raises:
        SourceError: a file cannot be read; the message names it.
    """
    for source in sources:
        if "://" not in source.path:
            read_form(source.path, settings, REQUIRED_FIELDS[source.kind])


def read_records(
    file_path: str, settings: IngestSettings, required: Sequence[str] = ()
) -> Iterator[RawRecord | Fault]:
    """Every record of a file, in order.

    Args:
        file_path: local or of an object store.
        settings: encoding, delimiter and longest record.
        required: columns that a table must have.

    Raises:
        SourceError: the file cannot be read; as a SourceUnreadable also an OSError.
    """
    with open_source(file_path) as stored, named(file_path):
        content = open_content(stored, file_path, settings, required)
        yield from read_content(content, settings, required)


def read_content(
    content: Content, settings: IngestSettings, required: Sequence[str] = ()
) -> Iterator[RawRecord | Fault]:
    """Every record of an open file, in order; of raw text each line, as the field `text`.

    Its iterator raises what `opening.named` turns into a SourceError.
    """
    form, stream = content
    maximum_bytes = settings.maximum_record_bytes
    if form.format == "parquet":
        # Takes a quarter of a second to import, which other files need not wait for.
        from components.ingest.parquet import read_parquet

        return read_parquet(stream, maximum_bytes, required)
    lines = read_lines(stream, maximum_bytes)
    if form.format == "csv":
        return read_csv(lines, form, maximum_bytes)
    if form.format == "raw_text":
        return _read_raw_text(lines, form)
    return _read_json_lines(lines, form.encoding)


def read_records_between(
    file_path: str, start: int, end: int, first_line: int, settings: IngestSettings
) -> Iterator[RawRecord | Fault]:
    """The records of a plain JSON Lines file whose lines begin in [start, end), in order.

    Raises:
        SourceError: the file cannot be read, or has fewer than `end` bytes by now.
    """
    with open_source(file_path) as stored, named(file_path):
        head, is_whole, _ = look(stored_blocks(stored), HEAD_BYTES)
        encoding = encoding_of(head, is_whole, settings.encoding)
        lines = read_lines_between(stored, start, end, first_line, settings.maximum_record_bytes)
        yield from _read_json_lines(lines, encoding)


def _read_json_lines(
    lines: Iterator[Line | Fault], encoding: Encoding
) -> Iterator[RawRecord | Fault]:
    for line in lines:
        if isinstance(line, Fault):
            yield line
        elif line[1].strip():
            record = parse_json_line(*line, encoding)
            is_comment = isinstance(record, Fault) and line[1].lstrip().startswith((b"#", b"//"))
            yield Fault(line[0], COMMENT) if is_comment else record


def _read_raw_text(lines: Iterator[Line | Fault], form: Form) -> Iterator[RawRecord | Fault]:
    for line in lines:
        if isinstance(line, Fault):
            yield line
        elif content := line[1].strip():
            yield _raw_post(line[0], content, form.encoding)


def _raw_post(number: int, content: bytes, encoding: Encoding) -> RawRecord | Fault:
    if b"\0" in content:
        return Fault(number, HOLDS_NUL)
    try:
        return RawRecord(number, {"text": encoding.decode(content)})
    except UnicodeDecodeError:
        return Fault(number, not_valid(encoding.name))
