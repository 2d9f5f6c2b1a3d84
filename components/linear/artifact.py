"""What the component `Baseline` leaves, and how it is read.

| path | |
|---|---|
| `baseline.json` | per head what was chosen and measured, see `read_facts` |
| `models/<set>.npz`, `.json` | a linear model per head, of the sets `selection` and `final` |
| `offsets/<set>/<split>/<shard>` | gzipped Examples: `author_id`, `<head>.offset` `[logits]` |

An offset is the linear model's logits for an author, by weights that did not see the author's
label. Sets: `selection` (authors of `train` by the other parts of `train`; `eval` by all of it),
`final` (authors of both by the other parts of both) and, where authors are few, `fold-0` to
`fold-4` (by models that saw neither the author's part nor the fold's). Shards have the names and
the order of the transformed examples.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.heads.declared import Heads
from components.heads.links import Link
from components.heads.names import internal_name
from components.paths import escape
from components.table.artifact import read_arrays, write_arrays

SELECTION, FINAL = "selection", "final"
FACTS_FILE = "baseline.json"
PARTS = 5
LEARNED = ("train", "eval")
"""Splits whose labels are learned from."""
OFFSET = "offset"
PART = "part"
"""Name of the feature that says which part of the authors an author is in."""


@dataclass(frozen=True)
class LinearHead:
    """One head's linear model: logits = rows @ weights @ mixing + bias.

    Attributes:
        link: of the head.
        weights: float32 `[terms, columns]`.
        mixing: float32 `[columns, logits]`.
        bias: float32 `[logits]`; the intercept of the scores is in it.
    """

    link: Link
    weights: np.ndarray
    mixing: np.ndarray
    bias: np.ndarray

    def logits(self, rows: Any) -> np.ndarray:
        """float32 `[authors, logits]` of TF-IDF rows `[authors, terms]`, sparse or dense."""
        return np.asarray(rows @ self.weights @ self.mixing + self.bias, "float32")


LinearModel = dict[str, LinearHead]
"""By head."""


def fold_set(fold: int) -> str:
    """Name of the set of offsets in which no model saw a label of a part."""
    return f"fold-{fold}"


def offset_name(head_name: str) -> str:
    """Name of the feature, and of the network's input, that holds a head's offset."""
    return internal_name(head_name, OFFSET)


def read_models(folder: str, heads: Heads) -> dict[str, LinearModel]:
    """The linear models `selection` (of `train`) and `final` (of `train` and `eval`)."""
    return {name: _read_model(folder, name, heads) for name in (SELECTION, FINAL)}


def _read_model(folder: str, name: str, heads: Heads) -> LinearModel:
    path = os.path.join(folder, "models", name)
    arrays = read_arrays(f"{path}.npz")
    links = json.loads(_read_text(f"{path}.json"))
    return {
        head.name: LinearHead(
            head.read_link(links[head.name]),
            *(arrays[head.internal(part)] for part in ("weights", "mixing", "bias")),
        )
        for head in heads
    }


def write_model(folder: str, name: str, model: LinearModel, heads: Heads) -> None:
    """Writes one of the models that `read_models` reads."""
    path = os.path.join(folder, "models", name)
    arrays = {
        head.internal(part): getattr(model[head.name], part)
        for head in heads
        for part in ("weights", "mixing", "bias")
    }
    write_arrays(f"{path}.npz", arrays)
    links = {head.name: model[head.name].link.to_json() for head in heads}
    _write_text(f"{path}.json", json.dumps(links, indent=1))


def offset_patterns(folder: str, name: str, split: str) -> list[str]:
    """The files of a set of offsets for a split, in the order of the examples' own files."""
    return [f"{escape(os.path.join(folder, 'offsets', name, split))}/*"]


def has_offsets(folder: str, name: str) -> bool:
    """Whether there is a set of offsets."""
    return bool(tf.io.gfile.isdir(os.path.join(folder, "offsets", name)))


def with_offsets(
    examples: tf.data.Dataset, patterns: Sequence[str], logits: Mapping[str, int]
) -> tf.data.Dataset:
    """Parsed transformed examples with each head's offset, float32 `[logits]`, among them.

    Args:
        examples: all of a split, in the files' order.
        patterns: of `offset_patterns`.
        logits: numbers of an offset by its name (`offset_name`).

    Raises (while read):
        tf.errors.InvalidArgumentError: an example and its offset are of different authors.
    """
    spec = {name: tf.io.FixedLenFeature([count], tf.float32) for name, count in logits.items()}
    spec["author_id"] = tf.io.FixedLenFeature([1], tf.string)
    spec[PART] = tf.io.FixedLenFeature([1], tf.int64)
    files = tf.data.Dataset.list_files(list(patterns), shuffle=False)
    offsets = tf.data.TFRecordDataset(files, compression_type="GZIP").map(
        lambda record: tf.io.parse_single_example(record, spec),
        num_parallel_calls=tf.data.AUTOTUNE,
    )

    def join(example: dict[str, Any], offset: dict[str, Any]) -> dict[str, Any]:
        same = tf.reduce_all(tf.equal(example["author_id"], offset["author_id"]))
        # Not `assert_equal`, which would print the ids.
        checked = tf.debugging.Assert(
            same, ["offsets must be of the same authors as the examples, in their order"]
        )
        with tf.control_dependencies([checked]):
            return {**example, **{name: tf.identity(offset[name]) for name in (*logits, PART)}}

    return tf.data.Dataset.zip((examples, offsets)).map(join, num_parallel_calls=tf.data.AUTOTUNE)


def read_facts(folder: str) -> dict[str, Any]:
    """What was chosen and measured.

    {"authors": {"train": 2400, "eval": 300}, "fitted": 2700, "parts": 5, "folds": 0,
     "seconds": 4.1, "heads": {"age": {"strength": 0.3, "strengths": [...], "losses": [...],
     "labels": {"train": 2400, "both": 2700}, "columns": 1, "logits": 20, "seconds": 2.1}}}
    """
    facts: dict[str, Any] = json.loads(_read_text(os.path.join(folder, FACTS_FILE)))
    return facts


def write_facts(folder: str, facts: Mapping[str, Any]) -> None:
    """The inverse of `read_facts`."""
    _write_text(os.path.join(folder, FACTS_FILE), json.dumps(facts, indent=1))


def _read_text(path: str) -> str:
    with tf.io.gfile.GFile(path) as file:
        return str(file.read())


def _write_text(path: str, text: str) -> None:
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)
