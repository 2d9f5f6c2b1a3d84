"""The push as the pipeline calls it: blessings heeded, properties recorded, buckets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.components import Pusher
from tfx.components.pusher import executor as stock_executor
from tfx.types import standard_artifacts

from components.digests import read_manifest
from components.serving.bucket import find_damage as find_damage_in_bucket
from components.serving.checked import LIST_FILE, write_checked
from components.serving.pusher import (
    VersionedPusher,
    VersionedPusherExecutor,
    measured_quality,
    push_model,
    with_manifest,
)
from components.serving.versions import find_damage, version_numbers
from tests.unit.serving.damage import DAMAGES


def write_model(folder: Path, weights: str) -> Path:
    """The output of a Trainer, as far as a push looks at it."""
    (folder / "Format-Serving" / "variables").mkdir(parents=True)
    (folder / "Format-Serving" / "saved_model.pb").write_text("graph")
    (folder / "Format-Serving" / "variables" / "data").write_text(weights)
    return folder


def artifact(kind: type, uri: Path, **properties: int) -> Any:
    """An artifact in memory."""
    made = kind()
    made.uri = str(uri)
    for name, value in properties.items():
        made.set_int_custom_property(name, value)
    return made


def push(model: Path, serving: str, archive: Path, model_blessed: int, infra_blessed: int) -> Any:
    """Runs the executor once; returns the PushedModel."""
    kinds = standard_artifacts
    pushed = artifact(kinds.PushedModel, archive)
    VersionedPusherExecutor().Do(
        {
            "model": [artifact(kinds.Model, model)],
            "model_blessing": [artifact(kinds.ModelBlessing, model, blessed=model_blessed)],
            "infra_blessing": [artifact(kinds.InfraBlessing, model, blessed=infra_blessed)],
        },
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps({"filesystem": {"base_directory": serving}})},
    )
    return pushed


def test_it_is_a_stock_pusher_to_whoever_asks() -> None:
    assert issubclass(VersionedPusher, Pusher)
    assert issubclass(VersionedPusher.EXECUTOR_SPEC.executor_class, stock_executor.Executor)


@pytest.mark.parametrize(("model_blessed", "infra_blessed"), [(0, 1), (1, 0)])
def test_either_blessing_withheld_stops_the_push(
    tmp_path: Path, model_blessed: int, infra_blessed: int
) -> None:
    model = write_model(tmp_path / "model", "one")
    serving = tmp_path / "serving"
    pushed = push(model, str(serving), tmp_path / "archive", model_blessed, infra_blessed)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not serving.exists()


def test_a_push_repeated_after_its_record_was_lost_records_the_version_there_is(
    tmp_path: Path,
) -> None:
    model, serving = write_model(tmp_path / "model", "one"), tmp_path / "serving"
    first = push(model, str(serving), tmp_path / "archive1", 1, 1)
    again = push(model, str(serving), tmp_path / "archive2", 1, 1)
    (version,) = (name for name in os.listdir(serving) if name.isdecimal())
    for pushed in (first, again):
        assert pushed.get_int_custom_property("pushed") == 1
        assert pushed.get_string_custom_property("pushed_version") == version
        assert pushed.get_string_custom_property("pushed_destination") == str(serving / version)
        assert Path(pushed.uri, "variables", "data").read_text() == "one"


def test_a_push_without_a_folder_of_versions_says_what_to_set(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "one")
    with pytest.raises(ValueError, match=r"must name a filesystem\.base_directory"):
        push(model, "", tmp_path / "archive", 1, 1)


def test_a_bucket_gets_the_file_that_makes_a_version_last(tmp_path: Path) -> None:
    one, two = (str(write_model(tmp_path / n, n) / "Format-Serving") for n in ("one", "two"))
    tf.io.gfile.makedirs("ram://push/serving/9999999999/variables")
    first = push_model(one, "ram://push/serving")
    assert first == (10_000_000_000, True)
    assert push_model(one, "ram://push/serving") == (10_000_000_000, False)
    assert push_model(two, "ram://push/serving") == (10_000_000_001, True)
    with tf.io.gfile.GFile("ram://push/serving/10000000001/variables/data") as file:
        assert file.read() == "two"


def test_a_bucket_push_that_breaks_off_leaves_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(write_model(tmp_path / "model", "one") / "Format-Serving")
    copy: Callable[..., None] = tf.io.gfile.copy

    def break_off(source: str, target: str, overwrite: bool = False) -> None:
        if source.endswith("saved_model.pb"):
            raise ConnectionError("the network is gone")
        copy(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "copy", break_off)
    with pytest.raises(ConnectionError):
        push_model(model, "ram://broken/serving")
    monkeypatch.undo()
    (half,) = tf.io.gfile.listdir("ram://broken/serving")
    assert tf.io.gfile.listdir(f"ram://broken/serving/{half}") == ["variables"]
    assert push_model(model, "ram://broken/serving").version > int(half)


def test_a_model_on_a_bucket_is_pushed_to_a_folder(tmp_path: Path) -> None:
    tf.io.gfile.makedirs("ram://source/model/variables")
    for name in ("saved_model.pb", "variables/data"):
        with tf.io.gfile.GFile(f"ram://source/model/{name}", "w") as file:
            file.write(name)
    version = push_model("ram://source/model", str(tmp_path / "serving")).version
    assert (tmp_path / "serving" / str(version) / "variables" / "data").read_text() == (
        "variables/data"
    )


def head(name: str, kind: str, **metrics: Any) -> dict[str, Any]:
    """A head of a verdict, as far as a push looks at it."""
    return {
        "name": name,
        "kind": kind,
        "metrics": {
            metric: {"value": value, "lower": lower, "upper": upper}
            for metric, (value, lower, upper) in metrics.items()
        },
    }


VERDICT = {
    "heads": [
        head("age", "regression", bias=(0.1, 0.0, 0.2), mae=(4.1, 3.8, 4.5)),
        head("income", "classes", accuracy=(0.2, None, None), top_2=(0.4, 0.3, 0.5)),
        head("gender", "binary", auc=(None, None, None)),
    ]
}
QUALITY = {
    "age": {"metric": "mae", "value": 4.1, "lower": 3.8, "upper": 4.5},
    "income": {"metric": "top_2", "value": 0.4, "lower": 0.3, "upper": 0.5},
}


def test_a_head_measured_by_its_leading_metric_or_the_first_that_has_an_interval() -> None:
    assert measured_quality(VERDICT) == QUALITY


def test_what_both_baselines_measured_stands_beside_it() -> None:
    age = head("age", "regression", mae=(4.1, 3.8, 4.5))
    linear = {"metrics": {"mae": {"value": 4.4, "lower": 4.0, "upper": 4.8}}}
    judged = {**age, "constant": {"mae": 8.2, "rmse": 10.1}, "linear_baseline": linear}
    quality = measured_quality(
        {"heads": [judged, {**judged, "name": "h", "linear_baseline": None}]}
    )
    assert quality["age"] == QUALITY["age"] | {"linear_baseline": 4.4, "constant_baseline": 8.2}
    assert quality["h"] == QUALITY["age"] | {"constant_baseline": 8.2}


def test_a_version_says_how_good_it_measured_and_loads_as_before(
    toy_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "Format-Serving").symlink_to(toy_model)
    (tmp_path / "model" / "verdict.json").write_text(json.dumps(VERDICT))
    serving = tmp_path / "serving"
    pushed = push(tmp_path / "model", str(serving), tmp_path / "archive", 1, 1)
    version = Path(pushed.get_string_custom_property("pushed_destination"))
    assert json.loads((version / "assets.extra" / "quality.json").read_text()) == QUALITY
    answers = tf.saved_model.load(str(version)).signatures["posts"](posts=tf.constant(["a b"]))
    assert answers["age"].numpy().tolist() == [[22.0]]


def test_a_version_in_a_bucket_says_it_too(tmp_path: Path) -> None:
    model = str(write_model(tmp_path / "model", "one") / "Format-Serving")
    beside = {"assets.extra/quality.json": b"good"}
    version = push_model(model, "ram://quality/serving", beside).version
    with tf.io.gfile.GFile(f"ram://quality/serving/{version}/assets.extra/quality.json") as file:
        assert file.read() == "good"
    assert push_model(model, "ram://quality/serving", beside) == (version, False)
    beside = {"assets.extra/quality.json": b"fair"}
    assert push_model(model, "ram://quality/serving", beside).is_new


def checked(toy_model: Path, folder: Path) -> tuple[Path, Any]:
    """A Trainer's output and its blessing, as the serving check leaves it."""
    shutil.copytree(toy_model, folder / "model" / "Format-Serving")
    (folder / "blessing").mkdir()
    blessing = artifact(standard_artifacts.InfraBlessing, folder / "blessing", blessed=1)
    write_checked(blessing, read_manifest(folder / "model" / "Format-Serving"))
    return folder / "model", blessing


