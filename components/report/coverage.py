"""What a split's authors add up to before any model: labels known together, lengths, label values.

Enters: raw and transformed tf.Examples, one at a time. Leaves: counts of fixed size and the content
of `data.json`. Holds no text and no id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.heads.base import Head
from components.heads.declared import Heads
from components.ingest.records import SPLITS
from components.report.answers import Sums, count_in
from components.report.scales import Array, Scale, places

LENGTH_EDGES = (0, 1, 2, *(size for k in range(1, 28) for size in (3 * 2 ** (k - 1), 2 ** (k + 1))))
"""0, 1, 2, 3, 4, 6, 8, 12, 16, ...: two bins an octave, up to 268 million."""
MOST_COMBINED_HEADS = 10
UNKNOWN_TOKEN = 1


def count_author(
    example: Any, heads: Heads, scales: Mapping[str, Scale], maximum_bytes: int
) -> Sums:
    """One raw example's counts.

    Args:
        example: a `tf.train.Example` as ingest writes it.
        heads: the declared heads.
        scales: of the heads whose labels are numbers.
        maximum_bytes: of the joined posts that are read.

    Returns:
        `authors`, `cut` (whether some of the posts is not read) `[1]`; `posts`, `characters`
        `[bins]`; `pairs` `[heads, heads]`; `together` `[2 ** heads]`, bit k set where head k is
        known (up to ten heads); `<head>/values`.
    """
    feature = example.features.feature
    posts = feature["posts"].bytes_list.value
    known = np.array([_label(feature, head) is not None for head in heads], dtype=float)
    sums: Sums = {
        "authors": np.ones(1),
        # A separator stands between posts.
        "cut": np.array([float(sum(map(len, posts)) + len(posts) - 1 > maximum_bytes)]),
        "posts": _place(len(posts)),
        "characters": _place(sum(len(post.decode("utf-8", "replace")) for post in posts)),
        "pairs": np.outer(known, known),
    }
    if len(heads) <= MOST_COMBINED_HEADS:
        sums["together"] = np.zeros(2 ** len(heads))
        sums["together"][int(known @ 2 ** np.arange(len(heads)))] = 1.0
    for head in heads:
        value = _label(feature, head)
        if value is not None and head.name in scales:
            sums[f"{head.name}/values"] = _place(value, scales[head.name].edges)
    return sums


def count_tokens(example: Any) -> Sums:
    """One transformed example's: `tokens` `[bins]` and `totals` = authors, tokens, unknown ones."""
    tokens = np.asarray(example.features.feature["tokens"].int64_list.value)
    totals = [1.0, len(tokens), (tokens == UNKNOWN_TOKEN).sum()]
    return {"tokens": _place(len(tokens)), "totals": np.array(totals, dtype=float)}


def describe_data(
    heads: Heads,
    scales: Mapping[str, Scale],
    maximum_bytes: int,
    counted: Mapping[tuple[str, str], Sums],
) -> dict[str, Any]:
    """The content of `data.json`; counted are `authors` and `tokens`, each by split."""

    def by_split(what: str) -> dict[str, Any]:
        return {
            split: {name: values.tolist() for name, values in sorted(counted[what, split].items())}
            for split in SPLITS
            if (what, split) in counted
        }

    return {
        "heads": [head.name for head in heads],
        "length_edges": list(LENGTH_EDGES),
        "scales": {name: scale.to_json() for name, scale in scales.items()},
        "maximum_bytes": maximum_bytes,
        "splits": by_split("authors"),
        "tokens": by_split("tokens"),
    }


def _place(value: float, edges: Sequence[float] = LENGTH_EDGES) -> Array:
    """One count, in the bin of the value."""
    return count_in((places(edges, np.array([float(value)])),), (len(edges) - 1,))


def _label(feature: Any, head: Head) -> Any:
    if head.name not in feature:
        return None
    values = getattr(feature[head.name], feature[head.name].WhichOneof("kind") or "bytes_list")
    return values.value[0] if values.value else None
