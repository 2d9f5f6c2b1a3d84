"""Reads transformed examples shard by shard, in their order, for what is fitted without a graph."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from components.heads.declared import Heads

AUTHORS_A_BATCH = 128


@dataclass(frozen=True)
class Batch:
    """Some authors.

    Attributes:
        ids: of the authors.
        tokens: int64, all authors' one after the other.
        starts: int64 `[authors + 1]`, where each author's begin.
        targets: float32 `[authors, width]` by head.
        known: bool `[authors]` by head.
    """

    ids: list[bytes]
    tokens: np.ndarray
    starts: np.ndarray
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def take(self, chosen: np.ndarray) -> Batch:
        """Those that are chosen, bool `[authors]`."""
        if chosen.all():
            return self
        lengths = np.diff(self.starts)
        return Batch(
            [author for author, own in zip(self.ids, chosen, strict=True) if own],
            self.tokens[np.repeat(chosen, lengths)],
            np.concatenate([[0], np.cumsum(lengths[chosen])]),
            {name: targets[chosen] for name, targets in self.targets.items()},
            {name: known[chosen] for name, known in self.known.items()},
        )


def list_shards(folder: str) -> list[str]:
    """Paths of a split's files, by name: the order in which TensorFlow lists them."""
    return [os.path.join(folder, name) for name in sorted(tf.io.gfile.listdir(folder))]


def read_batches(path: str, heads: Heads = (), *, tokens: bool = True) -> Iterator[Batch]:
    """The authors of a shard, with the labels of some heads, and with their tokens or without."""
    spec = {"author_id": tf.io.FixedLenFeature([], tf.string)}
    if tokens:
        spec["tokens"] = tf.io.RaggedFeature(tf.int64)
    for head in heads:
        spec[head.name] = tf.io.FixedLenFeature([head.width], tf.float32)
        spec[head.known_name] = tf.io.FixedLenFeature([1], tf.float32)
    batches = (
        tf.data.TFRecordDataset([path], compression_type="GZIP")
        .batch(AUTHORS_A_BATCH)
        .map(lambda records: tf.io.parse_example(records, spec))
        .prefetch(2)
    )
    for found in batches:
        ids = list(found["author_id"].numpy())
        yield Batch(
            ids=ids,
            tokens=found["tokens"].flat_values.numpy() if tokens else np.zeros(0, "int64"),
            starts=(
                found["tokens"].row_splits.numpy().astype("int64")
                if tokens
                else np.zeros(len(ids) + 1, "int64")
            ),
            targets={head.name: found[head.name].numpy() for head in heads},
            known={head.name: found[head.known_name].numpy()[:, 0] > 0 for head in heads},
        )


def count_authors(paths: list[str]) -> int:
    """Records of some shards."""
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP")
    return int(records.reduce(np.int64(0), lambda count, _: count + 1).numpy())


def draw(ids: list[bytes], most: int, of: int) -> np.ndarray:
    """Which of some authors are among about `most` of all, bool `[ids]`, by a hash of the id."""
    if of <= most:
        return np.ones(len(ids), "bool")
    return np.array([_hash(author, b"draw") < most / of * 2**64 for author in ids], "bool")


def parts_of(ids: list[bytes], parts: int) -> np.ndarray:
    """The part of each author by a hash of the id, int `[ids]`."""
    return np.array([_hash(author, b"part") % parts for author in ids], "int8")


def _hash(author: bytes, person: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(author, digest_size=8, person=person).digest(), "big")
