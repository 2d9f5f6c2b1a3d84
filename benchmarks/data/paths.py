"""One contender's whole work in a process of its own: `python -m benchmarks.data.paths NAME ...`.

Enters: a contender's name, a corpus's folder, a folder for what is made. Leaves: a line of JSON on
standard output: `seconds` and `processor_seconds` of each stage, `peak_mb`, the most memory that
the process held. Called by the benchmark.

| contender | what runs |
|---|---|
| authorprofile | the project's own pipeline, from PostsExampleGen to Transform |
| bare count | the words of every post's text, counted in one pass by pyarrow |
| stock TFX | ImportExampleGen, StatisticsGen, SchemaGen, Transform with `stock.preprocessing_fn` |
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import peak_megabytes
from benchmarks.whole_run.stages import StageTimes, imports_of_the_command

OWN, STOCK, BARE = "authorprofile", "stock TFX", "bare count"
LAST_STAGE = "Transform"
BLOCK_BYTES = 64 * 2**20


class _PathEndError(Exception):
    """The stages to be measured have ended."""


class PathTimes(StageTimes):
    """Ends the run behind the last stage that is measured."""

    def stage_finished(self, stage: str, how: str) -> None:
        super().stage_finished(stage, how)
        if stage == LAST_STAGE:
            raise _PathEndError


def main(name: str, corpus: str, out: str) -> None:
    """Runs one contender."""
    times = PathTimes()
    if name == BARE:
        times.stage_started("count")
        count_words(Path(corpus) / "posts.jsonl")
        times.stage_finished("count", "done")
    else:
        run_pipeline({OWN: make_own, STOCK: make_stock}[name], Path(corpus), Path(out), times)
    told = {
        "seconds": times.seconds,
        "processor_seconds": times.processor_seconds,
        "peak_mb": peak_megabytes(),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def run_pipeline(make: Any, corpus: Path, out: Path, times: StageTimes) -> None:
    """Runs the first stages of a pipeline; those of `authorprofile` as its command does."""
    with imports_of_the_command() if make is make_own else contextlib.nullcontext():
        from pipeline.local import ObservedDagRunner

    with contextlib.suppress(_PathEndError):
        ObservedDagRunner(times).run(make(corpus, out))


def count_words(posts: Path) -> dict[str, int]:
    """How often each word stands in the texts; words end at white space, in lower case.

    Of three ways that were tried, pyarrow's kernels, a Counter over orjson's texts and one over
    json's, the fastest.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    totals = []
    with posts.open("rb") as lines:
        while block := lines.readlines(BLOCK_BYTES):
            words = pc.ascii_split_whitespace(pc.utf8_lower(_texts(block)))
            counts = pc.list_flatten(words).value_counts()
            totals.append(pa.table([counts.field(0), counts.field(1)], ["word", "count"]))
    table = pa.concat_tables(totals).group_by("word").aggregate([("count", "sum")])
    return dict(zip(table["word"].to_pylist(), table["count_sum"].to_pylist(), strict=True))


def _texts(lines: list[bytes]) -> Any:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    # The corpus has lines that are no JSON, and texts that are none, on purpose.
    sound = b"".join(line for line in lines if b'"text": "' in line and line.endswith(b"}\n"))
    options = arrow_json.ParseOptions(
        explicit_schema=pa.schema([("text", pa.string())]), unexpected_field_behavior="ignore"
    )
    return arrow_json.read_json(pa.BufferReader(sound), parse_options=options)["text"]


def make_own(corpus: Path, out: Path) -> Any:
    """The first stages of the project's own pipeline, with its own settings."""
    from benchmarks.data.corpus import HEADS
    from components.heads.declared import parse_heads
    from pipeline.config import load_config
    from pipeline.pipeline import create_pipeline

    config = load_config(
        posts=[str(corpus / "posts.jsonl")], labels=[str(corpus / "labels.csv")], heads=None
    )
    heads = {head.name: head for head in parse_heads(HEADS)}
    config = config.model_copy(update={"heads": heads})
    return create_pipeline(config, str(out / "artifacts"), metadata_connection=_store(out))


def make_stock(corpus: Path, out: Path) -> Any:
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
    from pipeline.beam import BeamSettings, beam_arguments

    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=str(out / "artifacts"),
        components=[ingest, statistics, schema, transform],
        metadata_connection_config=_store(out),
        beam_pipeline_args=beam_arguments(BeamSettings()),
    )


def _store(out: Path) -> Any:
    from tfx import v1 as tfx

    return tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(out / "metadata.sqlite")
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
