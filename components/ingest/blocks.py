"""The bytes of a file, block by block: bounded, looked at, decompressed, decoded.

Enters: an open stream, which need not seek. Leaves: iterators of blocks of bytes, and a stream of
such an iterator. Each holds one block. Knows no format.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from components.ingest.encodings import Encoding
from components.ingest.lines import is_damage
from components.ingest.unreadable import BecameShorter

BLOCK_BYTES = 128 * 1024
_INVALID = "components.ingest.invalid"


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """In place of bytes that the encoding does not allow: half a surrogate pair.

    So is what some encodings themselves can spell. No UTF-8 has such a half, so that the line of
    one is set aside.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_INVALID, _mark_invalid)


class BlockStream(io.RawIOBase):
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


def stored_blocks(stored: IO[bytes]) -> Iterator[bytes]:
    """The bytes that a file had when it was opened, to the end of the line begun by then.

    Another program may go on writing to it: what it appends would never come to an end.
    """
    left = _size_of(stored)
    if left is None:
        yield from _blocks_of(stored)
        return
    block = b""
    while left > 0:
        block = _read(stored, min(left, BLOCK_BYTES))
        if not block:
            raise BecameShorter
        left -= len(block)
        yield block
    while not block.endswith(b"\n") and (block := _read(stored, BLOCK_BYTES)):
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
    while block := _read(stream, BLOCK_BYTES):
        yield block


def _read(stream: Any, size: int) -> bytes:
    # What is there at once: where a compressed file breaks, the bytes before the break.
    block: bytes = stream.read1(size) if hasattr(stream, "read1") else stream.read(size)
    return block


def look(blocks: Iterator[bytes], size: int) -> tuple[bytes, bool, Iterator[bytes]]:
    """The first `size` bytes, whether that is all, and all blocks again, damage at its place."""
    taken: list[bytes] = []
    damage: Exception | None = None
    is_whole, left = False, size
    try:
        while left >= 0 and not is_whole:
            block = next(blocks, b"")
            taken.append(block)
            left -= len(block)
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

    return b"".join(taken)[:size], is_whole, again()


def decompressed(blocks: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """The blocks of what is compressed; `compression` is of `signatures.compression_of`."""
    if compression in _STREAMS:
        return filter(None, _each_stream(blocks, _STREAMS[compression]))
    packed = io.BufferedReader(BlockStream(blocks), BLOCK_BYTES)
    return _blocks_of(_DECOMPRESS[compression](packed))


def _each_stream(blocks: Iterator[bytes], begin: Callable[[], Any]) -> Iterator[bytes]:
    """One compressed stream after the other, with the zeros that may stand between them.

    Python's own files of bzip2 and xz take a damaged stream behind a sound one for the end.
    """
    stream = begin()
    for block in blocks:
        while block := block.lstrip(b"\0") if stream.eof else block:
            stream = begin() if stream.eof else stream
            yield stream.decompress(block, BLOCK_BYTES)
            while not (stream.eof or stream.needs_input):
                yield stream.decompress(b"", BLOCK_BYTES)
            block = stream.unused_data
    if not stream.eof:
        raise EOFError


def as_text(blocks: Iterator[bytes], encoding: Encoding, cr_ends: bool) -> Iterator[bytes]:
    """The blocks with line feeds, in what `encoding.decode` takes.

    A line of a file that is recoded is no UTF-8 where the encoding does not allow it.
    """
    if encoding.is_recoded:
        blocks = _recoded(blocks, encoding.name)
    if cr_ends:
        blocks = (block.replace(b"\r", b"\n") for block in blocks)
    return blocks


def _recoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(_INVALID)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")


def _zstd(packed: IO[bytes]) -> IO[bytes]:
    import pyarrow

    return cast(IO[bytes], pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, "r"), "zstd"))


_DECOMPRESS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda packed: gzip.GzipFile(fileobj=packed, mode="rb"),
    ".zst": _zstd,
}
_STREAMS: dict[str, Callable[[], Any]] = {
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
}
