"""The folder of versions under a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.serving.rollback import roll_back
from components.serving.server import watch
from components.serving.server.refusals import Refusal
from components.serving.server.watch import State, Versions
from components.serving.versions import MANIFEST_FILE
from tests.unit.serving.damage import DAMAGES, list_digests


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


def without(key: str, head: int | None = None) -> Callable[[Path], None]:
    """Takes a key out of a version's `heads.json`, or out of one of its heads."""

    def take_out(folder: Path) -> None:
        path = folder / "assets" / "heads.json"
        told = json.loads(path.read_text())
        del (told if head is None else told["heads"][head])[key]
        path.write_text(json.dumps(told))

    return take_out


def no_access(folder: Path) -> None:
    (folder / "assets" / "heads.json").unlink()
    (folder / "assets" / "heads.json").mkdir()


def a_head_the_signature_lacks(folder: Path) -> None:
    path = folder / "assets" / "heads.json"
    path.write_text(path.read_text().replace('"age"', '"years"'))


def no_weights(folder: Path) -> None:
    for path in (folder / "variables").iterdir():
        path.write_bytes(b"")


BROKEN = {
    "no graph": no_graph,
    "no description": no_description,
    "no kind": without("kind", 0),
    "no name": without("name", 1),
    "no classes": without("classes", 1),
    "no positive": without("positive", 2),
    "no negative": without("negative", 2),
    "no heads": without("heads"),
    "no separator": without("separator"),
    "not readable": no_access,
    "another head": another_head,
    "a head renamed": a_head_the_signature_lacks,
    "no variables": lambda folder: shutil.rmtree(folder / "variables"),
    "empty variables": no_weights,
}


@pytest.fixture
def watched(folder: Path) -> Iterator[Versions]:
    """Versions that are looked at twenty times a second."""
    versions = started(folder)
    versions.start(0.05)
    yield versions
    versions.stop()


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def arrive(model: Path, folder: Path, number: int, spoil: Callable[[Path], Any]) -> None:
    """Makes a spoilt copy of a model a version, all at once."""
    partial = folder / f".partial-{number}"
    shutil.copytree(model, partial)
    spoil(partial)
    partial.rename(folder / str(number))


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_version_that_fails_in_any_way_does_not_hold_up_the_next_one(
    watched: Versions, folder: Path, toy_model: Path, spoil: Callable[[Path], Any]
) -> None:
    arrive(toy_model, folder, 8, spoil)
    until(lambda: 8 in watched.refused)
    assert number(watched) == 7
    assert watched.states("8") == [State(8, watched.refused[8])]
    assert watched.fault() == watched.look_fault == ""
    arrive(toy_model, folder, 9, lambda _: None)
    until(lambda: number(watched) == 9)
    assert [state.number for state in watched.states()] == [9, 8]


@pytest.mark.parametrize(
    "spoil", [no_graph, another_head, no_access, without("classes", 1), without("heads")]
)
def test_at_the_start_too_a_sound_version_serves(
    folder: Path, toy_model: Path, spoil: Callable[[Path], Any]
) -> None:
    arrive(toy_model, folder, 8, spoil)
    versions = started(folder)
    assert (number(versions), list(versions.refused)) == (7, [8])


def test_an_error_that_nobody_thought_of_is_the_versions_state(
    folder: Path, toy_model: Path
) -> None:
    def forget(version: Any) -> list[str]:
        return [] if version.number == 7 else [{}["a key"]]

    shutil.copytree(toy_model, folder / "8")
    versions = started(folder, faults=forget)
    assert number(versions) == 7
    assert versions.refused == {8: "it does not load: KeyError: 'a key'"}


def test_a_version_that_goes_while_it_is_loaded_is_refused_and_then_forgotten(
    folder: Path, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toy_model, folder / "8")

    def go(version: Path) -> str:
        shutil.rmtree(folder / "8", ignore_errors=True)
        return ""

    monkeypatch.setattr("components.serving.server.loaded.find_damage", go)
    versions = started(folder)
    assert (number(versions), list(versions.refused)) == (7, [8])
    monkeypatch.undo()
    versions.refresh()
    assert (number(versions), versions.refused) == (7, {})


def test_a_link_that_leads_nowhere_does_not_stop_the_look(folder: Path, toy_model: Path) -> None:
    shutil.copytree(toy_model, folder / "8")
    (folder / "8" / "assets" / "more").symlink_to(folder / "gone")
    versions = started(folder)
    assert number(versions) == 8


def test_what_failed_is_tried_again_after_a_while_though_nothing_changed(
    folder: Path, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toy_model, folder / "8")
    failing = ["out of memory"]
    versions = started(folder, faults=lambda version: failing if version.number == 8 else [])
    failing.clear()
    versions.refresh()
    assert number(versions) == 7
    later = time.monotonic() + watch.FIRST_RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    versions.refresh()
    assert (number(versions), versions.refused) == (8, {})


def test_a_folder_that_goes_and_comes_back_is_watched_all_the_while(
    watched: Versions, folder: Path, toy_model: Path
) -> None:
    away = folder.with_name("away")
    folder.rename(away)
    until(lambda: "fault" in watched.last_look())
    assert "is no folder any more" in watched.last_look()["fault"]
    assert number(watched) == 7
    arrive(toy_model, away, 8, lambda _: None)
    away.rename(folder)
    until(lambda: number(watched) == 8)
    until(lambda: "fault" not in watched.last_look())


def test_a_look_that_raises_is_in_the_health_and_does_not_end_the_watch(
    watched: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> dict[int, Path]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(watch, "model_versions", fail)
    until(lambda: "fault" in watched.last_look())
    assert "Permission denied" in watched.last_look()["fault"]
    # It may be read again; another process could not do better.
    assert watched.fault() == ""
    monkeypatch.undo()
    until(lambda: "fault" not in watched.last_look())


def test_a_watch_that_ends_no_look_is_told(
    watched: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    watched.stop()
    monkeypatch.setattr(watched._stopped, "is_set", lambda: False)
    until(lambda: not watched._thread.is_alive())
    assert "Start the server again" in watched.fault()
    monkeypatch.setattr(watched._thread, "is_alive", lambda: True)
    assert watched.fault() == ""
    monkeypatch.setattr(time, "monotonic", lambda: now + watch.SHORTEST_SILENCE_SECONDS + 9)
    assert re.search(r"the last look ended 12\d seconds ago", watched.fault())


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_version_is_refused_and_the_one_before_it_serves(
    folder: Path, toy_model: Path, damage: Callable[[Path], str]
) -> None:
    shutil.copytree(toy_model, folder / "8")
    list_digests(folder / "8")
    assert number(started(folder)) == 8
    named = damage(folder / "8")
    versions = started(folder)
    assert (number(versions), list(versions.refused)) == (7, [8])
    assert "it is damaged: " in versions.refused[8] and named in versions.refused[8]
    shutil.rmtree(folder / "8")
    shutil.copytree(toy_model, folder / "8")
    list_digests(folder / "8")
    versions.refresh()
    assert (number(versions), versions.refused) == (8, {})


def test_after_a_rollback_that_is_damaged_what_was_rolled_back_from_does_not_serve(
    folder: Path, toy_model: Path
) -> None:
    for version in ("8", "9"):
        shutil.copytree(toy_model, folder / version)
        list_digests(folder / version)
    copy = roll_back(folder).version
    (folder / str(copy) / MANIFEST_FILE).unlink()
    (folder / str(copy) / MANIFEST_FILE).write_text("nothing of use")
    versions = started(folder)
    assert (number(versions), list(versions.refused)) == (8, [copy])
