"""The benchmark of a whole run: what is made of the seconds that its processes tell."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from benchmarks.whole_run import page_cache
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
        "now": {"warm": [told(20.0, fit=7.0)], "unchanged": [told(5.0)]},
        "before": {"warm": [told(40.0, fit=8.0)], "unchanged": [told(6.0)]},
    }
    compared = {each.title: each for each in compare(runs, "essays")}
    warm = compared["essays: a warm run from nothing, clock"]
    assert (warm.base, warm.ratios("now")) == ("before", [2.0])
    fit = {
        tree: compared[f"essays: stages of a warm run from nothing, {tree}, processor"]
        for tree in runs
    }
    assert fit["now"].figures == {"whole": [10.0], "imports": [1.0], "fit": [7.0]}
    assert fit["before"].figures == {"whole": [20.0], "imports": [1.0], "fit": [8.0]}
    assert fit["now"].ratios("fit") == [0.7]


def test_cold_runs_are_told_beside_warm_ones():
    runs = {
        "now": {
            "cold": [told(30.0, fit=9.0)],
            "warm": [told(20.0, fit=7.0)],
            "unchanged": [told(5.0)],
        }
    }
    compared = {each.title: each.figures for each in compare(runs, "essays")}
    assert compared["essays: a cold run from nothing, clock"] == {"now": [30.0]}
    assert compared["essays: imports of a cold run, clock"] == {"now": [2.0]}
    cold, warm = (
        compared[f"essays: stages of a {kind} run from nothing, now, clock"]
        for kind in ("cold", "warm")
    )
    assert (cold["fit"], warm["fit"]) == ([9.0], [7.0])


@pytest.mark.skipif(not page_cache.CAN_DROP, reason="this system cannot be asked to forget files")
@pytest.mark.skipif(not shutil.which("fincore"), reason="fincore of util-linux is needed")
def test_dropped_files_are_read_from_the_disk_again(tmp_path):
    kind = told_by("stat", "--file-system", "--format=%T", str(tmp_path))
    if kind == "tmpfs":
        pytest.skip("temporary files are in memory here, and cannot leave it")
    file, other = tmp_path / "posts/of/authors.jsonl", tmp_path / "other"
    for path in (file, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2**20)
    (tmp_path / "posts/link").symlink_to(other)
    assert resident_bytes(file) == resident_bytes(other) == 2**20
    page_cache.drop([tmp_path / "posts"])
    assert resident_bytes(file) == 0
    assert resident_bytes(other) == 2**20


def resident_bytes(path):
    return int(told_by("fincore", "--bytes", "--noheadings", "--output=RES", str(path)))


def told_by(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_stages_name_those_that_they_wait_for(tmp_path):
    write_sample(tmp_path / "sample", 3)
    stages = waits_for(load_config(tmp_path / "sample/config.yaml", out=str(tmp_path / "run")))
    assert stages["PostsExampleGen"] == []
    assert "ExamplesValidator" in stages["Transform"]
    assert "Transform" in stages["Trainer"]
