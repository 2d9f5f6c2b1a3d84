"""Made-up corpora that ask one thing of a model each, with the best scores that can be reached.

    python -m benchmarks.quality.made_up --kind order --authors 2000 --out runs/order
    make quality DATA=runs/order HEADS=turn FLAGS="--config runs/order/config.yaml"

| kind | heads | what tells the labels |
|---|---|---|
| `order` | turn | the order of three words alone; words and pairs of neighbours are at chance |
| `late` | age, income, gender | the sample's own posts, behind 1,550 words of noise |
| `exact` | score | shares of words, linearly and without noise; its outer tenths are far out |
| `mixed` | age, income, gender | words; topics that tell something only together; order |
| `followers` | followers | words; log-normal, 1 to 1,000,000 |

Beside `posts.jsonl` and `labels.csv` a folder gets `reachable.json` and a `config.yaml` that names
all three. Memory: some 20 kB an author, ten times that of kind `late`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.quality.made_up_texts import (
    Scores,
    class_scores,
    cut_into_posts,
    either,
    levels,
    noise,
    number_scores,
    say,
    with_phrases,
)
from pipeline.sample.people import (
    Flags,
    Floats,
    draw_crossed,
    draw_labels,
    draw_traits,
    normal_cdf,
    reachable_scores,
)
from pipeline.sample.texts import draw_posts

WORDS = 150
TWINS = 5
SAID_SHARE = 0.1
CROSSED_SHARE = 0.05
LATE_WORDS = 1_550
COEFFICIENTS = np.array([-140, -100, -80, -60, 60, 80, 100, 140])
"""Of the score of kind `exact`: of the share of each of so many words; others have 0."""
SCORE_MIDDLE = 200
AGE_NOISE_YEARS, INCOME_NOISE, FOLLOWERS_CORRELATION = 5.0, 0.4, 0.9
SIMULATED = 200_000
SEED = 11

HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression", "unit": "years"},
    "income": {"kind": "classes", "classes": 10, "given_as": "amount"},
    "gender": {"kind": "binary", "positive": "female", "negative": "male"},
    "turn": {"kind": "binary", "positive": "left", "negative": "right"},
    "score": {"kind": "regression", "unit": "points", "maximum": 400},
    "followers": {"kind": "regression", "unit": "followers", "maximum": 1_000_000},
}


@dataclass(frozen=True)
class MadeUp:
    """Posts of each author; labels, `[authors]`, and best scores by head."""

    posts: list[list[str]]
    labels: Mapping[str, Any]
    reachable: dict[str, Scores]


def order(random: np.random.Generator, authors: int) -> MadeUp:
    """Authors of one value cross their phrases, the others do not, but for a share of each."""
    label = random.random(authors) < 0.5
    is_crossed = label ^ (random.random(authors) < CROSSED_SHARE)
    posts = with_phrases(random, noise(random, authors, WORDS), is_crossed, TWINS)
    shares = np.array([[CROSSED_SHARE, 1 - CROSSED_SHARE], [1 - CROSSED_SHARE, CROSSED_SHARE]])
    return MadeUp(posts, {"turn": np.where(label, "left", "right")}, {"turn": class_scores(shares)})


def late(random: np.random.Generator, authors: int) -> MadeUp:
    """Authors of the sample, who first write posts that tell nothing."""
    traits = draw_traits(random, authors)
    labels = draw_labels(random, traits)
    is_crossed, latin = draw_crossed(random, labels), np.zeros(authors, dtype=np.int64)
    words, posts = np.full(authors, WORDS), np.full(authors, 3)
    told = draw_posts(random, traits, is_crossed, latin, words, posts)
    before = cut_into_posts(noise(random, authors, LATE_WORDS))
    gender = np.where(labels.female, "female", "male")
    return MadeUp(
        [first + then for first, then in zip(before, told, strict=True)],
        {"age": labels.age, "income": labels.income, "gender": gender},
        reachable_scores(),
    )


def exact(random: np.random.Generator, authors: int) -> MadeUp:
    """A sum over words of share times coefficient; Student's t brings its outer tenths far out."""
    words = noise(random, authors, WORDS)
    lean = np.clip(0.12 * random.standard_t(2, (authors, 1)), -0.8, 0.8)
    is_told = random.random(words.shape) < 0.1 + np.abs(lean)
    half = len(COEFFICIENTS) // 2
    is_rise = random.random(words.shape) < 0.5 + 0.5 * np.tanh(8 * lean)
    number = is_rise * half + random.integers(half, size=words.shape)
    names = np.array([f"{letter}rung" for letter in "bcdfghjk"], dtype=object)
    words[is_told] = names[number[is_told]]
    score = SCORE_MIDDLE + (COEFFICIENTS[number] * is_told).mean(axis=1)
    best = {"mae": 0.0, "rmse": 0.0, "skill": 1.0}
    return MadeUp(cut_into_posts(words), {"score": score}, {"score": best})


def followers(random: np.random.Generator, authors: int) -> MadeUp:
    """A number whose logarithm a trait tells but for noise. The best scores are of log10."""
    trait = random.standard_normal(authors)
    words = noise(random, authors, WORDS)
    say(random, words, {"fame": levels(random, "fam", trait, WORDS)}, 3 * SAID_SHARE)
    many = random.standard_normal(SIMULATED)
    best = number_scores(*(np.log10(_followers(random, many)) for _ in range(2)))
    labels = {"followers": _followers(random, trait).astype(int)}
    return MadeUp(cut_into_posts(words), labels, {"followers": best})


