"""A small default network of every kind of head, what it reads, and the files that training reads.

For tests alone; all is drawn from fixed seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.heads.declared import Heads, parse_heads
from components.heads.links import Link
from components.linear.artifact import (
    FINAL,
    PART,
    SELECTION,
    LinearHead,
    LinearModel,
    offset_name,
    write_model,
)
from components.table.artifact import Table, write_table
from components.training.model import build_model
from components.training.pairs import FIRST_PLACE
from components.training.settings import ConvSettings
from components.training.standardise import Standardise

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 3},
        "gender": {"kind": "binary"},
    }
)
VOCABULARY, PAIRS, WIDTH = 50, 12, 6
SMALL = ConvSettings(table_width=WIDTH, filters=5, crop_tokens=40, shared_width=7)


def draw_targets(heads: Heads, authors: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Labels as targets, float32 `[authors, width]`; each head's first two differ."""
    random = np.random.default_rng(seed)
    targets = {}
    for head in heads:
        if head.width > 1:
            targets[head.name] = np.eye(head.width)[np.arange(authors) % head.width]
        elif head.kind == "regression":
            targets[head.name] = random.normal(0, 1, (authors, 1))
        else:
            targets[head.name] = (np.arange(authors)[:, None] + 1) % 2
    return {name: values.astype("float32") for name, values in targets.items()}


def links_of(heads: Heads = HEADS) -> dict[str, Link]:
    """Of labels that were drawn."""
    targets = draw_targets(heads, 200, seed=8)
    return {head.name: head.link(targets[head.name].astype("float64")) for head in heads}


def draw_table(vocabulary: int = VOCABULARY, pairs: int = PAIRS, width: int = WIDTH) -> Table:
    """Words and pairs of them; padding and the unknown word weigh nothing."""
    random = np.random.default_rng(1)
    keys = np.sort(random.choice((vocabulary - 2) ** 2, pairs, replace=False))
    first, second = np.divmod(keys, vocabulary - 2)
    idf = random.uniform(1, 4, vocabulary + pairs).astype("float32")
    idf[:2] = 0
    return Table(
        idf,
        (first + 2) * FIRST_PLACE + second + 2,
        random.normal(0, 1, (vocabulary + pairs, width)).astype("float32"),
        np.arange(width, 0, -1).astype("float32"),
        authors=100,
    )


def draw_linear(table: Table, links: Mapping[str, Link], seed: int = 2) -> LinearModel:
    """A linear model of random weights."""
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 0.7, shape).astype("float32")

    return {
        name: LinearHead(
            link,
            normal(table.terms, link.columns),
            normal(link.columns, link.logits),
            normal(link.logits),
        )
        for name, link in links.items()
    }


def draw_weights(model: keras.Model, seed: int = 3) -> keras.Model:
    """The model, each trained weight and statistic drawn anew; scales stay above 0."""
    random = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        drawn = random.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(drawn) + 0.5 if weight.name in ("scale", "gamma") else drawn)
    for layer in model.layers:
        if isinstance(layer, Standardise):
            layer.share.assign(0.7)
            layer.total.assign(random.normal(0, 0.2, layer.total.shape))
            spread = random.uniform(0.1, 1, layer.total.shape)
            layer.squares.assign(layer.total**2 / 0.7 + spread)
    return model


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    """By `<layer>/<weight>`."""
    return {
        f"{layer.name}/{weight.name}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
    }


def build_small(
    heads: Heads = HEADS, settings: ConvSettings = SMALL, dropout: float = 0.3, seed: int = 3
) -> keras.Model:
    """The network of `draw_table` and `links_of`, as it starts."""
    table = draw_table()
    return build_model(
        heads, VOCABULARY, settings, links=links_of(heads), table=table, dropout=dropout, seed=seed
    )


