"""Lines of a text file: a stream of bytes in, numbered lines and faults out.

Also holds what all readers share: `RawRecord`, `Fault` and the causes that mean a broken file.

Enters: an open stream, decompressed. Leaves: lines with their numbers, counted from 1, without line
end and byte-order mark; a `Fault` for a line that is too long, or where compressed data breaks.
Holds one line of at most `maximum_bytes`. A plain file can be read in pieces: `count_lines` says
how the lines of each are numbered.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from components.ingest.unreadable import BecameShorter

TOO_LONG = "longer than maximum_record_bytes"
NOT_UTF8 = "not valid UTF-8"
DAMAGED = "compressed data ends early or is damaged"
BAD_HEADER = "header cannot be read or names a column twice"
NOT_PARQUET = "not readable as Parquet"

COMMENT = "comment"

BREAKS = frozenset({DAMAGED, BAD_HEADER, NOT_PARQUET})

_BOM = b"\xef\xbb\xbf"
_SKIP_BYTES = 65_536
_COUNT_BYTES = 1 << 20

Line = tuple[int, bytes]


# Not frozen: one is made of every record, and to freeze it takes a tenth of the reading.
@dataclass(slots=True)
class RawRecord:
    """The fields of one record as the file gives them; one that cannot be read is `Unreadable`."""

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be read, and why; the cause never quotes it."""

    line: int
    cause: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In place of a field's value that cannot be read; it matters only where the field does."""

    cause: str


def not_valid(encoding: str) -> str:
    """The cause of a record of a text file that its encoding does not allow."""
    return f"not valid {encoding}: set ingest.encoding"


def read_lines(stream: IO[bytes], maximum_bytes: int) -> Iterator[Line | Fault]:
    """Every line of a stream; after a break in the compressed data, nothing.

    Args:
        stream: the file's lines, decompressed.
        maximum_bytes: longest line given; a longer one is skipped in pieces.

    Raises:
        OSError: the storage fails; damaged content is a Fault instead.
    """
    number = 0
    while True:
        number += 1
        try:
            content = _next_line(stream, maximum_bytes)
        except Exception as error:
            if not is_damage(error):
                raise
            yield Fault(number, DAMAGED)
            return
        if content is None:
            yield Fault(number, TOO_LONG)
        elif not content:
            return
        else:
            content = content.removeprefix(_BOM) if number == 1 else content
            yield number, content.removesuffix(b"\n").removesuffix(b"\r")


def read_lines_between(
    stored: IO[bytes], start: int, end: int, number: int, maximum_bytes: int
) -> Iterator[Line | Fault]:
    """The lines of a plain file that begin in [start, end), as `read_lines` gives them.

    Args:
        stored: the file; it can seek.
        start: first byte; where it lies inside a line, that line is the piece before's.
        end: byte after the last; a line that begins before it is read whole.
        number: of the first line that begins there, see `count_lines`.
        maximum_bytes: longest line given.

    Raises:
        BecameShorter: the file has fewer than `end` bytes by now.
    """
    stored.seek(max(start - 1, 0))
    if start:
        _skip_line(stored)
    while stored.tell() < end:
        content = _next_line(stored, maximum_bytes)
        if content is None:
            yield Fault(number, TOO_LONG)
        elif not content:
            raise BecameShorter
        else:
            content = content.removeprefix(_BOM) if number == 1 else content
            yield number, content.removesuffix(b"\n").removesuffix(b"\r")
        number += 1


def count_lines(stored: IO[bytes], start: int, end: int) -> int:
    r"""How many lines of a plain file begin in [start, end).

    Example:
        b"ab\ncd\n", 0, 4 -> 2: at bytes 0 and 3; in [4, 6) none does
    """
    stored.seek(max(start - 1, 0))
    lines, left = (0 if start else 1), end - 1 - max(start - 1, 0)
    while left > 0 and (block := stored.read(min(left, _COUNT_BYTES))):
        lines += block.count(b"\n")
        left -= len(block)
    return lines


def is_damage(error: Exception) -> bool:
    """Whether the content is bad, not the storage that it is read from.

    Decompressors and Parquet raise OSError without a number for bad content; a failing disk or
    network gives one, and must stop the run rather than be counted as a bad record.
    """
    if isinstance(error, OSError):
        return error.errno is None
    return isinstance(error, EOFError | zlib.error | lzma.LZMAError)


def _next_line(stream: Any, maximum_bytes: int) -> bytes | None:
    """A line with its end, b"" at the end of the file, None for a line that is too long."""
    content: bytes = stream.readline(maximum_bytes + len(b"\r\n"))
    # Nearly every line is shorter by far than the bound, its end included.
    if len(content) <= maximum_bytes:
        return content
    if len(content.removesuffix(b"\n").removesuffix(b"\r")) <= maximum_bytes:
        return content
    if not content.endswith(b"\n"):
        _skip_line(stream)
    return None


def _skip_line(stream: Any) -> None:
    while (rest := stream.readline(_SKIP_BYTES)) and not rest.endswith(b"\n"):
        pass
