"""What raw and transformed examples add up to before any model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.heads.declared import parse_heads
from components.report.coverage import LENGTH_EDGES, count_author, count_tokens, describe_data
from components.report.scales import Scale

HEADS = parse_heads({"height": {"kind": "regression"}, "smoker": {"kind": "binary"}})
SCALES = {"height": Scale((0.0, 10.0, 20.0), (), (-1.0, 1.0), False)}


@pytest.fixture(scope="module")
def example() -> Any:
    """An author of two posts, seven characters (ten bytes) in all, with the height 12."""
    import tensorflow as tf

    author = tf.train.Example()
    author.features.feature["posts"].bytes_list.value.extend(["añb".encode(), "€123".encode()])
    author.features.feature["height"].float_list.value.append(12.0)
    return author


def test_an_author_is_counted_by_what_is_known_and_by_lengths(example: Any) -> None:
    sums = count_author(example, HEADS, SCALES, 1000)
    assert sums["authors"].tolist() == [1.0]
    assert sums["together"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert sums["pairs"].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert sums["height/values"].tolist() == [0.0, 1.0]
    (posts,), (characters,) = np.flatnonzero(sums["posts"]), np.flatnonzero(sums["characters"])
    assert LENGTH_EDGES[posts] == 2
    assert (LENGTH_EDGES[characters], LENGTH_EDGES[characters + 1]) == (6, 8)


def test_a_label_of_no_value_is_unknown(example: Any) -> None:
    import tensorflow as tf

    author = tf.train.Example()
    author.features.feature["posts"].bytes_list.value.append(b"x")
    author.features.feature["height"].float_list.SetInParent()
    sums = count_author(author, HEADS, SCALES, 1000)
    assert sums["together"].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_an_author_is_cut_off_whose_joined_posts_have_more_bytes(example: Any) -> None:
    # Of the two posts four and six, and one of the separator.
    assert count_author(example, HEADS, SCALES, 11)["cut"].tolist() == [0.0]
    assert count_author(example, HEADS, SCALES, 10)["cut"].tolist() == [1.0]


def test_tokens_are_counted_with_those_unknown() -> None:
    import tensorflow as tf

    author = tf.train.Example()
    author.features.feature["tokens"].int64_list.value.extend([1, 5, 1, 7])
    assert count_tokens(author)["totals"].tolist() == [1.0, 4.0, 2.0]


def test_splits_are_described_in_their_order(example: Any) -> None:
    sums = count_author(example, HEADS, SCALES, 1000)
    counted = {("authors", "test"): sums, ("authors", "train"): sums, ("authors", "eval"): {}}
    data = describe_data(HEADS, SCALES, 300, counted)
    assert list(data["splits"]) == ["train", "eval", "test"]
    assert data["splits"]["train"]["together"] == [0.0, 1.0, 0.0, 0.0]
