"""MB a second of the data path against stock TFX and a bare count of words.

    python -m benchmarks.data --sizes 10,100 --rounds 5

Enters: sizes of `posts.jsonl` in MB. Leaves: tables, `data.json`, `data.html`. Each measurement is
a process of its own; its speed is that of the stages, without imports, its memory that of the whole
process. `make bench` calls it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data.paths import BARE, OWN, STOCK
from benchmarks.side_by_side import Comparison, measure_in_turn, write_results


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from benchmarks.data.corpus import write_corpus
    from benchmarks.machine import measure_machine

    machine = measure_machine()
    comparisons: list[Comparison] = []
    notes: list[str] = []
    for megabytes in map(float, options.sizes.split(",")):
        corpus = write_corpus(options.out, megabytes)
        names = options.contenders.split(",")
        comparisons += compare(corpus, megabytes, options.rounds, names, notes)
    write_results("data", comparisons, machine, options.out, notes)
    return 0


def compare(
    corpus: Path, megabytes: float, rounds: int, names: list[str], notes: list[str]
) -> list[Comparison]:
    """Speed, processor time and memory of each contender on a corpus."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    speeds = measure_in_turn({name: _measure(name, corpus, runs[name]) for name in names}, rounds)
    for name in names:
        stages = runs[name][-1]["processor_seconds"]
        parts = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages.items())
        notes.append(f"{megabytes:g} MB, {name}, processor seconds: {parts}")
    base = STOCK if STOCK in names else names[0]
    size = corpus.joinpath("posts.jsonl").stat().st_size / 1e6
    processor = {
        name: [size / sum(run["processor_seconds"].values()) for run in runs[name]]
        for name in names
    }
    memory = {name: [run["peak_mb"] for run in runs[name]] for name in names}
    what = f"{size:.0f} MB through ingest, statistics, Transform"
    return [
        Comparison(what, "MB a second", base, speeds),
        Comparison(what, "MB a processor second", base, processor),
        Comparison(f"{what}: peak memory", "MB", base, memory, smaller_is_better=True),
    ]


def _measure(name: str, corpus: Path, runs: list[dict[str, Any]]) -> Callable[[], float]:
    size = corpus.joinpath("posts.jsonl").stat().st_size / 1e6

    def measure() -> float:
        runs.append(run_path(name, corpus))
        return size / float(sum(runs[-1]["seconds"].values()))

    return measure


def run_path(name: str, corpus: Path) -> dict[str, Any]:
    """One contender once, in a fresh process: what `paths` tells.

    Raises:
        RuntimeError: it failed; what it said is in the message.
    """
    out = corpus / "work"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [sys.executable, "-m", "benchmarks.data.paths", name, str(corpus), str(out)]
    log = out / "log"
    with log.open("w") as errors, (out / "stages.json").open("w") as stages:
        child = subprocess.run(command, stdout=stages, stderr=errors, check=False)
    if child.returncode:
        raise RuntimeError(f"{name} failed:\n{log.read_text()[-2000:]}")
    measured: dict[str, Any] = json.loads((out / "stages.json").read_text())
    shutil.rmtree(out)
    return measured


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="data", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", default="10,100", help="MB of posts, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender")
    parser.add_argument("--contenders", default=f"{STOCK},{OWN},{BARE}", help="with commas")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
