"""The way back to an earlier version: whole at once, followed by what serves, and forth again."""

import functools
import json
import os

import pytest
from click.testing import CliRunner

from components.serving.answering import ModelFolder
from components.serving.rollback import RollbackError, roll_back
from components.serving.versions import (
    MANIFEST_FILE,
    ROLLBACK_FILE,
    find_damage,
    model_versions,
    newest_version,
    origin,
    push_version,
    served_version,
    serving_order,
)
from pipeline.cli import cli
from tests.unit.serving.damage import list_digests

HEADS = {"separator": "|", "heads": [{"name": "age", "kind": "regression"}]}


def write_version(folder, number, content=None, quality=None, **beside):
    version = folder / str(number)
    (version / "assets").mkdir(parents=True)
    (version / "assets.extra").mkdir()
    (version / "saved_model.pb").write_text(content or f"model {number}")
    (version / "assets/heads.json").write_text(json.dumps(HEADS))
    if quality:
        told = {"age": {"metric": "mae", "value": quality, "lower": 3.0, "upper": 9.0}}
        told["age"] |= beside
        (version / "assets.extra/quality.json").write_text(json.dumps(told))
    return version


@pytest.fixture
def folder(tmp_path):
    for number in (1700000001, 1700000002, 1700000003):
        write_version(tmp_path, number, quality=number - 1700000000 + 3.25)
    return tmp_path


def serves(folder):
    """What the model that serves holds, by each of the ways in which it is found."""
    newest = ModelFolder(folder).found.path
    assert list(model_versions(folder).values())[-1] == newest
    assert newest.name == str(newest_version(folder))
    return (newest / "saved_model.pb").read_text()


def test_a_rollback_makes_the_version_before_the_newest(folder):
    done = roll_back(folder)
    assert done.model == 1700000002
    assert serves(folder) == "model 1700000002"
    assert served_version(folder) == 1700000002
    assert (folder / str(done.version) / "assets.extra/quality.json").is_file()
    # The versions stay as they were.
    assert (folder / "1700000003/saved_model.pb").read_text() == "model 1700000003"
    assert not (folder / "1700000002" / ROLLBACK_FILE).exists()
    assert not list(folder.glob(".partial-*"))


def test_a_second_rollback_goes_further_back_and_a_named_one_forth_again(folder):
    roll_back(folder)
    assert roll_back(folder).model == 1700000001
    assert serves(folder) == "model 1700000001"
    with pytest.raises(RollbackError, match="No version was pushed before 1700000001"):
        roll_back(folder)
    forth = roll_back(folder, 1700000003)
    assert serves(folder) == "model 1700000003"
    # A copy is known for what it is a copy of, also by its own number.
    with pytest.raises(RollbackError, match=f"Version {forth.version} serves already"):
        roll_back(folder, forth.version)
    assert roll_back(folder).model == 1700000002
    records = {path.parent.parent.name: path for path in folder.glob(f"*/{ROLLBACK_FILE}")}
    assert [json.loads(records[name].read_text())["version"] for name in sorted(records)] == [
        1700000002,
        1700000001,
        1700000003,
        1700000002,
    ]


def test_a_copy_serves_where_the_version_it_was_made_of_is_gone(folder):
    first = roll_back(folder)
    roll_back(folder, 1700000003)
    for path in sorted((folder / "1700000002").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "1700000002").rmdir()
    done = roll_back(folder, first.version)
    assert done.model == 1700000002
    assert serves(folder) == "model 1700000002"


def test_a_push_after_a_rollback_serves_and_is_no_rollback(folder, tmp_path_factory):
    roll_back(folder)
    model = write_version(tmp_path_factory.mktemp("new"), 1, content="model new")
    push = push_version(model, folder)
    assert push.is_new
    assert served_version(folder) == push.version
    assert serves(folder) == "model new"


def test_where_links_cannot_be_made_files_are_copied(folder, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    roll_back(folder)
    assert serves(folder) == "model 1700000002"


def test_a_crash_while_it_is_copied_leaves_what_served(folder, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(KeyboardInterrupt):
        roll_back(folder)
    assert serves(folder) == "model 1700000003"
    monkeypatch.undo()
    roll_back(folder)
    assert not list(folder.glob(".partial-*"))


def run(*words):
    return CliRunner().invoke(cli, ["models", *map(str, words)], env={"COLUMNS": "120"})


def test_the_list_shows_time_quality_and_what_serves(folder):
    (folder / "1700000009").mkdir()
    assert run("rollback", "--model", folder).exit_code == 0
    lines = run("list", "--model", folder).output.splitlines()
    (first,) = [line for line in lines if "1700000001" in line]
    assert "2023-11-14 22:13" in first
    assert "age mae 4.25 [3.00, 9.00]" in first
    assert "in service" not in first
    (served,) = [line for line in lines if "in service" in line]
    assert "rollback to 1700000002" in served
    assert [line for line in lines if "not whole" in line]


def test_the_list_shows_both_baselines_below_the_model_where_they_were_told(folder):
    baselines = {"linear_baseline": 4.5, "constant_baseline": 8.0}
    write_version(folder, 1700000004, quality=4.0, **baselines)
    output = run("list", "--model", folder).output
    _, newest = output.split("1700000004")
    told = ["mae 4.00 [3.00, 9.00]", "linear baseline 4.50", "constant baseline 8.00"]
    assert sorted(map(newest.index, told)) == list(map(newest.index, told))
    assert output.count("linear baseline") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rollback", "--to", "17"], "There is no version 17. There are 1700000001, 1700000002"),
        (["rollback", "--to", "1700000003"], "Version 1700000003 serves already"),
        (["rollback", "--to", "best"], "'best' is not a valid integer"),
    ],
)
def test_what_cannot_be_rolled_back_to_is_a_usage_error_and_changes_nothing(folder, words, said):
    before = sorted(path.name for path in folder.iterdir())
    done = run(*words, "--model", folder)
    assert done.exit_code == 2
    assert said in done.output
    assert sorted(path.name for path in folder.iterdir() if path.name != ".push-lock") == before


