"""Runs of the real command in processes of their own."""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "authorprofile")
DEADLINE_SECONDS = 600
TINY = [
    "text={maximum_bytes: 2000, vocabulary_size: 500}",
    "network={table_width: 8, filters: 8, shared_width: 8}",
    "training={epochs: 3, learning_rate: 0.003}",
    "tuner={trials: 2, epochs: 1}",
]


def arguments(*words, settings=()):
    """The command's words, settings last."""
    return [COMMAND, *map(str, words), *(word for s in settings for word in ("--set", s))]


def run_command(*words, settings=(), **options):
    """Runs `authorprofile` to its end."""
    return subprocess.run(
        arguments(*words, settings=settings), capture_output=True, text=True, check=False, **options
    )


def read_summary(out):
    """The run's `summary.json`."""
    return json.loads((Path(out) / "summary.json").read_text())


def versions(folder):
    """Names in a serving folder, hidden ones too."""
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).exists() else []


def kill_when(words, pattern):
    """Starts a run, kills it with all its children once a path matches, and says what matched."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    end = time.monotonic() + DEADLINE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if glob.glob(str(pattern), include_hidden=True):
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, output.decode()[-2000:]
