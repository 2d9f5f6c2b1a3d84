"""Joined authors as files of tf.train.Example.

Enters: (author_id, texts, label values) from `join`. Leaves: gzip TFRecord files, the same bytes
for the same authors in every run, whatever order Beam brings them in.

| feature | list | values |
|---|---|---|
| author_id | bytes | 1 |
| posts | bytes | the texts in order, at least 1 |
| a head's name | float, int64 or bytes, by `Head.stored_as` | 1; absent if unknown |
"""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.coders import BytesCoder, TupleCoder, VarIntCoder
from apache_beam.pvalue import PCollection

from components.disk_shuffle import Disk, GroupRows
from components.heads.base import LabelValue, Stored
from components.heads.declared import Heads
from components.ingest.matching import Values

FILE_PREFIX = "data_tfrecord"
COMPRESSION_LEVEL = 1
"""The fastest: zlib's usual level was half of the whole ingest, for a fifth fewer bytes."""

_EXAMPLES = "examples"
_CODERS = {_EXAMPLES: TupleCoder((VarIntCoder(), TupleCoder((BytesCoder(), BytesCoder()))))}

JoinedAuthor = tuple[str, tuple[str, ...], Values]
"""author_id, texts in order, a value or None for each head."""


def encode_example(author: JoinedAuthor, heads: Heads) -> bytes:
    """The serialized tf.train.Example of an author.

    Example:
        ("a1", ("hi", "bye"), (41.0, None)) with heads age, gender
        -> {author_id: [b"a1"], posts: [b"hi", b"bye"], age: [41.0]}
    """
    author_id, texts, values = author
    features = {"author_id": _bytes_feature([author_id]), "posts": _bytes_feature(texts)}
    for head, value in zip(heads, values, strict=True):
        if value is not None:
            features[head.name] = _label_feature(value, head.stored_as)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


@dataclasses.dataclass(eq=False)
class WriteExamples(beam.PTransform):
    """Writes joined authors into `shards` files of a folder.

    An author's file and place in it follow from the hash of the id: the order is as good as
    shuffled, and a run over the same records writes the same files. Holds one file's Examples.

    Args:
        folder: gets the files.
        shards: number of files; one that no author falls to is not written.
        heads: of the authors' values.
        disk: of `disk_for`, where the runner would hold the Examples of all files.
    """

    folder: str
    shards: int
    heads: Heads
    disk: Disk | None = None

    def expand(self, authors: PCollection) -> PCollection:
        disk = dataclasses.replace(self.disk, parts=self.shards) if self.disk else None
        """Builds the transform; gives the paths written."""
        placed = authors | "Encode" >> beam.Map(
            _place_example, heads=self.heads, shards=self.shards
        )
        return (
            {_EXAMPLES: placed}
            | "GroupByFile" >> GroupRows(disk, _CODERS)
            | "WriteFile" >> beam.Map(_write_file, folder=self.folder, shards=self.shards)
        )


def _place_example(
    author: JoinedAuthor, heads: Heads, shards: int
) -> tuple[int, tuple[bytes, bytes]]:
    # The personalisation keeps this hash apart from the one that chose the author's split.
    order = hashlib.blake2b(author[0].encode(), digest_size=16, person=b"order").digest()
    return int.from_bytes(order, "big") % shards, (order, encode_example(author, heads))


def _write_file(
    group: tuple[int, Mapping[str, Iterable[tuple[bytes, bytes]]]], folder: str, shards: int
) -> str:
    shard, found = group
    path = f"{folder}/{FILE_PREFIX}-{shard:05d}-of-{shards:05d}.gz"
    # A worker that is tried again may run beside the first one: each writes its own, then renames.
    partial = f"{folder}/.{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(folder)
    options = tf.io.TFRecordOptions("GZIP", compression_level=COMPRESSION_LEVEL)
    with tf.io.TFRecordWriter(partial, options) as writer:
        for _, example in sorted(found[_EXAMPLES]):
            writer.write(example)
    tf.io.gfile.rename(partial, path, overwrite=True)
    return path


def _label_feature(value: LabelValue, stored_as: Stored) -> Any:
    match stored_as:
        case "text":
            return _bytes_feature([str(value)])
        case "whole number":
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        case "number":
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def _bytes_feature(texts: Iterable[str]) -> Any:
    value = [text.encode() for text in texts]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
