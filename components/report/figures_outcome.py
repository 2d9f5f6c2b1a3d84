"""Figures of the outcome: each head's skill with its interval, slices, gains over comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from components.report.drawing import COLOURS, GREY, ORANGE, SYMBOLS, error_bars, figure
from components.report.record import Json

Point = tuple[str, Json]
"""A name and an estimate: value, lower, upper; None where unknown."""


def intervals_figure(
    groups: Sequence[tuple[str, Sequence[Point]]], title: str, zero: str = ""
) -> go.Figure | None:
    """Points with intervals, a row a name, a colour and symbol a group; None without any value.

    Args:
        groups: name of the group, its points.
        title: of the axis, with its unit.
        zero: what a line at 0 stands for; empty: no line.
    """
    known = [
        (name, [(row, point) for row, point in points if point and point.get("value") is not None])
        for name, points in groups
    ]
    rows = list(dict.fromkeys(row for _, points in groups for row, _ in points))
    if not any(points for _, points in known):
        return None
    drawn = figure(
        title,
        "",
        height=110 + len(rows) * (30 + 12 * len(known)),
        scattermode="group",
        showlegend=len(known) > 1,
    )
    for place, (name, points) in enumerate(known):
        values = [point["value"] for _, point in points]
        ends = [(point.get("lower"), point.get("upper")) for _, point in points]
        drawn.add_scatter(
            y=[row for row, _ in points],
            x=values,
            error_x=error_bars(values, ends),
            orientation="h",
            mode="markers",
            name=name,
            marker={
                "size": 11,
                "color": COLOURS[place % len(COLOURS)],
                "symbol": SYMBOLS[place % len(SYMBOLS)],
            },
            hovertemplate="%{y}: %{x:.3g}<extra>" + name + "</extra>",
        )
    if zero:
        drawn.add_vline(x=0, line={"color": ORANGE, "dash": "dash"})
        drawn.add_annotation(
            x=0,
            y=0,
            yref="paper",
            text=zero,
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            font={"color": GREY},
        )
    # The first row on top, and in it the first group on top.
    order = {"type": "category", "categoryorder": "array", "categoryarray": rows}
    return drawn.update_yaxes(range=[len(rows) - 0.4, -0.6], **order)
