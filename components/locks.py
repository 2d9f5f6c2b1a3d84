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
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _locks(file: IO[bytes] | IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
