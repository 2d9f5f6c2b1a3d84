"""Environments of the peers, each in a folder of its own, made on demand by `uv`.

A file of requirements a peer pins exact versions; the configured index of packages serves them.
Called by `benchmarks.training` and `benchmarks.inference`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.networks.contenders import REPOSITORY

REQUIREMENTS = Path(__file__).with_name("requirements")
FOLDER = REPOSITORY / ".cache" / "peers"
UV = REPOSITORY / ".venv" / "tools" / "bin" / "uv"


class PeerError(Exception):
    """A peer's environment could not be made; the message says what failed."""


def make_environment(peer: str) -> str:
    """The interpreter of a peer's environment, which is made where it is missing or has changed.

    Raises:
        PeerError: a package could not be installed.
    """
    wanted = (REQUIREMENTS / f"{peer}.txt").read_text(encoding="utf-8")
    folder = FOLDER / peer
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return str(python)
    _run([str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
    requirements = str(REQUIREMENTS / f"{peer}.txt")
    _run([str(UV), "pip", "install", "--quiet", "--python", str(python), "-r", requirements])
    made.write_text(wanted, encoding="utf-8")
    return str(python)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(done.stderr.strip()[-500:])
