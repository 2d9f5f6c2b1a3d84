"""The commonest of all tokens, counted exactly, as an analyzer of tf.Transform.

Enters: a batch's distinct tokens with their counts, which the graph itself has added up. Leaves: a
vocabulary file, the same bytes that `tft.vocabulary` writes: by falling count, then by falling
bytes.

`tft.vocabulary` sends each occurrence through Beam by itself. Here a bundle adds up in memory,
about `MOST_ROWS` distinct tokens at most, and shuffles columns of tokens and counts, one for each
of `SHARDS` parts that a token's hash chooses. A part holds its own share of the distinct tokens in
memory, and gives no more than are wanted; the last step holds those of all parts. On this machine
the columns lie on its disk until then (`disk_shuffle`), unless results are elsewhere.

    "a b a", "b c"  ->  (a, 2), (b, 1); (b, 1), (c, 1)  ->  b, a, c
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.coders import BytesCoder, TupleCoder, VarIntCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindows

from components.disk_shuffle import Disk, GroupRows, holds_shuffle

SHARDS = 32
MOST_ROWS = 1 << 20
NOTHING_COUNTED = b"49d0cd50-04bb-48c0-bc6f-5b575dce351a"
"""The one line of a vocabulary without any token, as tf.Transform writes it: no file is empty."""

_COLUMNS = "columns"
_CODER = TupleCoder((VarIntCoder(), BytesCoder()))

Batch = tuple[Any, Any, Any]
"""Distinct tokens, their counts, the part of each: arrays `[distinct]`."""


def count_tokens(tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Distinct tokens of a batch and how often each occurs, `[distinct]` both.

    Args:
        tokens: ragged strings `[batch, (tokens)]`.
    """
    distinct, _, counts = tf.unique_with_counts(tokens.flat_values, tf.int64)
    return distinct, counts


