"""What of an earlier run a retraining may start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from components.digests import CONTENT_PROPERTY, content_digest
from components.training.warm_start import FOLDER, WEIGHTS_FILE
from pipeline.lineage import RunArtifacts
from pipeline.retraining.history import TrainingRun

CHOICE = "best_hyperparameters.txt"


def artifact(kind: type, folder: Path, file: str) -> Any:
    """An artifact with one file, as a run on this machine leaves it."""
    made = kind()
    made.uri = str(folder)
    (folder / file).parent.mkdir(parents=True)
    (folder / file).write_text("0.25")
    made.set_string_custom_property(CONTENT_PROPERTY, content_digest(made.uri))
    return made


@pytest.fixture
def artifacts(tmp_path: Path) -> RunArtifacts:
    network = artifact(
        standard_artifacts.ModelRun, tmp_path / "model_run", f"{FOLDER}/{WEIGHTS_FILE}"
    )
    choice = artifact(standard_artifacts.HyperParameters, tmp_path / "choice", CHOICE)
    made = {("Trainer", "model_run"): network, ("Tuner", "best_hyperparameters"): choice}
    return RunArtifacts(made, [])


def test_what_is_as_it_was_is_started_from(artifacts: RunArtifacts, tmp_path: Path) -> None:
    run = TrainingRun(artifacts)
    assert run.network == str(tmp_path / "model_run")
    assert run.choice == str(tmp_path / "choice" / CHOICE)


def test_what_was_damaged_since_is_not(
    artifacts: RunArtifacts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (tmp_path / "model_run" / FOLDER / WEIGHTS_FILE, tmp_path / "choice" / CHOICE):
        path.write_text("0.26")
    run = TrainingRun(artifacts)
    assert (run.network, run.choice) == ("", "")
    assert [record.args for record in caplog.records] == [
        (str(tmp_path / "model_run"),),
        (str(tmp_path / "choice"),),
    ]
