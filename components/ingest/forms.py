"""What a file is, told from its first block: encoding, format, and of a table its header.

Enters: the first block of a file, its name and the settings. Leaves: a `Form`, or `Refused` with
the rule, what was found and what to do, never quoting a record. Reads no file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from components.ingest.encodings import UTF8, Encoding, encoding_of, head_text
from components.ingest.headers import (
    find_header,
    likeliest_delimiter,
    possible_delimiters,
    refuse_alike,
    refuse_header,
)
from components.ingest.settings import IngestSettings
from components.ingest.signatures import PARQUET, refuse_others
from components.ingest.sources import ENDINGS, Kind, format_of
from components.ingest.unreadable import Refused

HEAD_BYTES = 64 * 1024
"""As much of a file is looked at, before and after decompression."""

REQUIRED_FIELDS: dict[Kind, tuple[str, ...]] = {
    "posts": ("author_id", "text"),
    "labels": ("author_id",),
}

Format = Literal["json_lines", "csv", "parquet", "raw_text", "empty"]

_COMMENTS = ("#", "//")


class Form(NamedTuple):
    """How a file is read.

    `compression` is an ending such as ".gz", empty for none; `rows_above` counts a table's rows
    before its header; `cr_ends` tells lines that end in a carriage return alone.
    """

    format: Format
    compression: str = ""
    encoding: Encoding = UTF8
    cr_ends: bool = False
    delimiter: str = ","
    rows_above: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether the lines are the file's own bytes between line feeds."""
        return not (self.compression or self.encoding.is_recoded or self.cr_ends)


class _Head(NamedTuple):
    """The first block of a text file: decoded, in lines, the last one whole."""

    lines: list[str]
    encoding: Encoding
    is_valid: bool
    cr_ends: bool

    @property
    def written(self) -> Iterator[str]:
        """Lines that are not blank."""
        return (line for line in self.lines if line.strip())


def form_of(
    head: bytes,
    is_whole: bool,
    name: str,
    settings: IngestSettings,
    required: Sequence[str] = (),
    raw_text: bool = False,
) -> Form:
    """The form of a file, by its content first and its ending second.

    Args:
        head: its first HEAD_BYTES, decompressed.
        is_whole: whether that is all of it.
        name: path, of which the ending counts.
        settings: encoding and delimiter, where they are set.
        required: columns that a table must have.
        raw_text: whether text that is no record is read, as that of one author.

    Raises:
        Refused: it cannot be read.
    """
    if not head:
        return Form("empty")
    expected, _ = format_of(name)
    if head.startswith(PARQUET) or expected == "parquet":
        return Form("parquet")
    refuse_others(head)
    text = _decode(head, is_whole, settings)
    form = Form("empty", "", text.encoding, text.cr_ends)
    first = next(text.written, "")
    if not first:
        return form
    _refuse_json_documents(text)
    if _is_json_below_comments(text):
        _refuse_nul(first)
        return form._replace(format="json_lines")
    usual = "\t" if expected == "tsv" else ","
    delimiters = possible_delimiters(text.lines, settings.delimiter or usual)
    # Of a header that is longer than the head, a column may be further on.
    is_cut = not is_whole and len(text.lines) == 1
    table = find_header(text.lines, delimiters, required[:1] if is_cut else required)
    if table is not None:
        return form._replace(format="csv", delimiter=table[0], rows_above=table[1])
    # Of a format that the ending names, a line further down is its own fault.
    _refuse_nul(first if expected else "".join(text.lines))
    if expected == "json_lines":
        return form._replace(format="json_lines")
    if expected in ("csv", "tsv"):
        delimiter = likeliest_delimiter(text.lines, delimiters)
        if required and not is_cut:
            refuse_header(text.lines, delimiter, required)
        return form._replace(format="csv", delimiter=delimiter)
    _refuse_undecodable(text)
    refuse_alike(text.lines, delimiters, required)
    if not raw_text:
        raise _of_no_form(required)
    return form._replace(format="raw_text")


def _decode(head: bytes, is_whole: bool, settings: IngestSettings) -> _Head:
    encoding = encoding_of(head, is_whole, settings.encoding)
    text, is_valid = head_text(head, is_whole, encoding)
    text = text.removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not is_whole and len(lines) > 1:
        del lines[-1]
    return _Head(lines, encoding, is_valid, _has_cr_ends(text))


def _has_cr_ends(text: str) -> bool:
    """Whether lines end in a carriage return alone; quotes of a table may hold other ends."""
    # Of a last one, what follows it is not known.
    ends = re.findall(r"\r\n|\r(?!\Z)|\n", text)
    return ends[:1] == ["\r"] and 2 * ends.count("\r") > len(ends)


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise Refused(
            "holds NUL characters, so it is not text in the encoding expected. If it is UTF-16 "
            "without a byte-order mark, set ingest.encoding to utf-16-le or utf-16-be."
        )


def _refuse_undecodable(text: _Head) -> None:
    if not text.is_valid:
        raise Refused(
            f"is not valid {text.encoding.name}. If it is text, set ingest.encoding to its "
            "encoding, such as windows-1252."
        )


def _of_no_form(required: Sequence[str]) -> Refused:
    return Refused(
        "must hold JSON Lines, CSV with a header that names "
        f"{' and '.join(required) or 'the fields'}, or Parquet; it looks like none of them. "
        f"Give it in one of these; an ending tells the format too: {ENDINGS}."
    )


def _refuse_json_documents(text: _Head) -> None:
    """Refuses JSON that is one value over many lines."""
    start = "\n".join(line.strip() for line in itertools.islice(text.written, 3))
    if re.match(r"\[\s*(\{|\]|$)", start):
        raise Refused(
            "is a JSON array; JSON Lines has one object per line. Convert it: "
            "jq -c '.[]' < array.json > lines.jsonl"
        )
    if re.match(r"\{([^\n]*,)?\n\s*\"", start):
        raise Refused(
            "is JSON whose objects span several lines; JSON Lines has one object per line. "
            "Convert it: jq -c . < long.json > lines.jsonl"
        )


def _is_json_below_comments(text: _Head) -> bool:
    below = (line.lstrip() for line in text.written if not line.lstrip().startswith(_COMMENTS))
    return next(below, "").startswith("{")
