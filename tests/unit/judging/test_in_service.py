"""The model in service, found in the folder of pushed versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.judging.in_service import (
    ModelInServiceExecutor,
    is_empty,
    newest_other_version,
)
from components.serving.bucket import read_manifest


def write_model(folder: str, name: str) -> str:
    tf.io.gfile.makedirs(f"{folder}/variables")
    for file in ("saved_model.pb", "fingerprint.pb", "variables/data"):
        with tf.io.gfile.GFile(f"{folder}/{file}", "w") as written:
            written.write(f"{name} {file}")
    return folder


@pytest.fixture(name="serving", params=["folder", "bucket"])
def give_serving(request, tmp_path):
    """A folder, or TensorFlow's file system in memory in place of a bucket."""
    return str(tmp_path / "serving") if request.param == "folder" else f"ram://{tmp_path}/serving"


def model(uri: str) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.uri = uri
    artifact.set_string_custom_property("tfx_version", "1.21.0")
    return artifact


def test_the_newest_whole_version_is_in_service(serving, tmp_path):
    candidate = write_model(str(tmp_path / "candidate"), "candidate")
    assert newest_other_version(serving, candidate) == ""
    for number in (9, 10):
        write_model(f"{serving}/{number}", f"version {number}")
    # Under way, or of another make.
    tf.io.gfile.makedirs(f"{serving}/11")
    write_model(f"{serving}/notes", "notes")
    assert newest_other_version(serving, candidate) == f"{serving}/10"


def test_a_model_is_not_judged_against_itself(serving, tmp_path):
    candidate = write_model(str(tmp_path / "candidate"), "the same")
    write_model(f"{serving}/9", "before")
    write_model(f"{serving}/10", "the same")
    assert newest_other_version(serving, candidate) == f"{serving}/9"


def test_a_damaged_version_is_judged_against_no_more(serving, tmp_path, caplog):
    candidate = write_model(str(tmp_path / "candidate"), "candidate")
    for number in (9, 10):
        version = write_model(f"{serving}/{number}", f"version {number}")
        listed = read_manifest(version).text
        tf.io.gfile.makedirs(f"{version}/assets.extra")
        with tf.io.gfile.GFile(f"{version}/assets.extra/SHA256SUMS", "w") as file:
            file.write(listed)
    assert newest_other_version(serving, candidate) == f"{serving}/10"
    tf.io.gfile.remove(f"{serving}/10/variables/data")
    assert newest_other_version(serving, candidate) == f"{serving}/9"
    assert "is damaged: variables/data is missing" in caplog.text


def test_where_a_rollback_is_damaged_its_model_is_judged_against(serving, tmp_path):
    candidate = write_model(str(tmp_path / "candidate"), "candidate")
    for number in (8, 9):
        write_model(f"{serving}/{number}", f"version {number}")
    copy = write_model(f"{serving}/10", "version 8")
    listed = read_manifest(copy).text
    tf.io.gfile.makedirs(f"{copy}/assets.extra")
    for name, content in (("SHA256SUMS", listed), ("rollback.json", '{"version": 8}')):
        with tf.io.gfile.GFile(f"{copy}/assets.extra/{name}", "w") as file:
            file.write(content)
    assert newest_other_version(serving, candidate) == f"{serving}/10"
    tf.io.gfile.remove(f"{copy}/variables/data")
    assert newest_other_version(serving, candidate) == f"{serving}/8"


def test_the_version_is_copied_and_named(serving, tmp_path):
    trained = write_model(str(tmp_path / "trained/Format-Serving"), "new")
    write_model(f"{serving}/7", "old")
    found = model(str(tmp_path / "found"))
    run(Path(trained).parent, found, serving)
    assert json.loads((tmp_path / "found/in_service.json").read_text()) == {
        "version": f"{serving}/7"
    }
    copied = tmp_path / "found/Format-Serving/variables/data"
    assert copied.read_text() == "old variables/data"
    assert not is_empty(found)


def test_nothing_in_service_is_said_so(serving, tmp_path):
    trained = write_model(str(tmp_path / "trained/Format-Serving"), "new")
    found = model(str(tmp_path / "found"))
    run(Path(trained).parent, found, serving)
    assert is_empty(found)


def test_a_model_of_the_store_is_not_taken_for_empty(tmp_path):
    write_model(str(tmp_path / "Format-Serving"), "resolved")
    assert not is_empty(model(str(tmp_path)))


def run(trained: Path, found: standard_artifacts.Model, serving: str) -> None:
    ModelInServiceExecutor().Do(
        {"candidate": [model(str(trained))]}, {"model": [found]}, {"destination": serving}
    )
