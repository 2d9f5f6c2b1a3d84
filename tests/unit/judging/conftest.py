"""A small SavedModel that keeps the contract, and authors to ask it about.

An author's last post spells what a right model answers, such as `31.5 3 0.80`: age, income group,
probability of the positive gender. How far a model follows it is given when it is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads

HEADS = parse_heads(DEFAULT_HEADS)
BOUNDARIES = [10e3, 20e3, 30e3, 40e3, 50e3, 60e3, 70e3, 80e3, 90e3]
BANDS = [25.0, 35.0, 50.0]


def _make_authors(count: int, seed: int = 5) -> list[dict[str, Any]]:
    """Authors with planted answers; every tenth has no label, the post counts vary."""
    draw = np.random.default_rng(seed)
    authors = []
    for number in range(count):
        age = float(draw.integers(18, 70))
        income = float(draw.uniform(0, 100e3))
        positive = bool(draw.random() < 0.5)
        chance = draw.beta(4, 2) if positive else draw.beta(2, 4)
        told = f"{age + draw.normal(0, 5):.2f} {int(income // 10e3)} {chance:.4f}"
        author: dict[str, Any] = {
            "author_id": f"author-{number}",
            "posts": ["filler text"] * int(draw.integers(0, 6)) + [told],
        }
        if number % 10:
            author |= {"age": age, "income": income, "gender": "female" if positive else "male"}
        authors.append(author)
    return authors


def _write_examples(root: Path, authors: Iterable[dict[str, Any]], split: str = "test") -> Path:
    """Raw examples as ingest writes them: `Split-<split>/data.gz`."""
    import tensorflow as tf

    folder = root / f"Split-{split}"
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), options) as writer:
        for author in authors:
            example = tf.train.Example()
            feature = example.features.feature
            feature["author_id"].bytes_list.value.append(author["author_id"].encode())
            feature["posts"].bytes_list.value.extend(post.encode() for post in author["posts"])
            for name in ("age", "income"):
                if name in author:
                    feature[name].float_list.value.append(author[name])
            if "gender" in author:
                feature["gender"].bytes_list.value.append(author["gender"].encode())
            writer.write(example.SerializeToString())
    return root


def _write_model(
    folder: Path,
    head_names: Iterable[str] = ("age", "income", "gender"),
    classes: int = 10,
    age_error: float = 0.0,
    signatures: Iterable[str] = ("serving_default", "transform_features", "posts"),
    boundary_shift: float = 0.0,
    bands: list[float] = BANDS,
    longest_post: int = 1000,
    separator: str = ".",
    linear_error: float | None = None,
) -> Path:
    """A SavedModel at `folder/Format-Serving` of the asked heads.

    Ages are off by `age_error`; `separator` stands in names of masks and slices. An author whose
    last post is longer than `longest_post` bytes makes it fail, as a model may fail on what it was
    not made for. Where `linear_error` is given, it has a linear baseline whose ages are off by it,
    which is half as sure of the gender as the model, and knows as much of the income.
    """
    import tensorflow as tf

    wanted = list(head_names)
    boundaries = [bound + boundary_shift for bound in BOUNDARIES[: classes - 1]]
    examples_spec = tf.TensorSpec([None], tf.string, name="examples")

    def joined(examples: Any) -> Any:
        parsed = tf.io.parse_example(examples, {"posts": tf.io.VarLenFeature(tf.string)})
        posts = tf.RaggedTensor.from_sparse(parsed["posts"])
        return tf.strings.reduce_join(posts, axis=1, separator="\x1e")

    def predict(posts: Any) -> dict[str, Any]:
        last = tf.strings.regex_replace(posts, "^.*\x1e", "")
        tf.debugging.assert_less_equal(tf.strings.length(last), longest_post)
        spelt = tf.strings.regex_full_match(last, r"[-0-9.]+ \d+ [0-9.]+")
        numbers = tf.strings.split(tf.where(spelt, last, "30 0 0.5"), " ")
        values = tf.strings.to_number(numbers.to_tensor(shape=[None, 3]))
        groups = tf.one_hot(tf.cast(values[:, 1], tf.int32), classes)
        answers = {
            "age": values[:, :1] + age_error,
            "income": 0.5 * groups + 0.5 / classes,
            "gender": values[:, 2:],
        }
        return {name: answers[name] for name in wanted}

    def predict_linearly(posts: Any) -> dict[str, Any]:
        answers = predict(posts)
        if "age" in answers:
            answers["age"] += (linear_error or 0.0) - age_error
        if "gender" in answers:
            answers["gender"] = 0.25 + answers["gender"] / 2
        return answers

    class Model(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[examples_spec])
        def serve(self, examples: Any) -> dict[str, Any]:
            return predict(joined(examples))

        @tf.function(input_signature=[examples_spec])
        def serve_baseline(self, examples: Any) -> dict[str, Any]:
            return predict_linearly(joined(examples))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="posts")])
        def answer(self, posts: Any) -> dict[str, Any]:
            return predict(posts)

        @tf.function(input_signature=[examples_spec])
        def label(self, examples: Any) -> dict[str, Any]:
            parsed = tf.io.parse_example(
                examples,
                {
                    "age": tf.io.FixedLenFeature([1], tf.float32, [np.nan]),
                    "income": tf.io.FixedLenFeature([1], tf.float32, [np.nan]),
                    "gender": tf.io.FixedLenFeature([1], tf.string, [""]),
                },
            )
            return {
                name.replace(".", separator): value
                for name, value in _labels(parsed, classes, boundaries, bands).items()
                if name.partition(".")[0] in wanted
            }

    module = Model()
    functions = {
        "serving_default": module.serve,
        "posts": module.answer,
        "transform_features": module.label,
        "linear_baseline": module.serve_baseline,
    }
    signatures = [*signatures, *(["linear_baseline"] if linear_error is not None else [])]
    path = folder / "Format-Serving"
    tf.saved_model.save(module, str(path), {name: functions[name] for name in signatures})
    declared = [head.model_dump() for head in HEADS]
    declared[1]["boundaries"] = boundaries
    (path / "assets").mkdir(exist_ok=True)
    (path / "assets" / "heads.json").write_text(json.dumps({"heads": declared}))
    return folder


def _labels(
    parsed: dict[str, Any], classes: int, boundaries: list[float], bands: list[float]
) -> dict[str, Any]:
    import tensorflow as tf

    age, income, gender = parsed["age"], parsed["income"], parsed["gender"]
    age_known, income_known = ~tf.math.is_nan(age), ~tf.math.is_nan(income)
    gender_known = (gender == "female") | (gender == "male")
    groups = tf.searchsorted(tf.constant(boundaries), tf.reshape(income, [-1]), side="right")
    names = tf.constant([f"from {bound:g}" for bound in [0.0, *bands]])
    band = tf.gather(names, tf.searchsorted(tf.constant(bands), age[:, 0], side="right"))
    return {
        "age": tf.where(age_known, age, 0.0),
        "age.known": tf.cast(age_known, tf.float32),
        "age.slice": tf.where(age_known, band[:, tf.newaxis], "unknown"),
        "income": tf.one_hot(groups, classes) * tf.cast(income_known, tf.float32),
        "income.known": tf.cast(income_known, tf.float32),
        "gender": tf.cast(gender == "female", tf.float32),
        "gender.known": tf.cast(gender_known, tf.float32),
        "gender.slice": tf.where(gender_known, gender, "unknown"),
    }


@pytest.fixture(scope="session")
def authors() -> list[dict[str, Any]]:
    """Ninety authors, nine of them without labels."""
    return _make_authors(90)


@pytest.fixture(scope="session")
def write_examples() -> Callable[..., Path]:
    """Writes authors as raw examples under a folder."""
    return _write_examples


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    """Writes a small model under a folder."""
    return _write_model
