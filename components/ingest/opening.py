"""Opens a file of records, whatever it is packed in, as blocks of its text or as Parquet.

Enters: a path, local or on an object store, or an open stream that need not seek. Leaves: its
`Form` and its content: lines in what `form.encoding` decodes, decompressed block by block, or a
Parquet file that can seek. Says in one line, with the path, why a file cannot be read. Imports
Beam for object stores alone.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple, cast

from components.ingest.blocks import (
    BLOCK_BYTES,
    BlockStream,
    as_text,
    decompressed,
    look,
    stored_blocks,
)
from components.ingest.forms import HEAD_BYTES, Form, form_of
from components.ingest.lines import is_damage
from components.ingest.settings import IngestSettings
from components.ingest.signatures import compression_of
from components.ingest.unreadable import (
    Refused,
    SourceError,
    SourceUnreadable,
    check_regular,
    why_unreadable,
)


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
        head, is_whole, blocks = look(stored_blocks(stored), HEAD_BYTES)
        compression = compression_of(head)
        if compression:
            head, is_whole, blocks = look(decompressed(blocks, compression), HEAD_BYTES)
        form = form_of(head, is_whole, name, settings, required, raw_text)
        form = form._replace(compression=compression)
        if form.format == "parquet":
            return Content(form, _seekable(stored, blocks, compression))
    text = BlockStream(as_text(blocks, form.encoding, form.cr_ends))
    return Content(form, io.BufferedReader(text, BLOCK_BYTES))


def _seekable(stored: IO[bytes], blocks: Iterator[bytes], compression: str) -> IO[bytes]:
    if not compression and stored.seekable():
        stored.seek(0)
        return stored
    # It has no name and goes with its last reader.
    copy = cast(IO[bytes], tempfile.TemporaryFile(prefix="authorprofile-"))  # noqa: SIM115
    try:
        shutil.copyfileobj(io.BufferedReader(BlockStream(blocks), BLOCK_BYTES), copy)
    except Exception as error:
        if not is_damage(error):
            raise
        raise Refused(
            "is compressed Parquet, and its compressed data ends early or is damaged; Parquet "
            "cannot be read in part. Write or copy it again."
        ) from None
    copy.seek(0)
    return copy
