"""kill -9 in ingest, search, training and push; the same command then goes on, losing nothing."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess

import pytest
from command import TINY, arguments, kill_when, read_summary, run_command, versions


def write_labels_without_income(sample, path):
    with (sample / "labels.csv").open(newline="") as file, path.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["author_id", "age", "gender"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(file))


def test_a_run_killed_in_every_long_stage_goes_on_and_serves_whole_models_alone(
    small_sample, tmp_path
):
    out = tmp_path / "out"
    write_labels_without_income(small_sample, tmp_path / "labels.csv")
    # Accepted heads: this run is about kills, not about what 300 authors teach a tiny network.
    settings = [*TINY, "judging={accept: [age, gender]}"]
    words = arguments(
        "run",
        "--posts",
        small_sample / "posts.jsonl.gz",
        "--labels",
        tmp_path / "labels.csv",
        "--heads",
        "age,gender",
        "--out",
        out,
        settings=settings,
    )
    for pattern in (
        "artifacts/PostsExampleGen/examples/*",
        "state/search-*/trials/trial_0/trial.json",
        "state/fit-*/state.json",
        "artifacts/VersionedPusher/pushed_model/*",
    ):
        kill_when(words, out / pattern)
        for version in versions(out / "serving"):
            whole = (out / "serving" / version / "saved_model.pb").exists()
            assert whole or version.startswith(".")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    summary = read_summary(out)
    assert len(summary["training"]["epochs"]) == 3
    assert summary["training"]["authors"]["train"] > 250
    assert {"PostsExampleGen", "Tuner", "Trainer", "HeadEvaluator"} <= set(summary["reused"])
    (version,) = [name for name in versions(out / "serving") if not name.startswith(".")]
    assert summary["serving_path"].endswith(version)
    assert not (out / "state").exists()
    check_command_on_the_page(out)
    (found,) = out.glob("artifacts/Tuner/best_hyperparameters/*/best_hyperparameters.txt")
    words += ["--set", "training.epochs=1", "--set", f"hyperparameters_from={found}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout
    chosen, used = summary["hyperparameters"], read_summary(out)["training"]["settings"]
    assert used["dropout"] == chosen["dropout"]
    assert "learning_rate" not in chosen and used["learning_rate"] == 0.003
    assert used["loss_weights"]["gender"] == chosen["loss_weight/gender"]
    assert used["epochs"] == 1


def check_command_on_the_page(out):
    """The command that the page has for a trial trains with its weights, and here compares too."""
    page = (out / "report.html").read_text()
    commands = json.loads(re.search(r'id="commands">(.*?)</script>', page)[1])
    trial = json.loads((out / "report.json").read_text())["trials"][-1]
    name, *words = shlex.split(commands[trial["trial"]])
    assert name == "authorprofile"
    done = run_command(*words, "--compare", settings=["compare_seeds=1", "training.epochs=1"])
    # The worse of two trials may well be no better than a constant.
    assert done.returncode in (0, 3), done.stdout
    summary = read_summary(out)
    assert summary["hyperparameters"] == {}
    chosen, used = trial["hyperparameters"], summary["training"]["settings"]
    assert used["loss_weights"]["gender"] == pytest.approx(chosen["loss_weight/gender"], rel=1e-5)
    assert used["dropout"] == chosen["dropout"]
    assert {"PostsExampleGen", "Transform"} <= set(summary["reused"])
    check_comparison(out)


def check_comparison(out):
    """Every way to weigh the heads, the first of them the run's own model."""
    record = json.loads((out / "report.json").read_text())
    names = [row["name"] for row in record["comparison"]]
    assert names == [
        "chosen weights",
        "equal weights",
        "hand-set 0.25 / 1 / 10",
        "uncertainty weighting",
        "one network a head",
        "linear baseline",
    ]
    chosen, *others, _ = record["comparison"]
    for head in record["verdict"]["heads"]:
        again = chosen["heads"][head["name"]]
        assert again["mean"] == pytest.approx(head["skill"]["value"], abs=1e-4)
        assert again["lower"] == pytest.approx(head["skill"]["lower"], abs=1e-4)
    # Of so few authors no head may keep its correction, and then all rows are alike; where it is
    # kept they differ (tests/unit/comparison/test_rows_differ.py).
    for row in others:
        assert set(row["heads"]) == set(chosen["heads"])
    page = (out / "report.html").read_text()
    assert all(f"<td>{name}</td>" in page for name in names)
    assert "Not run. A comparison trains" not in page


def test_a_label_table_without_income_fails_at_once_naming_head_and_switch(small_sample, tmp_path):
    write_labels_without_income(small_sample, tmp_path / "labels.csv")
    done = run_command(
        "run",
        "--posts",
        small_sample / "posts.jsonl.gz",
        "--labels",
        tmp_path / "labels.csv",
        "--out",
        tmp_path / "out",
        settings=TINY,
    )
    assert done.returncode == 1
    message = " ".join(done.stdout.split())
    assert "head 'income' (field 'income') has no known label" in message
    assert "--heads age,gender" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out" / "state").exists()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Failed in ingest. Nothing was pushed." in page
    assert not (tmp_path / "out" / "model_card.md").exists()
