"""How every figure looks: colours, axes, sizes; and the intervals that several of them draw.

Colours are Okabe and Ito's, told apart by colour-blind readers, blue and orange moved until they
keep a contrast of 3 : 1 on white and on the dark page. Whatever colour tells, a symbol, a dash or a
name tells too. Text and grid get their colour from the page's style sheet, so that one figure
serves light, dark and paper.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import plotly.graph_objects as go

COLOURS = ("#1F86C8", "#D17F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
BLUE, ORANGE, GREEN, *_ = COLOURS
GREY = "#8a8f98"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
# From nothing to blue, so that an empty cell is the page's own background, light or dark; no
# stronger than the page's text can be read on.
DENSITY = [[0.0, "rgba(31,134,200,0)"], [1.0, "rgba(31,134,200,0.6)"]]

# Authors from whose counts no rate is drawn: its interval would span the figure.
FEWEST_AUTHORS = 5
_LONGEST_TITLE = 36


def figure(x: str = "", y: str = "", height: int = 340, **layout: Any) -> go.Figure:
    """An empty figure with named axes; `layout` goes to Plotly as it is."""
    axis = {"automargin": True, "zeroline": False, "gridcolor": "#ccc", "linecolor": "#888"}
    settings: dict[str, Any] = {
        "template": "none",
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "colorway": list(COLOURS),
        "xaxis": {**axis, "title": {"text": _lines(x), "font": {"size": 13}, "standoff": 12}},
        "yaxis": {**axis, "title": {"text": y, "font": {"size": 13}, "standoff": 10}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"align": "left"},
    }
    return go.Figure(layout=settings).update_layout(**layout)


def _lines(title: str) -> str:
    """A title in lines that a phone has room for; Plotly would cut it off."""
    return "<br>".join(textwrap.wrap(title, _LONGEST_TITLE))


def with_unit(title: str, unit: str) -> str:
    """What is measured, and in what unit where it has one."""
    return f"{title}, {unit}" if unit else title


def draw_diagonal(
    drawn: go.Figure, low: float, high: float, name: str = "", colour: str = ORANGE
) -> None:
    """A dashed line where both axes are equal; without a name it is not in the legend."""
    drawn.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": colour, "dash": "dash"},
        hoverinfo="skip",
        **({"name": name} if name else {"showlegend": False}),
    )


def error_bars(values: Sequence[Any], ends: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """Plotly's asymmetric bars from lower and upper ends; a missing end draws none."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_gap(upper, value) for value, (_, upper) in zip(values, ends, strict=True)],
        "arrayminus": [_gap(value, lower) for value, (lower, _) in zip(values, ends, strict=True)],
        "thickness": 1.5,
        "width": 5,
    }


def _gap(high: Any, low: Any) -> float:
    return 0.0 if high is None or low is None else max(float(high) - float(low), 0.0)


def quantile(level: float) -> float:
    """Standard normal quantile that a two-sided interval of this level needs."""
    return NormalDist().inv_cdf((1 + level) / 2)


def share_interval(hits: float, count: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a share.

    >>> [round(end, 3) for end in share_interval(8, 10, 0.95)]
    [0.49, 0.943]

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    if count <= 0:
        return 0.0, 1.0
    z, share = quantile(level), hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half /= 1 + z * z / count
    return max(middle - half, 0.0), min(middle + half, 1.0)


def mean_interval(
    count: float, total: float, squares: float, level: float
) -> tuple[float, float, float]:
    """A mean with the ends of its normal interval, from sums.

    >>> [round(end, 2) for end in mean_interval(100, 500.0, 2900.0, 0.95)]
    [5.0, 4.61, 5.39]
    """
    if count < 1:
        return math.nan, math.nan, math.nan
    mean = total / count
    variance = max(squares / count - mean * mean, 0.0) * count / max(count - 1, 1)
    half = quantile(level) * math.sqrt(variance / count)
    return mean, mean - half, mean + half
