"""All heads' counts of some authors together, and what becomes of them in `answers.json`.

Enters: labels, masks, predictions by head. Leaves: `{"<head>/<array>": values}`, which adds up by
plain addition: the arrays of `heads`, and of every head

| array | what it counts |
|---|---|
| `confidence` `[100, 2]` | of a classifier, by confidence: count, wrong answers |
| `by/<other>` `[groups, 4]` | by another label: count, sums of error, its square, signed error |

The error of an author is |prediction - label| for a number, and 0 or 1 else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.report.answers import CONFIDENCE_EDGES, Sums, add_in
from components.report.heads import HeadReport
from components.report.scales import Array, places


def count_answers(
    reports: Mapping[str, HeadReport],
    labels: Mapping[str, Array],
    known: Mapping[str, NDArray[np.bool_]],
    predictions: Mapping[str, Array],
) -> Sums:
    """All arrays of some authors.

    Args:
        reports: by head.
        labels: by head, `[authors, width]`; finite placeholders where unknown.
        known: by head, `[authors]`.
        predictions: by head, the same shape.

    Returns:
        The arrays under `<head>/<array>`, and `authors` `[1]`.
    """
    authors = len(next(iter(known.values())))
    sums: Sums = {"authors": np.array([float(authors)])}
    for name, head in reports.items():
        rows = known[name]
        label, prediction = labels[name][rows], predictions[name][rows]
        error, signed = head.errors(label, prediction)
        for array, values in head.sums(label, prediction).items():
            sums[f"{name}/{array}"] = values
        confidence = head.confidence(prediction)
        if confidence is not None:
            sums[f"{name}/confidence"] = _by_confidence(confidence, error)
        for other, by in reports.items():
            if other != name:
                both = known[other][rows]
                groups = by.groups(labels[other][rows][both])
                terms = (np.ones(both.sum()), error[both], error[both] ** 2, signed[both])
                sums[f"{name}/by/{other}"] = add_in(groups, terms, len(by.group_names()))
    return sums


def add_sums(one: Sums, other: Sums) -> Sums:
    """The arrays of both parts together; an empty part is `{}`."""
    both = {name: one[name] + values for name, values in other.items() if name in one}
    return {**one, **other, **both}


def describe_answers(split: str, reports: Mapping[str, HeadReport], sums: Sums) -> dict[str, Any]:
    """The content of `answers.json`; of what the model says of a head, its interval is kept."""
    heads: dict[str, Any] = {}
    for name, head in reports.items():
        prefix = f"{name}/"
        arrays = {
            key.removeprefix(prefix): np.round(values, 6).tolist()
            for key, values in sorted(sums.items())
            if key.startswith(prefix)
        }
        interval = head.served.get("interval")
        heads[name] = {**head.describe(), "interval": interval, "arrays": arrays}
    authors = int(sums["authors"][0]) if "authors" in sums else 0
    return {"split": split, "authors": authors, "heads": heads}


def _by_confidence(confidence: Array, error: Array) -> Array:
    terms = (np.ones_like(error), error)
    return add_in(places(CONFIDENCE_EDGES, confidence), terms, len(CONFIDENCE_EDGES) - 1)
