"""`python -m benchmarks`: its parts, what it says of them, and what stays when one fails."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as bench
from benchmarks.__main__ import PARTS, SIZES, main, make_command, run_part
from benchmarks.side_by_side import Comparison, write_results

WRITES = """
import sys
from pathlib import Path
from benchmarks.side_by_side import Comparison, write_results
part, out = sys.argv[1:]
figures = {"plain": [10.0, 20.0], "ours": [30.0, 40.0]}
write_results(part, [Comparison("Reading", "MB/s", "plain", figures)], {"cores": 2}, Path(out))
"""


def parse(*arguments):
    return bench._parser().parse_args(arguments)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_takes_the_options_it_is_given(part, size, tmp_path, capsys):
    module = importlib.import_module(f"benchmarks.{part}.__main__")
    options = parse("--size", size, "--rounds", "3", "--out", str(tmp_path), "--config", "own.yaml")
    command = make_command(part, options)
    assert command[1:3] == ["-m", f"benchmarks.{part}"]
    # An option that there is none of ends the part before it works, and names all it lacks.
    with pytest.raises(SystemExit) as ended:
        module.main([*command[3:], "--no-such-option"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_where_a_part_fails_the_others_are_measured_and_told(tmp_path, monkeypatch, capfd):
    def command(part, options):
        if part == "inference":
            return [sys.executable, "-c", "raise SystemExit(3)"]
        return [sys.executable, "-c", WRITES, part, str(options.out)]

    monkeypatch.setattr(bench, "make_command", command)
    assert main(["--out", str(tmp_path), "--parts", "training,inference,data"]) == 1
    told = capfd.readouterr()
    assert "benchmarks: data, part 3 of 3" in told.err
    summary = told.out[told.out.index("All that was measured") :]
    assert summary.count("Reading (MB/s)") == 2
    assert summary.count("30 to 40") == 2
    assert "inference: failed (exit code 3)" in summary
    assert "data: done" in summary
    written = json.loads((tmp_path / "data.json").read_text())
    assert written["comparisons"][0]["figures"]["ours"] == [30.0, 40.0]
    assert written["machine"] == {"cores": 2}


def test_after_ctrl_c_what_earlier_parts_wrote_is_told_and_the_others_are_not_begun(
    tmp_path, monkeypatch, capsys
):
    speeds = Comparison("Reading", "MB/s", "plain", {"plain": [10.0]})

    def run(command):
        if "benchmarks.inference" in command:
            return bench.STOPPED
        write_results("training", [speeds], {"cores": 2}, tmp_path)
        return bench.DONE

    monkeypatch.setattr(bench, "run_part", run)
    assert main(["--out", str(tmp_path)]) == 130
    summary = capsys.readouterr().out.partition("All that was measured")[2]
    assert "Reading (MB/s)" in summary
    assert "inference: stopped" in summary
    assert "data: not run" in summary


def test_ctrl_c_waits_for_the_part_to_end_itself(monkeypatch):
    class Part:
        def __init__(self, command):
            self.waits = []
            parts.append(self)

        def wait(self, seconds=None):
            self.waits.append(seconds)
            if len(self.waits) == 1:
                raise KeyboardInterrupt

    parts: list[Part] = []
    monkeypatch.setattr(bench.subprocess, "Popen", Part)
    assert run_part(["part"]) == bench.STOPPED
    assert parts[0].waits == [None, bench.END_SECONDS]


@pytest.mark.parametrize("arguments", [["--parts", "training,speed"], ["--size", "huge"]])
def test_what_there_is_none_of_is_refused(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path / "bench"), *arguments])
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err
    assert not Path(tmp_path / "bench").exists()
