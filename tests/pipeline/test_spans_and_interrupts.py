"""Two folders at once: one sees a drifted span and a sound one, one is interrupted twice.

Both start with the same records and the same seed, so what they end with must be equal. Runs are
cheap rather than good: heads are accepted, since this is not about what 300 authors teach.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from command import TINY, arguments, read_summary, run_command, versions

DEADLINE_SECONDS = 600
SETTINGS = [
    *TINY,
    "training.epochs=1",
    "tuner={algorithm: random, trials: 2, epochs: 1}",
    "judging={accept: [age, gender]}",
]
HYPERBAND = "tuner={algorithm: hyperband, trials: 4, epochs: 3, space: {learning_rate: null}}"
"""One bracket: three candidates of one epoch, of which the best goes on to its third."""


def run_words(posts, labels, out):
    """What follows `authorprofile` for a run of two heads."""
    given = ["--posts", posts, "--labels", labels, "--out", out]
    return ["run", *given, "--heads", "age,gender"]


def write_drifted_labels(labels, path, oldest=119):
    """Everyone is 28 years older, nearly everyone is female, and one is of the age `oldest`."""
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(row for row in rows if row["age"]):
        row["age"] = oldest if number == 9 else min(int(row["age"]) + 28, 119)
    for number, row in enumerate(row for row in rows if row["gender"]):
        row["gender"] = "female" if number % 20 else "male"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def interrupt_when(words, pattern):
    """Presses Ctrl-C, as a terminal does, once a path matches; the ended process and its output."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + DEADLINE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if glob.glob(str(pattern), include_hidden=True):
            break
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    return process, output, errors


def outputs(out, pattern):
    """Files of a stage's outputs, those of its first run first."""
    return sorted((out / "artifacts").glob(pattern), key=lambda path: int(path.parent.name))


