"""What happens to files on a disk: every kind of damage to a version, and its list of digests."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.digests import read_manifest
from components.serving.versions import MANIFEST_FILE, UNLISTED


def list_digests(version: Path) -> None:
    """Gives a version the list of its files, as a push does."""
    path = version / MANIFEST_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(read_manifest(version).without(UNLISTED).text)


def _largest(version: Path) -> Path:
    return next((version / "variables").glob("variables.data-*"))


def _truncate(version: Path) -> str:
    file = _largest(version)
    file.write_bytes(file.read_bytes()[:-1])
    return f"variables/{file.name} has changed"


def _empty(version: Path) -> str:
    file = _largest(version)
    file.write_bytes(b"")
    return f"variables/{file.name} has changed"


def _flip(version: Path) -> str:
    file = _largest(version)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return f"variables/{file.name} has changed"


def _flip_graph(version: Path) -> str:
    path = version / "saved_model.pb"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return "saved_model.pb has changed"


def _no_variables(version: Path) -> str:
    shutil.rmtree(version / "variables")
    (version / "variables").mkdir()
    return "is missing"


def _no_graph(version: Path) -> str:
    (version / "saved_model.pb").unlink()
    return "saved_model.pb is missing"


def _one_more(version: Path) -> str:
    (version / "variables" / "notes").write_text("mine")
    return "variables/notes is an extra file"


def _folder(version: Path) -> str:
    (version / "saved_model.pb").unlink()
    (version / "saved_model.pb").mkdir()
    (version / "saved_model.pb" / "part").write_text("of it")
    return "saved_model.pb is a folder"


def _link(version: Path) -> str:
    file = _largest(version)
    elsewhere = version.parent / f".{version.name}-weights"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    return f"variables/{file.name} is a symbolic link"


def _dangling(version: Path) -> str:
    file = _largest(version)
    file.unlink()
    file.symlink_to(version / "gone")
    return f"variables/{file.name} is a symbolic link"


DAMAGES = {
    "truncated": _truncate,
    "emptied": _empty,
    "a bit flipped": _flip,
    "a bit of the graph flipped": _flip_graph,
    "no variables": _no_variables,
    "no graph": _no_graph,
    "a file more": _one_more,
    "a folder in place of a file": _folder,
    "a link": _link,
    "a dangling link": _dangling,
}
