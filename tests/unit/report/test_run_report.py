"""The component under LocalDagRunner: what it gathers, and what it knows of the run before."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from components.heads.declared import heads_to_json, parse_heads
from components.report.record import RunRecord
from components.report.settings import CardSettings

HEADS = parse_heads(
    {
        "height": {"kind": "regression", "unit": "cm", "minimum": 50, "maximum": 250},
        "party": {"kind": "classes", "classes": 3, "given_as": "group"},
        "smoker": {"kind": "binary", "positive": "yes", "negative": "no"},
    }
)
DRIFT = """
anomaly_name_format: SERIALIZED_PATH
drift_skew_info {
  path { step: "smoker" }
  drift_measurements { type: L_INFTY value: 0.05 threshold: 0.3 }
}
"""


def write_artifacts(root: Path, record: RunRecord) -> dict[str, Path]:
    """The folders that the other stages would leave, by input of the component."""
    files: dict[str, dict[str, Any]] = {
        "blessing": {"verdict.json": record.verdict},
        "infra_blessing": {"check.json": record.check},
        "pushed_model": {},
        "model_run": {"training.json": record.training},
        "audit": {"audit.json": record.audit},
        "data": {"data.json": record.data},
        "answers": {"answers.json": record.answers},
        "tuner_results": {"trials.json": record.trials},
    }
    folders = {}
    for name, contents in files.items():
        folders[name] = root / name
        folders[name].mkdir(parents=True)
        for file, content in contents.items():
            (folders[name] / file).write_text(json.dumps(content))
    for name, file, text in (
        ("anomalies", "Split-train/anomalies.pbtxt", DRIFT),
        ("transform_graph", "transform_fn/assets/tokens", "the\na\nof\n"),
    ):
        folders[name] = root / name
        (folders[name] / file).parent.mkdir(parents=True)
        (folders[name] / file).write_text(text)
    return folders


def run_pipeline(root: Path, folders: dict[str, Path]) -> Path:
    """One run; returns the folder of its report."""
    from tfx import v1 as tfx

    from components.report.run_report import RunReport, RunReportSpec

    importers = {
        name: tfx.dsl.Importer(
            str(folder),
            RunReportSpec.INPUTS[name].type,
            custom_properties={"pushed": 1, "pushed_destination": "/serving/1"}
            if name == "pushed_model"
            else None,
        ).with_id(name)
        for name, folder in folders.items()
    }
    report = RunReport(
        heads=heads_to_json(HEADS),
        card=CardSettings(contact="nobody@example.org").model_dump_json(),
        titles=json.dumps({"blessing": "judging"}),
        config="runs/config.yaml",
        reachable="",
        decision="",
        **{name: importer.outputs["result"] for name, importer in importers.items()},
    )
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="reports",
            pipeline_root=str(root / "artifacts"),
            components=[*importers.values(), report],
            enable_cache=True,
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(root / "metadata.sqlite")
            ),
        )
    )
    return max((root / "artifacts/RunReport/report").iterdir(), key=lambda path: int(path.name))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, record: RunRecord) -> tuple[Path, Path, Path]:
    """The store's folder and the reports of two runs, the second of a model that is blessed."""
    root = tmp_path_factory.mktemp("reports")
    first = run_pipeline(root, write_artifacts(root / "first", record))
    verdict = {**record.verdict, "blessed": True, "falling_short": []}
    blessed = record.model_copy(update={"verdict": verdict})
    second = run_pipeline(root, write_artifacts(root / "second", blessed))
    return root, first, second


def read(folder: Path) -> RunRecord:
    return RunRecord.model_validate_json((folder / "report.json").read_bytes())


def test_the_report_holds_what_the_other_stages_left(
    reports: tuple[Path, Path, Path], record: RunRecord
) -> None:
    found = read(reports[1])
    for name in ("heads", "verdict", "training", "trials", "audit", "data", "answers", "check"):
        assert getattr(found, name) == getattr(record, name), name
    assert found.pushed == "/serving/1"
    assert found.vocabulary == 5
    assert found.card.contact == "nobody@example.org"
    assert found.drift == [
        {
            "head": "smoker",
            "measure": "largest change of a value's share",
            "value": 0.05,
            "threshold": 0.3,
        }
    ]


def test_the_three_files_are_one_artifact_of_the_store(reports: tuple[Path, Path, Path]) -> None:
    root, first, second = reports
    for folder in (first, second):
        assert {path.name for path in folder.iterdir()} == {
            "report.html",
            "report.json",
            "model_card.md",
        }
        assert (folder / "report.html").read_text().startswith("<!doctype html>")
    with sqlite3.connect(root / "metadata.sqlite") as store:
        rows = store.execute(
            "select a.uri from Artifact a join Type t on a.type_id = t.id "
            "where t.name = 'components.Report'"
        ).fetchall()
    assert {uri for (uri,) in rows} == {str(first), str(second)}


def test_the_first_run_knows_of_no_other(reports: tuple[Path, Path, Path]) -> None:
    found = read(reports[1])
    assert found.previous == {}
    assert found.created == found.history["run"] != ""


def test_the_second_run_knows_the_first_and_the_times_of_its_own_stages(
    reports: tuple[Path, Path, Path], record: RunRecord
) -> None:
    first, second = read(reports[1]), read(reports[2])
    assert second.verdict["blessed"]
    assert second.previous["run"] == first.created
    assert second.previous["verdict"] == record.verdict
    assert second.previous["training"] == record.training
    stages = {stage["stage"]: stage for stage in second.history["stages"]}
    assert set(stages) >= {"blessing", "model_run", "transform_graph"}
    assert "RunReport" not in stages
    assert all(stage["seconds"] >= 0 for stage in stages.values())


def test_an_unchanged_run_is_explained_anew(reports: tuple[Path, Path, Path]) -> None:
    root, _, second = reports
    folders = {path.name: path for path in (root / "second").iterdir()}
    third = run_pipeline(root, folders)
    assert third != second
    assert read(third).previous["run"] == read(second).created
