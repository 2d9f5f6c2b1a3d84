"""What the model's numbers mean to people: units, groups, intervals, confidence, abstention.

Enters: a head as `assets/heads.json` declares it and an author's numbers. Leaves: a JSON object a
head. Called by `service`. Pure functions.

| kind | object |
|---|---|
| regression | `value`, `unit`, where fitted `interval` {`coverage`, `lower`, `upper`} |
| classes | `group`, `probabilities`, where cut from an amount `boundaries`, `confidence` |
| binary | `probabilities` by value, `confidence` |

`interval` is there where the head says how wide it is, `confidence` where the head was calibrated
(it holds `temperature`), `abstain` where the confidence is below the configured bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Head = Mapping[str, Any]
CLASSIFIERS = ("classes", "binary")


def short_numbers(values: np.ndarray) -> list[float]:
    """Numbers as short as float32 allows: 31.2, not 31.200000763."""
    return [float(str(value)) for value in values]


def describe_answer(
    head: Head, numbers: Sequence[float], abstain_below: Mapping[str, float]
) -> dict[str, Any]:
    """One head's answer to an author.

    >>> describe_answer({"name": "g", "kind": "binary", "positive": "f", "negative": "m"}, [0.75],
    ...                 {})
    {'probabilities': {'f': 0.75, 'm': 0.25}}
    """
    if head["kind"] == "regression":
        return _regression(head, numbers[0])
    if head["kind"] == "binary":
        by_value = {head["positive"]: numbers[0], head["negative"]: round(1 - numbers[0], 9)}
        return {"probabilities": by_value, **_sureness(head, by_value.values(), abstain_below)}
    answer = {"group": max(range(len(numbers)), key=numbers.__getitem__), "probabilities": numbers}
    if head.get("boundaries"):
        answer["boundaries"] = head["boundaries"]
    return {**answer, **_sureness(head, numbers, abstain_below)}


def _regression(head: Head, value: float) -> dict[str, Any]:
    answer: dict[str, Any] = {"value": value}
    if head.get("unit"):
        answer["unit"] = head["unit"]
    interval = head.get("interval")
    if interval:
        # No label lies outside the head's range, so cutting the interval there costs no coverage.
        lower = max(value - interval["half_width"], head.get("minimum", -np.inf))
        upper = min(value + interval["half_width"], head.get("maximum", np.inf))
        answer["interval"] = {
            "coverage": interval["coverage"],
            "lower": round(float(lower), 6),
            "upper": round(float(upper), 6),
        }
    return answer


def _sureness(head: Head, probabilities: Any, abstain_below: Mapping[str, float]) -> dict[str, Any]:
    if "temperature" not in head:
        return {}
    confidence = max(probabilities)
    if confidence < abstain_below.get(head["name"], 0.0):
        return {"confidence": confidence, "abstain": True}
    return {"confidence": confidence}


def describe_head(head: Head) -> dict[str, Any]:
    """What the metadata says of a head: its declaration, boundaries and measured quality."""
    return {key: value for key, value in head.items() if key != "field" and value is not None}


def bound_faults(heads: Sequence[Head], abstain_below: Mapping[str, float]) -> list[str]:
    """Bounds of abstention that this model cannot keep, each as one sentence."""
    kinds = {head["name"]: head for head in heads}
    faults = []
    for name in abstain_below:
        if kinds.get(name, {}).get("kind") not in CLASSIFIERS:
            classifiers = [head["name"] for head in heads if head["kind"] in CLASSIFIERS]
            faults.append(
                f"abstain_below must name classifiers of the model, {classifiers}; {name} is none"
            )
        elif "temperature" not in kinds[name]:
            faults.append(
                f"abstain_below needs a calibrated confidence; the model has none for {name}. "
                "Train it again, or leave the bound out"
            )
    return faults
