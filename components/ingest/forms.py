"""What a file is, told from its first bytes: compression, encoding, format, a table's header.

Enters: the first block of a file, its name and the settings. Leaves: a `Form`, or `Refused` with
the rule, what was found and what to do. Never quotes a record: a table's column names are told
where the first row is a header, and their number where it looks like data. Reads no file.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from components.ingest.settings import IngestSettings
from components.ingest.sources import ENDINGS, Kind, format_of

HEAD_BYTES = 64 * 1024
"""As much of a file is looked at, before and after decompression."""

REQUIRED_FIELDS: dict[Kind, tuple[str, ...]] = {
    "posts": ("author_id", "text"),
    "labels": ("author_id",),
}

Format = Literal["json_lines", "csv", "parquet", "raw_text", "empty"]

_PARQUET = b"PAR1"
_COMPRESSED = {
    ".gz": re.compile(rb"\x1f\x8b"),
    ".bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    ".xz": re.compile(rb"\xfd7zXZ\x00"),
    ".zst": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_UNPACK = "Unpack it and give the files in it."
_EXPORT = "Export its rows as CSV, JSON Lines or Parquet."
_OTHERS = (
    (rb"PK[\x03\x05]", f"is a zip archive or an Office document. {_UNPACK} Save a sheet as CSV."),
    (rb"7z\xbc\xaf\x27\x1c", f"is a 7z archive. {_UNPACK}"),
    (rb"Rar!\x1a\x07", f"is a RAR archive. {_UNPACK}"),
    (rb".{257}ustar", f"is a tar archive. {_UNPACK}"),
    (rb"\x04\x22\x4d\x18", "is compressed with LZ4. Give it as gzip, bzip2, xz or zstd."),
    (rb"\x1f\x9d", "is compressed with compress (.Z). Give it as gzip, bzip2, xz or zstd."),
    (rb"\xd0\xcf\x11\xe0", "is an old Office document. Save the sheet as CSV."),
    (rb"%PDF-", f"is a PDF document. {_EXPORT}"),
    (rb"\{\\rtf", f"is an RTF document. {_EXPORT}"),
    (rb"SQLite format 3\x00", f"is an SQLite database. {_EXPORT}"),
    (rb"Obj\x01", f"is an Avro file. {_EXPORT}"),
    (rb"ARROW1\x00|FEA1[\x00-\x1f]", f"is an Arrow or Feather file. {_EXPORT}"),
    (rb"\x89HDF", f"is an HDF5 file. {_EXPORT}"),
    (rb"\s*<(?i:!doctype|html|\?xml)", f"is HTML or XML. {_EXPORT}"),
)
_BOMS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_COMMENTS = ("#", "//")
_LINE_END = re.compile(r"\r\n|\n|\r")
_DELIMITERS = ",;\t|"
_DELIMITER_LINE = re.compile(r'\s*"?sep=(?P<delimiter>[^"])"?[,;\t|]*\s*', re.IGNORECASE)
_ROWS_LOOKED_AT = 20
_NAMES_SHOWN = 20
_NAME = re.compile(r"[^\W\d][\w .()/%:-]{0,39}")
# A first row with one of these, and nothing in it that is no name, is a header and no data.
_USUAL_NAMES = frozenset(
    {"author_id", "author", "authorid", "user_id", "userid", "user", "user_name", "username"}
    | {"handle", "screen_name", "id", "post_id", "postid", "tweet_id", "text", "body", "content"}
    | {"message", "post", "tweet", "comment", "timestamp", "created_at", "date", "time", "age"}
    | {"income", "gender", "sex", "label"}
)


class Refused(Exception):
    """The file is not read at all; the message goes on from the file's name."""


class Form(NamedTuple):
    """How a file is read.

    `compression` is an ending such as ".gz", empty for none; `rows_above` counts a table's rows
    before its header; `cr_ends` tells lines that end in a carriage return alone.
    """

    format: Format
    compression: str = ""
    encoding: str = "UTF-8"
    cr_ends: bool = False
    delimiter: str = ","
    rows_above: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether the lines are the file's own bytes between line feeds."""
        return (self.compression, self.encoding, self.cr_ends) == ("", "UTF-8", False)


class _Head(NamedTuple):
    """The first block of a text file: decoded, in lines, the last one whole."""

    lines: list[str]
    encoding: str
    is_valid: bool
    cr_ends: bool

    @property
    def written(self) -> Iterator[str]:
        """Lines that are not blank."""
        return (line for line in self.lines if line.strip())


