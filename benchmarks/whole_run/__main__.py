"""Seconds of a whole run: cold, warm, and again with nothing changed, split by stage.

    python -m benchmarks.whole_run --authors 3000 --rounds 5 --before ../earlier

Enters: a size of the sample; with `--config` another run too, such as that of real essays; with
`--before` the working tree of another state of this package, measured in turn, on the sample that
it makes by itself, with the settings that it writes beside. Leaves: tables, `whole_run.json`,
`whole_run.html`. Each run is a process of its own; `imports` are in `whole`. Cold and warm runs
begin with an empty folder, and before a cold one Python, its packages, this one and the folder of
the configuration are dropped from the page cache (`page_cache`). The notes name the longest chain
of stages that wait for each other, which no parallel runner could beat. `make bench` calls it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.side_by_side import Comparison, write_results
from benchmarks.whole_run import page_cache

ROOT = Path(__file__).resolve().parents[2]
NOW, BEFORE = "now", "before"
COLD, WARM, UNCHANGED = "cold", "warm", "unchanged"
KINDS = [COLD, WARM, UNCHANGED] if page_cache.CAN_DROP else [WARM, UNCHANGED]
"""A round's runs; cold ones where the system can be asked to forget files."""
UNITS = {"clock": "", "processor": "processor_"}
WHOLE = "whole"
WRITE_SAMPLE = """
import sys
from pathlib import Path
from pipeline.sample import write_sample

write_sample(Path(sys.argv[1]), int(sys.argv[2]))
"""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from benchmarks.machine import measure_machine

    machine = measure_machine()
    trees = {NOW: ROOT} | ({BEFORE: options.before.resolve()} if options.before else {})
    comparisons = []
    notes = [] if page_cache.CAN_DROP else ["No cold runs: this system cannot drop cached files."]
    for name, configs in _configs(options, trees).items():
        runs = measure(trees, configs, options.out / "whole", options.rounds)
        comparisons += compare(runs, name)
        notes += [f"{name}: {note}" for note in describe(runs[NOW][WARM])]
    write_results("whole_run", comparisons, machine, options.out, notes)
    return 0


Runs = dict[str, dict[str, list[dict[str, Any]]]]
"""Tree -> one of `KINDS` -> what each round's process told."""


def measure(trees: Mapping[str, Path], configs: Mapping[str, Path], out: Path, rounds: int) -> Runs:
    """Each tree's runs, with its own configuration, round after round."""
    runs: Runs = {name: {kind: [] for kind in KINDS} for name in trees}
    names = list(trees)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for kind in KINDS:
                if kind != UNCHANGED:
                    shutil.rmtree(out, ignore_errors=True)
                    out.mkdir(parents=True)
                if kind == COLD:
                    page_cache.drop([*page_cache.environment(), trees[name], configs[name].parent])
                told = _run(trees[name], configs[name], out / "run")
                runs[name][kind].append(told)
                sys.stderr.write(
                    f"round {turn + 1} of {rounds}, {name}, {kind} run: {told['whole']:.1f} s\n"
                )
    shutil.rmtree(out, ignore_errors=True)
    return runs


def compare(runs: Runs, of: str) -> list[Comparison]:
    """Whole seconds and imports, tree by tree; then the stages of each tree, as shares.

    Args:
        runs: of `measure`.
        of: what was run.
    """
    base = BEFORE if BEFORE in runs else NOW
    comparisons = []
    for title, kind, key in (
        ("a cold run from nothing", COLD, "whole"),
        ("imports of a cold run", COLD, "imports"),
        ("a warm run from nothing", WARM, "whole"),
        ("the same run again, nothing changed", UNCHANGED, "whole"),
        ("imports", UNCHANGED, "imports"),
    ):
        for unit, prefix in UNITS.items():
            if kind in runs[NOW]:
                figures = {
                    tree: [run[f"{prefix}{key}"] for run in told[kind]]
                    for tree, told in runs.items()
                }
                title_and_unit = f"{of}: {title}, {unit}"
                comparisons.append(
                    Comparison(title_and_unit, "seconds", base, figures, smaller_is_better=True)
                )
    return comparisons + [
        Comparison(
            f"{of}: stages of a {kind} run from nothing, {tree}, {unit}",
            "seconds",
            WHOLE,
            _by_stage(told[kind], prefix),
        )
        for tree, told in runs.items()
        for kind in (COLD, WARM)
        for unit, prefix in UNITS.items()
        if kind in told
    ]


def _by_stage(runs: list[dict[str, Any]], prefix: str) -> dict[str, list[float]]:
    figures = {
        WHOLE: [run[f"{prefix}whole"] for run in runs],
        "imports": [run[f"{prefix}imports"] for run in runs],
    }
    stages = runs[0]["stages"]
    return figures | {stage: [run[f"{prefix}stages"][stage] for run in runs] for stage in stages}


def describe(runs: list[dict[str, Any]]) -> list[str]:
    """What a runner that starts each stage as soon as it can would save at the most."""
    stages = runs[0]["stages"]
    seconds = {stage: median(run["stages"][stage] for run in runs) for stage in stages}
    length, chain = longest_chain(seconds, runs[0]["waits_for"])
    total = sum(seconds.values())
    return [
        f"All stages one after the other: {total:.1f} s. The longest chain of stages that wait for "
        f"each other: {length:.1f} s, {' > '.join(chain)}. More than {total - length:.1f} s no "
        "parallel runner could save, with a processor for each stage."
    ]


def longest_chain(
    seconds: Mapping[str, float], waits_for: Mapping[str, list[str]]
) -> tuple[float, list[str]]:
    """The chain of stages that takes longest, and how long.

    Args:
        seconds: of each stage.
        waits_for: the stages before each; a stage without seconds takes none.

    Example:
        {"a": 1, "b": 2, "c": 4}, {"b": ["a"], "c": ["a"]} -> (5, ["a", "c"])
    """
    ends: dict[str, tuple[float, list[str]]] = {}

    def end_of(stage: str) -> tuple[float, list[str]]:
        if stage not in ends:
            before = [end_of(name) for name in waits_for.get(stage, [])]
            latest, chain = max(before, default=(0.0, []))
            ends[stage] = latest + seconds.get(stage, 0.0), [*chain, stage]
        return ends[stage]

    return max(map(end_of, seconds))


def _run(tree: Path, config: Path, out: Path) -> dict[str, Any]:
    """One run in a fresh process.

    Raises:
        RuntimeError: it failed; what it said is in the message.
    """
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("stages.py")), str(config), str(out)],
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"a run of {tree} failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _configs(options: argparse.Namespace, trees: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """The runs to be measured, by name and tree."""
    configs = {}
    if options.authors:
        configs[f"sample of {options.authors:,}"] = {
            name: _sample(tree, options.out / f"sample-{options.authors}-{name}", options.authors)
            for name, tree in trees.items()
        }
    if options.config:
        configs[options.config.stem] = dict.fromkeys(trees, options.config.resolve())
    return configs


def _sample(tree: Path, folder: Path, authors: int) -> Path:
    """Configuration of a sample that the tree's own code has written, now or before."""
    config = folder.resolve() / "config.yaml"
    if not config.exists():
        command = [sys.executable, "-c", WRITE_SAMPLE, str(folder.resolve()), str(authors)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tree)}, cwd=tree, check=True)
    return config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="whole_run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--authors", type=int, default=3_000, help="of the sample; 0: without it")
    parser.add_argument("--config", type=Path, help="a run of your own, beside the sample's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="working tree of another state")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
