"""kill -9 in ingest, search, training and push; the same command then goes on, losing nothing."""

from __future__ import annotations

import csv
import glob
import os
import signal
import subprocess
import time

from command import TINY, arguments, read_summary, run_command, versions

DEADLINE_SECONDS = 240


def write_labels_without_income(sample, path):
    with (sample / "labels.csv").open(newline="") as file, path.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["author_id", "age", "gender"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(file))


def kill_when(words, pattern):
    """Starts a run, kills it with all its children once a path matches, and says what matched."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    end = time.monotonic() + DEADLINE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if glob.glob(str(pattern), include_hidden=True):
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, output.decode()[-2000:]


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
    (found,) = out.glob("artifacts/Tuner/best_hyperparameters/*/best_hyperparameters.txt")
    words += ["--set", "training.epochs=1", "--set", f"hyperparameters_from={found}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout
    chosen, used = summary["hyperparameters"], read_summary(out)["training"]["settings"]
    assert used["learning_rate"] == chosen["learning_rate"]
    assert used["loss_weights"]["gender"] == chosen["loss_weight/gender"]
    assert used["epochs"] == 1


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
