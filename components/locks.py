"""Locks on files, which the kernel frees however their process ends."""

from __future__ import annotations

import fcntl
import time
from typing import IO

PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.02


def take_lock(file: IO[bytes] | IO[str]) -> bool:
    """Takes the lock of an open file until that is closed; False where another process holds it.

    Waits a moment before it says so, since whoever asks `is_locked` holds the lock meanwhile. A
    process that inherits the file holds the lock too.

    Raises:
        OSError: the storage has no locks, here and below.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not _locks(file, fcntl.LOCK_EX):
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def is_locked(file: IO[bytes]) -> bool:
    """Whether somebody has taken the lock of a file; any number may ask at once."""
    if not _locks(file, fcntl.LOCK_SH):
        return True
    _flock(file, fcntl.LOCK_UN)
    return False


def wait_for_lock(file: IO[bytes] | IO[str]) -> None:
    """Takes the lock of an open file until that is closed, however long others hold it."""
    _flock(file, fcntl.LOCK_EX)


def _locks(file: IO[bytes] | IO[str], kind: int) -> bool:
    try:
        _flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flock(file: IO[bytes] | IO[str], kind: int) -> None:
    """Raises OSError, in words where the storage has no locks."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        raise
    except OSError as error:
        raise OSError(
            f"{file.name} must be a file that can be locked, as one process at a time may work "
            f"beside it; its storage says: {error.strerror}. Use a folder of another disk, or let "
            "the storage lock files (NFS: its lock service)."
        ) from None
