"""Digests of a folder's whole content: a list of files that `sha256sum -c` reads too.

    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  saved_model.pb
    486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7  variables/variables.index

The digest of the folder is that of its list, as in OCI's content digests. Empty folders have no
part in it. Needs neither TFX nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

# Of a TFX artifact: the digest of its files when they were made.
CONTENT_PROPERTY = "content_digest"

# As coreutils escapes a name in such a list, whose line then begins with a backslash.
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}
_LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)", re.ASCII)
_FAULTS_SHOWN = 3


class Manifest(NamedTuple):
    """What a folder holds.

    Attributes:
        files: SHA-256 in hexadecimal digits by the file's path in the folder; of what is no file,
            such as a symbolic link, the word for it.
    """

    files: Mapping[str, str]

    @property
    def text(self) -> str:
        """One line per file, by name; see the module."""
        return "".join(_line(*file) for file in sorted(self.files.items()))

    @property
    def digest(self) -> str:
        """Of the whole, as OCI writes it: `sha256:` and 64 digits."""
        content = self.text.encode("utf-8", "surrogateescape")
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def without(self, names: Collection[str]) -> Manifest:
        """The same, some files left out."""
        return Manifest({name: told for name, told in self.files.items() if name not in names})


def parse_manifest(content: bytes) -> Manifest:
    """Reads a manifest's text.

    Raises:
        ValueError: a line is none of a manifest, or there is no line.
    """
    files = {}
    # Not `splitlines`, which would also split a name at U+2028.
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(
                f"line {number} must be a file's SHA-256, two spaces and its name; it is not"
            )
        name = match["name"]
        if match["escaped"]:
            name = re.sub(r"\\[\\nr]", lambda found: _UNESCAPES[found.group()], name)
        files[name] = match["digest"]
    if not files:
        raise ValueError("it must list files; it lists none")
    return Manifest(files)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a folder's files, each read once in pieces; or of one file, as `.`.

    Links are not followed: what they lead to is not the folder's own.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    if not path.is_dir():
        return Manifest({".": digest_of_file(path)})
    return Manifest({name: _digest(path / name) for name in sorted(_names(path))})


def content_digest(address: str) -> str:
    """The digest of a folder or file of this machine; empty where it is elsewhere."""
    return "" if "://" in address else read_manifest(Path(address)).digest


def is_as_made(artifact: Any) -> bool:
    """Whether a TFX artifact's files are those of which its maker recorded the digest.

    One whose maker recorded none is; one that cannot be read is not.
    """
    recorded = artifact.get_string_custom_property(CONTENT_PROPERTY)
    try:
        return not recorded or content_digest(artifact.uri) == recorded
    except OSError:
        return False


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_content(pieces: Iterable[bytes]) -> str:
    """The same of content that comes in pieces."""
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()


def describe_differences(expected: Manifest, found: Manifest) -> str:
    """What is other than it should be, in words; empty where nothing is.

    >>> describe_differences(Manifest({"a": "0", "b": "0"}), Manifest({"a": "1", "c": "1"}))
    'a has changed, b is missing, c is an extra file'
    """
    faults = []
    for name in sorted({*expected.files, *found.files}):
        told, own = expected.files.get(name), found.files.get(name)
        if told == own:
            continue
        if own is None:
            is_folder = any(other.startswith(f"{name}/") for other in found.files)
            faults.append(f"{name} is {'a folder' if is_folder else 'missing'}")
        elif " " in own:
            faults.append(f"{name} is {own}")
        else:
            known = "has changed" if told else "is an extra file"
            faults.append(f"{name} {known}")
    rest = len(faults) - _FAULTS_SHOWN
    more = [f"and {rest} more"] if rest > 0 else []
    return ", ".join([*faults[:_FAULTS_SHOWN], *more])


def _names(folder: Path) -> Iterable[str]:
    """Paths of all that is in a folder and no folder itself."""
    for parent, folders, files in os.walk(folder, onerror=_raise):
        inside = Path(parent).relative_to(folder)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        yield from ((inside / name).as_posix() for name in (*files, *links))


def _raise(error: OSError) -> None:
    raise error


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"a symbolic link to {os.readlink(path)}"
    return digest_of_file(path) if path.is_file() else "no regular file"


def _line(name: str, digest: str) -> str:
    escaped = "".join(_ESCAPES.get(letter, letter) for letter in name)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"
