"""What each path of the network adds to a head by itself, on held-out authors.

The trained network less the same network in which the path says of every author what it says on
average, with both shares found again for it (`shrinkage`). Nothing is trained anew, so where two
paths know the same, neither adds it; `make quality` trains networks without a path.
"""

from __future__ import annotations

import math

from components.heads.arrays import Array
from components.heads.base import Head
from components.heads.links import Link
from components.training.held_out import HeldOut
from components.training.shrinkage import fit_correction, fit_share

NORMAL_95 = 1.96

Gains = dict[str, dict[str, float]]
"""By path `value`, `lower` and `upper` of what it adds to the skill, at 95 %."""


def path_gains(head: Head, link: Link, found: HeldOut, answers: Array, constant: Array) -> Gains:
    """What each path adds to a head's skill; empty of one path alone, or fewer than two labels.

    Args:
        head: whose loss is meant.
        link: of the head.
        found: of authors that no network has learned from.
        answers: to them as they are served but for calibration, `[authors, width]`.
        constant: mean target `[width]` of `train`; skill is told in shares of its loss.
    """
    if len(found.labels) < 2:
        return {}
    losses = head.losses(answers, found.labels)
    scale = float(head.losses(constant + 0.0 * found.labels, found.labels).mean())
    gains = {}
    for path, logits in found.without.items():
        share = fit_correction(head, link, found.offsets, logits, found.labels)
        without = link.answers(found.offsets + share * (logits - found.offsets))
        share = fit_share(head, without, found.labels, constant)
        without = constant + share * (without - constant)
        gains[path] = _estimate((head.losses(without, found.labels) - losses) / scale)
    return gains


def _estimate(gains: Array) -> dict[str, float]:
    value = float(gains.mean())
    error = NORMAL_95 * float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return {"value": value, "lower": value - error, "upper": value + error}
