"""The report's section on how good the answers are, head by head."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from components.heads.base import Head
from components.report.contenders import added, describe_gain
from components.report.drawing import with_unit
from components.report.figures_calibration import abstention_figure
from components.report.figures_outcome import Point, intervals_figure
from components.report.figures_quality import cross_figure
from components.report.heads import HeadReport, report_of
from components.report.markup import Html, element, joined, missing, paragraph, plot, subsection
from components.report.record import Json, RunRecord

NO_CONFIDENCE = "Abstention is not drawn: the model is as sure of one author as of another here."


def quality(record: RunRecord) -> Html:
    """The whole section."""
    if not record.answers.get("heads"):
        return missing("The model's answers on test were not counted (answers.json).")
    reports = {name: report_of(counted) for name, counted in record.answers["heads"].items()}
    return joined(
        paragraph(
            f"Counted on {record.answers['authors']:,} authors of {record.answers['split']}, "
            "each head over those whose label is known."
        ),
        *(_head(record, reports, name) for name in record.names if name in reports),
    )


def _head(record: RunRecord, reports: Mapping[str, HeadReport], name: str) -> Html:
    counted, report, level = record.answers["heads"], reports[name], record.verdict["confidence"]
    abstention = plot(
        f"abstention {name}",
        abstention_figure(counted[name], level),
        "How good the answers are, where the model answers only the authors it is surest of.",
    )
    errors = [
        plot(
            f"cross {name} {other}",
            cross_figure(counted[name], counted[other], by.axis, report.measure, level),
            f"Errors of {name} by the true {other}, with intervals; the dashed line is the mean.",
        )
        for other, by in reports.items()
        if other != name
    ]
    return subsection(
        name,
        *_gain(record, name),
        element("div", *report.figures(counted[name], level), abstention, kind="columns"),
        *([] if abstention else [missing(NO_CONFIDENCE)]),
        *report.certainty(counted[name], level),
        element("h4", f"Errors of {name} by other labels"),
        element("div", *errors, kind="columns") if any(errors) else missing("No other head."),
        element("h4", f"{name} by slice"),
        _slices(record, report.head),
    )


def _gain(record: RunRecord, name: str) -> list[Html]:
    """What the shared network adds to the head; nothing of a model without a linear baseline."""
    authors = record.training.get("learned_from")
    judged = [head for head in record.verdict["heads"] if head["name"] == name and added(head)]
    return [paragraph(f"{describe_gain(head, authors)}.") for head in judged]


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


def _slices(record: RunRecord, head: Head) -> Html:
    metric = next(metric for metric in head.metrics if metric.key == head.slice_metric)
    points: list[Point] = []
    for part in sorted(record.verdict["slices"], key=slice_order):
        for result in part["results"]:
            score = result["metrics"].get(metric.key)
            if result["name"] == head.name and score and score["value"] is not None:
                count = f"{result['labels']:,} label{'s' if result['labels'] != 1 else ''}"
                points.append((f"{part['head']}: {part['value']}<br>{count}", score))
    title = with_unit(metric.title, head.metric_unit if metric.has_unit else "")
    return plot(
        f"slices {head.name}",
        intervals_figure([(head.name, points)], title),
        f"{head.name} on the authors who share a value: {metric.title}, with intervals where "
        "there are labels enough.",
    ) or missing("No slice has labels enough.")
