"""Sends what libraries print to a log file and keeps the terminal for people.

TensorFlow and Beam write to the process's own streams, from C++ too; so the file descriptors
themselves are turned to the log, and the console writes to a copy of the old one.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pipeline.output import open_output

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def divert_output(folder: Path) -> Iterator[tuple[TextIO, Path]]:
    """Turns standard output and error to a new log file in `folder`.

    Yields:
        A stream to the terminal (or whatever standard output was), and the log file's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z.log"
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with path.open("w", encoding="utf-8") as log, open_output(os.dup(1)) as terminal:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter(FORMAT))
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        logging.getLogger("authorprofile").setLevel(logging.DEBUG)
        try:
            yield terminal, path
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                # Where the log's disk is full, the terminal is to say so.
                for number, descriptor in enumerate(kept, start=1):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
