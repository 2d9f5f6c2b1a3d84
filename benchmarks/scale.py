"""What the data path costs as the data grows: processor time by stage, shuffled bytes, held bytes.

Enters: numbers of authors, from the sample generator. Leaves: a table on the console and
`scale.json`, the figures that docs/scale.md plans with. Processor time is taken in place of hours,
since it hardly depends on what else the machine does; a cost a megabyte is the difference of two
sizes, so that imports and graphs, paid once a run, are no part of it.

    python -m benchmarks.scale --authors 1000,4000 --out runs/scale
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tfx import v1 as tfx

from components.features.schema import HeadsSchema
from components.features.statistics import LabelStatisticsGen
from components.features.text_transform import TextTransform
from components.heads.declared import heads_to_json
from components.ingest.example_gen import PostsExampleGen
from components.ingest.matching import PostRow, match_author
from components.ingest.reading import post_row
from components.ingest.records import parse_post
from pipeline.beam import beam_arguments
from pipeline.config import Config, load_config
from pipeline.local import ObservedDagRunner
from pipeline.sample import write_sample

POSTS_HELD = 100_000


class ProcessorSeconds:
    """Processor time of each stage, children's too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._before = 0.0

    def stage_started(self, stage: str) -> None:
        """See `pipeline.local.StageObserver`."""
        self._before = sum(os.times()[:4])

    def stage_finished(self, stage: str, how: str) -> None:
        """See `pipeline.local.StageObserver`."""
        self.seconds[stage] = sum(os.times()[:4]) - self._before


def measure(folder: Path, authors: int) -> dict[str, Any]:
    """Runs the data path over a sample; its size, what its posts weigh, seconds by stage."""
    data = folder / f"data-{authors}"
    if not data.exists():
        write_sample(data, authors)
    config = load_config(data / "config.yaml")
    with gzip.open(data / "posts.jsonl.gz", "rt", encoding="utf-8") as lines:
        posts = [json.loads(line) for line in lines if _is_post(line)]
    observer = ProcessorSeconds()
    ObservedDagRunner(observer).run(data_path(config, folder / f"run-{authors}"))
    return {
        "authors": authors,
        "posts": len(posts),
        "text_bytes": sum(len(post["text"].encode()) for post in posts),
        "shuffled_bytes": sum(map(_shuffled_bytes, posts)),
        "processor_seconds": observer.seconds,
    }


def data_path(config: Config, folder: Path) -> tfx.dsl.Pipeline:
    """Ingest, statistics and Transform, as the pipeline has them."""
    heads = heads_to_json(config.head_list)
    ingest = PostsExampleGen(config.posts, config.labels, heads, config.ingest.model_dump_json())
    examples = ingest.outputs["examples"]
    schema = HeadsSchema(heads=heads, validation=config.validation.model_dump_json())
    transform = TextTransform(
        examples=examples,
        schema=schema.outputs["schema"],
        preprocessing_fn="components.features.transform.preprocessing_fn",
        custom_config={"heads": heads, "text": config.text.model_dump_json()},
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_statistics=True,
        disable_analyzer_cache=True,
    ).with_id("Transform")
    statistics = LabelStatisticsGen(examples, list(config.heads)).with_id("StatisticsGen")
    folder.mkdir(parents=True, exist_ok=True)
    return tfx.dsl.Pipeline(
        pipeline_name="scale",
        pipeline_root=str(folder),
        components=[ingest, statistics, schema, transform],
        metadata_connection_config=(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{folder}/mlmd")
        ),
        beam_pipeline_args=beam_arguments(config.beam),
    )


def _is_post(line: str) -> bool:
    try:
        parse_post(json.loads(line))
    except (ValueError, AttributeError):
        return False
    return True


def _shuffled_bytes(post: dict[str, Any]) -> int:
    from apache_beam.coders import FastPrimitivesCoder

    return len(FastPrimitivesCoder().encode(post_row(0, 1, parse_post(post))))


def bytes_held(text: str) -> float:
    """Bytes that the join holds for each post of an author who has very many."""
    tracemalloc.start()
    rows: list[PostRow] = [(0, n, None, None, text and f"{n}{text}") for n in range(POSTS_HELD)]
    match_author(rows, [(1, 1, (40.0,))], most=10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / POSTS_HELD


def a_megabyte(sizes: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Processor seconds of each stage for one more megabyte of text."""
    small, large = sizes[0], sizes[-1]
    megabytes = (large["text_bytes"] - small["text_bytes"]) / 1e6
    return {
        stage: (seconds - small["processor_seconds"][stage]) / megabytes
        for stage, seconds in large["processor_seconds"].items()
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--authors", default="1000,4000", help="two sizes, with a comma")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    given = parser.parse_args()
    sizes = [measure(given.out, int(size)) for size in given.authors.split(",")]
    large = sizes[-1]
    figures = {
        "sizes": sizes,
        "processor_seconds_a_megabyte": a_megabyte(sizes),
        "shuffled_bytes_a_text_byte": large["shuffled_bytes"] / large["text_bytes"],
        "bytes_held_a_post": {"1,000 characters": bytes_held("x" * 1000), "none": bytes_held("")},
    }
    (given.out / "scale.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    show(figures)


def show(figures: dict[str, Any]) -> None:
    """The figures for people."""
    sizes = figures["sizes"]
    table = Table(title="Processor seconds")
    table.add_column("stage")
    for size in sizes:
        column = f"{size['authors']:,} authors, {size['text_bytes'] / 1e6:.1f} MB"
        table.add_column(column, justify="right")
    table.add_column("one MB more", justify="right")
    for stage, more in figures["processor_seconds_a_megabyte"].items():
        seconds = [f"{size['processor_seconds'][stage]:.1f}" for size in sizes]
        table.add_row(stage, *seconds, f"{more:.2f}")
    console = Console()
    console.print(table)
    console.print(f"bytes shuffled a byte of text: {figures['shuffled_bytes_a_text_byte']:.2f}")
    for text, held in figures["bytes_held_a_post"].items():
        console.print(f"bytes held a post of one author, text {text}: {held:.0f}")


if __name__ == "__main__":
    main()
