"""Opens a file of records, whatever it is packed in, as blocks of its text or as Parquet.

Enters: a path, local or on an object store, or an open stream that need not seek. Leaves: its
`Form` and its content: UTF-8 bytes with line feeds, decompressed and decoded block by block, or a
Parquet file that can seek. Says in one line, with the path, why a file cannot be read. Imports
Beam for object stores alone.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

from components.ingest.forms import HEAD_BYTES, Form, Refused, compression_of, form_of
from components.ingest.lines import is_damage
from components.ingest.settings import IngestSettings
from components.ingest.unreadable import (
    SourceError,
    SourceUnreadable,
    check_regular,
    why_unreadable,
)

_BLOCK_BYTES = 128 * 1024
_INVALID = "components.ingest.invalid"


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """Puts a character where the encoding allows none of which no UTF-8 can be made.

    As bytes it is 0xFF, so that the line that holds it is set aside.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_INVALID, _mark_invalid)


class Content(NamedTuple):
    """An open file: its form, and its bytes as the form's reader takes them."""

    form: Form
    stream: IO[bytes]


@contextmanager
def named(path: str) -> Iterator[None]:
    """Turns what makes a file unreadable into a SourceError that names it."""
    try:
        yield
    except Refused as error:
        raise SourceError(f"{path} {error}") from None
    except SourceError:
        raise
    except OSError as error:
        raise SourceUnreadable(why_unreadable(path, error)) from None


def open_source(path: str) -> IO[bytes]:
    """A file of an object store, or a regular local one, as its bytes are.

    Raises:
        SourceUnreadable: it is not there, is no regular file, or may not be read.
    """
    with named(path):
        if "://" in path:
            from apache_beam.io.filesystem import CompressionTypes
            from apache_beam.io.filesystems import FileSystems

            return cast(
                IO[bytes],
                FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED),
            )
        check_regular(path)
        return open(path, "rb")


def read_form(path: str, settings: IngestSettings, required: Sequence[str] = ()) -> Form:
    """What a file is, by its first block.

    Raises:
        SourceError: it cannot be read; the message names it.
    """
    with open_source(path) as stored:
        return open_content(stored, path, settings, required).form


def open_content(
    stored: IO[bytes],
    name: str,
    settings: IngestSettings,
    required: Sequence[str] = (),
    raw_text: bool = False,
) -> Content:
    """Looks at the first block of a stream and gives its content.

    Args:
        stored: the bytes as they lie on the storage; need not seek.
        name: path, or what else to call it.
        settings: encoding and delimiter.
        required: columns that a table must have.
        raw_text: see `forms.form_of`.

    Raises:
        SourceError: it cannot be read; the message names it.
    """
    with named(name):
        head, is_whole, blocks = _look(_stored_blocks(stored))
        compression = compression_of(head)
        if compression:
            packed = io.BufferedReader(_Blocks(blocks), _BLOCK_BYTES)
            unpacked = _blocks_of(_DECOMPRESS[compression](packed))
            head, is_whole, blocks = _look(unpacked)
        form = form_of(head, is_whole, name, settings, required, raw_text)
        form = form._replace(compression=compression)
        if form.format == "parquet":
            return Content(form, _seekable(stored, blocks, compression))
    return Content(form, io.BufferedReader(_Blocks(_as_text(blocks, form)), _BLOCK_BYTES))


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._block:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._block = memoryview(block)
        size = min(len(buffer), len(self._block))
        buffer[:size] = self._block[:size]
        self._block = self._block[size:]
        return size


def _stored_blocks(stored: IO[bytes]) -> Iterator[bytes]:
    """The bytes that a file had when it was opened, to the end of the line begun by then.

    Another program may go on writing to it: what it appends would never come to an end.
    """
    left = _size_of(stored)
    if left is None:
        yield from _blocks_of(stored)
        return
    block = b""
    while left > 0:
        block = _read(stored, min(left, _BLOCK_BYTES))
        if not block:
            raise Refused("became shorter while it was read. Give a file that stays as it is.")
        left -= len(block)
        yield block
    while not block.endswith(b"\n") and (block := _read(stored, _BLOCK_BYTES)):
        line, end, _ = block.partition(b"\n")
        block = line + end
        yield block


def _size_of(stored: IO[bytes]) -> int | None:
    """Bytes of a regular local file from where it is; None of what else there is."""
    try:
        status = os.fstat(stored.fileno())
    except (OSError, AttributeError):
        return None
    # The kernel's own files tell no size.
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return max(status.st_size - stored.tell(), 0)


def _blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    while block := _read(stream, _BLOCK_BYTES):
        yield block


def _read(stream: Any, size: int) -> bytes:
    # What is there at once: where a compressed file breaks, the bytes before the break.
    block: bytes = stream.read1(size) if hasattr(stream, "read1") else stream.read(size)
    return block


def _look(blocks: Iterator[bytes]) -> tuple[bytes, bool, Iterator[bytes]]:
    """The first HEAD_BYTES, whether that is all, and all blocks again, damage at its place."""
    taken: list[bytes] = []
    damage: Exception | None = None
    is_whole = False
    try:
        while sum(map(len, taken)) <= HEAD_BYTES and not is_whole:
            block = next(blocks, b"")
            taken.append(block)
            is_whole = not block
    except Exception as error:
        if not is_damage(error):
            raise
        damage = error

    def again() -> Iterator[bytes]:
        yield from filter(None, taken)
        if damage is not None:
            raise damage
        yield from blocks

    return b"".join(taken)[:HEAD_BYTES], is_whole, again()


def _as_text(blocks: Iterator[bytes], form: Form) -> Iterator[bytes]:
    if form.encoding != "UTF-8":
        blocks = _recoded(blocks, form.encoding)
    if form.cr_ends:
        blocks = (block.replace(b"\r", b"\n") for block in blocks)
    return blocks


def _recoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(_INVALID)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", True).encode("utf-8", "surrogateescape")


def _seekable(stored: IO[bytes], blocks: Iterator[bytes], compression: str) -> IO[bytes]:
    if not compression and stored.seekable():
        stored.seek(0)
        return stored
    # It has no name and goes with its last reader.
    copy = cast(IO[bytes], tempfile.TemporaryFile(prefix="authorprofile-"))  # noqa: SIM115
    shutil.copyfileobj(io.BufferedReader(_Blocks(blocks)), copy)
    copy.seek(0)
    return copy


def _zstd(packed: IO[bytes]) -> IO[bytes]:
    import pyarrow

    return cast(IO[bytes], pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, "r"), "zstd"))


_DECOMPRESS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda packed: gzip.GzipFile(fileobj=packed, mode="rb"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _zstd,
}
