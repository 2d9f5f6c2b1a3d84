"""Runs every part of the benchmarks, one after the other, each in a process of its own.

    python -m benchmarks [--out runs/bench] [--rounds 5]

`make bench` calls it. A part is a package here that takes `--out` and `--rounds`;
`python -m benchmarks.training` runs one alone. Exit code: 1 if a part failed, the others run on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS = ("training", "inference", "data", "whole_run")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", default="runs/bench", help="folder of the results")
    parser.add_argument("--rounds", default="5", help="measurements of each contender")
    options = parser.parse_args(arguments)
    failed = []
    for part in PARTS:
        command = [sys.executable, "-m", f"benchmarks.{part}"]
        command += ["--out", options.out, "--rounds", options.rounds]
        if subprocess.run(command, check=False).returncode:
            failed.append(part)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
