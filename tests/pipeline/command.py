"""Runs of the real command in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "authorprofile")
TINY = [
    "text={max_tokens: 300, vocabulary_size: 500}",
    "network={embedding_width: 8, first_filters: 8, filters: 8, dense_width: 8}",
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
