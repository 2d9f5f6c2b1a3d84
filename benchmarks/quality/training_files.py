"""A fold's training as the pipeline has it: examples in files, the table, the linear baseline.

Enters: a fold's authors, ids and targets. Leaves: transformed examples of `train` and `eval`, what
the components `Table` and `Baseline` make of them by their own code, and the data that Tuner and
Trainer would open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.quality.corpus import Corpus, Fold, targets_of
from components.heads.declared import Heads
from components.linear.component import fit_baseline
from components.linear.settings import BaselineSettings
from components.table.artifact import write_table
from components.table.component import make_table
from components.training.fitting import TrainingData
from components.training.hooks import HookSettings
from components.training.loading import load_data

SEED = 1
GZIP = tf.io.TFRecordOptions(compression_type="GZIP")

Targets = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""Targets and masks by head, of `corpus.targets_of`."""


def write_split(
    folder: Path, authors: Sequence[str], ids: Sequence[np.ndarray], labels: Targets
) -> None:
    """Transformed examples of some authors, as the Transform writes them."""
    folder.mkdir(parents=True)
    targets, known = labels
    with tf.io.TFRecordWriter(str(folder / "examples.gz"), GZIP) as writer:
        for row, author in enumerate(authors):
            features = {"author_id": _bytes(author.encode()), "tokens": _ints(ids[row])}
            for name, values in targets.items():
                features[name] = _floats(values[row])
                features[f"{name}.known"] = _floats(known[name][row : row + 1])
            content = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(content.SerializeToString())


def open_training(
    folder: Path, corpus: Corpus, fold: Fold, settings: HookSettings
) -> tuple[TrainingData, HookSettings]:
    """Writes a fold's splits, makes their table and baseline, and opens all.

    Args:
        folder: empty or new; gets the splits, `table` and `baseline`.
        corpus: of the fold.
        fold: whose authors are learned from.
        settings: of the training.

    Returns:
        The data, and the settings that name both artifacts.
    """
    heads = settings.heads
    for name, numbers, ids in (
        ("train", fold.train, fold.train_ids),
        ("eval", fold.eval, fold.eval_ids),
    ):
        labels = targets_of(corpus, heads, numbers, fold.facts)
        write_split(folder / name, [corpus.authors[i] for i in numbers], ids, labels)
    width = settings.network.table_width
    size, batch = fold.vocabulary_size, settings.training.batch_size
    data = prepare(folder, heads, size, fold.pair_keys, width, batch)
    table, baseline = str(folder / "table"), str(folder / "baseline")
    return data, replace(settings, table=table, baseline=baseline)


def prepare(
    folder: Path,
    heads: Heads,
    vocabulary_size: int,
    pair_keys: np.ndarray,
    table_width: int,
    batch_size: int,
) -> TrainingData:
    """Makes table and baseline of the splits that `write_split` has left in a folder; opens all."""
    splits = {name: str(folder / name) for name in ("train", "eval")}
    table = make_table(splits["train"], vocabulary_size, pair_keys, table_width, SEED)
    write_table(table, str(folder / "table"))
    fit_baseline(splits, table, heads, BaselineSettings(), str(folder / "baseline"))
    return load_data(
        [f"{splits['train']}/*"],
        [f"{splits['eval']}/*"],
        feature_spec(heads),
        heads,
        vocabulary_size,
        batch_size,
        str(folder / "table"),
        str(folder / "baseline"),
    )


def feature_spec(heads: Heads) -> dict[str, Any]:
    """Of the examples of `write_split`."""
    spec: dict[str, Any] = {
        "author_id": tf.io.FixedLenFeature([1], tf.string),
        "tokens": tf.io.VarLenFeature(tf.int64),
    }
    for head in heads:
        spec[head.name] = tf.io.FixedLenFeature([head.width], tf.float32)
        spec[head.known_name] = tf.io.FixedLenFeature([1], tf.float32)
    return spec


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(values: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
