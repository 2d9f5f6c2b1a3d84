"""Runs the parts of the benchmarks one after the other, each in a process of its own.

    python -m benchmarks [--out runs/bench] [--rounds 5] [--size small] [--parts training,data]

`make bench` calls it. A part is a package here that takes `--out` and `--rounds`; `python -m
benchmarks.training` runs one alone. Leaves what the parts write and, at the end, one table of all
that was measured. Where a part fails the others run on; Ctrl-C ends it, and what earlier parts
wrote stays. Exit code: 1 if a part failed, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.side_by_side import Comparison, add_rows, make_console

FEW = [
    "--contenders",
    "Keras float32,PyTorch float32,Ludwig,authorprofile,authorprofile conv",
]
# What a part measures at a size; `full` takes an hour on two idle cores, `small` minutes.
SIZES: dict[str, dict[str, list[str]]] = {
    "full": {
        "training": ["--authors", "1000", "--steps", "4", "--epochs", "6", "--skill", "0.3"],
        "inference": ["--authors", "1000", "--bulk", "64", "--times", "3"],
        "data": ["--sizes", "10,100,1000"],
        "whole_run": ["--authors", "1000"],
    },
    "small": {
        "training": ["--authors", "60", "--steps", "1", "--epochs", "0", *FEW],
        "inference": ["--authors", "60", "--bulk", "32", "--times", "1", *FEW],
        # Of 1 MB no author falls to `eval`.
        "data": ["--sizes", "2"],
        "whole_run": ["--authors", "100"],
    },
}
PARTS = list(SIZES["full"])
DONE, STOPPED = "done", "stopped"
END_SECONDS = 30


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    outcomes: dict[str, tuple[str, float]] = {}
    for number, part in enumerate(options.parts, 1):
        sys.stderr.write(f"benchmarks: {part}, part {number} of {len(options.parts)}\n")
        started = time.perf_counter()
        outcome = run_part(make_command(part, options))
        outcomes[part] = outcome, time.perf_counter() - started
        if outcome == STOPPED:
            break
    console = make_console()
    if DONE in (outcome for outcome, _ in outcomes.values()):
        console.print(summarise(outcomes, options.out))
    for part in options.parts:
        outcome, seconds = outcomes.get(part, ("not run", 0.0))
        console.print(f"{part}: {outcome}, {seconds / 60:.1f} minutes")
    if any(outcome == STOPPED for outcome, _ in outcomes.values()):
        return 130
    return int(any(outcome != DONE for outcome, _ in outcomes.values()))


def make_command(part: str, options: argparse.Namespace) -> list[str]:
    """The command line of a part."""
    command = [sys.executable, "-m", f"benchmarks.{part}", "--out", str(options.out)]
    command += ["--rounds", str(options.rounds), *SIZES[options.size][part]]
    if part == "whole_run" and options.config:
        command += ["--config", str(options.config)]
    return command


def run_part(command: Sequence[str]) -> str:
    """How a part ended: `done`, `failed (exit code)`, or `stopped` by Ctrl-C."""
    part = subprocess.Popen(command)
    try:
        code = part.wait()
    except KeyboardInterrupt:
        # The terminal tells the part too: it ends what it has started.
        try:
            part.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            part.kill()
        return STOPPED
    return f"failed (exit code {code})" if code else DONE


def summarise(outcomes: dict[str, tuple[str, float]], out: Path) -> Table:
    """One table of what the parts that are done have written."""
    table = Table(title="All that was measured", title_justify="left")
    for heading in ("part", "contender"):
        table.add_column(heading)
    for heading in ("median", "range", "times the base", "range"):
        table.add_column(heading, justify="right")
    for part in (part for part, (outcome, _) in outcomes.items() if outcome == DONE):
        written = json.loads((out / f"{part}.json").read_text(encoding="utf-8"))
        for told in written["comparisons"]:
            comparison = Comparison(**told)
            table.add_section()
            table.add_row(part, f"[bold]{comparison.title} ({comparison.unit})")
            add_rows(table, comparison, "")
    return table


def _names(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}. Received: {text}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender")
    parser.add_argument("--size", choices=SIZES, default="full", help="of what is measured")
    parser.add_argument("--parts", type=_names, default=PARTS, help="with commas; default: all")
    parser.add_argument("--config", type=Path, help="a run of your own, beside that of the sample")
    return parser


if __name__ == "__main__":
    sys.exit(main())
