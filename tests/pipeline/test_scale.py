"""A run with a head of a long tail: its scale is chosen, and said wherever people read of it."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import math
import random

import pytest

from pipeline.config import load_config
from pipeline.local import run_local
from tests.serving.server_process import ServerProcess

SETTINGS = [
    "text={maximum_bytes: 2000, vocabulary_size: 500}",
    "tune=false",
    "heads={income: null, gender: null, followers: {kind: regression, unit: followers,"
    " maximum: 1000000000}}",
    "judging.accept=[age]",
]
SAID = {
    1: "unknown lonely tiny nobody",
    3: "modest friends neighbours club",
    5: "popular audience fans stage",
    7: "celebrity premiere autograph headlines",
}
"""What an author of 10 ** number followers or so says in each post."""
NOTE = "followers: log scale, chosen from the training labels"


class Silent:
    """An observer of stages that says nothing."""

    def stage_started(self, stage):
        pass

    def stage_finished(self, stage, how):
        pass


def size_of(author_id):
    return list(SAID)[int(author_id.removeprefix("author-")) * 7 % 5 % 4]


@pytest.fixture(scope="module")
def data(small_sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("followed")
    with gzip.open(small_sample / "posts.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [with_words(line) for line in file]
    (folder / "posts.jsonl").write_text("".join(lines), encoding="utf-8")
    draw = random.Random(3)
    with (small_sample / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["followers"] = int(math.exp(draw.gauss(size_of(row["author_id"]) * math.log(10), 1)))
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return folder


def with_words(line):
    """The line of a post with what its author says; a broken one as it is."""
    try:
        post = json.loads(line)
        said = SAID[size_of(post["author_id"])]
        return json.dumps(post | {"text": f"{said} {post['text']}"}) + "\n"
    except (ValueError, KeyError, TypeError):
        return line


@pytest.fixture(scope="module")
def followed(data, tmp_path_factory):
    """Outcome, folder, and what the run said."""
    out = tmp_path_factory.mktemp("scale")
    given = {"posts": [str(data / "posts.jsonl")], "labels": [str(data / "labels.csv")]}
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("authorprofile.trainer")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        outcome = run_local(load_config(None, SETTINGS, None, out=str(out), **given), Silent())
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
    return outcome, out, said


def test_it_is_learned_and_judged_on_a_log_scale_and_errors_are_followers(followed):
    outcome, _, said = followed
    heads = {head["name"]: head for head in outcome.verdict["heads"]}
    head = heads["followers"]
    assert NOTE in said and not any(line.startswith("age:") for line in said)
    # Words tell four groups that are 4.6 apart on the log scale, with a deviation of 1 within them.
    assert head["skill"]["lower"] > 0.5 and head["blessed"]
    assert 0 < head["metrics"]["median_error"]["value"] < head["metrics"]["mae"]["value"]
    assert head["metrics"]["mae"]["value"] > 10_000
    assert head["metrics"]["median_error"]["value"] < head["constant"]["median_error"]
    assert outcome.pushed and outcome.check["faults"] == []


def test_what_serves_says_its_scale_and_answers_followers(followed, tmp_path):
    _, out, _ = followed
    (version,) = (out / "serving").glob("[0-9]*")
    age, head = json.loads((version / "assets/heads.json").read_text(encoding="utf-8"))["heads"]
    assert (age["scale"], "learned_on" in age) == ("linear", False)
    assert (head["scale"], head["learned_on"]["name"]) == ("log", "log")
    posts = [f"{SAID[number]} {SAID[number]} today" for number in (1, 7)]
    with ServerProcess(out / "serving", tmp_path / "log") as server:
        body = {"instances": [{"posts": [text]} for text in posts]}
        code, answer = server.ask("/v1/models/authorprofile:predict", body)
        last = {"instances": body["instances"][1:]}
        _, told = server.ask("/v1/models/authorprofile:explain", last)
    assert code == 200
    few, many = (prediction["followers"] for prediction in answer["predictions"])
    assert 0 <= few["value"] < 1_000 and 100_000 < many["value"] < 1e9
    for one in (few, many):
        lower, upper = one["interval"]["lower"], one["interval"]["upper"]
        assert 0 <= lower < one["value"] < upper
        assert upper - one["value"] > one["value"] - lower
    words = told["explanations"][0]["heads"]["followers"]["words"]
    assert words[0]["word"] in SAID[7] and words[0]["effect"] > 0


def test_the_report_says_the_scale(followed):
    _, out, _ = followed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert NOTE in page
    (answers,) = out.glob("artifacts/AnswersProfile/profile/*/answers.json")
    counted = json.loads(answers.read_text(encoding="utf-8"))["heads"]["followers"]
    count, inside = counted["arrays"]["coverage"]
    assert count > 20 and inside / count > 0.5
    assert counted["bins"]["logarithmic"]
