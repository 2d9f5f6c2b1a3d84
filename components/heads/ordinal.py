"""Where a number's labels are cut into groups, so that it can be answered by ordinal thresholds.

References: Frank and Hall, "A Simple Approach to Ordinal Classification", 2001. Li and Lin,
"Ordinal Regression by Extended Binary Classification", 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.heads.arrays import Array, np

GROUPS = 16
"""Of like size, that a number's labels are cut into where it is answered by thresholds."""
TAILS = (0.02, 0.005)
"""Shares of the labels at either end that are cut off too."""
FEWEST = 5
"""Labels of an outermost group, which is cut off last."""


@dataclass(frozen=True)
class StepFacts:
    """Where a number's labels are cut.

    Attributes:
        thresholds: ascending, one or more.
        levels: of each group, one more than there are thresholds: its mean label.
        shares: share of the labels above each threshold.
    """

    thresholds: tuple[float, ...]
    levels: tuple[float, ...]
    shares: tuple[float, ...]


def steps_in_reach(labels: Array) -> StepFacts | None:
    """`GROUPS` of like size, whose outermost levels are the least and the greatest label.

    The mean over groups lies between the outermost levels: were those the means of a sixteenth of
    the labels each, no answer could reach the labels beyond. The outermost groups hold few labels,
    so that few answers are drawn outwards.
    """
    if not len(labels):
        return None
    last = FEWEST / len(labels)
    tails = [tail for tail in (*TAILS, last) if last <= tail < 1 / GROUPS]
    inner = [number / GROUPS for number in range(1, GROUPS)]
    steps = cut_at(labels, sorted({*inner, *tails, *(1 - tail for tail in tails)}))
    if steps is None:
        return None
    levels = (float(labels.min()), *steps.levels[1:-1], float(labels.max()))
    return StepFacts(steps.thresholds, levels, steps.shares)


def cut_at(labels: Array, quantiles: Sequence[float]) -> StepFacts | None:
    """Cuts labels at ascending quantiles, half way to the next label; None where all are one.

    Equal labels stay together, so there may be fewer groups than quantiles ask for.

    >>> cut_at(np.array([1.0, 1.0, 2.0, 6.0]), [0.5])
    StepFacts(thresholds=(1.5,), levels=(1.0, 4.0), shares=(0.5,))
    """
    values = np.unique(labels)
    if len(values) < 2:
        return None
    cuts = np.quantile(labels, quantiles, method="inverted_cdf")
    above = np.searchsorted(values, np.unique(cuts), side="right")
    above = above[above < len(values)]
    if not len(above):
        above = np.array([len(values) - 1])
    thresholds = (values[above - 1] + values[above]) / 2
    group = np.searchsorted(thresholds, labels)
    levels = [labels[group == number].mean() for number in range(len(thresholds) + 1)]
    shares = [(labels > threshold).mean() for threshold in thresholds]
    return StepFacts(*(tuple(float(v) for v in part) for part in (thresholds, levels, shares)))
