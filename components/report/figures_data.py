"""Figures of the data: which labels are known together, lengths, label values, what was set aside.

Enters: `data.json` and `audit.json`. Leaves: Plotly figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from components.report.answers import short
from components.report.drawing import BLUE, COLOURS, DASHES, DENSITY, figure
from components.report.record import Json

MOST_COMBINATIONS = 20


def together_figure(data: Json) -> go.Figure | None:
    """Authors by which of their labels are known; None where the heads are too many to combine."""
    names, splits = data["heads"], data["splits"]
    if not all("together" in counts for counts in splits.values()):
        return None
    totals = [sum(column) for column in zip(*(c["together"] for c in splits.values()), strict=True)]
    kept = sorted((k for k, n in enumerate(totals) if n), key=lambda k: -totals[k])
    kept = kept[:MOST_COMBINATIONS]
    titles = [combination_name(number, names) for number in kept]
    drawn = figure("authors", "", height=110 + 28 * len(kept), barmode="stack", bargap=0.3)
    for number, (split, counts) in enumerate(splits.items()):
        drawn.add_bar(
            y=titles,
            x=[counts["together"][k] for k in kept],
            orientation="h",
            name=split,
            marker={"color": COLOURS[number], "pattern": {"shape": ("", "/", "x")[number % 3]}},
        )
    return drawn.update_yaxes(autorange="reversed")


def combination_name(number: int, names: Sequence[str]) -> str:
    """Heads whose bit is set.

    >>> combination_name(5, ["age", "income", "gender"])
    'age + gender'
    """
    known = [name for place, name in enumerate(names) if number >> place & 1]
    return " + ".join(known) or "none"


def pairs_figure(data: Json) -> go.Figure:
    """Share of authors of whom both labels are known, over all splits; the diagonal: the one."""
    names = data["heads"]
    authors = sum(counts["authors"][0] for counts in data["splits"].values())
    together = sum(np.array(counts["pairs"]) for counts in data["splits"].values())
    drawn = figure("", "", height=160 + 40 * len(names))
    drawn.add_heatmap(
        x=names,
        y=names,
        z=(together / authors).tolist(),
        zmin=0,
        zmax=1,
        colorscale=DENSITY,
        texttemplate="%{z:.0%}",
        showscale=False,
        hovertemplate="%{y} and %{x}: %{z:.1%}<extra></extra>",
    )
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=False)


def lengths_figure(
    by_split: dict[str, list[float]], edges: Sequence[float], unit: str
) -> go.Figure:
    """Shares of the authors of each split by a length, on bins of half an octave.

    Args:
        by_split: counts a bin.
        edges: of the bins.
        unit: what is counted, with its unit: `posts an author`.
    """
    used = [k for counts in by_split.values() for k, count in enumerate(counts) if count]
    first, last = (min(used), max(used)) if used else (0, 1)
    titles = [_bin_name(edges[k], edges[k + 1]) for k in range(first, last + 1)]
    drawn = figure(unit, "share of the split's authors", height=280, bargap=0.15)
    shown = {split: counts[first : last + 1] for split, counts in by_split.items()}
    _draw_shares(drawn, titles, shown, width=2.5)
    return drawn.update_xaxes(type="category", tickangle=-40)


def _bin_name(low: float, high: float) -> str:
    return short(low) if high - low == 1 else f"{short(low)}-{short(high)}"


def values_figure(name: str, title: str, data: Json) -> go.Figure:
    """Shares of a head's known labels by value, a line a split; `title` has their unit."""
    scale = data["scales"][name]
    edges = scale["edges"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    drawn = figure(title, "share of the known labels", height=280)
    none = [0.0] * len(middles)
    _draw_shares(
        drawn,
        middles,
        {split: counts.get(f"{name}/values", none) for split, counts in data["splits"].items()},
    )
    return drawn.update_xaxes(type="log" if scale["logarithmic"] else "linear")


def _draw_shares(
    drawn: go.Figure, x: Sequence[Any], by_split: Mapping[str, Sequence[float]], **line: Any
) -> None:
    """A stepped line a split: which share of its counts is in each bin."""
    for number, (split, counts) in enumerate(by_split.items()):
        total = sum(counts) or 1.0
        drawn.add_scatter(
            x=x,
            y=[count / total for count in counts],
            name=split,
            mode="lines",
            line={"color": COLOURS[number], "dash": DASHES[number], "shape": "hvh", **line},
        )
    drawn.update_yaxes(tickformat=".0%", rangemode="tozero")


def set_aside_figure(causes: Sequence[tuple[str, str, int]]) -> go.Figure:
    """Records set aside by cause; a cause is (kind, cause, records), most frequent first."""
    drawn = figure("records set aside", "", height=80 + 24 * len(causes), bargap=0.3)
    drawn.add_bar(
        y=[f"{kind}: {cause}" for kind, cause, _ in causes],
        x=[records for _, _, records in causes],
        orientation="h",
        marker={"color": BLUE},
        text=[f"{records:,}" for _, _, records in causes],
        textposition="outside",
        cliponaxis=False,
    )
    return drawn.update_yaxes(autorange="reversed")
