"""Why a file cannot be a source of records, in one line that names it.

Enters: a path. Leaves: its size, or the error that every command shows: the file, what it is, what
to do. Knows no format.
"""

from __future__ import annotations

import os
import stat


class SourceError(ValueError):
    """A pattern or a file that cannot be a source of records."""


class Refused(Exception):
    """A file is not read at all; the message goes on from its name, see `opening.named`."""


class BecameShorter(Refused):
    """The file has fewer bytes than when its size was taken."""

    def __init__(self) -> None:
        super().__init__("became shorter while it was read. Give a file that stays as it is.")


class SourceUnreadable(SourceError, OSError):
    """A file that is no file, is gone, or whose storage fails."""


def check_regular(path: str) -> int:
    """The size of a local file, in bytes. Does not open it, as a pipe would wait for its writer.

    Raises:
        SourceUnreadable: it is not there, or is a folder, a pipe or a device.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise SourceUnreadable(why_unreadable(path, error)) from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceUnreadable(f"{path} is a folder. Give the files in it, such as {path}/*.jsonl.")
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadable(
            f"{path} is a pipe or a device, not a file, and could be read only once. Write it to a "
            "file; `authorprofile predict` without FILE reads a pipe on standard input."
        )
    return status.st_size


def why_unreadable(path: str, error: OSError) -> str:
    """What to say of a file that the system refuses to open or to read."""
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return f"{path} is a link to a file that is not there. Restore that file or the link."
        return (
            f"{path} is not there, or not any more. Give files that stay where they are while they "
            "are read."
        )
    reason = error.strerror or str(error) or type(error).__name__
    return f"{path} cannot be read: {reason}. Check it and its storage, and that you may read it."
