"""The search's figures: trials as parallel coordinates, and the trade-off between two heads.

Enters: trials as `record.read_trials` gives them. Leaves: Plotly figures. Parallel coordinates are
drawn as lines, not by Plotly's own trace of that name: that one needs WebGL, which paper and many
remote desktops do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from components.report.drawing import BLUE, GREY, ORANGE, figure
from components.report.record import Json, is_finite
from components.training.searched import WEIGHT_PREFIX


def title_of(hyperparameter: str) -> str:
    """For people: `loss_weight/age` is the weight of age."""
    if hyperparameter.startswith(WEIGHT_PREFIX):
        return f"weight of {hyperparameter.removeprefix(WEIGHT_PREFIX)}"
    return hyperparameter.replace("_", " ")


@dataclass(frozen=True)
class _Axis:
    """One axis of the parallel coordinates: numbers between their ends, or names at even steps."""

    title: str
    read: tuple[Any, ...]
    """Of each trial, in their order."""
    values: tuple[Any, ...]
    """All that can be drawn, ascending."""

    @property
    def marks(self) -> tuple[Any, ...]:
        """What is written beside the axis."""
        if isinstance(self.values[0], str):
            return self.values
        return tuple(dict.fromkeys((self.values[0], self.values[-1])))

    def share(self, value: Any) -> float | None:
        """Place of a value on the axis, 0..1; None where the trial has none."""
        if value not in self.values:
            return None
        if len(self.values) == 1:
            return 0.5
        if isinstance(value, str):
            return self.values.index(value) / (len(self.values) - 1)
        low, high = float(self.values[0]), float(self.values[-1])
        return (float(value) - low) / (high - low)


def parallel_figure(trials: Sequence[Json], names: Sequence[str]) -> go.Figure:
    """A line a trial over all it chose and what it reached; the best one is thick.

    Args:
        trials: best first.
        names: of the heads; their skills are drawn where the trials know them.
    """
    axes = _axes(trials, names)
    drawn = figure(height=360, showlegend=False, hovermode="closest")
    scores = [float(trial["score"]) for trial in trials]
    for number, colour in reversed(list(enumerate(_colours(scores)))):
        best = number == 0
        values = [axis.read[number] for axis in axes]
        drawn.add_scatter(
            x=list(range(len(axes))),
            y=[axis.share(value) for axis, value in zip(axes, values, strict=True)],
            mode="lines+markers",
            line={"color": ORANGE if best else colour, "width": 4 if best else 1.5},
            marker={"size": 8 if best else 5, "symbol": "diamond" if best else "circle"},
            name=f"trial {trials[number]['trial']}",
            text=[f"{a.title}: {_figure(v)}" for a, v in zip(axes, values, strict=True)],
            hovertemplate="%{text}",
        )
    for place, axis in enumerate(axes):
        _draw_axis(drawn, place, axis)
    drawn.update_xaxes(visible=False, range=[-0.35, len(axes) - 0.65])
    drawn.update_yaxes(visible=False, range=[-0.12, 1.36])
    return drawn.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10})


def _draw_axis(drawn: go.Figure, place: int, axis: _Axis) -> None:
    line = {"color": GREY, "width": 1}
    drawn.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line=line, layer="below")
    for mark in axis.marks:
        share = axis.share(mark) or 0.0
        text = _figure(mark)
        if share in (0.0, 1.0):
            # At the ends, off the lines' own ends.
            y, anchor = (-0.02, "top") if share == 0.0 else (1.02, "bottom")
            drawn.add_annotation(x=place, y=y, text=text, showarrow=False, yanchor=anchor)
        else:
            drawn.add_annotation(
                x=place, y=share, text=text, showarrow=False, xanchor="left", xshift=8
            )
    title = f"<b>{_broken(axis.title)}</b>"
    drawn.add_annotation(x=place, y=1.13, text=title, showarrow=False, yanchor="bottom")


def _broken(title: str) -> str:
    """A title on two lines: eight axes stand side by side on a sheet of paper."""
    head, _, tail = title.rpartition(" ")
    return f"{head}<br>{tail}" if head else tail


def _axes(trials: Sequence[Json], names: Sequence[str]) -> list[_Axis]:
    """What the trials chose, then what they reached; what never varies has no axis."""
    chosen = [trial["hyperparameters"] for trial in trials]
    keys = sorted({key for settings in chosen for key in settings})
    columns = [(title_of(key), [settings.get(key) for settings in chosen]) for key in keys]
    columns += [(f"skill of {n}", [trial["skills"].get(n) for trial in trials]) for n in names]
    columns.append(("mean skill", [trial["score"] for trial in trials]))
    axes = []
    for title, column in columns:
        found = {value for value in column if isinstance(value, str) or is_finite(value)}
        if len(found) > 1 or (found and title == "mean skill"):
            axes.append(_Axis(title, tuple(column), tuple(sorted(found))))
    return axes


def _figure(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if is_finite(value) else "unknown"


def _colours(scores: Sequence[float]) -> list[str]:
    low, high = min(scores), max(scores)
    shares = [0.5 if high == low else (score - low) / (high - low) for score in scores]
    return [f"rgba(31,134,200,{0.3 + 0.7 * share:.2f})" for share in shares]


def efficient_trials(trials: Sequence[Json], names: Sequence[str]) -> set[Any]:
    """Trials that no other beats in one head without losing in another (the Pareto front).

    >>> skills = [{"a": 0.5, "b": 0.1}, {"a": 0.4, "b": 0.3}, {"a": 0.4, "b": 0.2}]
    >>> sorted(efficient_trials([{"trial": n, "skills": s} for n, s in enumerate(skills)], "ab"))
    [0, 1]
    """
    points = {
        trial["trial"]: tuple(float(trial["skills"][name]) for name in names) for trial in trials
    }
    return {
        trial
        for trial, point in points.items()
        if not any(
            other != point and all(a >= b for a, b in zip(other, point, strict=True))
            for other in points.values()
        )
    }


def with_skills(trials: Sequence[Json], names: Sequence[str]) -> list[Json]:
    """Those trials that know the skill of every head."""
    return [trial for trial in trials if all(is_finite(trial["skills"].get(n)) for n in names)]


def tradeoff_figure(trials: Sequence[Json], names: Sequence[str], x: str, y: str) -> go.Figure:
    """Each trial's skill of one head against that of another.

    Args:
        trials: best first, all with the skill of every head.
        names: of all heads; a diamond is a trial that is efficient over all of them.
        x: head of the horizontal axis.
        y: head of the vertical one.
    """
    efficient = efficient_trials(trials, names)
    drawn = figure(f"skill of {x} on eval", f"skill of {y} on eval", hovermode="closest")
    for title, colour, symbol, member in (
        ("another trial is no worse in any head", GREY, "circle", False),
        ("efficient: none is", BLUE, "diamond", True),
    ):
        group = [trial for trial in trials if (trial["trial"] in efficient) is member]
        drawn.add_scatter(
            x=[trial["skills"][x] for trial in group],
            y=[trial["skills"][y] for trial in group],
            mode="markers",
            marker={"size": 12 if member else 9, "symbol": symbol, "color": colour},
            customdata=[trial["trial"] for trial in group],
            text=[_describe(trial, names) for trial in group],
            hovertemplate="%{text}<extra></extra>",
            name=title,
        )
    best = trials[0]
    drawn.add_scatter(
        x=[best["skills"][x]],
        y=[best["skills"][y]],
        mode="markers",
        marker={"size": 20, "symbol": "circle-open", "color": ORANGE, "line": {"width": 3}},
        customdata=[best["trial"]],
        hoverinfo="skip",
        name="best mean skill",
    )
    return drawn


def _describe(trial: Json, names: Sequence[str]) -> str:
    skills = [f"skill of {name}: {_figure(trial['skills'][name])}" for name in names]
    weights = [
        f"{title_of(key)}: {_figure(value)}" for key, value in trial["hyperparameters"].items()
    ]
    return "<br>".join([f"trial {trial['trial']}", *skills, *weights])
