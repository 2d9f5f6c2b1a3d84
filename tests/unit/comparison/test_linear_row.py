"""The linear baseline inside the compared network has a row of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.comparison import component
from components.comparison.networks import Row
from components.heads.declared import DEFAULT_HEADS, parse_heads

AGE, _, GENDER = parse_heads(DEFAULT_HEADS)
GROUP, OTHER = SimpleNamespace(heads=(AGE, GENDER)), SimpleNamespace(heads=(GENDER,))


class Served:
    """A model that answers an age of 40; the linear baseline inside, one of 30."""

    heads = (AGE,)
    linear: Any = "a network"

    def serve_examples(self, batch: Any) -> dict[str, Any]:
        return {"age": tf.fill([len(batch), 1], 40.0)}

    def serve_baseline(self, batch: Any) -> dict[str, Any]:
        return {"age": tf.fill([len(batch), 1], 30.0)}

    def transform_features(self, batch: Any) -> dict[str, Any]:
        return {"age": tf.fill([len(batch), 1], 32.0), "age.known": tf.ones([len(batch), 1])}


def write_authors(folder: Path) -> str:
    example = tf.train.Example()
    example.features.feature["author_id"].bytes_list.value.append(b"someone")
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data.gz"), options) as writer:
        writer.write(example.SerializeToString())
    return str(folder / "data*")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """What every training of the comparison leaves."""
    model = Served()
    monkeypatch.setattr(
        component, "train_row", lambda row, *_: [(group, None) for group in row.groups]
    )
    monkeypatch.setattr(component, "calibrated_model", lambda *_: (model, {}))
    monkeypatch.setattr(component, "describe_heads", lambda _: {"heads": [{"name": "age"}]})
    return model


def run(row: Row, folder: Path) -> tuple[Any, Any]:
    return component._run(row, {}, None, write_authors(folder), 1, folder)


def test_the_baseline_inside_a_network_of_all_heads_is_judged_too(
    served: Served, tmp_path: Path
) -> None:
    network, linear = run(Row("chosen weights", (GROUP,)), tmp_path)
    for answer, found in ((40.0, network), (30.0, linear)):
        expected = AGE.terms(np.array([32.0]), np.array([answer])).tolist()
        assert found == {"age": {"someone": expected}}


@pytest.mark.parametrize(
    "row",
    [
        Row("uncertainty weighting", (GROUP,), is_learned=True),
        Row("one network a head", (OTHER, OTHER)),
    ],
)
def test_it_is_judged_once_not_in_every_row(served: Served, tmp_path: Path, row: Row) -> None:
    assert run(row, tmp_path)[1] == {}


def test_a_network_without_one_has_no_such_row(served: Served, tmp_path: Path) -> None:
    served.linear = None
    assert run(Row("chosen weights", (GROUP,)), tmp_path)[1] == {}