def is_gone(group):
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def run_with_interrupts(data, out):
    """A run that is interrupted in ingest and in the search, then goes on to its end."""
    words = arguments(
        *run_words(data / "1/posts.jsonl.gz", data / "1/labels.csv", out), settings=SETTINGS
    )
    interrupts = {}
    for stage, pattern in (
        ("ingest", "artifacts/PostsExampleGen/audit/*/beam-temp-*"),
        ("search", "state/search-*/trials/trial_0/trial.json"),
    ):
        process, output, errors = interrupt_when(words, out / pattern)
        interrupts[stage] = {
            "code": process.returncode,
            "output": output,
            "errors": errors,
            "gone": is_gone(process.pid),
            "served": versions(out / "serving"),
        }
    return interrupts, subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two samples of different people, as spans."""
    folder = tmp_path_factory.mktemp("spans")
    for span in (1, 2):
        words = ["sample", folder / str(span), "--authors", 400, "--seed", span]
        assert run_command(*words).returncode == 0
    return folder


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """The run with interrupts, under way; its result comes when it is asked for."""
    out = tmp_path_factory.mktemp("interrupted")
    with ThreadPoolExecutor(1) as pool:
        yield out, pool.submit(run_with_interrupts, data, out)


@pytest.fixture(scope="module")
def spans(data, interrupted, tmp_path_factory):
    """A folder whose first span is trained on, in which further spans may come to lie."""
    folder = tmp_path_factory.mktemp("spanned")
    (folder / "data").mkdir()
    (folder / "data/1").symlink_to(data / "1")
    words = run_words(
        folder / "data/{SPAN}/posts.jsonl.gz", folder / "data/{SPAN}/labels.csv", folder / "out"
    )
    done = run_command(*words, settings=SETTINGS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, words, read_summary(folder / "out")


def test_a_label_out_of_range_stops_the_run_before_its_statistics(spans, data):
    folder, given, _ = spans
    (folder / "data/2").mkdir()
    (folder / "data/2/posts.jsonl.gz").symlink_to(data / "1/posts.jsonl.gz")
    write_drifted_labels(data / "1/labels.csv", folder / "data/2/labels.csv", oldest=430)
    before = versions(folder / "out/serving")
    done = run_command(*given, settings=SETTINGS)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "ingest failed: Each known label must be in the range of its head." in said
    rule = "labels must lie between heads.age.minimum, 0, and heads.age.maximum, 120"
    assert re.search(rf"{rule}; 1 of \d+ labels is above, first at \S*labels.csv:\d+\.", said)
    assert "If they are right, set heads.age.minimum and heads.age.maximum." in said
    # As a word: the time in a log's name may hold these digits.
    assert not re.search(r"\b430\b", said)
    assert "statistics" not in said
    assert versions(folder / "out/serving") == before != []
    told = json.loads((folder / "out/report.json").read_text())
    assert told["failure"]["stage"] == "ingest"


def test_a_drifted_span_stops_the_run_in_plain_words_and_what_serves_stays(spans, data):
    folder, given, _ = spans
    write_drifted_labels(data / "1/labels.csv", folder / "data/2/labels.csv")
    before = versions(folder / "out/serving")
    done = run_command(*given, settings=SETTINGS)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "validation failed: The examples must agree with the schema" in said
    assert "train: gender: drift: the share of a value changed by 0.4" in said
    assert "train: age: drift: the labels' distribution moved" in said
    assert said.count("since the last span, validation.maximum_label_drift allows 0.3") == 2
    assert "Correct the label records, or raise validation.maximum_label_drift." in said
    assert "Traceback" not in done.stdout + done.stderr
    assert versions(folder / "out/serving") == before != []
    assert str(folder / "out/report.html") in done.stdout.replace("\n", "")
    told = json.loads((folder / "out/report.json").read_text())
    assert told["failure"]["stage"] == "validation"
    assert told["failure"]["cause"].startswith("The examples must agree with the schema")
    assert told["audit"]["files"] and not told["verdict"]
    assert "Blessed for service" in (folder / "out/model_card.md").read_text()
    for words in ([], ["--rebuild"]):
        assert run_command("report", folder / "out", *words).returncode == 0
        page = (folder / "out/report.html").read_text()
        assert "Failed in validation. Nothing was pushed." in page
        assert "age: drift: the labels&#x27; distribution moved" in page


def test_a_sound_span_is_trained_on_with_what_hyperband_found(spans, data):
    folder, words, _ = spans
    for path in (folder / "data/2").glob("*"):
        path.unlink()
    for name in ("posts.jsonl.gz", "labels.csv"):
        (folder / "data/2" / name).symlink_to(data / "2" / name)
    done = run_command(*words, settings=[*SETTINGS, HYPERBAND, "training.epochs=4"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "drift measured against span 1" in done.stdout
    summary = read_summary(folder / "out")
    chosen, used = summary["hyperparameters"], summary["training"]["settings"]
    assert used["dropout"] == chosen["dropout"]
    assert used["loss_weights"] == {"age": 1.0, "gender": chosen["loss_weight/gender"]}
    # Epochs are the Trainer's own, not those that Hyperband gave its best candidate.
    assert len(summary["training"]["epochs"]) == 4
    *_, results = outputs(folder / "out", "Tuner/tuner_results/*/*.json")
    assert len(json.loads(results.read_text())) == 4
    assert len([name for name in versions(folder / "out/serving") if name.isdecimal()]) == 2


@pytest.mark.parametrize("stage", ["ingest", "search"])
def test_an_interrupt_ends_a_run_with_one_plain_line(interrupted, stage):
    interrupts, _ = interrupted[1].result()
    seen = interrupts[stage]
    assert seen["code"] == 130, seen
    *lines, last = seen["output"].splitlines()
    assert last == "Interrupted. The same command goes on where this one stopped."
    assert "Interrupted" not in "".join(lines)
    assert "Traceback" not in seen["output"]
    assert seen["errors"] == ""
    assert seen["gone"]
    assert seen["served"] == []


def test_a_run_interrupted_twice_ends_with_the_very_model_of_an_uninterrupted_one(
    interrupted, spans
):
    out, future = interrupted
    _, done = future.result()
    assert done.returncode == 0, done.stdout + done.stderr
    folder, _, whole = spans
    resumed = read_summary(out)
    assert {"PostsExampleGen", "Transform"} <= set(resumed["reused"])
    for key in ("hyperparameters", "pushed"):
        assert resumed[key] == whole[key], key
    # Keras adds up an epoch's figures in an order that it does not promise.
    (ours,), (theirs,) = resumed["training"]["epochs"], whole["training"]["epochs"]
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert resumed["verdict"]["heads"] == whole["verdict"]["heads"]
    # The answers of 32 authors, to the last bit.
    (of_resumed, *_), (of_whole, *_) = (
        outputs(root, "Trainer/model_run/*/answers.json") for root in (out, folder / "out")
    )
    assert of_resumed.read_bytes() == of_whole.read_bytes()
    assert len([name for name in versions(out / "serving") if name.isdecimal()]) == 1
    assert not (out / "state").exists()