def compression_of(head: bytes) -> str:
    r"""The compression by its first bytes, whatever the name says; empty for none.

    >>> compression_of(b"\x1f\x8b\x08"), compression_of(b"{")
    ('.gz', '')
    """
    return next((name for name, magic in _COMPRESSED.items() if magic.match(head)), "")


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
    if head.startswith(_PARQUET) or expected == "parquet":
        return Form("parquet")
    _refuse_others(head)
    text = _decode(head, is_whole, settings)
    form = Form("empty", "", text.encoding, text.cr_ends)
    first = next(text.written, "")
    if not first:
        return form
    _refuse_json_documents(text)
    if _is_json_below_comments(text):
        _refuse_nul(first)
        return form._replace(format="json_lines")
    table = _find_header(text, _delimiters(text, expected, settings), required)
    if table is not None:
        return form._replace(format="csv", delimiter=table[0], rows_above=table[1])
    # Of a format that the ending names, a line further down is its own fault.
    _refuse_nul(first if expected else "".join(text.lines))
    if expected == "json_lines":
        return form._replace(format="json_lines")
    if expected in ("csv", "tsv"):
        delimiter = _likeliest_delimiter(text, expected, settings)
        if required and (is_whole or len(text.lines) > 1):
            _refuse_header(text, delimiter, required)
        return form._replace(format="csv", delimiter=delimiter)
    _refuse_undecodable(text)
    if not raw_text:
        raise Refused(
            "must hold JSON Lines, CSV with a header that names "
            f"{' and '.join(required) or 'the fields'}, or Parquet; it looks like none of them. "
            f"Give it in one of these; an ending tells the format too: {ENDINGS}."
        )
    return form._replace(format="raw_text")


def missing_columns(names: Sequence[str], required: Sequence[str], delimiter: str = "") -> str:
    """What to say of a table whose header lacks a required column; empty where it lacks none."""
    missing = [name for name in required if name not in names]
    if not missing:
        return ""
    shown = [name if _NAME.fullmatch(name) else "..." for name in names[:_NAMES_SHOWN]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    by = f" (separated by {_named(delimiter)})" if delimiter else ""
    other = ", or set ingest.delimiter if something else separates them" if delimiter else ""
    return (
        f"must have the column{'s' * (len(required) > 1)} {' and '.join(required)}. Missing: "
        f"{', '.join(missing)}. Found{by}: {', '.join(shown)}{more}. Rename what holds it{other}."
    )


def _refuse_others(head: bytes) -> None:
    if compression_of(head):
        raise Refused("is compressed twice. Decompress it once.")
    for magic, reason in _OTHERS:
        if re.match(magic, head, re.DOTALL):
            raise Refused(reason)


def _decode(head: bytes, is_whole: bool, settings: IngestSettings) -> _Head:
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), settings.encoding)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, is_whole)
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(head, is_whole)
        is_valid = True
    except UnicodeDecodeError:
        is_valid = False
    text = text.removeprefix("\ufeff")
    lines = _LINE_END.split(text)
    if not is_whole and len(lines) > 1:
        del lines[-1]
    return _Head(lines, encoding, is_valid, "\n" not in text and "\r" in text[:-1])


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise Refused(
            "holds NUL characters, so it is not text in the encoding expected. If it is UTF-16 "
            "without a byte-order mark, set ingest.encoding to utf-16-le or utf-16-be."
        )


def _refuse_undecodable(text: _Head) -> None:
    if not text.is_valid:
        raise Refused(
            f"is not valid {text.encoding}. If it is text, set ingest.encoding to its encoding, "
            "such as windows-1252."
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


def _delimiters(text: _Head, expected: str | None, settings: IngestSettings) -> str:
    """Those that may separate the columns, the likeliest first."""
    if settings.delimiter:
        return settings.delimiter
    line = _DELIMITER_LINE.fullmatch(next(text.written))
    first = line["delimiter"] if line else "\t" if expected == "tsv" else ","
    return "".join(dict.fromkeys(first + _DELIMITERS))


def _find_header(text: _Head, delimiters: str, required: Sequence[str]) -> tuple[str, int] | None:
    """The delimiter by which a row names the first required column, and how many are above it."""
    if not required:
        return None
    for delimiter in delimiters:
        for place, row in enumerate(_rows(text, delimiter)):
            names = [name.strip() for name in row]
            if required[0] in names:
                fault = missing_columns([name for name in names if name], required, delimiter)
                if fault:
                    raise Refused(fault)
                return delimiter, place
    return None


def _rows(text: _Head, delimiter: str) -> Iterator[list[str]]:
    """The first rows that are not blank."""
    rows = csv.reader((line + "\n" for line in text.lines), delimiter=delimiter)
    try:
        for row in rows:
            if row:
                yield row
            if rows.line_num >= _ROWS_LOOKED_AT:
                return
    except csv.Error:
        return


def _likeliest_delimiter(text: _Head, expected: str | None, settings: IngestSettings) -> str:
    likely = _delimiters(text, expected, settings)
    line = next(text.written)
    is_told = likely[0] in line or _DELIMITER_LINE.fullmatch(line)
    return likely[0] if is_told else max(likely, key=line.count)


def _refuse_header(text: _Head, delimiter: str, required: Sequence[str]) -> None:
    row = next((row for row in _rows(text, delimiter) if any(map(str.strip, row))), [])
    names = [name.strip() for name in row if name.strip()]
    usual = _USUAL_NAMES.intersection(re.sub(r"[ -]+", "_", name.casefold()) for name in names)
    if usual and all(map(_NAME.fullmatch, names)):
        raise Refused(missing_columns(names, required, delimiter))
    raise Refused(
        f"must begin with a row of column names, {' and '.join(required)} among them. Its first "
        f"row looks like data: {len(row)} column{'s' * (len(row) != 1)} separated by "
        f"{_named(delimiter)}. Add that row, or set ingest.delimiter if something else separates "
        "them."
    )


def _named(delimiter: str) -> str:
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    return names.get(delimiter, repr(delimiter))
