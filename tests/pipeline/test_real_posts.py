"""Real essays of 531 people: the run ends, and says honestly what so few can teach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import read_summary, run_command

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("AUTHORPROFILE_DATA", ROOT.parent / "shared" / "data"))
ESSAYS = DATA / "empathic_reactions"


@pytest.mark.skipif(not ESSAYS.is_dir(), reason=f"the essays are not there: {ESSAYS.name}")
def test_a_run_on_real_essays_ends_and_blesses_only_what_beats_the_constant(tmp_path):
    done = run_command(
        "run",
        "--posts",
        ESSAYS / "posts.jsonl",
        "--labels",
        ESSAYS / "labels.csv",
        "--out",
        tmp_path,
        settings=[
            "heads.gender={positive: '2', negative: '1'}",
            "tune=false",
            "training={epochs: 3}",
        ],
    )
    assert done.returncode in (0, 3), done.stdout
    summary = read_summary(tmp_path)
    assert sum(summary["training"]["authors"].values()) + summary["verdict"]["authors"] == 531
    for head in summary["verdict"]["heads"]:
        assert head["blessed"] == (head["skill"]["lower"] > 0), head["name"]
    assert summary["pushed"] == summary["verdict"]["blessed"] == (done.returncode == 0)
