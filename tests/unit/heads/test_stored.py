"""How a head says that its labels are stored is how examples, schema and statistics hold them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.features.schema import build_schema
from components.features.settings import ValidationSettings
from components.heads.declared import Heads, parse_heads
from components.ingest.examples import encode_example
from components.ingest.label_checks import empty_groups_note, learning_problem, range_problem
from components.ingest.matching import Outcome
from components.ingest.sources import SourceFile
from components.ingest.summary import JoinSummary, Tally
from components.ingest.tally import tally_author
from components.retraining.look import label_batch

NUMBER: dict[str, Any] = {"kind": "regression", "minimum": 1.5, "maximum": 99.5}
AMOUNT: dict[str, Any] = {"kind": "classes", "classes": 4}
GROUP: dict[str, Any] = {**AMOUNT, "given_as": "group"}
COUNT: dict[str, Any] = {"kind": "count", "maximum": 20}
TWO: dict[str, Any] = {"kind": "binary", "positive": "yes", "negative": "no"}


def heads_of(declaration: dict[str, Any]) -> Heads:
    return parse_heads({"one": declaration})


@pytest.mark.parametrize(
    ("declaration", "given", "stored", "feature_type", "arrow_type", "domain"),
    [
        (NUMBER, "7", 7.0, schema_pb2.FLOAT, pa.float32(), (1.5, 99.5)),
        (AMOUNT, "7", 7.0, schema_pb2.FLOAT, pa.float32(), (0.0, None)),
        (GROUP, "3", 3, schema_pb2.INT, pa.int64(), (0, 3)),
        (COUNT, "3", 3, schema_pb2.INT, pa.int64(), (0, 20)),
        (TWO, "YES", b"yes", schema_pb2.BYTES, pa.binary(), ["yes", "no"]),
    ],
)
def test_a_label_is_held_as_its_head_says(
    declaration: dict[str, Any],
    given: str,
    stored: Any,
    feature_type: int,
    arrow_type: pa.DataType,
    domain: Any,
) -> None:
    heads = heads_of(declaration)
    author = ("a", ("text",), (heads[0].parse(given),))

    example = tf.train.Example.FromString(encode_example(author, heads))
    held = example.features.feature["one"]
    assert list(getattr(held, held.WhichOneof("kind")).value) == [stored]
    assert isinstance(getattr(held, held.WhichOneof("kind")).value[0], type(stored))

    column = label_batch([author, ("b", ("text",), (None,))], heads).column(0)
    assert column.type == pa.list_(arrow_type)
    assert column.to_pylist() == [[stored], None]

    feature = build_schema(heads, ValidationSettings()).feature[-1]
    assert (feature.name, feature.type) == ("one", feature_type)
    bounds = getattr(feature, feature.WhichOneof("domain_info"))
    if isinstance(domain, list):
        assert list(bounds.value) == domain
    else:
        ends = [getattr(bounds, end) if bounds.HasField(end) else None for end in ("min", "max")]
        assert ends == list(domain)
    drift = feature.drift_comparator
    assert drift.HasField("infinity_norm") == (stored == b"yes")
    assert drift.HasField("jensen_shannon_divergence") == (stored != b"yes")


def summary_of(heads: Heads, **values: list[Any]) -> JoinSummary:
    """Of authors with these labels, by split, whose label records are on lines 1, 2 and so on."""
    tally: Counter[Any] = Counter()
    seen: dict[Any, list[float]] = {}
    line = 0
    for split, labels in values.items():
        for label in labels:
            line += 1
            outcome = Outcome(("text",), (label,), (0, 1), (), (1, line))
            for key, count, number, *_ in tally_author(split, outcome, heads):
                tally[key] += count
                seen.setdefault(key, []).extend([] if number is None else [number])
    ends = {key: (min(seen[key], default=None), max(seen[key], default=None)) for key in tally}
    counted: Tally = {key: (count, *ends[key]) for key, count in tally.items()}
    sources = [SourceFile("posts", "/d/posts.jsonl", 1), SourceFile("labels", "/d/labels.csv", 1)]
    return JoinSummary.from_tally(counted, sources, heads)


def test_counts_are_counted_and_those_out_of_range_told_with_their_place() -> None:
    heads = heads_of(COUNT)
    summary = summary_of(heads, train=[3, 0, 21, 5], eval=[99, 1], test=[99])
    train = summary.splits["train"].heads["one"]
    assert (train.known, train.minimum, train.maximum, train.values) == (4, 0.0, 21.0, {})
    assert range_problem(summary, heads[0]) == (
        "head 'one' (field 'one'): labels must lie between heads.one.minimum, 0, and "
        "heads.one.maximum, 20; 3 of 7 labels are above, first at /d/labels.csv:3. The value 99 "
        "occurs 2 times: if it means unknown, add 99 to ingest.unknown. If they are right, set "
        "heads.one.minimum and heads.one.maximum."
    )


def test_counts_that_do_not_differ_teach_nothing_and_are_no_groups() -> None:
    heads = heads_of(COUNT)
    equal = summary_of(heads, train=[3, 3], eval=[1, 2], test=[1])
    assert learning_problem(equal, heads[0]) == (
        "head 'one' (field 'one') has one value only in 'train'"
    )
    sound = summary_of(heads, train=[3, 4], eval=[1, 2], test=[1])
    assert learning_problem(sound, heads[0]) is None
    assert empty_groups_note(sound, heads[0]) is None


def test_values_and_groups_are_counted_by_name() -> None:
    summary = summary_of(heads_of(TWO), train=["yes", "no", "yes"])
    assert summary.splits["train"].heads["one"].values == {"no": 1, "yes": 2}
    heads = heads_of(GROUP)
    summary = summary_of(heads, train=[0, 0, 4, 2], eval=[1], test=[-1])
    assert summary.splits["train"].heads["one"].values == {"0": 2, "2": 1, "out of range": 1}
    assert summary.splits["test"].heads["one"].values == {"out of range": 1}
    assert empty_groups_note(summary, heads[0]) == (
        "head 'one' (field 'one'): only 2 of 4 groups hold an author of 'train'; if there are no "
        "others, set heads.one.classes: 3"
    )
