"""A folder of versions stays whole, whatever happens to a push."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.serving.versions import Push, newest_version, push_version

PUSH = "import sys, pathlib; from components.serving.versions import push_version as push; "
PUSH += "print(push(*map(pathlib.Path, sys.argv[1:])).version)"
# The interpreter tells an audit hook of every copy, rename and open before it does them.
KILL = """
import os, signal, sys
def kill(event, arguments):
    if event == "{event}" and str(arguments[0]).endswith("{ending}"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
"""


def write_model(folder: Path, weights: bytes, shards: int = 1) -> Path:
    """A folder with the shape of a SavedModel; nothing here reads its content."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    for shard in range(shards):
        (folder / "variables" / f"variables.data-{shard:05}").write_bytes(weights)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def versions_in(destination: Path) -> list[int]:
    """Folders that a model server would take for versions."""
    return sorted(int(name) for name in os.listdir(destination) if name.isdecimal())


def start_push(model: Path, destination: Path, beforehand: str = "") -> subprocess.Popen[bytes]:
    """A push in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", beforehand + PUSH, str(model), str(destination)],
        stdout=subprocess.PIPE,
    )


def test_a_push_makes_a_whole_version_numbered_by_time(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", b"one")
    before = int(time.time())
    push = push_version(model, tmp_path / "serving" / "profile")
    assert push.is_new
    assert before <= push.version <= int(time.time())
    assert content(tmp_path / "serving" / "profile" / str(push.version)) == {
        "saved_model.pb": b"graph",
        "variables/variables.data-00000": b"one",
    }


def test_a_version_is_above_all_before_it_even_where_the_clock_went_back(tmp_path: Path) -> None:
    write_model(tmp_path / "serving" / "9999999999", b"old")
    model = write_model(tmp_path / "model", b"new")
    assert push_version(model, tmp_path / "serving") == Push(10_000_000_000, is_new=True)


def test_pushes_within_a_second_and_a_return_to_an_older_model_are_versions_of_their_own(
    tmp_path: Path,
) -> None:
    one, two = (write_model(tmp_path / name, name.encode()) for name in ("one", "two"))
    pushes = [push_version(model, tmp_path / "serving") for model in (one, two, one)]
    assert [push.is_new for push in pushes] == [True, True, True]
    assert versions_in(tmp_path / "serving") == [push.version for push in pushes]
    assert pushes[0].version < pushes[1].version < pushes[2].version


def test_the_model_in_service_is_not_pushed_again(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", b"one")
    first = push_version(model, tmp_path / "serving")
    assert push_version(model, tmp_path / "serving") == Push(first.version, is_new=False)
    assert versions_in(tmp_path / "serving") == [first.version]


def test_a_version_that_was_damaged_is_not_taken_for_the_model(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", b"one")
    first = push_version(model, tmp_path / "serving")
    weights = tmp_path / "serving" / str(first.version) / "variables" / "variables.data-00000"
    weights.write_bytes(b"0ne")
    assert push_version(model, tmp_path / "serving").is_new


def test_what_a_killed_push_left_goes_and_the_rest_of_the_folder_stays(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    write_model(serving / ".partial-5", b"half")
    (serving / "notes.txt").write_text("keep")
    version = push_version(write_model(tmp_path / "model", b"one"), serving).version
    assert sorted(os.listdir(serving)) == sorted([".push-lock", str(version), "notes.txt"])


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"must hold saved_model\.pb; .*/nothing does not"):
        push_version(tmp_path / "nothing", tmp_path / "serving")
    assert not (tmp_path / "serving").exists()


def test_the_newest_version_is_the_highest_number_that_holds_a_model(tmp_path: Path) -> None:
    assert newest_version(tmp_path) is None
    for name in ("9", "10", ".partial-11", "latest"):
        write_model(tmp_path / name, b"")
    (tmp_path / "12").mkdir()
    assert newest_version(tmp_path) == 10


def test_pushes_at_the_same_time_are_versions_of_their_own_and_whole(tmp_path: Path) -> None:
    models = [write_model(tmp_path / f"model{n}", bytes([n]) * 65_536, 20) for n in range(4)]
    pushes = [start_push(model, tmp_path / "serving") for model in models]
    printed = [int(push.communicate()[0]) for push in pushes]
    assert sorted(printed) == versions_in(tmp_path / "serving")
    for model, version in zip(models, printed, strict=True):
        assert content(tmp_path / "serving" / str(version)) == content(model)


@pytest.mark.parametrize(
    ("event", "ending", "whole_versions"),
    [
        ("shutil.copyfile", "variables.data-00002", 0),
        ("os.rename", "", 0),
        ("open", "/serving", 1),
    ],
    ids=["while it copies", "before the rename", "after the rename"],
)
def test_a_killed_push_leaves_only_whole_versions_and_the_next_one_completes_it(
    tmp_path: Path, event: str, ending: str, whole_versions: int
) -> None:
    model, serving = write_model(tmp_path / "model", b"weights", shards=5), tmp_path / "serving"
    push = start_push(model, serving, KILL.format(event=event, ending=ending))
    assert push.wait() == -signal.SIGKILL
    assert len(versions_in(serving)) == whole_versions
    assert len(list(serving.glob(".partial-*"))) == 1 - whole_versions
    assert push_version(model, serving).is_new == (whole_versions == 0)
    (version,) = versions_in(serving)
    assert sorted(os.listdir(serving)) == sorted([".push-lock", str(version)])
    assert content(serving / str(version)) == content(model)


def test_what_is_beside_the_model_belongs_to_the_version(tmp_path: Path) -> None:
    model, serving = write_model(tmp_path / "model", b"one"), tmp_path / "serving"
    first = push_version(model, serving, {"assets.extra/quality.json": b"good"})
    assert content(serving / str(first.version)) == {
        "saved_model.pb": b"graph",
        "variables/variables.data-00000": b"one",
        "assets.extra/quality.json": b"good",
    }
    assert not push_version(model, serving, {"assets.extra/quality.json": b"good"}).is_new
    assert push_version(model, serving, {"assets.extra/quality.json": b"fair"}).is_new
    assert push_version(model, serving).is_new


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_push_to_a_storage_without_locks_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    told = f"serving/.push-lock must be a file that can be locked.*: {os.strerror(number)}"
    with pytest.raises(OSError, match=told):
        push_version(write_model(tmp_path / "model", b"one"), tmp_path / "serving")
    assert newest_version(tmp_path / "serving") is None