def count_pairs(tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Distinct pairs of neighbouring tokens, a space between, and how often each occurs.

    The same as `count_tokens` of the pairs as texts, without spelling out each occurrence.

    Args:
        tokens: ragged strings `[batch, (tokens)]`.
    """
    words, places = tf.unique(tokens.flat_values, tf.int64)
    places = tokens.with_flat_values(places)
    number = tf.size(words, tf.int64)
    pairs = places[:, :-1].flat_values * number + places[:, 1:].flat_values
    distinct, _, counts = tf.unique_with_counts(pairs, tf.int64)
    # Of a batch without a token there is nothing to divide, but TensorFlow forbids a divisor of 0.
    number = tf.maximum(number, 1)
    spelled = tf.strings.join(
        [tf.gather(words, distinct // number), tf.gather(words, distinct % number)], " "
    )
    return spelled, counts


def make_vocabulary(
    counted: tuple[tf.Tensor, tf.Tensor], name: str, most: int, fewest_uses: int = 1
) -> tf.Tensor:
    """Path of the file of the commonest tokens, known once tf.Transform has read all data.

    Args:
        counted: of `count_tokens` or `count_pairs`.
        name: file's name among the graph's assets; must differ from any other.
        most: tokens kept.
        fewest_uses: a token that occurs less often is left out.

    Returns:
        String `[]`; `tft.TFTransformOutput` finds the file by its name.
    """
    distinct, counts = counted
    (path,) = tft.experimental.ptransform_analyzer(
        inputs=[distinct, counts, tf.strings.to_hash_bucket_fast(distinct, SHARDS)],
        ptransform=CommonestTokens(name, most, fewest_uses),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[NOTHING_COUNTED],
        name=name,
    )
    tft.annotate_asset(name, name)
    return path


class CommonestTokens(tft_beam.experimental.PTransformAnalyzer):
    """In: `Batch`es. Out: the path of the vocabulary file."""

    def __init__(self, name: str, most: int, fewest_uses: int) -> None:
        super().__init__()
        self._name = name
        self._most = most
        self._fewest_uses = fewest_uses

    def expand(self, batches: PCollection) -> PCollection:
        added_up = batches | "AddUpInBundle" >> beam.ParDo(_AddUpInBundle())
        parts = (
            {_COLUMNS: added_up}
            | "GroupByPart" >> GroupRows(self._disk(batches.pipeline), {_COLUMNS: _CODER})
            | "CommonestOfPart" >> beam.MapTuple(self._commonest_of_part)
        )
        return (
            batches.pipeline
            | "Once" >> beam.Create([None])
            | "Write" >> beam.Map(self._write, beam.pvalue.AsIter(parts))
        )

    def _disk(self, pipeline: beam.Pipeline) -> Disk | None:
        # TFX deletes the folder with the stage's temporary files.
        if not holds_shuffle(pipeline) or "://" in self.base_temp_dir:
            return None
        return Disk(os.path.join(self.base_temp_dir, f"{self._name}-parts"), SHARDS)

    def _commonest_of_part(self, _: int, found: Mapping[str, Iterable[bytes]]) -> bytes:
        total = _Total()
        for column in found[_COLUMNS]:
            total.add(_read(column))
        table = total.table()
        return _dump(_sort(table.filter(pc.field("count") >= self._fewest_uses), self._most))

    def _write(self, _: None, parts: Iterable[bytes]) -> Any:
        table = pa.concat_tables([_EMPTY, *map(_read, parts)])
        tokens = _sort(table, self._most)["token"].to_pylist() or [NOTHING_COUNTED]
        path = os.path.join(self.base_temp_dir, self._name)
        tf.io.gfile.makedirs(self.base_temp_dir)
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(b"".join(token + b"\n" for token in tokens))
        return np.array(path, object)


class _AddUpInBundle(beam.DoFn):
    """In: `Batch`es. Out: (part, columns of its tokens and counts)."""

    def start_bundle(self) -> None:
        self._total = _Total()

    def process(self, batch: Batch) -> Iterator[tuple[int, bytes]]:
        self._total.add(_table_of(batch))
        if self._total.rows > MOST_ROWS and self._total.table().num_rows > MOST_ROWS // 2:
            yield from self._hand_on()

    def finish_bundle(self) -> Iterator[Any]:
        for part in self._hand_on():
            yield GlobalWindows.windowed_value_at_end_of_window(part)

    def _hand_on(self) -> Iterator[tuple[int, bytes]]:
        table = self._total.table().sort_by("part")
        self._total = _Total()
        parts, lengths = np.unique(table["part"].to_numpy(), return_counts=True)
        ends = np.cumsum(lengths)
        for part, length, end in zip(parts, lengths, ends, strict=True):
            yield int(part), _dump(table.slice(end - length, length))


class _Total:
    """Tables of tokens added up, again whenever they have doubled."""

    def __init__(self) -> None:
        self._tables = [_EMPTY]
        self._added_up = 0
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self.rows += table.num_rows
        if self.rows > max(2 * self._added_up, MOST_ROWS // 4):
            self.table()

    def table(self) -> pa.Table:
        """One row a token."""
        grouped = pa.concat_tables(self._tables).group_by(["token", "part"])
        table = grouped.aggregate([("count", "sum")]).rename_columns(["token", "part", "count"])
        self._tables = [table]
        self._added_up = self.rows = table.num_rows
        return table


_EMPTY = pa.table(
    {
        "token": pa.array([], pa.large_binary()),
        "part": pa.array([], pa.int64()),
        "count": pa.array([], pa.int64()),
    }
)


def _table_of(batch: Batch) -> pa.Table:
    tokens, counts, parts = batch
    columns = [pa.array(tokens, pa.large_binary()), pa.array(parts), pa.array(counts)]
    return pa.table(columns, schema=_EMPTY.schema)


def _sort(table: pa.Table, most: int) -> pa.Table:
    """The first `most` rows by falling count, then by falling bytes."""
    return table.sort_by([("count", "descending"), ("token", "descending")]).slice(0, most)


def _dump(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _read(columns: bytes) -> pa.Table:
    return pa.ipc.open_stream(columns).read_all()
