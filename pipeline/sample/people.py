"""Who the authors of the sample are: hidden traits, noisy labels, and the best reachable scores.

Enters: a random generator and a number of authors. Leaves: traits, which `texts` makes visible
in the choice of words and in the order of phrases; labels, which `records` writes down; and the
scores of a predictor that knows the traits exactly, which no model of the texts can pass but by
chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TRAIT_CORRELATION = 0.6

AGE_MEAN_YEARS = 40.0
AGE_DEVIATION_YEARS = 12.0
AGE_RANGE_YEARS = (13, 90)
AGE_CORRELATION = 0.9

INCOME_MEDIAN_DOLLARS = 42_000.0
INCOME_LOG_DEVIATION = 0.6
INCOME_STEP_DOLLARS = 100
INCOME_CORRELATION = 0.95
INCOME_GROUPS = 10

GENDER_FLIPPED_SHARE = 0.08
"""Authors whose words are those of the other gender."""
GENDER_CROSSED_SHARE = 0.03
"""Authors whose phrases are those of the other gender, whatever their words are."""


@dataclass(frozen=True)
class Traits:
    """What no record says. All of shape `[authors]`."""

    age: Floats
    """Standard normal; older authors have more of it."""
    income: Floats
    """Standard normal; richer authors have more of it."""
    is_second_kind: Flags
    """True for one half of the authors, most of whom are labelled female."""


@dataclass(frozen=True)
class Labels:
    """What the label records say where they say it. All of shape `[authors]`."""

    age: NDArray[np.int64]
    """Whole years, within `AGE_RANGE_YEARS`."""
    income: NDArray[np.int64]
    """Dollars a year, a multiple of `INCOME_STEP_DOLLARS`."""
    female: Flags


def draw_traits(random: np.random.Generator, authors: int) -> Traits:
    """Traits of so many authors; income and gender each lean on age.

    In this invented land older people earn more and more of them are women. So what a network finds
    for one head serves the others at once; with unrelated traits the reference network was seen to
    learn one head and to leave the other two at chance for a dozen epochs.
    """
    age = random.standard_normal(authors)
    return Traits(
        age=age,
        income=_blurred(random, age, TRAIT_CORRELATION),
        is_second_kind=_blurred(random, age, TRAIT_CORRELATION) > 0,
    )


def draw_labels(random: np.random.Generator, traits: Traits) -> Labels:
    """Labels that follow the traits with the noise that this module's constants state."""
    years = AGE_MEAN_YEARS + AGE_DEVIATION_YEARS * _blurred(random, traits.age, AGE_CORRELATION)
    logs = INCOME_LOG_DEVIATION * _blurred(random, traits.income, INCOME_CORRELATION)
    steps = np.rint(INCOME_MEDIAN_DOLLARS * np.exp(logs) / INCOME_STEP_DOLLARS)
    flipped = random.random(len(traits.is_second_kind)) < GENDER_FLIPPED_SHARE
    return Labels(
        age=np.clip(np.rint(years), *AGE_RANGE_YEARS).astype(np.int64),
        income=steps.astype(np.int64) * INCOME_STEP_DOLLARS,
        female=traits.is_second_kind ^ flipped,
    )


def draw_crossed(random: np.random.Generator, labels: Labels) -> Flags:
    """Whether an author crosses phrases, as those labelled female do but for a share."""
    return labels.female ^ (random.random(len(labels.female)) < GENDER_CROSSED_SHARE)


def normal_cdf(values: Floats) -> Floats:
    """Share of a standard normal below each value, of the same shape."""
    flat = [0.5 * math.erfc(-value / math.sqrt(2.0)) for value in values.ravel().tolist()]
    return np.array(flat).reshape(values.shape)


def reachable_scores() -> dict[str, dict[str, float]]:
    """Per head, metric -> score of the predictor that knows the author's traits exactly.

    Of gender it knows the kind of the words and whether phrases are crossed.

    Age in years; cross-entropies in nats; skill = 1 - loss / loss of the best constant predictor.
    Age and income are integrated over a grid of the trait; gender is in closed form.
    """
    return {"age": _age_scores(), "income": _income_scores(), "gender": _gender_scores()}


def _blurred(random: np.random.Generator, trait: Floats, correlation: float) -> Floats:
    noise = random.standard_normal(len(trait))
    return correlation * trait + math.sqrt(1.0 - correlation**2) * noise


def _trait_grid() -> tuple[Floats, Floats]:
    """Points of a standard normal trait and their weights, which sum to 1."""
    points = np.linspace(-6.0, 6.0, 1201)
    weights = np.exp(-0.5 * points**2)
    return points, weights / weights.sum()


def _shares(bounds: Floats, correlation: float) -> tuple[Floats, Floats]:
    """Per grid point, the share of labels between neighbouring bounds (standardised).

    Returns:
        Shares `[points, len(bounds) + 1]`, the outer cells open; weights `[points]`.
    """
    points, weights = _trait_grid()
    noise = math.sqrt(1.0 - correlation**2)
    below = normal_cdf((bounds[None, :] - correlation * points[:, None]) / noise)
    return np.diff(below, axis=1, prepend=0.0, append=1.0), weights


def _age_scores() -> dict[str, float]:
    ages = np.arange(AGE_RANGE_YEARS[0], AGE_RANGE_YEARS[1] + 1, dtype=np.float64)
    bounds = (ages[:-1] + 0.5 - AGE_MEAN_YEARS) / AGE_DEVIATION_YEARS
    shares, weights = _shares(bounds, AGE_CORRELATION)
    errors = ages[None, :] - (shares @ ages)[:, None]
    squared = float(weights @ (shares * errors**2).sum(axis=1))
    overall = weights @ shares
    variance = float(overall @ (ages - overall @ ages) ** 2)
    return {
        "mae": float(weights @ (shares * np.abs(errors)).sum(axis=1)),
        "rmse": math.sqrt(squared),
        "skill": 1.0 - squared / variance,
    }


def _income_scores() -> dict[str, float]:
    cuts = [NormalDist().inv_cdf(k / INCOME_GROUPS) for k in range(1, INCOME_GROUPS)]
    shares, weights = _shares(np.array(cuts), INCOME_CORRELATION)
    best = shares.argmax(axis=1)
    near = np.abs(np.arange(INCOME_GROUPS)[None, :] - best[:, None]) <= 1
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -float(weights @ (shares * logs).sum(axis=1))
    return {
        "accuracy": float(weights @ shares.max(axis=1)),
        "within_one_group": float(weights @ (shares * near).sum(axis=1)),
        "cross_entropy": entropy,
        "skill": 1.0 - entropy / math.log(INCOME_GROUPS),
    }


def _gender_scores() -> dict[str, float]:
    """Of an author whose words, and whose phrases, are those of the other gender by chance."""
    by_words, by_phrases = GENDER_FLIPPED_SHARE, GENDER_CROSSED_SHARE
    # What is seen, the likelier female the earlier: both female, phrases alone, words alone, none.
    female = np.outer([1 - by_phrases, by_phrases], [1 - by_words, by_words]).ravel()
    male = female[::-1]
    entropy = -float(female @ np.log(female / (female + male)))
    return {
        "accuracy": float(np.maximum(female, male).sum() / 2),
        "auc": float(female @ (1 - np.cumsum(male) + male / 2)),
        "cross_entropy": entropy,
        "skill": 1.0 - entropy / math.log(2.0),
    }
