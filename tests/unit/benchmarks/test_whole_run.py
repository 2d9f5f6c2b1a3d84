"""The benchmark of a whole run: what is made of the seconds that its processes tell."""

from __future__ import annotations

from benchmarks.whole_run.__main__ import compare, describe, longest_chain
from benchmarks.whole_run.stages import waits_for
from pipeline.config import load_config
from pipeline.sample import write_sample

WAITS_FOR = {"join": [], "count": ["join"], "fit": ["join"], "report": ["count", "fit"]}


def told(whole, **stages):
    return {
        "imports": 2.0,
        "whole": whole,
        "processor_imports": 1.0,
        "processor_whole": whole / 2,
        "stages": stages,
        "processor_stages": stages,
        "waits_for": WAITS_FOR,
    }


def test_the_longest_chain_is_the_one_that_takes_longest_not_of_most_stages():
    seconds = {"join": 1.0, "count": 2.0, "fit": 7.0, "report": 0.5}
    assert longest_chain(seconds, WAITS_FOR) == (8.5, ["join", "fit", "report"])


def test_a_stage_that_did_not_run_takes_no_time():
    assert longest_chain({"report": 2.0}, WAITS_FOR)[0] == 2.0


def test_what_a_parallel_runner_could_save_is_told():
    (note,) = describe([told(20.0, join=1.0, count=2.0, fit=7.0, report=0.5)])
    assert "10.5 s" in note
    assert "8.5 s, join > fit > report" in note
    assert "More than 2.0 s" in note


def test_runs_are_compared_to_those_of_the_state_before():
    runs = {
        "now": {"first": [told(20.0, fit=7.0)], "second": [told(5.0)]},
        "before": {"first": [told(40.0, fit=8.0)], "second": [told(6.0)]},
    }
    first, *_, fit = compare(runs, "essays")
    assert first.title == "essays: a run from nothing, clock"
    assert (first.base, first.ratios("now")) == ("before", [2.0])
    assert fit.figures == {"now": [7.0], "before": [8.0]}


def test_stages_name_those_that_they_wait_for(tmp_path):
    write_sample(tmp_path / "sample", 3)
    stages = waits_for(load_config(tmp_path / "sample/config.yaml", out=str(tmp_path / "run")))
    assert stages["PostsExampleGen"] == []
    assert "ExamplesValidator" in stages["Transform"]
    assert "Transform" in stages["Trainer"]
