"""Why something failed, in the words of whoever raised it.

Enters: an exception of a stage. Leaves: one text for the console, or one that may be passed on.
Called by the command line and by `local`. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import itertools
import linecache
import re
import traceback
from pathlib import Path

_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_ENGINES_OWN = re.compile(r"\s*(\[while running '[^']*'\]|\[\[\{\{node [^\]]*\]\]|\[Op:\w+\])")
_OURS = [Path(__file__).resolve().parents[1] / name for name in ("components", "pipeline")]


class StageFailed(RuntimeError):
    """A stage ended the run; the cause is what it raised.

    Attributes:
        stage: its id.
        report: path of the page that explains the run; empty where none could be drawn.
    """

    def __init__(self, stage: str, report: str = "") -> None:
        super().__init__(f"{stage} failed")
        self.stage = stage
        self.report = report


def describe_cause(error: BaseException) -> str:
    """The first cause of an error, without the engine's frame around it."""
    error = _first_cause(error)
    text = _ENGINES_OWN.sub("", _without_frames(str(error))).strip()
    return text or type(error).__name__


def quotable_cause(error: BaseException) -> str:
    """The first cause where this program states it, else its kind alone.

    Our own statements hold no author's text. A library's may: it quotes what it could not read.
    """
    if _is_stated_by_us(_first_cause(error)):
        return describe_cause(error)
    return f"{type(_first_cause(error)).__name__}; the log says more"


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_stated_by_us(error: BaseException) -> bool:
    """Whether a `raise` of this program made the error: in its traceback, or in one it quotes."""
    quoted = list(_FRAME.finditer(str(error)))
    if quoted:
        file, line = quoted[-1]["file"], int(quoted[-1]["line"])
    else:
        frames = traceback.extract_tb(error.__traceback__)
        if not frames:
            return False
        file, line = frames[-1].filename, frames[-1].lineno or 0
    is_ours = any(Path(file).resolve().is_relative_to(folder) for folder in _OURS)
    return is_ours and linecache.getline(file, line).lstrip().startswith("raise")


def _without_frames(text: str) -> str:
    """The error at the end of a traceback; any other text as it is.

    A worker process of Beam and a TensorFlow graph hand on a whole traceback as their message.
    """
    lines = text.splitlines()
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    if not frames:
        return text
    behind = itertools.dropwhile(
        lambda line: not line.strip() or line.startswith("    "), lines[frames[-1] + 1 :]
    )
    return re.sub(r"^[\w.]*(Error|Exception): ", "", "\n".join(behind))
