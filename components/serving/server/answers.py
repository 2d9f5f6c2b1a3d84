"""What the model's numbers mean to people: units, groups, intervals, confidence, abstention.

Enters: a head as `assets/heads.json` declares it and an author's numbers. Leaves: a JSON object a
head. Called by `service`. Pure functions.

| kind | object |
|---|---|
| regression | `value`, `unit`, `interval` {`coverage`, `lower`, `upper`}, `confidence` |
| classes | `group`, `probabilities`, where cut from an amount `boundaries`, `confidence` |
| binary | `probabilities` by value, `confidence` |

`interval` is there where the head says how wide it is, `confidence` where the head was calibrated
(it holds `temperature` or `interval`): how often such an answer is right, which of a number means
that the interval holds it, the same for every author. `abstain` is there where the confidence is
below, or the interval wider than, the configured bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

Head = Mapping[str, Any]


class Bounds(NamedTuple):
    """When an answer says that it is none, by head.

    Attributes:
        below: the least confidence.
        wider: of a number, the greatest width of the interval, in the head's unit.
    """

    below: Mapping[str, float] = MappingProxyType({})
    wider: Mapping[str, float] = MappingProxyType({})


NO_BOUNDS = Bounds()


def short_numbers(values: np.ndarray) -> list[float]:
    """Numbers as short as float32 allows: 31.2, not 31.200000763."""
    return [float(str(value)) for value in values]


def describe_answer(
    head: Head, numbers: Sequence[float], bounds: Bounds = NO_BOUNDS
) -> dict[str, Any]:
    """One head's answer to an author.

    >>> describe_answer({"name": "g", "kind": "binary", "positive": "f", "negative": "m"}, [0.75])
    {'probabilities': {'f': 0.75, 'm': 0.25}}
    """
    if head["kind"] == "regression":
        return _regression(head, numbers[0], bounds)
    if head["kind"] == "binary":
        by_value = {head["positive"]: numbers[0], head["negative"]: round(1 - numbers[0], 9)}
        return {"probabilities": by_value, **_sureness(head, by_value.values(), bounds)}
    answer = {"group": max(range(len(numbers)), key=numbers.__getitem__), "probabilities": numbers}
    if head.get("boundaries"):
        answer["boundaries"] = head["boundaries"]
    return {**answer, **_sureness(head, numbers, bounds)}


def _regression(head: Head, value: float, bounds: Bounds) -> dict[str, Any]:
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
        is_wide = upper - lower > bounds.wider.get(head["name"], np.inf)
        answer |= _stated(head, interval["coverage"], bounds, is_wide)
    return answer


def _sureness(head: Head, probabilities: Any, bounds: Bounds) -> dict[str, Any]:
    if "temperature" not in head:
        return {}
    return _stated(head, max(probabilities), bounds)


def _stated(
    head: Head, confidence: float, bounds: Bounds, abstains: bool = False
) -> dict[str, Any]:
    if abstains or confidence < bounds.below.get(head["name"], 0.0):
        return {"confidence": confidence, "abstain": True}
    return {"confidence": confidence}


def describe_head(head: Head) -> dict[str, Any]:
    """What the metadata says of a head: its declaration, boundaries and measured quality."""
    return {key: value for key, value in head.items() if key != "field" and value is not None}


def bound_faults(heads: Sequence[Head], bounds: Bounds) -> list[str]:
    """Bounds of abstention that this model cannot keep, each as one sentence."""
    kinds = {head["name"]: head["kind"] for head in heads}
    numbers = [name for name, kind in kinds.items() if kind == "regression"]
    faults = [
        f"abstain_below must name heads of the model, {list(kinds)}; {name} is none"
        for name in bounds.below
        if name not in kinds
    ]
    faults += [
        f"abstain_wider must name numbers of the model, {numbers}; {name} is none"
        for name in bounds.wider
        if name not in numbers
    ]
    calibrated = {h["name"] for h in heads if h.get("interval") or "temperature" in h}
    faults += [
        f"to abstain, a head needs a calibrated confidence; the model has none for {name}. Train "
        "it again, or leave the bound out"
        for name in dict.fromkeys((*bounds.below, *(n for n in bounds.wider if n in numbers)))
        if name in kinds and name not in calibrated
    ]
    return faults
