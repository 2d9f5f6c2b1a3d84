"""Transformed examples to batches of equal length class, with targets and masks.

Enters: TFRecord files of transformed examples. Leaves: `(tokens, targets, weights)` batches:
int32 `[batch, tokens]`, {head: float32 `[batch, width]`}, {head: float32 `[batch]`, 1 where the
label is known, else 0}. Authors of like length share a batch, padded to their bucket's bound, so
that little of the work is padding and few shapes are compiled. Memory: the shuffle buffer and a
few batches; the corpus stays on disk. Called by the Tuner and the Trainer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.base import Head
from components.heads.declared import Heads
from components.training.heads import network_of
from components.training.layers import PADDING_ID
from components.training.pairs import used_pairs
from components.training.settings import MINIMUM_TOKENS

NO_PAIRS = np.zeros(0, dtype="int64")
NUMBERS = 65_536
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
        constants: mean target of each head `[width]`, NaN where nothing is known.
        numbers: known targets of each head that may be answered in steps, `NUMBERS` of them at the
            most, drawn at random.
        document_frequencies: int64 `[vocabulary + pairs]`, authors who use each id, then each pair.
        longest: tokens of the longest author.
    """

    authors: int
    steps: int
    known: dict[str, int]
    constant_losses: dict[str, float]
    constants: dict[str, list[float]]
    numbers: dict[str, np.ndarray]
    document_frequencies: np.ndarray
    longest: int


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


def to_row(example: dict[str, Any], heads: Heads) -> tuple[Any, Any, Any]:
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
    heads: Heads,
    vocabulary_size: int,
    batch_size: int,
    max_tokens: int,
    pair_keys: np.ndarray = NO_PAIRS,
) -> SplitSummary:
    """Counts a split in one pass: authors, steps, labels, constants, words and pairs."""
    steps = authors = longest = 0
    users = np.zeros(vocabulary_size + len(pair_keys), dtype="int64")
    samples = {head.name: NumberSample() for head in heads if network_of(head).in_steps}
    known = {head.name: 0.0 for head in heads}
    sums: dict[str, Any] = {head.name: 0.0 for head in heads}
    for tokens, targets, weights in make_batches(rows, batch_size, max_tokens).as_numpy_iterator():
        steps += 1
        longest = max(longest, int((tokens != PADDING_ID).sum(axis=1).max()))
        for author in tokens:
            users[np.unique(author)] += 1
            users[vocabulary_size + used_pairs(author, pair_keys)] += 1
        authors += len(next(iter(weights.values())))
        for head in heads:
            weight = weights[head.name].astype("float64")[:, None]
            target = targets[head.name].astype("float64")
            known[head.name] += weight.sum()
            if head.name in samples:
                samples[head.name].add(target[weight > 0])
            sums[head.name] += (weight * head.moments(target)).sum(axis=0)
    constants = {
        head.name: _best_constant(head, known[head.name], sums[head.name]) for head in heads
    }
    return SplitSummary(
        authors=authors,
        steps=steps,
        known={name: int(count) for name, count in known.items()},
        constant_losses={name: loss for name, (_, loss) in constants.items()},
        constants={name: mean for name, (mean, _) in constants.items()},
        numbers={name: sample.values() for name, sample in samples.items()},
        document_frequencies=users,
        longest=longest,
    )


class NumberSample:
    """A uniform sample of numbers that come in batches, the same for the same order.

    Source: Vitter, "Random Sampling with a Reservoir", 1985, algorithm R.
    """

    def __init__(self, size: int = NUMBERS):
        """Args: most numbers kept."""
        self._kept = np.zeros(size)
        self._seen = 0
        self._random = np.random.default_rng(0)

    def add(self, numbers: np.ndarray) -> None:
        """Takes further numbers `[n]`."""
        order = self._seen + np.arange(len(numbers))
        drawn = self._random.integers(0, order + 1)
        places = np.where(order < len(self._kept), order, drawn)
        kept = places < len(self._kept)
        self._kept[places[kept]] = numbers[kept]
        self._seen += len(numbers)

    def values(self) -> np.ndarray:
        """The sample, float64."""
        return self._kept[: self._seen].copy()


def _best_constant(head: Head, known: float, sums: Array) -> tuple[list[float], float]:
    """The best constant answer, which is the mean target, and its loss; NaN of no known label."""
    if not known:
        return [math.nan] * head.width, math.nan
    mean = [float(total / known) for total in sums[: head.width]]
    return mean, head.constant_loss(known, sums)
