"""Made-up transformed examples, whose labels follow from the words that authors use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import Heads, parse_heads

VOCABULARY = 30


@pytest.fixture(scope="session", name="heads")
def declare_heads() -> Heads:
    return parse_heads(
        {
            "age": {"kind": "regression"},
            "income": {"kind": "classes", "classes": 3, "given_as": "group"},
            "gender": {"kind": "binary"},
        }
    )


def make_author(number: int, heads: Heads) -> dict[str, Any]:
    """Id, tokens, target and whether it is known by head."""
    random = np.random.default_rng(number)
    taste = random.normal()
    # Later words are of those with a larger taste.
    shares = np.exp(taste * np.linspace(-1, 1, VOCABULARY - 2))
    tokens = 2 + random.choice(VOCABULARY - 2, 25, p=shares / shares.sum())
    number_target = taste + random.normal() / 4
    author = {"author_id": f"author-{number}".encode(), "tokens": tokens}
    for head, target in zip(
        heads,
        ([number_target], np.eye(3)[int(np.clip(taste + 1.5, 0, 2))], [float(taste > 0)]),
        strict=True,
    ):
        author[head.name], author[head.known_name] = target, [float(random.random() < 0.9)]
    return author


def to_record(author: dict[str, Any]) -> bytes:
    features = {}
    for name, value in author.items():
        if name == "author_id":
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        elif name == "tokens":
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=value))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_split(folder: Path, authors: list[dict[str, Any]], shards: int) -> str:
    """Writes a split as Transform names its files; returns its folder."""
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for shard in range(shards):
        name = f"transformed_examples-{shard:05}-of-{shards:05}.gz"
        with tf.io.TFRecordWriter(str(folder / name), options) as writer:
            for author in authors[shard::shards]:
                writer.write(to_record(author))
    return str(folder)


@pytest.fixture(scope="session", name="write_corpus")
def make_write_corpus(heads: Heads) -> Callable[..., dict[str, str]]:
    """Writes `train` and `eval`; a change may alter each author."""

    def write(
        folder: Path,
        counts: tuple[int, int],
        shards: int = 1,
        change: Callable[[dict[str, Any]], None] = lambda author: None,
    ) -> dict[str, str]:
        numbers = {"train": range(counts[0]), "eval": range(counts[0], sum(counts))}
        written = {}
        for split, its in numbers.items():
            authors = [make_author(number, heads) for number in its]
            for author in authors:
                change(author)
            written[split] = write_split(folder / f"Split-{split}", authors, shards)
        return written

    return write
