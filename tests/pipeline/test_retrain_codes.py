"""`authorprofile retrain` in processes of its own, one folder: how each ends, and its last line."""

from __future__ import annotations

import csv
import json

import pytest
from command import TINY, run_command
from daily import write_day

SETTINGS = [*TINY, "tune=false", "training.epochs=1"]


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("codes")


@pytest.fixture(name="retrain")
def retrain_in(folder):
    """Runs the command; its code, its last line, and the state of its decision."""

    def run(*settings):
        given = ["--posts", folder / "data/{SPAN:2}/posts.jsonl"]
        given += ["--labels", folder / "data/{SPAN:2}/labels.csv", "--heads", "age,gender"]
        words = ["retrain", *given, "--out", folder / "out"]
        done = run_command(*words, settings=[*SETTINGS, *settings])
        state = json.loads((folder / "out/retraining.json").read_text())["state"]
        said = (done.stdout + done.stderr).strip().splitlines()
        return done.returncode, said, state

    return run


def test_a_training_that_fails_ends_with_code_1_and_its_stage(folder, retrain):
    labels = write_day(folder / "data", 1) / "labels.csv"
    with labels.open(newline="") as file:
        rows = [{**row, "age": ""} for row in csv.DictReader(file)]
    with labels.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["author_id", "age", "gender"])
        writer.writeheader()
        writer.writerows(rows)
    code, said, state = retrain()
    assert (code, state) == (1, "failed"), said
    # The console breaks lines where its width asks for it.
    assert "leave it out: --heads gender" in " ".join(" ".join(said).split())
    assert (folder / "out/report.html").exists()


def test_a_model_that_is_not_blessed_ends_with_code_3(folder, retrain):
    write_day(folder / "data", 2)
    code, said, state = retrain("judging.minimum_skill=0.999")
    assert (code, state) == (3, "ended"), said
    assert said[-1].startswith("training: nothing was trained yet: not pushed, blocked by")
    assert not [*(folder / "out").glob("serving/*/saved_model.pb")]


def test_a_newest_span_that_cannot_be_used_ends_with_code_1_and_trains_nothing(folder, retrain):
    posts = write_day(folder / "data", 3) / "posts.jsonl"
    posts.write_text(posts.read_text().replace('"text"', "text", 200))
    code, said, state = retrain()
    assert (code, state) == (1, "blocked"), said
    assert said[-1].startswith("blocked: span 3 cannot be used: At most 5 % of the posts")
    assert "decade" not in said[-1]
