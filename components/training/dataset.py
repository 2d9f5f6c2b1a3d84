"""Transformed examples to batches of equal length class, with offsets, targets and masks.

Enters: TFRecord files of transformed examples, and beside them those of the linear baseline's
offsets. Leaves: `(inputs, targets, weights)` batches: `tokens` int32 `[batch, tokens]` and
`<head>.offset` float32 `[batch, logits]`; {head: float32 `[batch, width]`}; {head: float32
`[batch]`, 1 where the label is known, else 0}. Authors of like length share a batch, padded to
their bucket's bound, so that little of the work is padding and few shapes are compiled; of long
authors fewer share one. Memory: the shuffle buffer and a few batches; the corpus stays on disk.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.base import Head
from components.heads.declared import Heads
from components.linear.artifact import offset_name
from components.training.settings import MINIMUM_TOKENS

SHUFFLE_AUTHORS, FEWEST_SHUFFLED, SHUFFLE_TOKENS = 4096, 1024, 2**27
"""Authors that are mixed at a time, at the most and at the least, and the tokens of them that are
aimed at: 512 MiB."""
BATCH_TOKENS = 32 * 4096
"""Of a batch of which whole authors are answered, padding counted, unless one alone has more."""
TRAINING_TOKENS = 64 * 65_536
"""The same of a training step, in which the convolution reads a crop: some 400 MiB at the most."""
COUNTED_AUTHORS = 256
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
        longest: tokens of the longest author.
    """

    authors: int
    steps: int
    known: dict[str, int]
    constant_losses: dict[str, float]
    constants: dict[str, list[float]]
    longest: int


def bucket_bounds(longest: int) -> list[int]:
    """Lengths that batches are padded to: 269, then steps of 1.35, the last at `longest`.

    >>> bucket_bounds(600)
    [269, 363, 490, 600]
    """
    longest = max(longest, 1)
    bounds = [min(MINIMUM_TOKENS, longest)]
    while bounds[-1] < longest:
        bounds.append(min(int(bounds[-1] * BUCKET_GROWTH), longest))
    return bounds


