"""The schedule commands: what they write, and one plain line for each wrong word."""

import json

import pytest
from click.testing import CliRunner

from pipeline.cli import cli


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with posts and labels, which is the working directory."""
    (tmp_path / "posts-01.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "labels.csv").write_text("author_id,age\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(
        "posts: ['posts-{SPAN:2}.jsonl']\nlabels: [labels.csv]\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTHORPROFILE_SCHEDULES", raising=False)
    return tmp_path


def run(*words):
    return CliRunner().invoke(cli, ["schedule", *words])


CREATE = ("create", "daily", "config.yaml", "--out", "runs/mine", "--cron", "0 3 * * *")


def test_a_schedule_is_created_shown_paused_resumed_and_deleted(data):
    done = run(*CREATE, "--timezone", "Europe/Berlin", "--set", "tune=false")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("daily: created; next run ")
    job = json.loads((data / "runs/schedules/daily.json").read_text())
    definition = job["definition"]
    words = ["config.yaml", "--out", "runs/mine", "--set", "tune=false"]
    assert definition["command"] == ["retrain", *words]
    assert definition["directory"] == str(data)
    assert definition["out"] == str(data / "runs/mine")
    again = run(*CREATE, "--timezone", "Europe/Berlin", "--set", "tune=false")
    assert "daily: unchanged: it is there already, just so" in again.output
    assert run("pause", "daily").output == "daily: paused\n"
    listed = run("list").output
    assert "daily" in listed
    assert "paused" in listed
    assert run("resume", "daily").output.startswith("daily: resumed; next run ")
    assert run("delete", "daily").output == "daily: deleted\n"
    assert run("list").output == "No schedule in runs/schedules.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--cron", "0 3 * *"), "--cron must be five fields"),
        (("--timezone", "Mars/Base"), "--timezone must be a name of the IANA database"),
        (("--posts", "span-{SPAN}.jsonl"), "posts: no file matches span-{SPAN}.jsonl"),
        (("--set", "tune=perhaps"), "tune: "),
        (("--out", "labels.csv/out"), "out: must be a folder that can be written"),
        (("--target", "moon"), "--target"),
    ],
)
def test_what_is_wrong_ends_with_one_line_and_creates_nothing(data, words, named):
    done = run(*CREATE, *words)
    assert done.exit_code == 2
    *_, said = done.output.strip().splitlines()
    assert named in said
    assert not (data / "runs").exists()


@pytest.mark.parametrize("name", ["", "-x", "../up", "a b", "9lives", "x" * 64])
def test_a_name_that_could_not_be_everywhere_is_refused(data, name):
    done = run("create", "--cron", "0 3 * * *", "--", name, "config.yaml")
    assert done.exit_code == 2
    assert "must begin with a letter" in done.output


@pytest.mark.parametrize("command", ["pause", "resume", "delete", "run-now"])
def test_an_unknown_schedule_is_a_usage_error(data, command):
    done = run(command, "weekly")
    assert done.exit_code == 2
    assert "No schedule 'weekly'" in done.output
    assert "there: none." in done.output
