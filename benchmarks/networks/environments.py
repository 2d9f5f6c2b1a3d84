"""Environments of the peers, each in a folder of its own, made on demand by `uv`.

A file of requirements a peer pins exact versions, the Python it needs in its first line; the
configured index of packages serves them. Called by `benchmarks.training` and
`benchmarks.inference`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.networks.contenders import REPOSITORY

REQUIREMENTS = Path(__file__).with_name("requirements")
FOLDER = REPOSITORY / ".cache" / "peers"
UV = REPOSITORY / ".venv" / "tools" / "bin" / "uv"
_NEEDS = re.compile(r"# python (\d+\.\d+)\n")


class PeerError(Exception):
    """A peer's environment could not be made; the message says what failed."""


def make_environment(peer: str) -> str:
    """The interpreter of a peer's environment, which is made where it is missing or has changed.

    Raises:
        PeerError: its Python is not there, or a package could not be installed.
    """
    requirements = REQUIREMENTS / f"{peer}.txt"
    wanted = requirements.read_text(encoding="utf-8")
    folder = FOLDER / peer
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return str(python)
    base = find_python(wanted)
    sys.stderr.write(f"{peer}: installing {requirements.name} into {folder}\n")
    _run([str(UV), "venv", "--quiet", "--clear", "--python", base, str(folder)])
    _run([str(UV), "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)])
    made.write_text(wanted, encoding="utf-8")
    return str(python)


def find_python(requirements: str) -> str:
    """The Python for a file of requirements: this one, unless its first line names a version.

    Looked for on PATH, then among pyenv's versions.

    Raises:
        PeerError: there is none of that version.
    """
    needs = _NEEDS.match(requirements)
    if not needs:
        return sys.executable
    version = needs[1]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = sorted(map(str, root.glob(f"versions/{version}.*/bin/python")))
    for python in [shutil.which(f"python{version}"), *kept]:
        if python and _version_of(python) == version:
            return python
    raise PeerError(
        f"it needs Python {version}, and neither python{version} on PATH nor a version of pyenv's "
        f"in {root} is one. Install it, and start again."
    )


def _version_of(python: str) -> str:
    """What an interpreter says of itself; pyenv's shims exist for versions that do not run."""
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", show], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(done.stderr.strip()[-500:])
