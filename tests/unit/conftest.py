"""A small model with the signatures and assets of a served one, whose answers are known by hand.

words = words of all posts, bytes = length of the posts joined by the separator
age = 20 + words; gender = words / (words + 1); income: 0.7 for group `bytes mod 4`, else 0.1
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

SEPARATOR = "\x1e"
HEADS = [
    {"name": "age", "kind": "regression"},
    {"name": "income", "kind": "classes", "classes": 4, "boundaries": [10.0, 20.0, 30.5]},
    {"name": "gender", "kind": "binary", "positive": "female", "negative": "male"},
]


def answer_by_hand(texts: Any) -> dict[str, Any]:
    """The toy model's answers, as graph operations."""
    import tensorflow as tf

    words = tf.strings.split(tf.strings.regex_replace(texts, SEPARATOR, " ")).row_lengths()
    counts = tf.cast(words, tf.float32)[:, tf.newaxis]
    groups = tf.strings.length(texts) % 4
    return {
        "age": 20.0 + counts,
        "income": tf.one_hot(groups, 4, on_value=0.7, off_value=0.1),
        "gender": counts / (counts + 1.0),
    }


def save_toy_model(
    folder: Path,
    answer: Callable[[Any], dict[str, Any]] = answer_by_hand,
    signatures: Sequence[str] = ("posts", "serving_default"),
) -> Path:
    """Saves a model that answers by a function of the joined texts; returns its folder."""
    import tensorflow as tf

    strings = tf.TensorSpec([None], tf.string)
    module = tf.Module()
    asset = folder.parent / "heads.json"
    asset.parent.mkdir(parents=True, exist_ok=True)
    asset.write_text(json.dumps({"separator": SEPARATOR, "heads": HEADS}), encoding="utf-8")
    module.description = tf.saved_model.Asset(str(asset))
    module.weight = tf.Variable(tf.zeros([1000]))

    @tf.function(input_signature=[strings])
    def posts(posts: Any) -> dict[str, Any]:
        return answer(posts)

    @tf.function(input_signature=[strings])
    def serving_default(examples: Any) -> dict[str, Any]:
        features = tf.io.parse_example(examples, {"posts": tf.io.RaggedFeature(tf.string)})
        return answer(tf.strings.reduce_join(features["posts"], axis=1, separator=SEPARATOR))

    named = {"posts": posts, "serving_default": serving_default}
    tf.saved_model.save(module, str(folder), signatures={name: named[name] for name in signatures})
    return folder


@pytest.fixture(scope="session")
def save_model() -> Callable[..., Path]:
    """`save_toy_model`, for tests that need a model of their own."""
    return save_toy_model


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model; tests must not change it."""
    return save_toy_model(tmp_path_factory.mktemp("toy") / "model")