def _followers(random: np.random.Generator, trait: Floats) -> Floats:
    blur = np.sqrt(1 - FOLLOWERS_CORRELATION**2) * random.standard_normal(len(trait))
    return np.asarray(np.rint(10.0 ** np.clip(3 + FOLLOWERS_CORRELATION * trait + blur, 0, 6)))


@dataclass(frozen=True)
class Traits:
    """Of kind `mixed`: three numbers, two topics, an order; `[authors]` each."""

    numbers: Floats
    topics: Flags
    is_crossed: Flags

    @classmethod
    def draw(cls, random: np.random.Generator, authors: int) -> Traits:
        """All independent."""
        return cls(
            random.standard_normal((3, authors)),
            random.random((2, authors)) < 0.5,
            random.random(authors) < 0.5,
        )

    def signs(self) -> tuple[Floats, Floats, Floats]:
        """First topic, both topics together, order: -1 or 1."""
        first, second = np.where(self.topics, 1.0, -1.0)
        return first, first * second, np.where(self.is_crossed, 1.0, -1.0)


def mixed(random: np.random.Generator, authors: int) -> MadeUp:
    """Each head has a part that words tell by themselves, one of topics together, one of order.

    The three parts of what can be known, in shares of their variance: age 49, 25 and 16 of 90;
    income 36, 16 and 9 of 61; of gender the logit 144, 144 and 144 of 432.
    """
    traits = Traits.draw(random, authors)
    words = noise(random, authors, WORDS)
    said = {
        name: levels(random, name, trait, WORDS)
        for name, trait in zip(("dor", "lim", "tas"), traits.numbers, strict=True)
    }
    for name, flag in zip(("music", "sport"), traits.topics, strict=True):
        said[name] = either(name, flag, WORDS)
    say(random, words, said, SAID_SHARE)
    posts = with_phrases(random, words, traits.is_crossed, TWINS)
    age = np.clip(np.rint(_ages(random, traits)), 13, 90).astype(int)
    income = 42_000 * np.exp(0.6 * (_incomes(traits) + _blur(random, authors)))
    is_female = random.random(authors) < _female_shares(traits)
    labels = {
        "age": age,
        "income": (np.rint(income / 100) * 100).astype(int),
        "gender": np.where(is_female, "female", "male"),
    }
    return MadeUp(posts, labels, mixed_scores(random, Traits.draw(random, SIMULATED)))


def mixed_scores(random: np.random.Generator, traits: Traits) -> dict[str, Scores]:
    """Scores of a predictor that knows the traits, over so many authors as are given."""
    ages = (np.clip(np.rint(_ages(random, traits)), 13, 90) for _ in range(2))
    known = _incomes(traits)
    edges = np.quantile(known + _blur(random, len(known)), np.arange(1, 10) / 10)
    below = normal_cdf((edges - known[:, None]) / INCOME_NOISE)
    groups = np.diff(below, axis=1, prepend=0.0, append=1.0)
    female = _female_shares(traits)
    return {
        "age": number_scores(*ages),
        "income": class_scores(groups),
        "gender": class_scores(np.stack([1 - female, female], axis=1)),
    }


def _ages(random: np.random.Generator, traits: Traits) -> Floats:
    _, together, crossed = traits.signs()
    known = 45 + 7 * traits.numbers[0] + 5 * together + 4 * crossed
    return np.asarray(known + AGE_NOISE_YEARS * random.standard_normal(len(known)))


def _incomes(traits: Traits) -> Floats:
    """What can be known; words of the first number mean the opposite under the other topic."""
    first, _, crossed = traits.signs()
    return np.asarray(0.6 * traits.numbers[1] + 0.4 * first * traits.numbers[0] + 0.3 * crossed)


def _blur(random: np.random.Generator, authors: int) -> Floats:
    return INCOME_NOISE * random.standard_normal(authors)


def _female_shares(traits: Traits) -> Floats:
    _, together, crossed = traits.signs()
    return np.asarray(1 / (1 + np.exp(-1.2 * (traits.numbers[2] + together + crossed))))


KINDS: dict[str, Callable[[np.random.Generator, int], MadeUp]] = {
    kind.__name__: kind for kind in (order, late, exact, mixed, followers)
}


def write_made_up(kind: str, authors: int, folder: Path, seed: int = SEED) -> dict[str, Scores]:
    """Writes a corpus and returns its best scores; the same arguments give the same bytes."""
    made = KINDS[kind](np.random.default_rng(seed), authors)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        for number, posts in enumerate(made.posts):
            for text in posts:
                record = {"author_id": f"author-{number:06d}", "text": text}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["author_id", *made.labels])
        for number, row in enumerate(zip(*made.labels.values(), strict=True)):
            table.writerow([f"author-{number:06d}", *row])
    config = {
        "posts": ["posts.jsonl"],
        "labels": ["labels.csv"],
        "reachable": "reachable.json",
        # Heads that are there by default and not here are left out.
        "heads": {
            name: HEADS[name] if name in made.labels else None
            for name in ("age", "income", "gender", *made.labels)
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    facts = {"kind": kind, "authors": authors, "seed": seed, "heads": made.reachable}
    (folder / "reachable.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return made.reachable


def main(arguments: list[str] | None = None) -> int:
    """The command; prints the best scores."""
    parser = argparse.ArgumentParser(prog="made_up", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kind", choices=list(KINDS), required=True)
    parser.add_argument("--authors", type=int, default=2_000, help="20000 is meant for `mixed`")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    best = write_made_up(options.kind, options.authors, options.out, options.seed)
    sys.stdout.write(f"{json.dumps(best)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
