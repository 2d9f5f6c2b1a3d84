"""What counts as the same results, and what as a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from benchmarks.same_results import command, compare_folders

ROOT = Path(__file__).parents[3]
REPORT = {"skill": 0.25, "seconds": 1.5, "model": "at OUT", "run": "2026-01-01T10:00:00Z"}


def results(folder: Path, **changes: object) -> Path:
    (folder / "Trainer" / "7").mkdir(parents=True)
    told = {**REPORT, "model": f"at {folder}", **changes}
    (folder / "Trainer" / "7" / "report.json").write_text(json.dumps(told))
    (folder / "sample.csv").write_text("author_id,age\na,1.5\n")
    parquet.write_table(pa.table({"age": [1.5]}), folder / "sample.parquet")
    return folder


def differing(before: Path, after: Path) -> list[str]:
    return [name for name, found in compare_folders(before, after).items() if found]


def test_times_paths_and_numbers_of_executions_are_set_aside(tmp_path):
    before = results(tmp_path / "one")
    after = results(tmp_path / "two", seconds=9, run="2026-02-02T10:00:00Z")
    (after / "Trainer" / "7").rename(after / "Trainer" / "8")
    assert differing(before, after) == []
    assert len(compare_folders(before, after)) == 3


@pytest.mark.parametrize("change", [{"skill": 0.25000000000000006}, {"skill": None}, {"more": 1}])
def test_the_last_digit_and_a_key_count(tmp_path, change):
    after = results(tmp_path / "two", **change)
    assert differing(results(tmp_path / "one"), after) == ["Trainer/N/report.json"]


def test_a_table_that_differs_or_is_absent_is_told(tmp_path):
    before, after = results(tmp_path / "one"), results(tmp_path / "two")
    (after / "sample.csv").unlink()
    parquet.write_table(pa.table({"age": [2.5]}), after / "sample.parquet")
    assert differing(before, after) == ["sample.csv", "sample.parquet"]


def test_a_checkouts_own_command_is_called_and_its_failure_ends_the_comparison(tmp_path, capfd):
    command(ROOT, "sample", tmp_path / "data", "--authors", 20)
    assert (tmp_path / "data" / "labels.csv").exists()
    with pytest.raises(SystemExit, match=r"sample failed in .* with exit code 2"):
        command(ROOT, "sample")
    assert "Missing argument" in capfd.readouterr().err
