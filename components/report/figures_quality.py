"""Figures of what a head answers against what is true.

Enters: a head's entry in `answers.json` (its declaration, scale and arrays; see `heads`), the
level of intervals. Leaves: Plotly figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from components.report.answers import SCORE_EDGES
from components.report.drawing import (
    BLUE,
    DENSITY,
    FEWEST_AUTHORS,
    GREY,
    ORANGE,
    draw_diagonal,
    error_bars,
    figure,
    mean_interval,
    share_interval,
    with_unit,
)
from components.report.record import Json
from components.report.scales import Array


def joint_figure(head: Json, title: str) -> go.Figure:
    """Authors of a number by label and by prediction; `title` has its unit."""
    scale, counts = head["bins"], np.array(head["arrays"]["joint"])
    edges = scale["edges"]
    drawn = figure(f"true {title}", f"predicted {title}", height=430)
    drawn.add_heatmap(
        x=edges,
        y=edges,
        z=counts.T,
        colorscale=DENSITY,
        colorbar=_colorbar("authors"),
        hovertemplate="true %{x}, predicted %{y}: %{z} authors<extra></extra>",
    )
    draw_diagonal(drawn, edges[0], edges[-1])
    kind = "log" if scale["logarithmic"] else "linear"
    low, high = _occupied(edges, counts)
    bounds = [low, high]
    if kind == "log":
        bounds = [math.log10(max(low, edges[1] / 2)), math.log10(high)]
    return drawn.update_xaxes(type=kind, range=bounds).update_yaxes(type=kind, range=bounds)


def _occupied(edges: list[float], counts: Array) -> tuple[float, float]:
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if not used.size:
        return edges[0], edges[-1]
    return edges[used[0]], edges[used[-1] + 1]


def error_figure(head: Json, title: str, unit: str) -> go.Figure:
    """Prediction minus label by band of the label: median, middle half and middle 90 %."""
    scale, errors = head["bins"], np.array(head["arrays"]["errors"])
    edges = np.array(scale["error_edges"])
    minus = with_unit("predicted minus true", unit)
    drawn = figure(f"true {title}", minus, height=320, showlegend=False)
    moments = head["arrays"]["moments"]
    names = [
        f"{name}<br>{int(count):,} authors<br>MAE {absolute / max(count, 1):.3g}"
        for name, (count, _, absolute, _) in zip(scale["band_names"], moments, strict=True)
    ]
    shares = {"lowerfence": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 0.95}
    for name, row in zip(names, errors, strict=True):
        if row.sum() < FEWEST_AUTHORS:
            continue
        drawn.add_box(
            x=[name],
            **{mark: [_level(edges, row, share)] for mark, share in shares.items()},
            line={"color": BLUE},
            fillcolor="rgba(31,134,200,0.25)",
        )
    drawn.add_hline(y=0, line={"color": ORANGE, "dash": "dash"})
    return drawn.update_xaxes(categoryorder="array", categoryarray=names)


def _level(edges: Array, counts: Array, share: float) -> float:
    """Where this share of binned values lies below, values spread evenly inside a bin."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    return float(np.interp(share, cumulative, edges))


def confusion_figure(head: Json, unit: str) -> go.Figure:
    """Of the authors of each true group, the share that the model puts into each group."""
    counts = np.array(head["arrays"]["confusion"])
    names = head["group_names"]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    written = len(names) <= 20
    of_unit = f" ({unit})" if unit else ""
    drawn = figure(
        f"most probable {head['name']} group{of_unit}",
        f"true group{of_unit}",
        height=max(360, 120 + 30 * min(len(names), 20)),
    )
    drawn.add_heatmap(
        x=names,
        y=names,
        z=shares,
        text=[[f"{count:.0f}" if count else "" for count in row] for row in counts],
        colorscale=DENSITY,
        texttemplate="%{text}" if written else "",
        colorbar=_colorbar("share of the row", ".0%"),
        hovertemplate="true %{y}, answered %{x}: %{text} authors, %{z:.0%} of them<extra></extra>",
    )
    drawn.update_xaxes(type="category", tickangle=-40, showgrid=False)
    return drawn.update_yaxes(type="category", autorange="reversed", showgrid=False)


