"""What of an error may be told: this program's own statements whole, of a library's where it was.

Enters: an exception, or a text that quotes a traceback. Leaves: the same without any value that was
at hand: a library quotes what it could not read, be it an author's id, label, prediction or text.
Its kind and the lines that it passed through are kept, which is what a fault is found by. Imports
neither TensorFlow nor TFX.
"""

from __future__ import annotations

import itertools
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from components.engine_words import without_engine_words

WITHHELD = "(text withheld: a library may quote a record)"
_HEADER = "Traceback (most recent call last)"
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_FOLDER = Path(__file__).resolve().parents[1]
_OURS = [_FOLDER / name for name in ("components", "pipeline")]
# Libraries that are handed no record: their errors tell of addresses, rights and files.
_OF_SERVICES = ("google.auth.", "google.api_core.", "ml_metadata.", "requests.", "urllib3.")
_OF_FILES = "tensorflow/python/lib/io/"
_PLACED = re.compile(r".*/(?:site-packages|dist-packages|python3\.\d+)/")


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
    """Why something failed, for people: the innermost statement of this program in the causes.

    Without one, the first cause's kind and where it was raised.

    Example:
        int("34 years") in a stage -> "ValueError at numbers.py:59 (text withheld)"
    """
    causes = list(_causes(error))
    for cause in reversed(causes):
        if not isinstance(cause, StageFailed) and _is_stated_by_us(cause):
            return statement(str(cause)) or type(cause).__name__
    first = causes[-1]
    known = _known_text(first)
    if known:
        return f"{type(first).__name__}: {known}"
    place = _place(first)
    kind = f"{type(first).__name__} at {place}" if place else type(first).__name__
    return f"{kind} {WITHHELD}"


def safe_traceback(error: BaseException) -> str:
    """The traceback of an error and of its causes, without what libraries say of values."""
    return "".join(_chained(error, set())).rstrip("\n")


def without_values(text: str) -> str:
    """A text whose tracebacks end in the kind of the error alone, unless this program states it.

    What follows such an error is dropped up to the next traceback: where its text ends, nothing
    tells. A text without a traceback is left as it is.
    """
    if _HEADER not in text:
        return text
    return "\n".join(_safe_lines(text.splitlines()))


def _safe_lines(lines: list[str]) -> Iterator[str]:
    frame: re.Match[str] | None = None
    inside, dropping = False, False
    for line in lines:
        if _HEADER in line:
            inside, dropping, frame = True, False, None
        elif inside:
            found = _FRAME.match(line)
            frame = found or frame
            if not found and line.strip() and not line.startswith("    "):
                inside = False
                dropping = not (frame and _is_our_raise(frame["file"], int(frame["line"])))
                yield _kind_alone(line) if dropping else line
                continue
        elif dropping and line.strip() not in _LINKS:
            continue
        yield line


def _kind_alone(line: str) -> str:
    kind = re.match(r"[\w.]+(?=:|$)", line)
    return f"{kind.group() if kind else 'an error'}: {WITHHELD}"


def told_text(error: BaseException) -> str:
    """What an error says, where that may be told; else that it is withheld."""
    if _is_stated_by_us(error):
        return without_values(str(error))
    text = str(error)
    quoted = text.find(_HEADER)
    told = _known_text(error) or (WITHHELD if text else "")
    return told if quoted < 0 else f"{told}\n{without_values(text[quoted:])}"


def _known_text(error: BaseException) -> str:
    """What a library says where it is known to hold no record; else empty.

    Of an error of the system its own words and the file's name: `str` may hold more.
    """
    if isinstance(error, ImportError | MemoryError | KeyboardInterrupt | SystemExit):
        return str(error)
    if type(error).__module__.startswith(_OF_SERVICES) or _place(error).startswith(_OF_FILES):
        return str(error)
    if isinstance(error, OSError) and isinstance(error.errno, int) and error.errno > 0:
        names = [name for name in (error.filename, error.filename2) if isinstance(name, str)]
        return ": ".join([os.strerror(error.errno), *names])
    return ""


def _chained(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    context = None if error.__suppress_context__ else error.__context__
    for earlier, link in ((error.__cause__, _LINKS[0]), (context, _LINKS[1])):
        if earlier is not None:
            if id(earlier) not in seen:
                yield from _chained(earlier, seen)
                yield f"\n{link}\n\n"
            break
    if error.__traceback__ is not None:
        yield f"{_HEADER}:\n"
        yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    yield f"{name}: {told_text(error)}\n"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, that one's cause and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_stated_by_us(error: BaseException) -> bool:
    """Whether a `raise` of this program made the error."""
    return _is_our_raise(*_raised_at(error))


def _is_our_raise(file: str, line: int) -> bool:
    is_ours = any(Path(file).resolve().is_relative_to(folder) for folder in _OURS)
    return is_ours and linecache.getline(file, line).lstrip().startswith("raise")


def _place(error: BaseException) -> str:
    """Where an error was raised, such as `tensorflow_model_analysis/utils/util.py:52`."""
    file, line = _raised_at(error)
    return f"{_PLACED.sub('', file.removeprefix(f'{_FOLDER}/'))}:{line}" if file else ""


def _raised_at(error: BaseException) -> tuple[str, int]:
    """File and line of the last frame of a traceback that an error quotes, else of its own."""
    quoted = list(_FRAME.finditer(str(error)))
    if quoted:
        return quoted[-1]["file"], int(quoted[-1]["line"])
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)


def statement(text: str) -> str:
    """A message without the engine's frame around it: Beam's stage, TensorFlow's node, frames."""
    return without_engine_words(_without_frames(text))


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