def push_checked(model: Path, blessing: Any, serving: str, archive: Path) -> str:
    """Runs the executor once; returns the version's path."""
    pushed = artifact(standard_artifacts.PushedModel, archive)
    VersionedPusherExecutor().Do(
        {
            "model": [artifact(standard_artifacts.Model, model)],
            "infra_blessing": [blessing],
        },
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps({"filesystem": {"base_directory": serving}})},
    )
    return str(pushed.get_string_custom_property("pushed_destination"))


def test_a_version_carries_digests_that_people_can_check(toy_model: Path, tmp_path: Path) -> None:
    model, blessing = checked(toy_model, tmp_path)
    version = push_checked(model, blessing, str(tmp_path / "serving"), tmp_path / "archive")
    check = ["sha256sum", "--strict", "--quiet", "-c", "assets.extra/SHA256SUMS"]
    subprocess.run(check, cwd=version, check=True)
    assert find_damage(Path(version)) == ""
    assert tf.saved_model.load(version).signatures["posts"](posts=tf.constant(["a b"]))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("bucket", ["", "ram://damaged-"])
def test_a_model_that_was_damaged_after_its_check_is_not_pushed(
    toy_model: Path, tmp_path: Path, damage: Callable[[Path], str], bucket: str
) -> None:
    model, blessing = checked(toy_model, tmp_path)
    named = damage(model / "Format-Serving")
    serving = f"{bucket}{tmp_path.name}/serving" if bucket else str(tmp_path / "serving")
    with pytest.raises(ValueError, match="Run the same command again") as raised:
        push_checked(model, blessing, serving, tmp_path / "archive")
    assert named in str(raised.value)
    assert not tf.io.gfile.exists(serving)


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"0" * 64 + b"  saved_model.pb\n"])
def test_a_list_of_digests_that_is_not_the_checks_own_stops_the_push(
    toy_model: Path, tmp_path: Path, content: bytes | None
) -> None:
    model, blessing = checked(toy_model, tmp_path)
    path = Path(blessing.uri, LIST_FILE)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="must be unchanged since the serving check; it is not"):
        push_checked(model, blessing, str(tmp_path / "serving"), tmp_path / "archive")
    assert not (tmp_path / "serving").exists()


