"""The records that all contenders read: made-up authors as long as those of a real corpus.

Enters: a folder, a size. Leaves: `posts.jsonl` and `labels.csv` for this project's path, and under
`examples/` the same authors, already joined, as TFRecords of tf.train.Example for stock TFX.
Called by the benchmark.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.heads.declared import parse_heads
from components.ingest.examples import encode_example
from components.ingest.matching import match_author
from components.ingest.reading import label_row, post_row
from components.ingest.records import RecordError, parse_label, parse_post
from pipeline.sample.files import DEFAULT_SEED
from pipeline.sample.lexicon import Integers
from pipeline.sample.records import LABEL_FIELDS, WORDS_A_POST, Block, draw_blocks

HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression", "unit": "years"},
    "income": {"kind": "classes", "classes": 10, "given_as": "amount"},
    "gender": {"kind": "binary", "positive": "female", "negative": "male"},
}
MOST_AUTHORS = 1_000_000
CORPUS_WORDS = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (100, 465, 920, 2_117, 5_733, 27_987, 80_000))
"""Shares of 19,320 bloggers and the words that so many of them do not exceed; the ends are ours."""
CORPUS_POSTS_MEAN = 35
_EXAMPLES = "examples/data-00000-of-00001.gz"


def write_corpus(folder: Path, megabytes: float) -> Path:
    """Writes the records once; a folder that is there already is taken as it is.

    Args:
        folder: where folders of corpora stand.
        megabytes: of `posts.jsonl`, to the next block of 512 authors or, of a small one, cut off.

    Returns:
        The corpus's own folder.
    """
    corpus = folder / f"corpus-{megabytes:g}-mb"
    if corpus.exists():
        return corpus
    beside = corpus.with_name(f".{corpus.name}")
    shutil.rmtree(beside, ignore_errors=True)
    (beside / "examples").mkdir(parents=True)
    _write_files(beside, int(megabytes * 1e6))
    os.replace(beside, corpus)
    return corpus


def draw_lengths(random: np.random.Generator, authors: int) -> tuple[Integers, Integers]:
    """Words and posts of each author as long as those of a real corpus, `[authors]` each."""
    shares, quantiles = CORPUS_WORDS
    words = np.exp(np.interp(random.random(authors), shares, np.log(quantiles))).astype(np.int64)
    posts = 1 + random.poisson(CORPUS_POSTS_MEAN - 1, authors)
    return words, np.minimum(posts, words // WORDS_A_POST)


def _write_files(folder: Path, wanted: int) -> None:
    import tensorflow as tf

    examples = tf.io.TFRecordWriter(str(folder / _EXAMPLES), "GZIP")
    written = 0
    with (
        (folder / "posts.jsonl").open("wb") as posts,
        (folder / "labels.csv").open("w", encoding="utf-8") as labels,
        examples,
    ):
        labels.write(",".join(LABEL_FIELDS) + "\n")
        for block in draw_blocks(MOST_AUTHORS, DEFAULT_SEED, draw_lengths):
            kept = _cut_block(block, wanted - written)
            content = "".join(f"{line}\n" for line in kept).encode()
            posts.write(content)
            labels.writelines(f"{line}\n" for line in block.labels)
            for example in join_block(kept, block.labels):
                examples.write(example)
            written += len(content)
            if written >= wanted:
                return


def _cut_block(block: Block, wanted: int) -> list[str]:
    """The block's posts up to so many bytes; whole authors, in their shuffled order of lines."""
    sizes: dict[str, int] = defaultdict(int)
    for line in block.posts:
        sizes[_author_of(line)] += len(line.encode()) + 1
    kept, total = set(), 0
    for author in sorted(sizes):
        if total < wanted:
            kept.add(author)
            total += sizes[author]
    return [line for line in block.posts if _author_of(line) in kept]


def _author_of(line: str) -> str:
    return line[len('{"author_id": "') :].partition('"')[0]


def join_block(posts: list[str], labels: list[str]) -> Iterator[bytes]:
    """The examples that the project's own join makes of these lines."""
    heads = parse_heads(HEADS)
    posts_of: dict[str, list[Any]] = defaultdict(list)
    labels_of: dict[str, list[Any]] = defaultdict(list)
    for number, line in enumerate(posts):
        try:
            author, row = post_row(0, number, parse_post(json.loads(line)))
        except (ValueError, RecordError):
            continue
        posts_of[author].append(row)
    for number, fields in enumerate(csv.reader(io.StringIO("\n".join(labels)))):
        try:
            label = parse_label(dict(zip(LABEL_FIELDS, fields, strict=True)), heads)
        except RecordError:
            continue
        labels_of[label.author_id].append(label_row(1, number, label)[1])
    for author in sorted(posts_of):
        outcome = match_author(posts_of[author], labels_of[author])
        if outcome.texts:
            yield encode_example((author, outcome.texts, outcome.values), heads)
