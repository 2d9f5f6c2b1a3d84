"""A run as a person sees it: stages as they pass, one plain line where it ends before its end.

Enters: a configuration, the work. Leaves: lines on the terminal, the libraries' chatter in the log,
the exit code of a run that failed or was interrupted. Called by the commands that run pipelines.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.console import RunConsole

FAILED, USAGE, NOT_BLESSED, INTERRUPTED = 1, 2, 3, 130


@contextmanager
def observed(config: Config, what: str) -> Iterator[RunConsole]:
    """Shows a run of `config`; ends the process where it fails, `what` names it before a stage."""
    from pipeline.chatter import divert_output
    from pipeline.config import ConfigError
    from pipeline.console import RunConsole

    with (
        divert_output(Path(config.out) / "logs") as (terminal, log_path),
        RunConsole(terminal, Path(config.out) / "artifacts") as console,
    ):
        console.say(f"Log: {log_path}", "dim")
        console.waiting_for("loading TensorFlow and TFX")
        try:
            yield console
        except KeyboardInterrupt:
            console.status.stop()
            console.say("Interrupted. The same command goes on where this one stopped.")
            leave(INTERRUPTED)
        except Exception as error:
            logging.getLogger(__name__).exception("the %s failed", what)
            console.status.stop()
            console.say(f"{console.title or what} failed: {describe_cause(error)}", "red")
            console.say(f"The whole log: {log_path}", "dim")
            leave(USAGE if isinstance(error, ConfigError) else FAILED)


_FRAME = re.compile(r'\s+File "[^"]+", line \d+')
_ENGINES_OWN = re.compile(r"\s*(\[while running '[^']*'\]|\[\[\{\{node [^\]]*\]\]|\[Op:\w+\])")


def describe_cause(error: BaseException) -> str:
    """The first cause of an error, without the engine's frame around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _ENGINES_OWN.sub("", _without_frames(str(error))).strip()
    return text or type(error).__name__


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


def leave(code: int) -> None:
    """Ends at once: worker threads of an interrupted stage must not hold the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
