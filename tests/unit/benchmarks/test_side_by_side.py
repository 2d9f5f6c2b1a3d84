"""Contenders in turn, and what is told of their figures."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.machine import measure_machine, processor_name
from benchmarks.side_by_side import Comparison, make_table, measure_in_turn, write_results

SPEEDS = Comparison("Reading", "MB/s", "plain", {"ours": [30, 50, 40], "plain": [10, 10, 20]})


def test_contenders_take_turns_and_every_round_begins_with_another() -> None:
    called: list[str] = []

    def contender(name: str, figure: float):
        def work() -> float:
            called.append(name)
            return figure + len(called)

        return work

    figures = measure_in_turn({"a": contender("a", 0), "b": contender("b", 100)}, rounds=3)
    assert "".join(called) == "abbaab"
    assert figures == {"a": [1, 4, 5], "b": [102, 103, 106]}


def test_a_ratio_is_taken_within_its_round_and_says_how_many_times_as_good() -> None:
    assert SPEEDS.ratios("ours") == [3, 5, 2]
    seconds = Comparison("Start", "s", "plain", {"ours": [2], "plain": [8]}, smaller_is_better=True)
    assert seconds.ratios("ours") == [4]


def test_the_table_tells_medians_and_ranges() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(make_table(SPEEDS))
    told = console.export_text()
    row = next(line for line in told.splitlines() if "ours" in line and "MB/s" not in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "ours",
        "40",
        "30 to 50",
        "3",
        "2 to 5",
    ]


def test_results_are_written_with_every_figure_the_machine_and_the_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("reading", [SPEEDS], {"cores": 2}, tmp_path / "out", ["One was left out."])
    written = json.loads((tmp_path / "out/reading.json").read_text())
    assert written["machine"] == {"cores": 2}
    assert written["comparisons"][0]["figures"] == SPEEDS.figures
    assert written["notes"] == ["One was left out."]
    assert "One was left out." in capsys.readouterr().out
    assert "Reading (MB" in (tmp_path / "out/reading.html").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "reading.html",
        "reading.json",
    ]


def test_the_machine_is_named_and_measured(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast One\n")
    assert processor_name(tmp_path / "cpuinfo") == "Fast One"
    machine = measure_machine()
    rates = [value for name, value in machine.items() if name.endswith(("gflops", "second"))]
    assert len(rates) == 3
    assert min(rates) > 0


def test_memory_is_what_the_process_itself_has_held_at_most() -> None:
    told = "from benchmarks.machine import peak_megabytes; print(peak_megabytes())"
    ballast = bytearray(300_000_000)
    peaks = []
    for taken in ("", "held = bytearray(200_000_000); del held; "):
        done = subprocess.run([sys.executable, "-c", taken + told], stdout=subprocess.PIPE)
        peaks.append(float(done.stdout))
    assert peaks[0] < 200 < peaks[1] < len(ballast) / 1e6
