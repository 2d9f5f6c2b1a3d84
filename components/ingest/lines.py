"""Lines of a text file, plain or compressed: bytes in, numbered lines and faults out.

Also holds what all readers share: `RawRecord`, `Fault` and the causes that mean a broken file.

Enters: an open binary file and its compression. Leaves: lines with their numbers, counted from 1,
without line end and byte-order mark; a `Fault` for a line that is too long, or where compressed
data breaks. Holds one line of at most `maximum_bytes`. Called by `readers`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

TOO_LONG = "longer than maximum_record_bytes"
NOT_UTF8 = "not valid UTF-8"
DAMAGED = "compressed data ends early or is damaged"
BAD_HEADER = "header cannot be read or names a column twice"
NOT_PARQUET = "not readable as Parquet"

BREAKS = frozenset({DAMAGED, BAD_HEADER, NOT_PARQUET})

_BOM = b"\xef\xbb\xbf"
_SKIP_BYTES = 65_536

Line = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The fields of one record as the file gives them."""

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be read, and why; the cause never quotes it."""

    line: int
    cause: str


def read_lines(stored: IO[bytes], compression: str, maximum_bytes: int) -> Iterator[Line | Fault]:
    """Every line of the file; after a break in the compressed data, nothing.

    Args:
        stored: the file as it lies on the storage.
        compression: "", ".gz", ".bz2" or ".xz".
        maximum_bytes: longest line given; a longer one is skipped in pieces.

    Raises:
        OSError: the storage fails; damaged content is a Fault instead.
    """
    stream = _DECOMPRESS[compression](stored)
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
    if len(content.removesuffix(b"\n").removesuffix(b"\r")) <= maximum_bytes:
        return content
    rest = content
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(_SKIP_BYTES)
    return None


_DECOMPRESS: dict[str, Callable[[IO[bytes]], Any]] = {
    "": lambda stored: stored,
    ".gz": lambda stored: gzip.GzipFile(fileobj=stored, mode="rb"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
