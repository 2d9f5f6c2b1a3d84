"""One whole run in a process of its own: `python stages.py CONFIG OUT`.

Enters: a configuration, the run's folder; the package that PYTHONPATH names. Leaves: a line of JSON
on standard output: seconds of the imports and of each stage, and the stages each waits for. Called
by the benchmark by its path, so that it can run another state of the package too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


class StageTimes:
    """Notes how long each stage takes, by the clock and by the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self._started = 0.0, 0.0

    def stage_started(self, stage: str) -> None:
        self._started = time.perf_counter(), processor_seconds()

    def stage_finished(self, stage: str, how: str) -> None:
        started, processor_started = self._started
        self.seconds[stage] = time.perf_counter() - started
        self.processor_seconds[stage] = processor_seconds() - processor_started


def imports_of_the_command() -> AbstractContextManager[None]:
    """How the command imports; the first states of the package had no way of their own."""
    try:
        from pipeline.imports import uncollected
    except ModuleNotFoundError:
        return nullcontext()
    return uncollected()


def processor_seconds() -> float:
    """What this process and its children that have ended took of the processor."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(settings: str, out: str) -> None:
    """Runs the pipeline as `authorprofile run` does."""
    with imports_of_the_command():
        from pipeline.config import load_config
        from pipeline.local import run_local

    imported = time.perf_counter()
    processor_imported = processor_seconds()
    config = load_config(Path(settings), out=out)
    times = StageTimes()
    run_local(config, times)
    told = {
        "imports": imported - STARTED,
        "whole": time.perf_counter() - STARTED,
        "processor_imports": processor_imported,
        "processor_whole": processor_seconds(),
        "stages": times.seconds,
        "processor_stages": times.processor_seconds,
        "waits_for": waits_for(config),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def waits_for(config: Any) -> dict[str, list[str]]:
    """The stages that each stage takes its inputs from, or is told to follow."""
    from pipeline.pipeline import create_pipeline

    nodes = create_pipeline(config, "unused").components
    return {node.id: sorted(before.id for before in node.upstream_nodes) for node in nodes}


if __name__ == "__main__":
    main(*sys.argv[1:])
