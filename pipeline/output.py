"""Standard output that says of its own faults whose they are, and no other's.

Enters: a file descriptor. Leaves: a stream; where the file behind it is full or its reader has gone
away, an `OutputError`, which no other file raises. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from pipeline.full_disk import describe_full, is_full


class OutputError(RuntimeError):
    """Standard output takes no more: its file is full, as the message says."""


class ReaderGoneError(OutputError):
    """The reader of standard output went away, as `head` does; that is no fault."""


class _Output(io.FileIO):
    """The raw file of standard output."""

    def __init__(self, descriptor: int, *, closefd: bool):
        super().__init__(descriptor, "wb", closefd=closefd)
        self._stat = os.fstat(descriptor)

    def write(self, content: Any) -> int:
        """Raises OutputError; what comes then is dropped, as buffers write theirs once more."""
        try:
            return super().write(content)
        except OSError as error:
            fault = _output_error(error)
            # `chatter` turns the descriptor to a log, whose faults are its own.
            is_diverted = not os.path.samestat(self._stat, os.fstat(self.fileno()))
            if fault is None or is_diverted:
                raise
        self._drop_what_comes()
        raise fault

    def _drop_what_comes(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _output_error(error: OSError) -> OutputError | None:
    if isinstance(error, BrokenPipeError):
        return ReaderGoneError("the reader of standard output went away")
    if not is_full(error):
        return None
    return OutputError(describe_full("to standard output", "Free some, or write to another file."))


def watch_output() -> None:
    """Makes `sys.stdout` a stream that tells its own faults, where the process has any."""
    if sys.stdout is not None:
        # Python's own stays open, for the same descriptor.
        raw = _Output(sys.stdout.fileno(), closefd=False)
        by_line = any(getattr(sys.stdout, n, False) for n in ("line_buffering", "write_through"))
        sys.stdout = _as_text(raw, by_line, sys.stdout.encoding, sys.stdout.errors)


def open_output(descriptor: int) -> io.TextIOWrapper:
    """A stream to a copy of standard output."""
    raw = _Output(descriptor, closefd=True)
    return _as_text(raw, raw.isatty())


def _as_text(
    raw: _Output, by_line: bool, encoding: str | None = None, errors: str | None = None
) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=by_line)
