"""Words, phrases and best scores of the made-up corpora of `made_up`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.sample.lexicon import build_lexicon
from pipeline.sample.people import Flags, Floats, normal_cdf
from pipeline.sample.phrases import (
    PHRASE_LENGTH,
    PHRASE_WORDS,
    draw_twins,
    pick_loose,
    place_phrases,
)

Words = np.ndarray[Any, Any]
"""Of strings, `[authors, words]`."""
Scores = dict[str, float]

WORDS_A_POST = 50
LOOSE_SHARE = 0.06
LEVELS, WINDOW_LEVELS = 8, 2.0
ZIPF_OFFSET = 2.7
NOISE_WORDS = 1_000


def noise(random: np.random.Generator, authors: int, words: int) -> Words:
    """Words that tell nothing; rank r has a share of about 1 / (r + 2.7)."""
    lexicon = build_lexicon()
    shares = 1 / (np.arange(1, NOISE_WORDS + 1) + ZIPF_OFFSET)
    drawn = random.choice(NOISE_WORDS, size=(authors, words), p=shares / shares.sum())
    return np.asarray(lexicon.forms[drawn])


def say(random: np.random.Generator, words: Words, said: Mapping[str, Words], share: float) -> None:
    """Puts what is said in place of words, of each thing so large a share of all words.

    Args:
        random: the generator that draws.
        words: changed in place.
        said: what each place would say of one thing; of the shape of `words`.
        share: of the words, for each thing.
    """
    what = np.floor_divide(random.random(words.shape), share)
    for number, told in enumerate(said.values()):
        words[what == number] = told[what == number]


def levels(random: np.random.Generator, name: str, trait: Floats, words: int) -> Words:
    """What may be said of a standard normal trait: words of the levels near it, evenly."""
    start = normal_cdf(trait)[:, None] * (LEVELS - WINDOW_LEVELS)
    level = start + random.random((len(trait), words)) * WINDOW_LEVELS
    names = np.array([f"{name}{letter}n" for letter in "abcdefgh"], dtype=object)
    return np.asarray(names[level.astype(int)])


def either(name: str, flag: Flags, words: int) -> Words:
    """What may be said of a yes or no: one word or another."""
    of_author = np.where(flag, f"{name}yes", f"{name}no").astype(object)
    return np.repeat(of_author[:, None], words, axis=1)


def with_phrases(
    random: np.random.Generator, words: Words, is_crossed: Flags, twins: int
) -> list[list[str]]:
    """Posts of these words, phrases in place of some, straight or crossed."""
    authors, length = words.shape
    owner = np.repeat(np.arange(authors), length)
    loose = np.array(PHRASE_WORDS, dtype=object)[pick_loose(random, authors, owner)]
    flat = np.where(random.random(len(owner)) < LOOSE_SHARE, loose, words.ravel())
    each = np.full(authors, twins)
    _, _, last = place_phrases(random, np.full(authors, length), each)
    phrases = np.array(PHRASE_WORDS, dtype=object)[draw_twins(random, each, is_crossed)]
    flat[last[:, None] + np.arange(1 - PHRASE_LENGTH, 1)] = phrases
    flat[last] += "."
    # A post ends behind a phrase, or where none is.
    inside = np.zeros(len(owner), dtype=bool)
    inside[last[:, None] - [2, 1]] = True
    return cut_into_posts(flat.reshape(words.shape), inside.reshape(words.shape))


def cut_into_posts(words: Words, inside: Flags | None = None) -> list[list[str]]:
    """Posts of about 50 words each; none ends at a word that is `inside` a phrase."""
    held = np.zeros(words.shape, dtype=bool) if inside is None else inside
    authors = []
    for row, kept in zip(words.tolist(), held.tolist(), strict=True):
        posts, start = [], 0
        for place in range(len(row)):
            is_last = place == len(row) - 1
            if is_last or (place - start >= WORDS_A_POST - 1 and not kept[place]):
                posts.append(" ".join(row[start : place + 1]))
                start = place + 1
        authors.append(posts)
    return authors


def number_scores(first: Floats, second: Floats) -> Scores:
    """Best squared error and skill, from two labels of each author drawn apart.

    Half of the mean square of their difference is what no predictor knows.

    >>> number_scores(np.array([1.0, 3.0]), np.array([3.0, 3.0]))["rmse"]
    1.0
    """
    squared = float(np.mean((first - second) ** 2) / 2)
    variance = float(np.concatenate([first, second]).var())
    return {"rmse": squared**0.5, "skill": 1 - squared / variance}


def class_scores(shares: Floats) -> Scores:
    """Best accuracy, cross-entropy and skill, from the true shares of each author's classes.

    >>> scores = class_scores(np.array([[0.8, 0.2], [0.4, 0.6]]))
    >>> round(scores["accuracy"], 3), round(scores["cross_entropy"], 3), round(scores["skill"], 3)
    (0.7, 0.587, 0.128)
    """
    loss, constant = _entropy(shares), _entropy(shares.mean(axis=0, keepdims=True))
    return {
        "accuracy": float(shares.max(axis=1).mean()),
        "cross_entropy": loss,
        "skill": 1 - loss / constant,
    }


def _entropy(shares: Floats) -> float:
    return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1).mean())
