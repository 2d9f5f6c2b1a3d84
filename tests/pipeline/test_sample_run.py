"""The sample, from its generation to answers of the pushed model."""

from __future__ import annotations

import gzip
import json
import re

import numpy as np
import pytest
import tensorflow as tf
import yaml
from command import read_summary, run_command, versions

from components.heads.calibration import fit_temperature
from components.training.heads import divide_logits


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample")
    assert run_command("sample", out / "data", "--authors", 3000).returncode == 0
    done = run_command("run", out / "data/config.yaml", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def sound_posts(path):
    """The posts of a sample's file but those that it damages on purpose."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                post = json.loads(line)
                if isinstance(post["text"], str) and isinstance(post["author_id"], str):
                    yield post
            except (ValueError, KeyError, TypeError):
                continue


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


def test_gender_lies_in_the_order_of_words_which_the_convolution_reads(sample_run):
    out, _ = sample_run
    summary = read_summary(out)
    gender = next(h for h in summary["verdict"]["heads"] if h["name"] == "gender")
    assert gender["linear_baseline"]["added"]["lower"] > 0.05
    convolution = summary["training"]["paths"]["gender"]["convolution"]
    assert 0.05 < convolution["lower"] < convolution["value"] < convolution["upper"]


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
    assert re.search(
        r"[\d,]+ parameters, \d+ epochs, skill on eval [\d.]+ at epoch \d+, the best", said
    )


def test_the_training_leaves_curves_for_tensorboard(sample_run):
    out, _ = sample_run
    assert list(out.glob("artifacts/Trainer/model_run/*/train/events.out.tfevents.*"))
    assert list(out.glob("artifacts/Trainer/model_run/*/validation/events.out.tfevents.*"))


def test_a_run_leaves_its_report_its_card_and_its_configuration(sample_run):
    out, console = sample_run
    page = (out / "report.html").read_text()
    assert read_summary(out)["report"] == str(out / "report.html")
    assert str(out / "report.html") in console.replace("\n", "")
    for section in ("outcome", "worth", "search", "data", "training", "quality", "card"):
        assert f'<section id="{section}"' in page.replace("'", '"')
    record = json.loads((out / "report.json").read_text())
    for part in ("trials", "audit", "data", "answers", "vocabulary", "history", "reachable"):
        assert record[part], part
    card = (out / "model_card.md").read_text()
    assert "- Data: Apache-2.0" in card
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["posts"] == [str(out / "data/posts.jsonl.gz")]


def test_no_author_and_no_text_is_in_what_explains_a_run(sample_run):
    out, _ = sample_run
    files = ("report.html", "report.json", "model_card.md", "config.yaml", "summary.json")
    told = "\n".join((out / name).read_text() for name in files)
    posts = list(sound_posts(out / "data/posts.jsonl.gz"))
    assert len(posts) > 10_000
    # A shorter text may be a word of Plotly's own script.
    assert [post["text"] for post in posts if len(post["text"]) > 30 and post["text"] in told] == []
    assert [post["author_id"] for post in posts if post["author_id"] in told] == []


def calibration_error(reliability):
    """Expected calibration error: mean gap, over authors, between the stated and what came true."""
    authors = sum(count for count, _, _ in reliability)
    return sum(abs(stated - true) for _, stated, true in reliability) / authors


def test_what_was_fitted_on_eval_holds_on_test(sample_run):
    out, _ = sample_run
    answers = json.loads((out / "report.json").read_text())["answers"]
    assert answers["split"] == "test"
    known, inside = answers["heads"]["age"]["arrays"]["coverage"]
    assert known > 250
    # Chance moves both the quantile, found on so many authors, and the share of those judged.
    fitted_on = read_summary(out)["training"]["calibration"]["age"]["labels"]
    error = (0.8 * 0.2 * (1 / known + 1 / fitted_on)) ** 0.5
    assert abs(inside / known - 0.8) <= 2.5 * error
    for name in ("income", "gender"):
        arrays = answers["heads"][name]["arrays"]
        before = calibration_error(arrays["reliability_before"])
        after = calibration_error(arrays["reliability"])
        temperature = read_summary(out)["training"]["calibration"][name]["temperature"]
        # Where eval cannot tell the temperature from 1, nothing is moved.
        if temperature == 1:
            assert after == pytest.approx(before, abs=1e-3), name
        else:
            assert after < before, name


def answers_about(model, folder, split, head):
    """Probabilities and labels, `[known, groups]` each, of the authors of a split."""
    probabilities, labels = [], []
    files = [str(path) for path in folder.glob(f"Split-{split}/*")]
    for authors in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(64):
        label = model.signatures["transform_features"](examples=authors)
        known = label[f"{head}.known"].numpy()[:, 0] > 0
        answer = model.signatures["serving_default"](examples=authors)
        probabilities.append(answer[head].numpy()[known].astype("float64"))
        labels.append(label[head].numpy()[known].astype("float64"))
    return np.concatenate(probabilities), np.concatenate(labels)


def sharpened(probabilities, temperature):
    """Probabilities with their logits divided, as the served model divides them."""
    return divide_logits(tf.constant(probabilities), temperature).numpy()


def error_of_the_likeliest(probabilities, labels):
    """Expected calibration error of the likeliest group's probability, in bins of a tenth."""
    if probabilities.shape[1] == 1:
        probabilities = np.hstack([1 - probabilities, probabilities])
        labels = np.hstack([1 - labels, labels])
    stated = probabilities.max(axis=1)
    true = labels[np.arange(len(labels)), probabilities.argmax(axis=1)]
    bins = (stated * 10).astype(int)
    rows = [((bins == b).sum(), stated[bins == b].sum(), true[bins == b].sum()) for b in set(bins)]
    return calibration_error(rows)


def log_loss(probabilities, labels):
    """Mean negative logarithm of what was said of the true group."""
    of_true = np.where(labels == 1, probabilities, 1 - probabilities if labels.shape[1] == 1 else 1)
    return -np.log(np.maximum(of_true, 1e-12)).sum(axis=1).mean()


@pytest.mark.parametrize("head", ["income", "gender"])
def test_a_network_that_is_too_sure_is_put_right_on_authors_it_was_not_fitted_on(sample_run, head):
    out, _ = sample_run
    (version,) = (out / "serving").glob("[0-9]*")
    (examples,) = (out / "artifacts/PostsExampleGen/examples").iterdir()
    model = tf.saved_model.load(str(version))
    # What serves has learned from `eval` too: half of `test` stands for it, the other is judged.
    stated, true = answers_about(model, examples, "test", head)
    # Logits three times as large, as of a network that has learned its training authors by heart.
    stated = sharpened(stated, 1 / 3)
    temperature = fit_temperature(stated[::2], true[::2])
    assert 2 < temperature < 4.5
    stated, true = stated[1::2], true[1::2]
    mended = sharpened(stated, temperature)
    before, after = error_of_the_likeliest(stated, true), error_of_the_likeliest(mended, true)
    # Of a head that is nearly always right, calibration error moves little; its loss does not.
    assert after < before - (0.03 if head == "income" else 0)
    assert log_loss(mended, true) < 0.7 * log_loss(stated, true)


def test_the_pushed_version_says_how_sure_and_how_good_it_is(sample_run):
    out, _ = sample_run
    summary = read_summary(out)
    (version,) = (out / "serving").glob("[0-9]*")
    heads = json.loads((version / "assets/heads.json").read_text())["heads"]
    fitted = summary["training"]["calibration"]
    assert heads[0]["interval"] == {"coverage": 0.8, "half_width": fitted["age"]["half_width"]}
    assert [head["temperature"] for head in heads[1:]] == [
        fitted[name]["temperature"] for name in ("income", "gender")
    ]
    quality = json.loads((version / "assets.extra/quality.json").read_text())
    assert {name: told["metric"] for name, told in quality.items()} == {
        "age": "mae",
        "income": "accuracy",
        "gender": "auc",
    }
    mae = summary["verdict"]["heads"][0]["metrics"]["mae"]
    assert quality["age"].items() >= {"metric": "mae", **mae}.items()


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
