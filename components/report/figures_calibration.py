"""Figures of how far a head's own certainty can be trusted: calibration and abstention.

Enters: a head's entry in `answers.json` (its declaration, scale and arrays; see `heads`), the
level of intervals. Leaves: Plotly figures.
"""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from components.report.answers import CONFIDENCE_EDGES
from components.report.drawing import (
    BLUE,
    FEWEST_AUTHORS,
    GREY,
    draw_diagonal,
    error_bars,
    figure,
    share_interval,
)
from components.report.record import Json


def reliability_figure(head: Json, event: str, level: float) -> go.Figure:
    """How often a stated probability of an event came true, before calibration too."""
    drawn = figure(f"stated probability of {event}", "how often it came true", height=360)
    for key, title, colour, symbol in (
        ("reliability_before", "before calibration", GREY, "square-open"),
        ("reliability", "as answered", BLUE, "circle"),
    ):
        rows = [row for row in head["arrays"].get(key, []) if row[0] >= FEWEST_AUTHORS]
        if not rows:
            continue
        shares = [true / count for count, _, true in rows]
        ends = [share_interval(true, count, level) for count, _, true in rows]
        drawn.add_scatter(
            x=[stated / count for count, stated, _ in rows],
            y=shares,
            error_y=error_bars(shares, ends),
            mode="lines+markers",
            marker={"symbol": symbol, "size": 9, "color": colour},
            line={"color": colour, "width": 1.5},
            text=[f"{int(count):,} authors" for count, _, _ in rows],
            hovertemplate="stated %{x:.0%}, true of %{y:.0%}, %{text}<extra></extra>",
            name=title,
        )
    draw_diagonal(drawn, 0.0, 1.0, "perfectly calibrated")
    drawn.update_xaxes(tickformat=".0%", range=[-0.01, 1.01])
    return drawn.update_yaxes(tickformat=".0%", range=[-0.01, 1.02])


def calibration_figure(head: Json, title: str) -> go.Figure:
    """The mean label of the authors of whom a like number is predicted; `title` has its unit."""
    rows = merge_bins(head["arrays"]["calibration"])
    drawn = figure(f"predicted {title}", f"mean true {title}", height=360)
    drawn.add_scatter(
        x=[predicted / count for count, predicted, _ in rows],
        y=[true / count for count, _, true in rows],
        mode="lines+markers",
        marker={"color": BLUE, "size": [min(6 + math.sqrt(count), 22) for count, _, _ in rows]},
        text=[f"{int(count):,} authors" for count, _, _ in rows],
        hovertemplate="predicted %{x:.3g}, true %{y:.3g} on average, %{text}<extra></extra>",
        name="mean label (size: authors)",
    )
    ends = [predicted / count for count, predicted, _ in rows] or [0.0, 1.0]
    draw_diagonal(drawn, min(ends), max(ends), "perfectly calibrated")
    kind = "log" if head["bins"]["logarithmic"] else "linear"
    return drawn.update_xaxes(type=kind).update_yaxes(type=kind)


def merge_bins(rows: list[list[float]]) -> list[list[float]]:
    """Neighbouring bins together, until each holds a twelfth of the authors; few are left out.

    >>> merge_bins([[4, 8.0, 1.0], [0, 0.0, 0.0], [4, 16.0, 2.0], [1, 9.0, 1.0]])
    [[8, 24.0, 3.0]]
    """
    wanted = max(FEWEST_AUTHORS, sum(count for count, _, _ in rows) / 12)
    merged: list[list[float]] = [[0.0, 0.0, 0.0]]
    for row in rows:
        merged[-1] = [one + other for one, other in zip(merged[-1], row, strict=True)]
        if merged[-1][0] >= wanted:
            merged.append([0.0, 0.0, 0.0])
    return merged[:-1]


def expected_calibration_error(rows: list[list[float]]) -> float | None:
    """Mean gap between stated probability and how often it came true, weighted by authors.

    >>> expected_calibration_error([[10, 8.0, 6.0], [30, 9.0, 9.0]])
    0.05

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    total = sum(count for count, _, _ in rows)
    return sum(abs(stated - true) for _, stated, true in rows) / total if total else None


def abstention_figure(head: Json, level: float) -> go.Figure | None:
    """What is left to answer, and how well, where the model abstains below a confidence.

    None where the model states no confidence for the head.
    """
    rows = np.array(head["arrays"].get("confidence", np.zeros((100, 2))))[::-1]
    if rows[:, 0].sum() < FEWEST_AUTHORS:
        return None
    counts, wrong = np.cumsum(rows, axis=0).T
    steps = [k for k in range(len(rows)) if rows[k, 0] and counts[k] >= FEWEST_AUTHORS]
    right = [1 - wrong[k] / counts[k] for k in steps]
    ends = [share_interval(counts[k] - wrong[k], counts[k], level) for k in steps]
    drawn = figure(
        "share of authors answered", "accuracy of the answers", height=320, showlegend=False
    )
    x = [counts[k] / counts[-1] for k in steps]
    drawn.add_scatter(
        x=[*x, *x[::-1]],
        y=[*(high for _, high in ends), *(low for low, _ in reversed(ends))],
        fill="toself",
        fillcolor="rgba(31,134,200,0.2)",
        line={"width": 0},
        hoverinfo="skip",
    )
    bounds = [CONFIDENCE_EDGES[len(rows) - 1 - k] for k in steps]
    drawn.add_scatter(
        x=x,
        y=right,
        mode="lines",
        line={"color": BLUE, "width": 3},
        text=[f"abstain below confidence {bound:.2f}" for bound in bounds],
        hovertemplate="%{text}: answers %{x:.0%}, right %{y:.0%}<extra></extra>",
    )
    drawn.update_xaxes(tickformat=".0%", range=[0, 1.01])
    return drawn.update_yaxes(tickformat=".0%")