def test_a_folder_without_versions_and_one_version_are_named(folder, tmp_path_factory):
    for model, said in (
        (tmp_path_factory.mktemp("empty"), "must be a folder with a version in it"),
        (folder / "missing", "must be a folder with a version in it"),
        (folder / "1700000001", "must be the folder of versions, not one"),
    ):
        for command in ("list", "rollback"):
            done = run(command, "--model", model)
            assert done.exit_code == 2
            assert said in done.output


def damage(version):
    list_digests(version)
    (version / "saved_model.pb").write_text("something else")


def test_a_copy_keeps_the_digests_of_its_model(folder):
    list_digests(folder / "1700000002")
    copy = folder / str(roll_back(folder).version)
    assert find_damage(copy) == ""
    assert (copy / MANIFEST_FILE).read_text() == (folder / "1700000002" / MANIFEST_FILE).read_text()
    again = folder / str(roll_back(folder, 1700000003).version)
    assert not (again / MANIFEST_FILE).exists()


@pytest.mark.parametrize("to", [None, 1700000002])
def test_a_damaged_version_cannot_be_rolled_back_to(folder, to):
    damage(folder / "1700000002")
    before = sorted(path.name for path in folder.glob("1*"))
    with pytest.raises(RollbackError, match=r"Version 1700000002 is damaged"):
        roll_back(folder, to)
    assert sorted(path.name for path in folder.glob("1*")) == before
    assert roll_back(folder, 1700000001).model == 1700000001


def test_of_several_copies_an_undamaged_one_is_taken(folder):
    first = roll_back(folder).version
    roll_back(folder, 1700000003)
    (folder / str(first) / "saved_model.pb").unlink()
    damage(folder / str(first))
    assert roll_back(folder, 1700000002).model == 1700000002
    assert serves(folder) == "model 1700000002"


@pytest.mark.parametrize("content", ["", "{}", "[]", "no JSON", '{"version": null}', "\0"])
def test_a_damaged_record_of_a_rollback_leaves_a_way_back(folder, content):
    copy = folder / str(roll_back(folder).version)
    (copy / ROLLBACK_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"must name the version it was rolled back to.*--to"):
        roll_back(folder)
    with pytest.raises(ValueError, match="must name the version it was rolled back to"):
        served_version(folder)
    # It serves the model that people chose, whatever its record says.
    assert serves(folder) == "model 1700000002"
    assert roll_back(folder, 1700000001).model == 1700000001
    assert served_version(folder) == 1700000001


def test_what_is_damaged_gives_way_to_the_model_before_it_not_to_one_rolled_back_from(folder):
    numbers = [1700000001, 1700000002, 1700000003]
    own = functools.partial(origin, folder)
    assert serving_order(numbers, own) == [1700000003, 1700000002, 1700000001]
    copy = roll_back(folder).version
    order = [copy, 1700000002, 1700000001, 1700000003]
    assert serving_order([*numbers, copy], own) == order
    assert serving_order([], own) == []


def test_the_list_says_what_is_damaged_and_which_one_serves_in_its_place(folder):
    copy = roll_back(folder, 1700000002).version
    damage(folder / str(copy))
    (folder / "1700000003/assets/heads.json").write_text("{}")
    listed = run("list", "--model", folder)
    assert listed.exit_code == 0
    table = listed.output.replace("│", " ")
    said = " ".join(table.split())
    assert "damaged: saved_model.pb has changed" in said
    assert "damaged: a served model must describe its answers in assets/heads.json" in said
    (served,) = [line for line in table.splitlines() if "in service" in line]
    assert "1700000002" in served


@pytest.mark.parametrize("loses", ["content", "saved_model.pb"])
def test_where_a_rollback_is_damaged_everybody_names_the_same_model_in_its_place(folder, loses):
    copy = folder / str(roll_back(folder, 1700000001).version)
    damage(copy)
    if loses == "saved_model.pb":
        (copy / loses).unlink()
    # Not 1700000003, from which the rollback led away.
    assert ModelFolder(folder).found.path.name == "1700000001"
    assert served_version(folder) == 1700000001
    listed = run("list", "--model", folder).output.splitlines()
    (served,) = [line for line in listed if "in service" in line]
    assert "1700000001" in served


def test_a_damaged_record_does_not_keep_the_others_from_the_list(folder):
    copy = roll_back(folder).version
    (folder / str(copy) / ROLLBACK_FILE).write_text("{}")
    listed = run("list", "--model", folder)
    assert listed.exit_code == 0
    (served,) = [line for line in listed.output.splitlines() if "in service" in line]
    assert str(copy) in served and "rollback, its record is" in served
    done = run("rollback", "--model", folder)
    assert (done.exit_code, done.exception.__class__) == (1, SystemExit)
    assert "must name the version it was rolled back to" in done.output
    assert run("rollback", "--model", folder, "--to", "1700000001").exit_code == 0
