"""What TFMA found, in plain values.

Enters: the folder of TFMA's result files. Leaves: each head's result on the whole split and on each
slice, and its comparison with the deployed model and with the linear baseline.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import tfx  # noqa: F401  TFMA imports half of itself only, unless tfx came first

# isort: split
import tensorflow as tf
import tensorflow_model_analysis as tfma

from components.heads.base import Head
from components.heads.declared import Heads
from components.heads.metrics import SKILL
from components.judging.blessing import (
    Comparison,
    Estimate,
    HeadResult,
    LinearBaseline,
    SliceResult,
)
from components.judging.metrics import (
    ADDED_SKILL,
    BASELINE,
    CANDIDATE,
    CONSTANT_PREFIX,
    LABELS,
    LINEAR,
)

# What TFMA adds to the name of a difference between candidate and baseline.
_DIFFERENCE = "_diff"

Metrics = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found."""

    authors: int
    results: dict[str, HeadResult]
    comparisons: dict[str, Comparison]
    linear: dict[str, LinearBaseline]
    slices: list[SliceResult]


def read_evaluation(output_path: str, heads: Heads, beside: Collection[str] = ()) -> Evaluation:
    """Reads TFMA's result files. A split without authors gives results without labels.

    `beside` names the models that were judged beside the candidate, `BASELINE` or `LINEAR`.
    """
    candidate = _by_slice(output_path, CANDIDATE if beside else None)
    overall = candidate.pop((), {})
    baseline, linear = (
        _by_slice(output_path, model).get((), {}) if model in beside else {}
        for model in (BASELINE, LINEAR)
    )
    names = {head.slice_name: head.name for head in heads}
    return Evaluation(
        authors=_authors(overall),
        results={head.name: _head_result(head, overall) for head in heads},
        comparisons={
            head.name: Comparison(
                baseline_skill=_estimate(baseline[head.name][SKILL]),
                baseline_metrics=_metrics(baseline[head.name]),
                difference=_estimate(overall[head.name][SKILL + _DIFFERENCE]),
            )
            for head in heads
            if SKILL in baseline.get(head.name, {})
        },
        linear={
            head.name: LinearBaseline(
                metrics=_metrics(linear[head.name]),
                skill=_estimate(linear[head.name][SKILL]),
                added=_estimate(overall[head.name][ADDED_SKILL]),
            )
            for head in heads
            if SKILL in linear.get(head.name, {})
        },
        slices=[
            SliceResult(
                head=names[feature],
                value=tf.compat.as_text(value),
                authors=_authors(metrics),
                results=[_head_result(head, metrics) for head in heads],
            )
            for ((feature, value),), metrics in sorted(candidate.items())
        ],
    )


def _by_slice(output_path: str, model_name: str | None) -> dict[tuple[Any, ...], Metrics]:
    """Metrics by slice key, then by output, then by name."""
    result = tfma.load_eval_result(output_path, model_name=model_name)
    return {
        key: {output: by_sub_key[""] for output, by_sub_key in metrics.items()}
        for key, metrics in result.slicing_metrics
    }


def _authors(metrics: Metrics) -> int:
    return int(metrics.get("", {}).get("example_count", {}).get("doubleValue", 0))


def _head_result(head: Head, metrics: Metrics) -> HeadResult:
    values = metrics.get(head.name, {})
    return HeadResult(
        name=head.name,
        kind=head.kind,
        unit=head.metric_unit,
        labels=int(_number(values.get(LABELS, {}).get("doubleValue")) or 0),
        metrics=_metrics(values),
        constant={
            name.removeprefix(CONSTANT_PREFIX): _number(value["doubleValue"])
            for name, value in values.items()
            if name.startswith(CONSTANT_PREFIX) and not name.endswith(_DIFFERENCE)
        },
        skill=_estimate(values[SKILL]) if SKILL in values else Estimate(value=None),
    )


def _metrics(values: dict[str, dict[str, Any]]) -> dict[str, Estimate]:
    """The scores with an interval, skill apart."""
    return {
        name: _estimate(value)
        for name, value in values.items()
        if "boundedValue" in value
        and name not in (SKILL, ADDED_SKILL)
        and not name.endswith(_DIFFERENCE)
    }


def _estimate(value: dict[str, Any]) -> Estimate:
    bounded = value["boundedValue"]
    return Estimate(
        value=_number(bounded.get("value")),
        lower=_number(bounded.get("lowerBound")),
        upper=_number(bounded.get("upperBound")),
    )


def _number(value: Any) -> float | None:
    """A finite number; None for TFMA's "NaN" and "Infinity"."""
    number = float(value) if value is not None else math.nan
    return number if math.isfinite(number) else None
