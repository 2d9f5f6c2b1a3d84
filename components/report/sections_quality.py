"""The report's section on how good the answers are, head by head.

Enters: a `RunRecord`. Leaves: HTML. Called by `page`.
"""

from __future__ import annotations

import math
import re

from components.report.drawing import share_interval
from components.report.figures_calibration import (
    abstention_figure,
    calibration_figure,
    expected_calibration_error,
    reliability_figure,
)
from components.report.figures_outcome import Point, intervals_figure
from components.report.figures_quality import (
    confusion_figure,
    cross_figure,
    error_figure,
    joint_figure,
    roc_figure,
)
from components.report.markup import Html, element, joined, missing, paragraph, plot, subsection
from components.report.record import Json, RunRecord

NO_CONFIDENCE = "Abstention is not drawn: the model is as sure of one author as of another here."
SLICE_METRICS = {
    "regression": ("mae", "mean absolute error"),
    "classes": ("within_one_group", "share within one group"),
    "binary": ("accuracy", "accuracy"),
}


def quality(record: RunRecord) -> Html:
    """The whole section."""
    if not record.answers.get("heads"):
        return missing("The model's answers on test were not counted (answers.json).")
    counted = record.answers["heads"]
    return joined(
        [
            paragraph(
                f"Counted on {record.answers['authors']:,} authors of {record.answers['split']}, "
                "each head over those whose label is known."
            ),
            *(_head(record, counted, name) for name in record.names if name in counted),
        ]
    )


def _head(record: RunRecord, counted: dict[str, Json], name: str) -> Html:
    head, level = counted[name], float(record.verdict["confidence"])
    abstention = plot(
        f"abstention {name}",
        abstention_figure(head, level),
        "How good the answers are, where the model answers only the authors it is surest of.",
    )
    errors = [
        plot(
            f"cross {name} {other}",
            cross_figure(head, counted[other], level),
            f"Errors of {name} by the true {other}, with intervals; the dashed line is the mean.",
        )
        for other in counted
        if other != name
    ]
    return subsection(
        f"{name}",
        element("div", *_answers(head, level), abstention, kind="columns"),
        *_doubts(head, bool(abstention), level),
        element("h4", f"Errors of {name} by other labels"),
        element("div", *errors, kind="columns") if any(errors) else missing("No other head."),
        element("h4", f"{name} by slice"),
        _slices(record, head),
    )


def _answers(head: Json, level: float) -> list[Html]:
    name = head["name"]
    if head["kind"] == "regression":
        return [
            plot(
                f"joint {name}",
                joint_figure(head),
                f"Authors by true and predicted {name}; on the dashed line both agree.",
            ),
            plot(
                f"errors {name}",
                error_figure(head),
                f"Error by band of the true {name}: line the median, box the middle half, "
                "whiskers the middle 90 %; MAE is the mean absolute error.",
            ),
            plot(
                f"calibration {name}",
                calibration_figure(head),
                f"Mean true {name} of the authors of whom a like {name} is predicted.",
            ),
        ]
    if head["kind"] == "classes":
        first = plot(
            f"confusion {name}",
            confusion_figure(head),
            f"Authors by true {name} group (rows) and most probable group (columns).",
        )
    else:
        first = plot(
            f"roc {name}",
            roc_figure(head),
            f"Share of {head['positive']} found against share of {head['negative']} taken for "
            f"{head['positive']}, over all bounds of the probability.",
        )
    return [
        first,
        plot(
            f"calibration {name}",
            reliability_figure(head, level),
            f"How often a stated probability of {name} came true. {_calibration_error(head)}",
        ),
    ]


def _calibration_error(head: Json) -> str:
    now = expected_calibration_error(head["arrays"]["reliability"])
    before = expected_calibration_error(head["arrays"].get("reliability_before", []))
    if now is None:
        return ""
    if before is None:
        return f"Expected calibration error {now:.3f}; the model answers nothing uncalibrated."
    return f"Expected calibration error {before:.3f} before calibration, {now:.3f} after."


def _doubts(head: Json, has_confidence: bool, level: float) -> list[Html]:
    words = [] if has_confidence else [missing(NO_CONFIDENCE)]
    count, inside = head["arrays"].get("coverage", (0, 0))
    interval = head.get("interval")
    if count and interval:
        low, high = share_interval(inside, count, level)
        words.append(
            paragraph(
                f"The interval of {head['name']}, the answer ± {interval['half_width']:.3g} "
                f"{head['unit']}, is meant to hold {interval['coverage']:.0%} of the true labels; "
                f"it held {inside / count:.1%} [{low:.1%}, {high:.1%}]."
            )
        )
    return words


def slice_order(part: Json) -> tuple[str, bool, float, str]:
    """Sorts bands by their lower end, and the unknown last.

    >>> values = ["25-35", "50 and above", "below 25", "unknown"]
    >>> sorted(values, key=lambda value: slice_order({"head": "age", "value": value}))
    ['below 25', '25-35', '50 and above', 'unknown']
    """
    value = str(part["value"])
    found = re.search(r"-?\d+(\.\d+)?", value)
    low = -math.inf if value.startswith("below") or not found else float(found.group())
    return str(part["head"]), value == "unknown", low, value


def _slices(record: RunRecord, head: Json) -> Html:
    key, title = SLICE_METRICS[head["kind"]]
    unit = f", {head['unit']}" if head["kind"] == "regression" else ""
    points: list[Point] = []
    for part in sorted(record.verdict["slices"], key=slice_order):
        for result in part["results"]:
            score = result["metrics"].get(key)
            if result["name"] == head["name"] and score and score["value"] is not None:
                count = f"{result['labels']:,} label{'s' if result['labels'] != 1 else ''}"
                points.append((f"{part['head']}: {part['value']}<br>{count}", score))
    drawn = intervals_figure([(head["name"], points)], f"{title}{unit}")
    return plot(
        f"slices {head['name']}",
        drawn,
        f"{title.capitalize()} of {head['name']} on the authors who share a value, with "
        "intervals where there are labels enough.",
    ) or missing("No slice has labels enough.")
