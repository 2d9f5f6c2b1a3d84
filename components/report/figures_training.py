"""Figures of the fit and of where the time went.

Enters: `training.json` and the stages' times. Leaves: Plotly figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go

from components.heads.names import EARLIER_KNOWN_LOSS, KNOWN_LOSS
from components.report.drawing import BLUE, GREEN, GREY, ORANGE, figure, with_unit
from components.report.record import Json


def loss_figure(name: str, heads: int, training: Json, unit: str) -> go.Figure | None:
    """A head's loss over known labels, epoch by epoch, on both splits; None where none is kept.

    Args:
        name: of the head.
        heads: number of heads: of one alone that is the only output (it has no steps), Keras
            leaves the name out.
        training: `training.json`.
        unit: of the loss.
    """
    epochs = training.get("epochs", [])
    losses = (KNOWN_LOSS, EARLIER_KNOWN_LOSS)
    keys = [*(f"{name}_{loss}" for loss in losses), *(losses if heads == 1 else ())]
    key = next((key for key in keys if any(key in epoch for epoch in epochs)), None)
    if key is None:
        return None
    curves = (
        ("train", key, {"color": BLUE, "dash": "dot"}, "circle"),
        ("eval", f"val_{key}", {"color": ORANGE, "dash": "solid"}, "diamond"),
    )
    return _draw_epochs(with_unit("loss", unit), training, curves)


def skill_figure(names: Sequence[str], training: Json) -> go.Figure | None:
    """Each head's skill on `eval`, and their mean, which stops the fit; None where none is kept."""
    epochs = training.get("epochs", [])
    keys = [(f"skill of {name}", f"val_{name}_skill") for name in names]
    if not any("val_skill" in epoch for epoch in epochs):
        return None
    if len(names) > 1:
        keys.append(("mean", "val_skill"))
    symbols = itertools.cycle(("circle", "square", "diamond", "triangle-up", "x"))
    curves = [
        (title, key, {"width": 4 if title == "mean" else 2}, next(symbols)) for title, key in keys
    ]
    return _draw_epochs("skill on eval", training, curves)


def _draw_epochs(
    y: str, training: Json, curves: Iterable[tuple[str, str, dict[str, Any], str]]
) -> go.Figure:
    """Curves over epochs, the one that is kept marked; of each its name, key, line and symbol."""
    epochs = training["epochs"]
    drawn = figure("epoch", y, height=300)
    for name, key, line, symbol in curves:
        drawn.add_scatter(
            x=list(range(1, len(epochs) + 1)),
            y=[epoch.get(key) for epoch in epochs],
            mode="lines+markers",
            name=name,
            line=line,
            marker={"symbol": symbol},
        )
    if best := training.get("best_epoch"):
        drawn.add_vline(x=best, line={"color": GREY, "dash": "dash"})
        drawn.add_annotation(
            x=best, y=1, yref="paper", text="kept", showarrow=False, xanchor="left", yanchor="top"
        )
    return drawn.update_xaxes(dtick=max(1, len(epochs) // 10))


def time_figure(stages: Sequence[Json], titles: dict[str, str]) -> go.Figure:
    """Seconds a stage; reused ones are hollow.

    Args:
        stages: of `history`, in their order.
        titles: a stage's name for people.
    """
    drawn = figure("time, seconds", "", height=60 + 26 * len(stages), bargap=0.3)
    # What stands beside the longest bar needs room.
    drawn.update_layout(margin={"r": 60})
    for reused, title, colour in ((False, "done anew", BLUE), (True, "reused", GREEN)):
        group = [stage for stage in stages if stage["reused"] is reused]
        if not group:
            continue
        drawn.add_bar(
            y=[titles.get(stage["stage"], stage["stage"]) for stage in group],
            x=[stage["seconds"] for stage in group],
            orientation="h",
            name=title,
            marker={"color": colour, "pattern": {"shape": "/" if reused else ""}},
            text=["reused" if reused else f"{stage['seconds']:,.1f} s" for stage in group],
            textposition="outside",
            cliponaxis=False,
        )
    order = [titles.get(stage["stage"], stage["stage"]) for stage in stages]
    return drawn.update_yaxes(categoryorder="array", categoryarray=order[::-1])
