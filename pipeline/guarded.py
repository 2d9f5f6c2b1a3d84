"""A process that writes nothing of what libraries quote of records, to no log and no terminal.

Enters: the process's log records, what is printed to standard error, errors that nobody caught.
Leaves: the same without authors' ids, labels, predictions and texts that libraries put into their
errors (`causes` says what is kept). Called before TensorFlow is imported, or around a module:

    python -m pipeline.guarded MODULE [ARGUMENT]...
"""

from __future__ import annotations

import logging
import os
import runpy
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TextIO

from pipeline.causes import WITHHELD, describe_cause, safe_traceback, told_text, without_values

_OWN_LOGGERS = ("authorprofile", "components", "pipeline")
_NATIVE = "TF_CPP_MIN_LOG_LEVEL"


def guard_output() -> None:
    """Guards this process; a second call changes nothing."""
    # TensorFlow's native code writes past Python, and quotes an input that it cannot read.
    os.environ.setdefault(_NATIVE, "3")
    if logging.getLogRecordFactory() is not _safe_record:
        logging.setLogRecordFactory(_safe_record)
    sys.excepthook = _say_uncaught
    threading.excepthook = lambda uncaught: _say(uncaught.exc_value)
    sys.unraisablehook = lambda unraisable: _say(unraisable.exc_value)
    if sys.stderr is not None and not isinstance(sys.stderr, GuardedStream):
        sys.stderr = GuardedStream(sys.stderr)


class GuardedStream:
    """A text stream; a traceback that is written to it ends in the kind of the error alone.

    Beam prints an error before it logs it. A traceback comes in one piece, or a line a piece; a
    piece is never held back.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._pieces = ""

    def write(self, text: str) -> int:
        """Writes the text, guarded; returns the length of what came, as a stream does."""
        if not isinstance(text, str):
            return self.stream.write(text)
        if self._pieces or "Traceback (most recent call last)" in text:
            before = without_values(self._pieces).splitlines()
            self._pieces += text
            lines = without_values(self._pieces).splitlines()
            self.stream.write("".join(f"{line}\n" for line in lines[len(before) :]))
            if not lines[-1].startswith(" ") and "Traceback" not in lines[-1]:
                self._pieces = ""
            return len(text)
        return self.stream.write(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Writes each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _say_uncaught(
    kind: type[BaseException], error: BaseException, frames: TracebackType | None
) -> None:
    del kind, frames
    _say(error)


def _say(error: BaseException | None) -> None:
    if error is not None and sys.stderr is not None:
        print(safe_traceback(error), file=sys.stderr)


def _safe_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A log record that every handler finds without values; the factory of `logging`."""
    record = logging.LogRecord(*args, **kwargs)
    if record.exc_info and record.exc_info[1] is not None:
        # Formatters take the text; Beam's workers send what they format of the error itself.
        record.exc_text, record.exc_info = safe_traceback(record.exc_info[1]), None
    record.msg = _safe_argument(record.msg)
    if isinstance(record.args, tuple) and record.args:
        record.args = tuple(_safe_argument(value) for value in record.args)
    if not record.name.startswith(_OWN_LOGGERS):
        record.msg, record.args = without_values(_without_handled(_message(record))), ()
    return record


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a library's slip, which logging forgives as well
        return str(record.msg)


def _safe_argument(value: Any) -> Any:
    return describe_cause(value) if isinstance(value, BaseException) else value


def _without_handled(message: str) -> str:
    """A library's message without the text of the error at hand, and of those before it."""
    error: BaseException | None = sys.exc_info()[1]
    while error is not None:
        if told_text(error) != str(error):
            quoted = [str(error), *(value for value in error.args if isinstance(value, str))]
            for text in sorted(quoted, key=len, reverse=True):
                message = message.replace(text, WITHHELD) if len(text) > 1 else message
        error = error.__cause__ or error.__context__
    return message


def main(words: Sequence[str]) -> None:
    """Runs a module as `python -m` does, guarded."""
    guard_output()
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
