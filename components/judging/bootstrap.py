"""Intervals over authors: how often each author is drawn, and what the draws say.

Enters: an author's id; later, a score in every replicate of the test split. Leaves: whole-number
weights, the same for an author wherever and whenever they are asked for, scores that need an order
of the authors in every replicate, and the ends of an interval. TFMA has intervals of its own; they
are not used because their level is fixed at 95 %, their 20 replicates differ from run to run, and
the candidate and what it is compared with would be drawn apart, which hides the difference between
them.
"""

from __future__ import annotations

import functools
import hashlib
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from components.heads.base import Head

Array = NDArray[np.float64]

REPLICATES = 1000
MINIMUM_LABELS = 10
MAXIMUM_UNDEFINED = 0.1
_SEED = 20_231
_BLOCKS = 10


def _counts_by_draw() -> NDArray[np.uint8]:
    """Poisson(1) counts by a 16-bit draw: the inverse of the distribution function."""
    shares = np.cumsum([math.exp(-1.0) / math.factorial(count) for count in range(20)])
    bounds = np.round(shares * 65536)
    return np.searchsorted(bounds, np.arange(65536), side="right").astype(np.uint8)


_COUNTS_BY_DRAW = _counts_by_draw()


@functools.lru_cache(maxsize=256)
def author_weights(author_id: bytes) -> Array:
    """How often an author counts: once in the split itself, then a Poisson(1) count a replicate.

    The counts come from a hash of the id alone, so that two models are drawn on the same authors
    and a repeated run gives the same interval, on every machine.

    Returns:
        Read-only `[1 + REPLICATES]`; the first is 1.
    """
    draws = np.frombuffer(hashlib.shake_128(author_id).digest(2 * REPLICATES), dtype="<u2")
    weights = np.concatenate([[1.0], _COUNTS_BY_DRAW[draws]])
    weights.flags.writeable = False
    return weights


def ranked_scores(head: Head, histogram: Array) -> dict[str, Array]:
    """A head's scores that need an order: `[1 + REPLICATES]` each, the split itself first.

    An author counts Poisson(1) times in a replicate, so a bin of n authors counts Poisson(n) times:
    the replicates follow from the histogram, none need be kept.
    """
    counts = head.author_counts(histogram)
    scores = head.ranked_scores(counts)
    if not scores:
        return {}
    occupied = counts.any(axis=0)
    draws = np.random.RandomState(_SEED)
    replicates = []
    for _ in range(_BLOCKS):
        drawn = np.zeros((REPLICATES // _BLOCKS, *counts.shape))
        # Drawn for these alone, which costs a hundredth of drawing zeros.
        drawn[..., occupied] = draws.poisson(counts[:, occupied], drawn[..., occupied].shape)
        replicates.append(head.ranked_scores(drawn))
    return {
        name: np.concatenate([[score], *(drawn[name] for drawn in replicates)])
        for name, score in scores.items()
    }


def interval(replicates: Array, labels: int, confidence: float) -> tuple[float, float]:
    """Ends of the expanded percentile interval.

    A plain percentile interval is too narrow on few authors; its level is widened by Student's t
    and n / (n - 1). Over 50 authors of ten income groups this covered the truth in 92 % of
    simulated splits where 95 % was asked for; under ten authors nothing comes near.

    Args:
        replicates: `[replicates]`, NaN where a replicate has no such score.
        labels: known labels that the score rests on.
        confidence: level in (0, 1).

    Returns:
        Lower and upper end; NaN both, where there are fewer than `MINIMUM_LABELS` labels or
        more than `MAXIMUM_UNDEFINED` of the replicates are undefined.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 5.3.
    """
    defined = replicates[np.isfinite(replicates)]
    if labels < MINIMUM_LABELS or defined.size < (1 - MAXIMUM_UNDEFINED) * replicates.size:
        return math.nan, math.nan
    quantile = math.sqrt(labels / (labels - 1)) * student_quantile(confidence, labels - 1)
    tail = NormalDist().cdf(-quantile)
    lower, upper = np.quantile(defined, [tail, 1 - tail])
    return float(lower), float(upper)


def student_quantile(confidence: float, degrees: int) -> float:
    """Student's t that holds `confidence` of the distribution between its two signs.

    Exact to 3e-4 from 9 degrees of freedom on, at 95 %.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / float(degrees) ** power for power, term in enumerate(terms))
