"""What a full disk does to a command, in words: which place is full, and the way on.

Enters: an error, from whichever library wrote. Leaves: a sentence, or nothing where it is another
error. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

# A file system that is full, a quota, and a limit on a file's size (ulimit -f).
_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# TensorFlow, Arrow and a worker's traceback hand on the system's words alone.
_WORDS = tuple(os.strerror(number) for number in _NUMBERS)

SQLITE_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108 (its own, named in a message)


class FullDiskError(RuntimeError):
    """A file could not grow; the message says which place is full and what to do."""


@contextmanager
def full_disk_told(place: str, way_on: str) -> Iterator[None]:
    """Turns an error of a full disk into one that says so; see `describe_full`.

    Raises:
        FullDiskError: from the error.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, FullDiskError) or not is_full(error):
            raise
        raise FullDiskError(describe_full(place, way_on)) from error


def is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that a file could not grow."""
    return any(_is_one(cause) for cause in _causes(error))


def describe_full(place: str, way_on: str) -> str:
    """What is full, and what to do.

    Args:
        place: what could not be written, such as a folder.
        way_on: what to do other than to free space.
    """
    return (
        f"No space is left to write {place}: the disk is full, or a quota or the limit on a file's "
        f"size is reached. {way_on}"
    )


def describe_unforeseen(error: BaseException) -> str:
    """What is full where no command said so, as far as the error tells."""
    named = (cause.filename for cause in _causes(error) if isinstance(cause, OSError))
    temporary = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 (as Python's tempfile)
    place = next((str(name) for name in named if name), "")
    return describe_full(
        place or f"a file of this command, perhaps a temporary one in {temporary}",
        "Free some, or name another folder for temporary files in TMPDIR.",
    )


def spool_folder() -> str:
    """Where SQLite puts its temporary files. Source: SQLite, Temporary Files Used By SQLite, 5."""
    asked = [os.environ.get(name, "") for name in ("SQLITE_TMPDIR", "TMPDIR")]
    folders = [*asked, *SQLITE_FOLDERS]
    return next((folder for folder in folders if folder and os.path.isdir(folder)), ".")


def _is_one(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        return name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR_WRITE")
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    return any(words in str(error) for words in _WORDS)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
