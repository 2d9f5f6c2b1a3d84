"""Files out of the system's page cache, so that the next process reads them from the disk.

Enters: folders. Leaves: nothing; pages that another process has mapped stay. Linux alone has the
call that it takes. Called by the benchmark of a whole run before a cold one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

CAN_DROP = hasattr(os, "posix_fadvise")
"""Whether this system can be asked."""


def drop(folders: Iterable[Path]) -> None:
    """Asks that nothing of the folders' files be held in memory.

    Raises:
        AttributeError: the system cannot be asked (`CAN_DROP`).
    """
    # Pages that are still to be written would stay.
    os.sync()
    for path in _files(folders):
        try:
            file = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):
            continue
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def environment() -> list[Path]:
    """Folders that an import reads: of Python, and of the packages beside it."""
    return [Path(prefix).resolve() / "lib" for prefix in {sys.prefix, sys.base_prefix}]


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder):
            paths = (Path(parent, name) for name in names)
            yield from (path for path in paths if path.is_file() and not path.is_symlink())
