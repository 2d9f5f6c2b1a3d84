"""A run as a person sees it: stages as they pass, one plain line where it ends before its end.

Enters: a configuration, the work. Leaves: lines on the terminal, the libraries' chatter in the log,
the exit code of a run that failed or was interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.console import RunConsole

_WAY_ON = "Free some and call the same command, which goes on where this one stopped."
FAILED, USAGE, NOT_BLESSED, INTERRUPTED = 1, 2, 3, 130


@contextmanager
def observed(config: Config, what: str) -> Iterator[RunConsole]:
    """Shows a run of `config`; ends the process where it fails, `what` names it before a stage."""
    from pipeline.causes import StageFailed, describe_cause
    from pipeline.chatter import divert_output
    from pipeline.config import ConfigError
    from pipeline.console import RunConsole
    from pipeline.full_disk import describe_full, is_full
    from pipeline.output import OutputError

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
        except OutputError:
            raise
        except Exception as error:
            logging.getLogger(__name__).exception("the %s failed", what)
            console.status.stop()
            cause = (
                describe_full(f"the run's files, in {config.out}", _WAY_ON)
                if is_full(error)
                else describe_cause(error)
            )
            console.say(f"{console.title or what} failed: {cause}", "red")
            if isinstance(error, StageFailed) and error.report:
                console.say(f"Report: {error.report}")
            console.say(f"The whole log: {log_path}", "dim")
            leave(USAGE if isinstance(error, ConfigError) else FAILED)


def leave(code: int) -> None:
    """Ends at once: worker threads of an interrupted stage must not hold the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