def authors_of(bound: int, batch_size: int, batch_tokens: int = BATCH_TOKENS) -> int:
    """Authors that share a batch which is padded to so many tokens.

    >>> authors_of(4096, 32), authors_of(8192, 32), authors_of(10**6, 32)
    (32, 16, 1)
    """
    return max(min(batch_size, batch_tokens // bound), 1)


def count_batches(
    lengths: Mapping[int, int], batch_size: int, batch_tokens: int = BATCH_TOKENS
) -> int:
    """Batches that `make_batches` cuts authors into.

    Args:
        lengths: authors by their number of tokens.
        batch_size: authors a batch, at the most.
        batch_tokens: of a batch, at the most.

    >>> count_batches({10: 33, 300: 1}, 32)
    3
    """
    bounds = bucket_bounds(max(lengths, default=0))
    authors = [0] * len(bounds)
    for length, count in lengths.items():
        authors[int(np.searchsorted(bounds, length))] += count
    return sum(
        math.ceil(count / authors_of(bound, batch_size, batch_tokens))
        for bound, count in zip(bounds, authors, strict=True)
    )


def read_examples(patterns: Sequence[str], feature_spec: dict[str, Any]) -> tf.data.Dataset:
    """Parsed transformed examples, one a row, in the files' order (files by name)."""
    files = tf.data.Dataset.list_files(list(patterns), shuffle=False)
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.map(
        lambda record: tf.io.parse_single_example(record, feature_spec),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def to_row(example: dict[str, Any], heads: Heads) -> tuple[Any, Any, Any]:
    """One example as (inputs, targets, weights); its offsets, where it has them, are inputs."""
    tokens = tf.cast(tf.sparse.to_dense(example["tokens"]), tf.int32)
    names = [offset_name(head.name) for head in heads]
    offsets = {name: example[name] for name in names if name in example}
    targets = {head.name: example[head.name] for head in heads}
    weights = {head.name: example[head.known_name][0] for head in heads}
    return {"tokens": tokens, **offsets}, targets, weights


def make_batches(
    rows: tf.data.Dataset,
    batch_size: int,
    longest: int,
    shuffle_seed: Any = None,
    batch_tokens: int = BATCH_TOKENS,
) -> tf.data.Dataset:
    """Batches rows by length class.

    Args:
        rows: of `to_row`.
        batch_size: authors a batch, at the most, see `authors_of`; the last of each bucket may be
            smaller.
        longest: tokens of the longest row.
        shuffle_seed: int or scalar int64 tensor; None keeps the order.
        batch_tokens: of a batch, at the most.

    Returns:
        `(inputs, targets, weights)` with tokens padded by 0 to the bucket's bound.
    """
    if shuffle_seed is not None:
        rows = rows.shuffle(
            shuffled_authors(longest), seed=shuffle_seed, reshuffle_each_iteration=False
        )
    bounds = bucket_bounds(longest)

    def pad_to_bound(inputs: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
        tokens = inputs["tokens"]
        width = tf.shape(tokens)[1]
        bound = tf.reduce_min(tf.boolean_mask(bounds, tf.constant(bounds) >= width))
        padded = tf.pad(tokens, [[0, 0], [0, bound - width]])
        return {**inputs, "tokens": padded}, targets, weights

    batches = rows.bucket_by_sequence_length(
        lambda inputs, targets, weights: tf.size(inputs["tokens"]),
        bucket_boundaries=[bound + 1 for bound in bounds],
        # The last is of rows beyond all bounds, of which there is none.
        bucket_batch_sizes=[*(authors_of(bound, batch_size, batch_tokens) for bound in bounds), 1],
    )
    return batches.map(pad_to_bound, num_parallel_calls=tf.data.AUTOTUNE)


def shuffled_authors(longest: int) -> int:
    """Authors that the shuffle buffer holds.

    >>> shuffled_authors(1500), shuffled_authors(65536), shuffled_authors(10**6)
    (4096, 2048, 1024)
    """
    fitting = SHUFFLE_TOKENS // max(longest, 1)
    return min(max(fitting, FEWEST_SHUFFLED), SHUFFLE_AUTHORS)


def training_batches(
    rows: tf.data.Dataset,
    batch_size: int,
    longest: int,
    seed: int,
    first_epoch: int,
) -> tf.data.Dataset:
    """Batches of epoch after epoch, endlessly; an epoch's order follows from seed and number.

    So a training that is resumed at epoch k sees what an uninterrupted one would have seen.
    """
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    batches = epochs.flat_map(
        lambda epoch: make_batches(rows, batch_size, longest, seed + epoch, TRAINING_TOKENS)
    )
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return batches.apply(endless).prefetch(tf.data.AUTOTUNE)


def summarise(
    rows: tf.data.Dataset,
    heads: Heads,
    batch_size: int,
    batch_tokens: int = BATCH_TOKENS,
) -> SplitSummary:
    """Counts a split in one pass: authors, steps, labels, constants, the longest author."""
    lengths: Counter[int] = Counter()
    known = {head.name: 0.0 for head in heads}
    sums: dict[str, Any] = {head.name: 0.0 for head in heads}
    counted = rows.map(lambda inputs, *labels: (tf.size(inputs["tokens"]), *labels))
    for sizes, targets, weights in counted.batch(COUNTED_AUTHORS).as_numpy_iterator():
        lengths.update(sizes.tolist())
        for head in heads:
            weight = weights[head.name].astype("float64")[:, None]
            target = targets[head.name].astype("float64")
            known[head.name] += weight.sum()
            sums[head.name] += (weight * head.moments(target)).sum(axis=0)
    constants = {
        head.name: _best_constant(head, known[head.name], sums[head.name]) for head in heads
    }
    return SplitSummary(
        authors=lengths.total(),
        steps=count_batches(lengths, batch_size, batch_tokens),
        known={name: int(count) for name, count in known.items()},
        constant_losses={name: loss for name, (_, loss) in constants.items()},
        constants={name: mean for name, (mean, _) in constants.items()},
        longest=max(lengths, default=0),
    )


def _best_constant(head: Head, known: float, sums: Array) -> tuple[list[float], float]:
    """The best constant answer, which is the mean target, and its loss; NaN of no known label."""
    if not known:
        return [math.nan] * head.width, math.nan
    mean = [float(total / known) for total in sums[: head.width]]
    return mean, head.constant_loss(known, sums)
