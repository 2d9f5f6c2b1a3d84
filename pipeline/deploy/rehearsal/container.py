"""Runs one container's command in a fresh process, with the image's `python` found first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class StepError(RuntimeError):
    """A step ended with a fault; the message names it, its last words and its log."""


def start_container(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a command; it and what it starts are one group of processes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(sys.executable).parent
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, "PATH": path, **environment},
            start_new_session=True,
        )


class Containers:
    """The containers of a rehearsal, which end with it.

    Args:
        environment: further variables of each.
    """

    def __init__(self, environment: Mapping[str, str]):
        self.environment = environment
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, step: str, command: Sequence[str], log: Path) -> None:
        """Runs a command to its end.

        Raises:
            StepError: it ended with a code that is not 0.
        """
        process = start_container(command, log, self.environment)
        self._running.add(process)
        try:
            code = process.wait()
        finally:
            end_group(process)
            self._running.discard(process)
        if code:
            raise StepError(f"{step} ended with code {code}: {last_words(log)} The log: {log}")

    def end(self) -> None:
        """Ends those that still run."""
        for process in [*self._running]:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a command's processes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def last_words(log: Path) -> str:
    """The error at the end of a log."""
    from pipeline.causes import statement

    text = log.read_text(encoding="utf-8", errors="replace")
    start = text.rfind("Traceback (most recent call last)")
    return statement(text[start:] if start >= 0 else text[-400:])
