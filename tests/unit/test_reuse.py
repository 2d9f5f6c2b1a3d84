"""Earlier work that was damaged since: it is made again, and what is sound is reused."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto.metadata_store_pb2 import Artifact
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.digests import CONTENT_PROPERTY
from pipeline.lineage import read_last_run
from pipeline.local import ObservedDagRunner
from pipeline.store import Handle


@tfx.dsl.components.component
def Make(  # noqa: N802 - a component is named as a class
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    model_run: tfx.dsl.components.OutputArtifact[standard_artifacts.ModelRun],
) -> None:
    """Two outputs, of which one is empty."""
    os.makedirs(os.path.join(model.uri, "variables"), exist_ok=True)
    for name in ("saved_model.pb", "variables/data"):
        Path(model.uri, name).write_text(f"content of {name}")


@tfx.dsl.components.component
def Use(  # noqa: N802 - a component is named as a class
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    examples: tfx.dsl.components.OutputArtifact[standard_artifacts.Examples],
) -> None:
    """What another stage makes of it."""
    Path(examples.uri, "read").write_text(Path(model.uri, "variables", "data").read_text())


class Told:
    """An observer that is told nothing worth keeping."""

    def stage_started(self, stage: str) -> None:
        pass

    def stage_finished(self, stage: str, how: str) -> None:
        pass


class Runs:
    """Runs of one pipeline in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        )

    def run(self) -> list[str]:
        """Runs it once more; returns what was reused."""
        make = Make()
        use = Use(model=make.outputs["model"])
        ObservedDagRunner(Told()).run(
            tfx.dsl.Pipeline(
                pipeline_name="reuse",
                pipeline_root=str(self.folder / "artifacts"),
                components=[make, use],
                metadata_connection_config=self.connection,
                enable_cache=True,
            )
        )
        return sorted(read_last_run(self.connection, "reuse").reused)

    def path(self, node: str, key: str) -> Path:
        """An output of the last run."""
        return read_last_run(self.connection, "reuse").path(node, key)

    def models(self) -> list[Any]:
        """All models of the store, as they were made."""
        with Handle(self.connection) as handle:
            return list(handle.store.get_artifacts_by_type("Model"))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """After the first run."""
    runs = Runs(tmp_path)
    assert runs.run() == []
    return runs


def truncate(model: Path) -> None:
    os.truncate(model / "variables" / "data", 3)


def flip_a_bit(model: Path) -> None:
    path = model / "variables" / "data"
    before = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    # Of the same size and time as ever.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def take_a_file(model: Path) -> None:
    (model / "saved_model.pb").unlink()


def take_all_files(model: Path) -> None:
    shutil.rmtree(model / "variables")
    (model / "saved_model.pb").unlink()


def take_the_folder(model: Path) -> None:
    shutil.rmtree(model)


def add_a_file(model: Path) -> None:
    (model / "more").touch()


def put_a_folder(model: Path) -> None:
    (model / "saved_model.pb").unlink()
    (model / "saved_model.pb").mkdir()


def put_a_link(model: Path) -> None:
    (model / "saved_model.pb").rename(model.parent / "elsewhere")
    (model / "saved_model.pb").symlink_to(model.parent / "elsewhere")


def put_a_file(model: Path) -> None:
    shutil.rmtree(model)
    model.write_text("no folder")


DAMAGES = [
    truncate,
    flip_a_bit,
    take_a_file,
    take_all_files,
    take_the_folder,
    add_a_file,
    put_a_folder,
    put_a_link,
    put_a_file,
]


def test_what_is_as_it_was_is_reused_time_and_again(runs: Runs) -> None:
    (model,) = runs.models()
    assert model.custom_properties[CONTENT_PROPERTY].string_value.startswith("sha256:")
    assert runs.run() == runs.run() == ["Make", "Use"]
    assert runs.models() == [model]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_damaged_is_made_again_and_so_is_what_was_made_of_it(
    runs: Runs, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    first = runs.path("Make", "model")
    damage(first)
    with caplog.at_level(logging.WARNING, "authorprofile.reuse"):
        assert runs.run() == []
    second = runs.path("Make", "model")
    assert second != first
    assert (second / "variables" / "data").read_text() == "content of variables/data"
    if damage is not take_the_folder:
        # TFX's own cache sees that a folder is gone, and says nothing.
        assert [record.getMessage() for record in caplog.records if "runs again" in record.msg] == [
            f"cached output is damaged, the stage runs again: {first}"
        ]
        assert [model.state for model in runs.models()] == [Artifact.DELETED, Artifact.LIVE]
    assert runs.run() == ["Make", "Use"]


def test_what_another_stage_made_is_reused_where_only_the_last_is_damaged(runs: Runs) -> None:
    (runs.path("Use", "examples") / "read").unlink()
    assert runs.run() == ["Make"]
    assert (runs.path("Use", "examples") / "read").read_text() == "content of variables/data"


def test_of_two_equal_results_the_older_one_is_taken_where_the_newer_is_damaged(runs: Runs) -> None:
    first = runs.path("Make", "model")
    hidden = first.rename(first.with_name("hidden"))
    assert runs.run() == []
    second = runs.path("Make", "model")
    hidden.rename(first)
    truncate(second)
    assert runs.run() == ["Make", "Use"]
    assert runs.path("Make", "model") == first


def test_what_was_made_before_there_were_digests_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(tmp_path)
    monkeypatch.setattr("pipeline.reuse.content_digest", lambda address: "")
    runs.run()
    monkeypatch.undo()
    assert runs.run() == ["Make", "Use"]