def roc_figure(head: Json) -> go.Figure:
    """Share of positives found against share of negatives taken for positive, over all bounds."""
    negatives, positives = np.array(head["arrays"]["scores"])
    negative, positive = head["group_names"]
    found = _shares_above(positives)
    mistaken = _shares_above(negatives)
    drawn = figure(
        f"share of {negative} answered {positive}",
        f"share of {positive} found",
        height=380,
    )
    edges = np.array(SCORE_EDGES)[::-1]
    drawn.add_scatter(
        x=mistaken,
        y=found,
        mode="lines",
        line={"color": BLUE, "width": 3},
        name="model",
        text=[f"bound {edge:.3f}" for edge in edges],
        hovertemplate="%{text}: finds %{y:.0%}, mistakes %{x:.0%}<extra></extra>",
    )
    half = int(np.argmin(np.abs(edges - 0.5)))
    drawn.add_scatter(
        x=[mistaken[half]],
        y=[found[half]],
        mode="markers",
        marker={"size": 12, "symbol": "diamond", "color": ORANGE},
        name="bound 0.5",
    )
    draw_diagonal(drawn, 0, 1, "chance", GREY)
    drawn.update_xaxes(tickformat=".0%", range=[-0.01, 1.01])
    return drawn.update_yaxes(tickformat=".0%", range=[-0.01, 1.02])


def _shares_above(counts: Array) -> Array:
    """Share in the last bins: none, the last, the last two, ..., all."""
    total = counts.sum() or 1.0
    return np.concatenate([[0.0], np.cumsum(counts[::-1])]) / total


class Measure(NamedTuple):
    """What errors are, with their unit, and how they are drawn."""

    title: str
    interval: Callable[[float, float, float, float], tuple[float, float, float]]
    """Mean and its ends, of the count, the sums of errors and of their squares, and the level."""
    tickformat: str = ""


MEAN_ERROR = Measure("mean absolute error", mean_interval)
SHARE_WRONG = Measure(
    "share answered wrong",
    lambda count, wrong, _, level: (wrong / count, *share_interval(wrong, count, level)),
    ".0%",
)


def cross_figure(
    head: Json, other: Json, title: str, measure: Measure, level: float
) -> go.Figure | None:
    """A head's error by the true group of another head; None where hardly any author has both.

    Args:
        head: of the errors.
        other: of the groups.
        title: of the other head, with its unit.
        measure: of the errors.
        level: of the intervals.
    """
    rows = head["arrays"].get(f"by/{other['name']}", [])
    named = zip(other["group_names"], rows, strict=False)
    groups = [(name, row) for name, row in named if row[0] >= FEWEST_AUTHORS]
    if not groups:
        return None
    drawn = figure(f"true {title}", measure.title, height=320, showlegend=False)
    means = [
        measure.interval(count, error, squared, level) for _, (count, error, squared, _) in groups
    ]
    values = [mean for mean, _, _ in means]
    drawn.add_scatter(
        x=[f"{name}" for name, _ in groups],
        y=values,
        error_y=error_bars(values, [(low, high) for _, low, high in means]),
        mode="markers",
        marker={"size": 10, "color": BLUE},
        text=[f"{int(row[0]):,} authors" for _, row in groups],
        hovertemplate="%{x}: %{y:.3g}, %{text}<extra></extra>",
    )
    everybody = sum(row[1] for _, row in groups) / sum(row[0] for _, row in groups)
    drawn.add_hline(y=everybody, line={"color": ORANGE, "dash": "dash"})
    angle = -40 if len(groups) > 5 else 0
    drawn.update_xaxes(type="category", range=[-0.5, len(groups) - 0.5], tickangle=angle)
    return drawn.update_yaxes(rangemode="tozero", tickformat=measure.tickformat)


def _colorbar(title: str, tickformat: str = "") -> dict[str, Any]:
    heading = {"text": title, "side": "right", "font": {"size": 13}}
    return {"title": heading, "tickformat": tickformat, "thickness": 16}
