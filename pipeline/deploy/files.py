"""Writes a command's files all together or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PARTIAL = ".partial"


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes each file beside its place, then renames all.

    Raises:
        OSError: a folder or file cannot be written.
    """
    beside = {path: path.with_name(path.name + PARTIAL) for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder")
            beside[path].write_bytes(content)
        for path, partial in beside.items():
            os.replace(partial, path)
    finally:
        for partial in beside.values():
            partial.unlink(missing_ok=True)
