"""One process at a time in a folder: a lock that goes with its process, however that ends.

The file beside the work stays; what it holds tells who has the lock, for the message to the next.
Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.locks import take_lock

RUN_LOCK = "lock"
"""That of a run, in its folder."""


class InUseError(RuntimeError):
    """Another process is at work; the message says which, and what to do."""


@contextmanager
def only_one(lock_file: Path, what: str) -> Iterator[None]:
    """Holds the lock of a piece of work in a folder.

    Args:
        lock_file: in that folder; made where it is missing.
        what: the work, such as "run", for the message.

    Raises:
        InUseError: another process holds it.
    """
    with lock_file.open("a+", encoding="utf-8") as lock:
        if not take_lock(lock):
            raise InUseError(
                f"One {what} at a time may work in a folder; another is at work in "
                f"{lock_file.parent}: {_holder(lock_file)}. Wait until it has ended, or name "
                "another folder with --out."
            )
        lock.truncate(0)
        lock.write(
            f"process {os.getpid()} on {socket.gethostname()}, since "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _holder(lock_file: Path) -> str:
    return lock_file.read_text(encoding="utf-8", errors="replace") or (
        "a process that is starting or ending"
    )
