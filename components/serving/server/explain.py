"""Which words mattered most: what each head would have answered without a word.

Enters: an author's posts, a head's answers to the texts with one word taken out (occlusion; Zeiler
and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2). Leaves: per
head the words that moved its answer most. Pure functions.

A word is a run of letters and digits, whatever its case; all its occurrences go at once. Effect:
answer with the word less answer without it, so a positive one pushed the answer up: in the unit of
a number, in probability of the positive value, or of the group that was answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from components.heads.served import ServedHead

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
WORDS_SHOWN = 20


class Occlusion(NamedTuple):
    """The texts to ask the model: `texts[0]` as it came, `texts[i]` without `words[i - 1]`."""

    texts: list[bytes]
    words: list[str]
    counts: list[int]
    distinct: int


def occlude(text: str, most_words: int, most_bytes: int) -> Occlusion:
    """Takes every word out of a text in turn, the most frequent first.

    >>> occlude("So so good", 9, 1000).texts
    [b'So so good', b'  good', b'So so ']
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(text):
        spans.setdefault(match.group().casefold(), []).append(match.span())
    size = max(len(text.encode()), 1)
    most = max(0, min(most_words, most_bytes // size - 1))
    words = sorted(spans, key=lambda word: -len(spans[word]))[:most]
    texts = [text.encode(), *(_without(text, spans[word]).encode() for word in words)]
    return Occlusion(texts, words, [len(spans[word]) for word in words], len(spans))


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text without some parts of it, ascending: slices, as there may be a word every 6 bytes."""
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return "".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def word_effects(head: ServedHead, answers: np.ndarray, tried: Occlusion) -> dict[str, Any]:
    """The words of most effect on one head, strongest first.

    `answers` are the head's to `tried.texts`, `[1 + words, width]`.
    """
    column = head.explained_column(answers[0])
    values = answers[:, column].astype(float)
    effects = values[0] - values[1:]
    order = sorted(range(len(effects)), key=lambda i: (-abs(effects[i]), i))[:WORDS_SHOWN]
    return {"of": head.explained_as(column), "words": [_row(tried, effects, i) for i in order]}


def _row(tried: Occlusion, effects: Sequence[float], index: int) -> dict[str, Any]:
    effect = round(float(effects[index]), 6)
    return {"word": tried.words[index], "count": tried.counts[index], "effect": effect}
