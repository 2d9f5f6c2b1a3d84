"""The report's section on the fit: curves of each head, and where the time went.

What cannot be shown is said in words.
"""

from __future__ import annotations

from typing import Any

from components.report.contenders import describe_network, describe_shares
from components.report.figures_training import loss_figure, skill_figure, time_figure
from components.report.heads import HeadReport, report_of
from components.report.markup import (
    Html,
    element,
    joined,
    missing,
    paragraph,
    plot,
    subsection,
    table,
)
from components.report.record import Json, RunRecord
from components.report.sections_search import setting_text


def training(record: RunRecord) -> Html:
    """Curves of the fit and the stages' times."""
    told = record.training
    if not told:
        return missing("The Trainer left no training.json.")
    authors = told.get("authors", {})
    losses = [_loss(report_of(head), len(record.heads), told) for head in record.heads]
    facts = [
        ["network", describe_network(told)],
        ["parameters of the linear baseline", f"{told.get('baseline_parameters') or 'none'}"],
        ["epochs", f"{len(told.get('epochs', []))}, kept: {told.get('best_epoch')}"],
        ["authors", ", ".join(f"{count:,} {split}" for split, count in authors.items())],
        ["learned from", f"{told['learned_from']:,} authors" if "learned_from" in told else ""],
        ["precision", told.get("precision", "")],
        *([key, _setting(value)] for key, value in sorted(told.get("settings", {}).items())),
    ]
    return joined(
        plot(
            "training skill",
            skill_figure(record.names, told),
            "Skill of each head on eval after each epoch; "
            + (
                "their mean decides which epoch is kept."
                if told.get("epoch_was_chosen", True)
                else "it is too small to choose, and the last one is kept."
            ),
        ),
        element("div", *losses, kind="columns"),
        _kept(told),
        subsection("Where the time went", _times(record)),
        element("details", element("summary", "Settings of the fit"), table(["", ""], facts)),
    )


def _kept(told: Json) -> Html | None:
    """What of each step is kept, a line a head; None of a training that has not said it."""
    shares = told.get("shares", {})
    # Of a network without a linear baseline all are 1.
    lines = [f"{name}: {describe_shares(kept)}." for name, kept in shares.items()]
    if not lines or not told.get("baseline_parameters"):
        return None
    return subsection(
        "What is kept of each step",
        paragraph(
            "A head's answer starts from the constant; the linear baseline moves it, and the "
            "shared network corrects that. Of each step it keeps what authors supported that "
            "nothing had learned from."
        ),
        element("ul", *(element("li", line) for line in lines)),
    )


def _loss(report: HeadReport, heads: int, told: Json) -> Html:
    name = report.head.name
    return plot(
        f"loss {name}",
        loss_figure(name, heads, told, report.loss_unit),
        f"Loss of {name} over known labels after each epoch: {report.loss_note}.",
    )


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {setting_text(item)}" for name, item in value.items()) or "none"
    return str(value)


def _times(record: RunRecord) -> Html:
    stages = record.history.get("stages", [])
    stages = [stage for stage in stages if stage["seconds"] >= 0.1 or stage["reused"]]
    if not stages:
        return missing("This runner keeps no times of stages.")
    total = sum(stage["seconds"] for stage in stages)
    return joined(
        paragraph(f"{total:,.0f} s in all, this report's own time not among them."),
        plot("times", time_figure(stages, record.titles), "Seconds of each stage of the run."),
    )
