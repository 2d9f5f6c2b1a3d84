"""A contender in a process of its own, so that each has its libraries and its environment.

Enters: lines of JSON, a request each. Leaves: for each a line, `ANSWER` and JSON. `Contender` is
the side of the benchmark, `serve` that of the contender, which needs Python's standard library
alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWER = "answer: "


class ContenderError(Exception):
    """A contender ended before it answered."""


class Contender:
    """A running contender.

    Args:
        module: its module, whose main function calls `serve`.
        arguments: of its command line.
        python: the interpreter of its environment.
    """

    def __init__(self, module: str, arguments: list[str], python: str = sys.executable):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def ask(self, request: str, **arguments: Any) -> Any:
        """The answer to a request.

        Raises:
            ContenderError: the process ended first; what it said is on standard error.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([request, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            # What a library says while it is imported comes before `serve` can turn it away.
            while line and not line.startswith(ANSWER):
                line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ContenderError(f"{' '.join(map(str, self._process.args[2:4]))} ended")  # type: ignore[index]
        return json.loads(line.removeprefix(ANSWER))

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Answers requests from standard input until it ends."""
    # Whatever a library prints goes to standard error, not among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request, arguments = json.loads(line)
        answers.write(ANSWER + json.dumps(handlers[request](**arguments)) + "\n")
        answers.flush()
