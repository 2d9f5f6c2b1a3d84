"""The folder of versions under a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.serving.server.refusals import Refusal
from components.serving.server.watch import Versions


@pytest.fixture
def folder(tmp_path: Path, toy_model: Path) -> Path:
    """A folder with version 7."""
    shutil.copytree(toy_model, tmp_path / "serving" / "7")
    return tmp_path / "serving"


def started(folder: Path, **options: Any) -> Versions:
    """Versions after the first look."""
    versions = Versions(folder, **options)
    versions.refresh()
    return versions


def number(versions: Versions) -> int | None:
    """The version in service."""
    return versions.current and versions.current.number


def test_a_new_version_takes_over_and_a_request_keeps_the_one_it_took(
    folder: Path, toy_model: Path
) -> None:
    versions = started(folder)
    taken = versions.take()
    shutil.copytree(toy_model, folder / "8")
    (folder / ".partial-9").mkdir()
    (folder / "10").mkdir()
    assert versions.refresh() is True
    assert number(versions) == 8
    shutil.rmtree(folder / "7")
    assert taken.number == 7
    assert taken.answer("posts", [b"I went home."])["age"].tolist() == [[23.0]]
    assert versions.refresh() is False


def no_graph(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"not a graph")


def no_description(folder: Path) -> None:
    (folder / "assets" / "heads.json").unlink()


def another_head(folder: Path) -> None:
    path = folder / "assets" / "heads.json"
    told = json.loads(path.read_text())
    told["heads"].append({"name": "mood", "kind": "regression"})
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("break_it", "cause"),
    [
        (no_graph, "it does not load"),
        (no_description, "the file is missing"),
        (another_head, r"must answer mood as float32 \(1, 1\); it does not"),
    ],
)
def test_a_broken_version_is_refused_and_the_old_one_stays(
    folder: Path, toy_model: Path, break_it: Callable[[Path], None], cause: str
) -> None:
    versions = started(folder)
    shutil.copytree(toy_model, folder / "8")
    break_it(folder / "8")
    assert versions.refresh() is False
    assert number(versions) == 7
    (reason,) = versions.refused.values()
    assert re.search(cause, reason)


def test_a_version_that_answers_no_number_is_refused(
    folder: Path, save_model: Callable[..., Path]
) -> None:
    def not_finite(texts: Any) -> dict[str, Any]:
        rows = tf.zeros([tf.size(texts), 1])
        return {"age": rows / rows, "income": tf.tile(rows + 0.25, [1, 4]), "gender": rows}

    save_model(folder / "8", not_finite)
    versions = started(folder)
    assert number(versions) == 7
    assert versions.refused == {8: "signature posts answers age with no number"}


def test_a_broken_version_is_tried_again_only_when_it_changed(
    folder: Path, toy_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(toy_model, folder / "8")
    no_graph(folder / "8")
    versions = started(folder)
    versions.refresh()
    assert sum("version 8 refused" in message for message in caplog.messages) == 1
    shutil.copy(toy_model / "saved_model.pb", folder / "8")
    os.utime(folder / "8", (2e9, 2e9))
    assert versions.refresh() is True
    assert (number(versions), versions.refused) == (8, {})


def test_where_the_newest_is_taken_out_the_one_before_it_serves_again(
    folder: Path, toy_model: Path
) -> None:
    shutil.copytree(toy_model, folder / "8")
    versions = started(folder)
    assert number(versions) == 8
    shutil.rmtree(folder / "8")
    assert versions.refresh() is True
    assert number(versions) == 7
    shutil.rmtree(folder / "7")
    assert versions.refresh() is False
    assert number(versions) == 7


def test_one_version_serves_by_its_own_folder(folder: Path) -> None:
    versions = started(folder / "7")
    assert (versions.is_single, number(versions)) == (True, 7)
    with pytest.raises(Refusal, match="The version in service is 7; '8' is not"):
        versions.take("8")


def test_a_version_the_settings_do_not_fit_is_refused(folder: Path) -> None:
    versions = started(folder, faults=lambda version: ["it does not fit"])
    assert (number(versions), versions.refused) == (None, {7: "it does not fit"})


def test_a_folder_without_a_model_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Give the folder that a run pushed to"):
        Versions(tmp_path)
