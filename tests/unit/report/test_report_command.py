"""`authorprofile report`: a run's page found, or drawn anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from components.report.record import RunRecord
from pipeline.config import load_config
from pipeline.report import place_report, report_command, settings_path, write_config

ROW = {
    "name": "equal weights",
    "seeds": 3,
    "heads": {"height": {"mean": 0.123, "lower": 0.1, "upper": 0.2}},
}


@pytest.fixture
def run(tmp_path: Path, record: RunRecord) -> Path:
    (tmp_path / "report.json").write_text(
        record.model_copy(update={"comparison": []}).model_dump_json()
    )
    return tmp_path


def test_a_missing_page_is_drawn_and_its_path_printed(run: Path, capsys: Any) -> None:
    assert report_command(run) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert "Was one network" in (run / "report.html").read_text()
    assert (run / "model_card.md").read_text().startswith("# Model card")


def test_a_page_that_is_there_is_left_as_it_is(run: Path) -> None:
    (run / "report.html").write_text("as it was")
    assert report_command(run) == 0
    assert (run / "report.html").read_text() == "as it was"
    assert report_command(run, rebuild=True) == 0
    assert "as it was" not in (run / "report.html").read_text()


def test_a_comparison_made_later_is_drawn_in(run: Path) -> None:
    assert report_command(run) == 0
    assert "Not run. A comparison trains" in (run / "report.html").read_text()
    comparison = run / "comparison.json"
    comparison.write_text(json.dumps([ROW]))
    later = (run / "report.html").stat().st_mtime + 5
    os.utime(comparison, (later, later))
    assert report_command(run) == 0
    page = (run / "report.html").read_text()
    assert "Not run. A comparison trains" not in page
    assert "0.123 [0.100, 0.200]" in page


def test_a_folder_without_a_run_is_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: Any
) -> None:
    assert report_command(tmp_path) == 1
    assert "Name the folder of a run that has ended" in capsys.readouterr().err


def test_a_record_of_another_form_is_an_error(run: Path, capsys: Any) -> None:
    (run / "report.json").write_text('{"heads": 1}')
    assert report_command(run, rebuild=True) == 1
    said = capsys.readouterr().err
    assert "no report that this version can read: " in said
    assert said.count("\n") == 1 and "pydantic" not in said and "Field required" not in said


def test_the_artifacts_files_are_placed_in_the_runs_folder(tmp_path: Path) -> None:
    artifact, out = tmp_path / "artifact", tmp_path / "out"
    artifact.mkdir()
    out.mkdir()
    for name in ("report.html", "report.json", "model_card.md"):
        (artifact / name).write_text(name)
    assert place_report(artifact, out) == out / "report.html"
    assert sorted(path.name for path in out.iterdir()) == [
        "model_card.md",
        "report.html",
        "report.json",
    ]


def test_the_card_of_the_last_model_stays_where_a_run_judged_none(tmp_path: Path) -> None:
    artifact, out = tmp_path / "artifact", tmp_path / "out"
    artifact.mkdir()
    out.mkdir()
    for name in ("report.html", "report.json"):
        (artifact / name).write_text(name)
    (out / "model_card.md").write_text("the last model's")
    assert place_report(artifact, out) == out / "report.html"
    assert (out / "model_card.md").read_text() == "the last model's"


def test_the_written_configuration_is_that_of_the_run_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(
        None,
        ["training.loss_weights={gender: 2.5}", "heads.gender={positive: f, negative: m}"],
        ["age", "gender"],
        posts=["data/*.jsonl"],
        labels=["gs://bucket/labels.csv"],
        out=str(tmp_path / "out"),
    )
    path = tmp_path / "config.yaml"
    write_config(config, path)
    again = load_config(path)
    assert list(again.heads) == ["age", "gender"]
    assert again.posts == [str(tmp_path / "data/*.jsonl")]
    assert again.labels == ["gs://bucket/labels.csv"]
    assert again.model_copy(update={"posts": config.posts}) == config


def test_a_configuration_that_people_wrote_is_left_alone(tmp_path: Path) -> None:
    config = load_config(None, posts=["a.jsonl"], labels=["b.csv"])
    assert settings_path(tmp_path) == tmp_path / "config.yaml"
    write_config(config, tmp_path / "config.yaml")
    assert settings_path(tmp_path) == tmp_path / "config.yaml"
    (tmp_path / "config.yaml").write_text("# mine\nname: mine\n")
    assert settings_path(tmp_path) == tmp_path / "config.run.yaml"
