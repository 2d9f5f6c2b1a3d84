"""The measurement of table and baseline, on few authors."""

from __future__ import annotations

import re

from benchmarks import linear


def test_each_part_is_measured_on_made_up_authors(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(linear, "VOCABULARY", 300)
    monkeypatch.setattr(linear, "PAIRS", 100)
    linear.measure(150, 40, tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ terms an author, 0 MB on the disk", said.pop(1))
    measured = [
        re.fullmatch(r"(.+): \d+\.\d processor seconds, [\d,]+ MB at most", line) for line in said
    ]
    assert [found and found[1] for found in measured] == [
        "count",
        "table",
        "baseline of a number",
        "baseline of a value",
    ]
