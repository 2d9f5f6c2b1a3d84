"""The sample, from its generation to answers of the pushed model."""

from __future__ import annotations

import json
import re

import pytest
from command import read_summary, run_command, versions


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample")
    assert run_command("sample", out / "data", "--authors", 3000).returncode == 0
    done = run_command("run", out / "data/config.yaml", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_every_head_is_above_the_constant_and_the_model_is_pushed(sample_run):
    out, console = sample_run
    summary = read_summary(out)
    assert summary["pushed"]
    assert summary["verdict"]["falling_short"] == []
    assert [head["name"] for head in summary["verdict"]["heads"]] == ["age", "income", "gender"]
    for head in summary["verdict"]["heads"]:
        assert head["skill"]["lower"] > 0, head["name"]
    assert summary["check"]["blessed"]
    assert "best reachable" in console or "reachable" in console
    assert "authorprofile predict --model" in console
    assert set(summary["hyperparameters"]) >= {"loss_weight/income", "loss_weight/gender"}
    slices = {(one["head"], one["value"]) for one in summary["verdict"]["slices"]}
    assert {("gender", "female"), ("gender", "male"), ("age", "25-35")} <= slices


def test_the_console_says_what_each_stage_did(sample_run):
    out, console = sample_run
    said = " ".join(console.split())
    audit = json.loads(next(out.glob("artifacts/PostsExampleGen/audit/*/audit.json")).read_text())
    splits = {name: split["authors"] for name, split in audit["splits"].items()}
    read = sum(file["read"] for file in audit["files"] if file["kind"] == "posts")
    assert f"{read:,} posts read, " in said
    assert "{train:,} train, {eval:,} eval, {test:,} test".format(**splits) in said
    assert "schema follows from the heads age, income, gender" in said
    assert re.search(r"transform vocabulary of [\d,]+ ids, at most [\d,]+", said)
    assert re.search(r"trial 2 of \d+: skill on eval", said)
    assert re.search(r"[\d,]+ parameters, \d+ epochs, best skill on eval", said)


def test_the_training_leaves_curves_for_tensorboard(sample_run):
    out, _ = sample_run
    assert list(out.glob("artifacts/Trainer/model_run/*/train/events.out.tfevents.*"))
    assert list(out.glob("artifacts/Trainer/model_run/*/validation/events.out.tfevents.*"))


def test_libraries_chatter_is_in_the_log_alone(sample_run):
    out, console = sample_run
    (log,) = (out / "logs").glob("*.log")
    assert "Resolved inputs" in log.read_text()
    assert "Resolved inputs" not in console
    assert "cuda" not in console


def test_an_unchanged_second_run_reuses_everything_and_pushes_nothing(sample_run):
    out, _ = sample_run
    before = versions(out / "serving")
    done = run_command("run", out / "data/config.yaml", "--out", out)
    assert done.returncode == 0, done.stdout
    assert versions(out / "serving") == before
    assert {"PostsExampleGen", "Transform", "Tuner", "Trainer", "HeadEvaluator"} <= set(
        read_summary(out)["reused"]
    )


def test_the_pushed_model_answers_raw_text_and_posts(sample_run):
    out, _ = sample_run
    model = out / "serving"
    done = run_command("predict", "--model", model, input="good morning 你好\nsecond post\n")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert 13 <= answer["age"] <= 90
    assert sum(answer["income"]["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert len(answer["income"]["boundaries"]) == 9
    assert answer["gender"]["female"] + answer["gender"]["male"] == pytest.approx(1, abs=1e-4)
    posts = '{"author_id": "a", "text": "x"}\n{"author_id": "b", "text": "y"}\n'
    done = run_command("predict", "--model", model, input=posts)
    assert [json.loads(line)["author_id"] for line in done.stdout.splitlines()] == ["a", "b"]
