"""Transformed examples to batches of equal length class, with targets and masks.

Enters: TFRecord files of transformed examples. Leaves: `(tokens, targets, weights)` batches:
int32 `[batch, tokens]`, {head: float32 `[batch, units]`}, {head: float32 `[batch]`, 1 where the
label is known, else 0}. Authors of like length share a batch, padded to their bucket's bound, so
that little of the work is padding and few shapes are compiled. Memory: the shuffle buffer and a
few batches; the corpus stays on disk. Called by the Tuner and the Trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.training.settings import MINIMUM_TOKENS
from components.training.skill import ClassCounts, NumberSums

SHUFFLE_AUTHORS = 4096
BUCKET_GROWTH = 1.35


@dataclass(frozen=True)
class SplitSummary:
    """What one pass over a split counted.

    Attributes:
        authors: rows.
        steps: batches that `make_batches` cuts them into.
        known: known labels of each head.
        constant_losses: a head's loss under its best constant, NaN where nothing is known.
        document_frequencies: int64 `[vocabulary]`, authors who use each token id.
    """

    authors: int
    steps: int
    known: dict[str, int]
    constant_losses: dict[str, float]
    document_frequencies: np.ndarray


def bucket_bounds(max_tokens: int) -> list[int]:
    """Lengths that batches are padded to: 269, then steps of 1.35, the last at `max_tokens`.

    >>> bucket_bounds(600)
    [269, 363, 490, 600]
    """
    bounds = [min(MINIMUM_TOKENS, max_tokens)]
    while bounds[-1] < max_tokens:
        bounds.append(min(int(bounds[-1] * BUCKET_GROWTH), max_tokens))
    return bounds


def read_examples(patterns: Sequence[str], feature_spec: dict[str, Any]) -> tf.data.Dataset:
    """Parsed transformed examples, one a row, in the files' order (files by name)."""
    files = tf.data.Dataset.list_files(list(patterns), shuffle=False)
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.map(
        lambda record: tf.io.parse_single_example(record, feature_spec),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def to_row(example: dict[str, Any], heads: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """One example as (tokens `[tokens]`, targets, weights)."""
    tokens = tf.cast(tf.sparse.to_dense(example["tokens"]), tf.int32)
    targets = {head.name: example[head.name] for head in heads}
    weights = {head.name: example[head.known_name][0] for head in heads}
    return tokens, targets, weights


def make_batches(
    rows: tf.data.Dataset, batch_size: int, max_tokens: int, shuffle_seed: Any = None
) -> tf.data.Dataset:
    """Batches rows by length class.

    Args:
        rows: of `to_row`.
        batch_size: authors a batch; the last of each bucket may be smaller.
        max_tokens: longest row.
        shuffle_seed: int or scalar int64 tensor; None keeps the order.

    Returns:
        `(tokens, targets, weights)` with tokens padded by 0 to the bucket's bound.
    """
    if shuffle_seed is not None:
        rows = rows.shuffle(SHUFFLE_AUTHORS, seed=shuffle_seed, reshuffle_each_iteration=False)
    bounds = bucket_bounds(max_tokens)

    def pad_to_bound(tokens: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
        longest = tf.shape(tokens)[1]
        bound = tf.reduce_min(tf.boolean_mask(bounds, tf.constant(bounds) >= longest))
        return tf.pad(tokens, [[0, 0], [0, bound - longest]]), targets, weights

    batches = rows.bucket_by_sequence_length(
        lambda tokens, targets, weights: tf.size(tokens),
        bucket_boundaries=[bound + 1 for bound in bounds],
        bucket_batch_sizes=[batch_size] * (len(bounds) + 1),
    )
    return batches.map(pad_to_bound, num_parallel_calls=tf.data.AUTOTUNE)


def training_batches(
    rows: tf.data.Dataset,
    batch_size: int,
    max_tokens: int,
    seed: int,
    first_epoch: int,
) -> tf.data.Dataset:
    """Batches of epoch after epoch, endlessly; an epoch's order follows from seed and number.

    So a training that is resumed at epoch k sees what an uninterrupted one would have seen.
    """
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    batches = epochs.flat_map(
        lambda epoch: make_batches(rows, batch_size, max_tokens, seed + epoch)
    )
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return batches.apply(endless).prefetch(tf.data.AUTOTUNE)


def summarise(
    rows: tf.data.Dataset,
    heads: tuple[Any, ...],
    vocabulary_size: int,
    batch_size: int,
    max_tokens: int,
) -> SplitSummary:
    """Counts a split in one pass: authors, steps, known labels, constant losses, words."""
    steps = authors = 0
    users = np.zeros(vocabulary_size, dtype="int64")
    known = {head.name: 0.0 for head in heads}
    sums = {head.name: np.zeros(2 if head.kind == "regression" else head.units) for head in heads}
    for tokens, targets, weights in make_batches(rows, batch_size, max_tokens).as_numpy_iterator():
        steps += 1
        for author in tokens:
            users[np.unique(author)] += 1
        authors += len(next(iter(weights.values())))
        for head in heads:
            weight = weights[head.name].astype("float64")[:, None]
            target = targets[head.name].astype("float64")
            known[head.name] += weight.sum()
            if head.kind == "regression":
                target = np.concatenate([target, target**2], axis=1)
            sums[head.name] += (weight * target).sum(axis=0)
    return SplitSummary(
        authors=authors,
        steps=steps,
        known={name: int(count) for name, count in known.items()},
        constant_losses={
            head.name: _constant_loss(head, known[head.name], sums[head.name]) for head in heads
        },
        document_frequencies=users,
    )


def _constant_loss(head: Any, known: float, sums: Any) -> float:
    if not known:
        return float("nan")
    if head.kind == "regression":
        return NumberSums(known, float(sums[0]), float(sums[1])).constant_loss()
    if head.kind == "binary":
        return ClassCounts((float(sums[0]), known - float(sums[0]))).constant_loss()
    return ClassCounts(tuple(float(count) for count in sums)).constant_loss()