def test_a_copy_that_is_not_what_was_written_never_becomes_a_version(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, blessing = checked(toy_model, tmp_path)
    serving, copy = tmp_path / "serving", shutil.copyfile

    def cut_short(source: Any, target: Any, **options: Any) -> Any:
        copy(source, target, **options)
        if Path(target).name == "saved_model.pb":
            os.truncate(target, 10)
        return target

    monkeypatch.setattr(shutil, "copyfile", cut_short)
    with pytest.raises(OSError, match=r"saved_model\.pb has changed. Nothing was pushed"):
        push_checked(model, blessing, str(serving), tmp_path / "archive")
    assert version_numbers(os.listdir(serving)) == []
    monkeypatch.undo()
    push_checked(model, blessing, str(serving), tmp_path / "archive")
    assert len(os.listdir(serving)) == 2


@pytest.mark.parametrize("name", ["saved_model.pb", "data"])
def test_a_copy_in_a_bucket_that_is_not_what_was_written_is_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model = write_model(tmp_path / "model", "one") / "Format-Serving"
    beside = with_manifest(read_manifest(model), {"assets.extra/quality.json": b"good"})
    copy: Callable[..., None] = tf.io.gfile.copy

    def cut_short(source: str, target: str, overwrite: bool = False) -> None:
        copy(source, target, overwrite)
        if target.endswith(name):
            with tf.io.gfile.GFile(target, "w") as file:
                file.write("o")

    monkeypatch.setattr(tf.io.gfile, "copy", cut_short)
    serving = f"ram://{tmp_path.name}/serving"
    with pytest.raises(OSError, match=f"{name} has changed. Nothing was pushed"):
        push_model(str(model), serving, beside)
    (half,) = tf.io.gfile.listdir(serving)
    assert not tf.io.gfile.exists(f"{serving}/{half}/saved_model.pb")
    monkeypatch.undo()
    version = push_model(str(model), serving, beside).version
    assert version > int(half.rstrip("/"))
    assert find_damage_in_bucket(f"{serving}/{version}") == ""
    assert push_model(str(model), serving, beside) == (version, False)


def test_a_blessing_of_before_there_were_digests_is_heeded(
    toy_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = checked(toy_model, tmp_path)
    blessing = artifact(standard_artifacts.InfraBlessing, tmp_path / "blessing", blessed=1)
    version = push_checked(model, blessing, str(tmp_path / "serving"), tmp_path / "archive")
    assert find_damage(Path(version)) == ""
    assert "the serving check recorded no digest" in caplog.text


def test_a_version_that_was_damaged_is_pushed_anew(toy_model: Path, tmp_path: Path) -> None:
    model, blessing = checked(toy_model, tmp_path)
    first = push_checked(model, blessing, str(tmp_path / "serving"), tmp_path / "archive")
    os.truncate(Path(first, "saved_model.pb"), 10)
    second = push_checked(model, blessing, str(tmp_path / "serving"), tmp_path / "archive2")
    assert Path(second).name > Path(first).name
    assert find_damage(Path(second)) == ""
