"""One short number of what an image is made of: this package's files and the locked versions.

A clone and /opt/authorprofile in the image have the same number where they agree. An image whose
tag is the number says by its name what is in it, and `doctor` needs no registry to compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

LOCK = "environment/requirements.lock"
DIGITS = 12
_FOLDERS = ("components", "pipeline")
_FILES = ("setup.py", LOCK)


def source_folder() -> Path:
    """Where this package's files lie.

    Raises:
        FileNotFoundError: it was installed without its sources.
    """
    folder = Path(__file__).resolve().parents[2]
    for name in _FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{name} must lie beside the package, as in a clone and in the image; "
                f"{folder} has none. Use a clone."
            )
    return folder


def fingerprint(folder: Path) -> str:
    """The number: 12 hexadecimal digits over names and contents."""
    total = hashlib.sha256()
    for path in sorted(_packaged(folder)):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        total.update(f"{name} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()[:DIGITS]


def _packaged(folder: Path) -> Iterator[Path]:
    """What an image copies and Python does not make."""
    yield from (folder / name for name in _FILES)
    for name in _FOLDERS:
        for path in (folder / name).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
