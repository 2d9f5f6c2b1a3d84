"""One contender's whole work in a process of its own: `python -m benchmarks.data.paths NAME ...`.

Enters: a contender's name, a corpus's folder, a folder for what is made. Leaves: a line of JSON on
standard output, the seconds of each stage. Called by the benchmark.

| contender | what runs |
|---|---|
| authorprofile | the project's own pipeline, from PostsExampleGen to Transform |
| stock TFX | ImportExampleGen, StatisticsGen, SchemaGen, Transform with `stock.preprocessing_fn` |
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

LAST_STAGE = "Transform"


class _PathEndError(Exception):
    """The stages to be measured have ended."""


class StageTimes:
    """Notes what each stage takes, and ends the run behind the last one that is measured."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self._started = 0.0, 0.0

    def stage_started(self, stage: str) -> None:
        self._started = time.perf_counter(), _processor_seconds()

    def stage_finished(self, stage: str) -> None:
        started, processor_started = self._started
        self.seconds[stage] = time.perf_counter() - started
        self.processor_seconds[stage] = _processor_seconds() - processor_started
        if stage == LAST_STAGE:
            raise _PathEndError


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(name: str, corpus: str, out: str, *beam_arguments: str) -> None:
    """Runs one contender."""
    make = {"authorprofile": make_own, "stock TFX": make_stock}[name]
    from pipeline.local import ObservedDagRunner

    times = StageTimes()
    with contextlib.suppress(_PathEndError):
        ObservedDagRunner(times).run(make(Path(corpus), Path(out), list(beam_arguments)))
    stages = {"seconds": times.seconds, "processor_seconds": times.processor_seconds}
    sys.stdout.write(json.dumps(stages) + "\n")


def make_own(corpus: Path, out: Path, beam_arguments: list[str]) -> Any:
    """The first stages of the project's own pipeline, with its own settings."""
    from benchmarks.data.corpus import HEADS
    from pipeline.config import load_config
    from pipeline.pipeline import create_pipeline

    config = load_config(
        posts=[str(corpus / "posts.jsonl")],
        labels=[str(corpus / "labels.csv")],
        heads=None,
        **({"beam": {"arguments": beam_arguments}} if beam_arguments else {}),
    ).model_copy(update={"heads": _heads(HEADS)})
    return create_pipeline(config, str(out / "artifacts"), metadata_connection=_store(out))


def make_stock(corpus: Path, out: Path, beam_arguments: list[str]) -> Any:
    """TFX's own components with their default settings, on the records already joined."""
    from tfx import v1 as tfx

    ingest = tfx.components.ImportExampleGen(input_base=str(corpus / "examples"))
    statistics = tfx.components.StatisticsGen(examples=ingest.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    transform = tfx.components.Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="benchmarks.data.stock.preprocessing_fn",
    )
    from pipeline.config import BeamSettings

    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=str(out / "artifacts"),
        components=[ingest, statistics, schema, transform],
        metadata_connection_config=_store(out),
        beam_pipeline_args=beam_arguments or BeamSettings().arguments,
    )


def _heads(declared: dict[str, Any]) -> dict[str, Any]:
    from components.heads import parse_heads

    return {head.name: head for head in parse_heads(declared)}


def _store(out: Path) -> Any:
    from tfx import v1 as tfx

    return tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(out / "metadata.sqlite")
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
