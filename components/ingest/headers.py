"""The header of a CSV file: its first lines in, the delimiter and the header's place out.

Enters: the first lines of a file and the columns that it must have. Leaves: the delimiter by which
a row names the first of them, or `Refused`. Column names are told where the first row is a header;
where it looks like data only their number is, for it may hold what an author wrote.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from components.ingest.unreadable import Refused

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


def missing_columns(names: Sequence[str], required: Sequence[str], delimiter: str = "") -> str:
    """What to say of a table whose header lacks a required column; empty where it lacks none."""
    missing = [name for name in required if name not in names]
    if not missing:
        return ""
    shown = [name if _NAME.fullmatch(name) else "..." for name in names[:_NAMES_SHOWN]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    by = f" (separated by {_named(delimiter)})" if delimiter else ""
    other = ", or set ingest.delimiter if something else separates them" if delimiter else ""
    alike = [f"{name!r}" for name in names if any(is_written_alike(name, one) for one in missing)]
    remedy = f" Capitals and spaces count: rename {' and '.join(alike)}." if alike else ""
    if len(alike) < len(missing):
        remedy += f" Rename what holds {'the other' if alike else 'it'}{other}."
    return (
        f"must have the column{'s' * (len(required) > 1)} {' and '.join(required)}. Missing: "
        f"{', '.join(missing)}. Found{by}: {', '.join(shown)}{more}.{remedy}"
    )


def is_written_alike(name: str, wanted: str) -> bool:
    """Whether a column or field is the one wanted but for capitals, spaces or a hyphen.

    >>> is_written_alike("Author ID", "author_id"), is_written_alike("author", "author_id")
    (True, False)
    """
    return _usual(name) == wanted


def _usual(name: str) -> str:
    return re.sub(r"[ -]+", "_", name.strip().casefold())


def possible_delimiters(lines: Sequence[str], usual: str) -> str:
    r"""Those that may separate the columns, the likeliest first.

    Args:
        lines: of which one is not blank.
        usual: the likeliest one unless the first line says another.

    Example:
        ["sep=;", "a;b"], "," -> ";,\t|"
    """
    told = _told_delimiter(lines)
    return "".join(dict.fromkeys(told + usual + _DELIMITERS))


def find_header(
    lines: Sequence[str], delimiters: str, required: Sequence[str]
) -> tuple[str, int] | None:
    """The delimiter by which a row names the first required column, and how many are above it.

    Raises:
        Refused: that row lacks another of them.
    """
    # A post further down may hold what looks like a header by another delimiter.
    found = [
        header
        for delimiter in delimiters
        if required and (header := _header_by(lines, delimiter, required[0]))
    ]
    if not found:
        return None
    _, place, delimiter, names = min(found, key=lambda header: header[0])
    if fault := missing_columns([name for name in names if name], required, delimiter):
        raise Refused(fault)
    return delimiter, place


def _header_by(
    lines: Sequence[str], delimiter: str, column: str
) -> tuple[int, int, str, list[str]] | None:
    """The first row that names the column: its last line, its place, the delimiter, its names."""
    for place, (line, row) in enumerate(_rows(lines, delimiter)):
        names = [name.strip() for name in row]
        if column in names:
            return line, place, delimiter, names
    return None


def _told_delimiter(lines: Sequence[str]) -> str:
    """That of a first line such as `sep=;`, as spreadsheets write it; empty without one."""
    line = _DELIMITER_LINE.fullmatch(next(filter(str.strip, lines), ""))
    return line["delimiter"] if line else ""


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The first rows that are not blank, each with its last line."""
    rows = csv.reader((line + "\n" for line in lines), delimiter=delimiter)
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
            if rows.line_num >= _ROWS_LOOKED_AT:
                return
    except csv.Error:
        return


def likeliest_delimiter(lines: Sequence[str], delimiters: str) -> str:
    """The first of the delimiters where the first line has it or names it, else the commonest."""
    line = next(filter(str.strip, lines))
    is_likely = delimiters[0] in line or _told_delimiter(lines)
    return delimiters[0] if is_likely else max(delimiters, key=line.count)


def refuse_header(lines: Sequence[str], delimiter: str, required: Sequence[str]) -> NoReturn:
    """Raises Refused for a table of which no row names the columns that it must have."""
    rows = _rows(lines, delimiter)
    if _told_delimiter(lines):
        next(rows)
    row = next((row for _, row in rows if any(map(str.strip, row))), [])
    names = [name.strip() for name in row if name.strip()]
    usual = _USUAL_NAMES.intersection(map(_usual, names))
    if usual and all(map(_NAME.fullmatch, names)):
        raise Refused(missing_columns(names, required, delimiter))
    raise Refused(
        f"must begin with a row of column names, {' and '.join(required)} among them. Its first "
        f"row looks like data: {len(row)} column{'s' * (len(row) != 1)} separated by "
        f"{_named(delimiter)}. Add that row, or set ingest.delimiter if something else separates "
        "them."
    )


def refuse_alike(lines: Sequence[str], delimiters: str, required: Sequence[str]) -> None:
    """Raises Refused for a table whose first row names the columns but for capitals or spaces."""
    for delimiter in delimiters if required else "":
        _, row = next(_rows(lines, delimiter), (0, []))
        if {_usual(name) for name in row} >= set(required):
            raise Refused(missing_columns([name.strip() for name in row], required, delimiter))


def _named(delimiter: str) -> str:
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    return names.get(delimiter, repr(delimiter))