def batch_of(authors: Sequence[Sequence[int]], width: int | None = None) -> np.ndarray:
    """Tokens int32 `[authors, width]`, padded."""
    width = max([len(author) for author in authors] + [width or 0])
    rows = [np.pad(np.asarray(author, "int32"), (0, width - len(author))) for author in authors]
    return np.array(rows, "int32").reshape(len(authors), width)


def inputs_of(
    authors: Sequence[Sequence[int]], offsets: Mapping[str, np.ndarray], width: int | None = None
) -> dict[str, Any]:
    """What the network of training reads; `offsets` are `[authors, logits]` by head."""
    named = {f"{name}.offset": np.float32(values) for name, values in offsets.items()}
    return {"tokens": batch_of(authors, width), **named}


def draw_offsets(links: Mapping[str, Link], authors: int, seed: int = 4) -> dict[str, np.ndarray]:
    """By head float32 `[authors, logits]`."""
    random = np.random.default_rng(seed)
    return {
        n: random.normal(0, 1, (authors, link.logits)).astype("float32")
        for n, link in links.items()
    }


def make_rows(
    authors: Sequence[Sequence[int]],
    targets: Mapping[str, np.ndarray],
    offsets: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Rows of `dataset.to_row`, from memory; a label that `known` does not name is known."""
    ragged = tf.ragged.constant([list(author) for author in authors], tf.int32)
    weights = {name: np.ones(len(authors), "float32") for name in targets} | dict(known or {})
    inputs = {f"{name}.offset": np.float32(values) for name, values in offsets.items()}
    slices = tf.data.Dataset.from_tensor_slices(
        ({"tokens": ragged, **inputs}, dict(targets), weights)
    )
    # A row of ragged tokens becomes a tensor.
    return slices.map(lambda *row: row)


SPEC = {
    "author_id": tf.io.FixedLenFeature([1], tf.string),
    "tokens": tf.io.VarLenFeature(tf.int64),
    **{head.name: tf.io.FixedLenFeature([head.width], tf.float32) for head in HEADS},
    **{head.known_name: tf.io.FixedLenFeature([1], tf.float32) for head in HEADS},
}
SPLITS = {"train": 40, "eval": 20}


def write_files(folder: Path, splits: Mapping[str, int] | None = None) -> dict[str, str]:
    """Examples in `<folder>/examples/<split>`, table and baseline beside; arguments of `load_data`.

    Of every fourth author the age is unknown.
    """
    links, table = links_of(), draw_table()
    for name in (SELECTION, FINAL):
        write_model(str(folder / "baseline"), name, draw_linear(table, links), HEADS)
    write_table(table, str(folder / "table"))
    random = np.random.default_rng(5)
    for split, authors in (splits or SPLITS).items():
        targets = draw_targets(HEADS, authors, seed=authors)
        offsets = draw_offsets(links, authors, seed=authors)
        ids = [f"{split}{number}".encode() for number in range(authors)]
        examples = [
            {
                "author_id": [ids[number]],
                "tokens": random.integers(1, VOCABULARY, random.integers(0, 500)).tolist(),
                **{name: values[number].tolist() for name, values in targets.items()},
                **{head.known_name: [1.0] for head in HEADS},
                "age.known": [float(number % 4 != 0)],
            }
            for number in range(authors)
        ]
        beside = [
            {
                "author_id": [ids[number]],
                PART: [number % 5],
                **{offset_name(head.name): offsets[head.name][number].tolist() for head in HEADS},
            }
            for number in range(authors)
        ]
        _write(folder / "examples" / split / "part.gz", examples)
        for name in (SELECTION, FINAL):
            _write(folder / "baseline" / "offsets" / name / split / "part.gz", beside)
    return {"table": str(folder / "table"), "baseline": str(folder / "baseline")}


def _write(path: Path, rows: Sequence[Mapping[str, list[Any]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as out:
        for row in rows:
            features = tf.train.Features(feature={n: _feature(v) for n, v in row.items()})
            out.write(tf.train.Example(features=features).SerializeToString())


def _feature(values: list[Any]) -> tf.train.Feature:
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
