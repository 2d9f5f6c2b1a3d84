"""The files that training reads: examples, and the linear baseline's offsets beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.heads.declared import Heads
from components.linear.artifact import (
    FINAL,
    LEARNED,
    PART,
    PARTS,
    SELECTION,
    fold_set,
    has_offsets,
    offset_name,
    offset_patterns,
    read_models,
    with_offsets,
)
from components.table.artifact import read_table
from components.training.dataset import read_examples, to_row
from components.training.fitting import TrainingData, make_data


def load_data(
    train_patterns: Sequence[str],
    eval_patterns: Sequence[str],
    feature_spec: dict[str, Any],
    heads: Heads,
    vocabulary_size: int,
    batch_size: int,
    table: str,
    baseline: str,
) -> TrainingData:
    """Opens and counts both splits; the records stay on disk.

    Args:
        train_patterns: files of transformed examples.
        eval_patterns: the same of `eval`.
        feature_spec: of them.
        heads: what is predicted.
        vocabulary_size: token ids in all.
        batch_size: authors a step.
        table: folder of the component's artifact.
        baseline: the same.

    Raises:
        ValueError: a head's labels do not differ in `eval`, so its skill is not defined there.
    """
    examples = [read_examples(files, feature_spec) for files in (train_patterns, eval_patterns)]
    links = {name: head.link for name, head in read_models(baseline, heads)[SELECTION].items()}
    logits = {offset_name(head.name): links[head.name].logits for head in heads}

    def join(name: str) -> list[tf.data.Dataset]:
        return [
            with_offsets(rows, offset_patterns(baseline, name, split), logits)
            for rows, split in zip(examples, LEARNED, strict=True)
        ]

    def open_rows(name: str) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        train, selecting = (to_rows(joined, heads) for joined in join(name))
        return train, selecting

    def open_fold(number: int) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        train, selecting = join(fold_set(number))
        everyone = train.concatenate(selecting)
        learned = everyone.filter(lambda example: example[PART][0] != number)
        answered = everyone.filter(lambda example: example[PART][0] == number)
        return to_rows(learned, heads), to_rows(answered, heads)

    folds = [n for n in range(PARTS) if has_offsets(baseline, fold_set(n))]
    return make_data(
        heads,
        *open_rows(SELECTION),
        batch_size,
        vocabulary_size,
        links=links,
        table=read_table(table),
        everyone=open_rows(FINAL),
        folds=tuple(open_fold(number) for number in folds),
    )


def to_rows(examples: tf.data.Dataset, heads: Heads) -> tf.data.Dataset:
    """Rows of `dataset.to_row`."""
    return examples.map(lambda example: to_row(example, heads))
