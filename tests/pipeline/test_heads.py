"""Runs with one head alone, with four of mixed kinds, and with one that `test` cannot judge.

In this process, as each command would import TFX anew; the made-up authors of `authorprofile
sample`, with labels of our own beside theirs.
"""

from __future__ import annotations

import csv
import json

import pytest
from command import run_command

from components.ingest.records import split_of
from components.ingest.settings import SplitSettings
from pipeline.audit import audit_command
from pipeline.causes import StageFailed, describe_cause
from pipeline.config import load_config

SETTINGS = ["text={max_tokens: 300, vocabulary_size: 500}", "tune=false", "training.epochs=2"]
FOUR = (
    "heads={income: {kind: classes, classes: 4}, gender: null,"
    " height: {kind: regression, field: größe, unit: cm, minimum: 100, maximum: 250},"
    " class: {kind: binary, field: only on test, positive: one, negative: other}}"
)


class Silent:
    """An observer of stages that says nothing."""

    def stage_started(self, stage):
        pass

    def stage_finished(self, stage, how):
        pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A sample whose labels have a height for everybody, one value for all of `test`, and one that
    nobody of `test` has.
    """
    folder = tmp_path_factory.mktemp("heads") / "data"
    assert run_command("sample", folder, "--authors", 400).returncode == 0
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        on_test = split_of(row["author_id"], SplitSettings()) == "test"
        row["größe"] = 200 - int(row["age"]) if row["age"].isdecimal() else ""
        row["only on test"] = "one" if on_test or number % 2 else "other"
        row["nobody on test"] = "" if on_test else number % 50
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return folder


def configured(data, out, *assignments, heads=None):
    given = {"posts": [str(data / "posts.jsonl.gz")], "labels": [str(data / "labels.csv")]}
    return load_config(None, [*SETTINGS, *assignments], heads, out=str(out), **given)


def run(config):
    from pipeline.local import run_local

    return run_local(config, Silent())


def test_a_head_alone_is_trained_judged_pushed_and_compared_with_the_deployed_model(data, tmp_path):
    # Of so few authors, chance decides whether a head is better than a constant.
    settings = ["judging={accept: [gender], tolerated_drop: 0.99}"]
    first = run(configured(data, tmp_path, *settings, heads=["gender"]))
    (head,) = first.verdict["heads"]
    assert head["name"] == "gender" and head["labels"] > 10
    assert head["metrics"]["auc"]["value"] is not None
    assert first.pushed and first.check["faults"] == []
    second = run(configured(data, tmp_path, *settings, "training.seed=2", heads=["gender"]))
    assert second.verdict["baseline"]["left_out"] == ""
    (head,) = second.verdict["heads"]
    assert head["comparison"]["difference"]["value"] == pytest.approx(
        head["skill"]["value"] - first.verdict["heads"][0]["skill"]["value"]
    )
    assert second.pushed
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "gender" in page and "author-0" not in page


def test_four_heads_of_mixed_kinds_are_judged_and_one_value_on_test_leaves_skill_unknown(
    data, tmp_path
):
    done = run(configured(data, tmp_path, FOUR, "judging.accept=[age, income, height, class]"))
    heads = {head["name"]: head for head in done.verdict["heads"]}
    assert list(heads) == ["age", "income", "height", "class"]
    for name in ("age", "height"):
        assert heads[name]["metrics"]["mae"]["value"] > 0
    assert 0 <= heads["income"]["metrics"]["accuracy"]["value"] <= 1
    assert heads["class"]["labels"] > 10
    assert heads["class"]["metrics"]["auc"]["value"] is None
    assert heads["class"]["skill"]["value"] is None
    assert done.pushed and done.check["faults"] == []
    (version,) = (tmp_path / "serving").glob("[0-9]*")
    served = json.loads((version / "assets/heads.json").read_text(encoding="utf-8"))["heads"]
    assert {head["name"]: head["field"] for head in served} == {
        "age": "age",
        "income": "income",
        "height": "größe",
        "class": "only on test",
    }
    answered = run_command("predict", "--model", version, input="a post\n")
    (line,) = answered.stdout.splitlines()
    assert set(json.loads(line)) - {"author_id"} == set(heads)


def test_a_head_without_a_label_on_test_is_refused_by_audit_and_run_alike(data, tmp_path, capfd):
    head = "heads.score={kind: regression, field: nobody on test}"
    config = configured(data, tmp_path, head)
    assert audit_command(config) == 1
    audited = " ".join(capfd.readouterr().out.split())
    with pytest.raises(StageFailed) as failed:
        run(config)
    assert failed.value.stage == "PostsExampleGen"
    said = " ".join(describe_cause(failed.value).split()).split(" The audit of this join")[0]
    assert "head 'score'" in said and "has no known label among 43 test authors" in said
    assert said.endswith("leave it out: --heads age,income,gender.")
    assert said in audited
