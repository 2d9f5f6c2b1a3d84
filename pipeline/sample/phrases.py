"""Phrases of three words whose order tells what no word and no two neighbouring words tell.

    straight   coffee before work, music before lunch
    crossed    coffee before lunch, music before work

Phrases come as twins, which have the word between in common. Straight or crossed, twins hold the
same words and the same pairs of neighbours, so that no function of how often an author uses those,
linear or not, can tell; the first and the third word of a phrase together do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

PHRASES = (
    ("coffee music", "before after", "work lunch"),
    ("bread soup", "with without", "cheese garlic"),
)
"""Of each: two words that begin, two that stand between, two that end."""
PHRASE_WORDS = tuple(word for phrase in PHRASES for words in phrase for word in words.split())
"""Six of each of `PHRASES`."""
PHRASE_LENGTH = 3
WORDS_A_TWIN = 2 * PHRASE_LENGTH

_WORDS_A_KIND = 6
_BETWEEN, _END = 2, 4
"""Where the words between begin among the six, and those that end."""


def draw_twins(random: np.random.Generator, twins: Integers, is_crossed: Flags) -> Integers:
    """Words of the phrases of some authors, as indices into `PHRASE_WORDS`.

    Args:
        random: the generator that draws, the same numbers whatever is crossed.
        twins: of each author, `[authors]`.
        is_crossed: of each author, `[authors]`.

    Returns:
        `[2 * all twins, 3]`, author by author; two rows in succession are twins.
    """
    total = int(twins.sum())
    kind = np.repeat(random.integers(len(PHRASES), size=total), 2) * _WORDS_A_KIND
    between = np.repeat(random.integers(_END - _BETWEEN, size=total), 2)
    begin = np.tile([0, 1], total)
    end = begin ^ np.repeat(is_crossed, 2 * twins)
    return np.stack([kind + begin, kind + _BETWEEN + between, kind + _END + end], axis=1)


def place_phrases(
    random: np.random.Generator, words: Integers, twins: Integers
) -> tuple[Integers, Integers, Integers]:
    """Places for phrases among an author's words, each place as likely as any other.

    Args:
        random: the generator that draws.
        words: of each author, those of phrases among them, `[authors]`.
        twins: of each author, at most words / 6, `[authors]`.

    Returns:
        Units of each author, a unit being a phrase or another word, `[authors]`; the end of every
        unit, in words from the start of the block, `[all units]`; where the last word of each
        phrase stands, in the order of `draw_twins`, `[2 * all twins]`.
    """
    units = words - 2 * (PHRASE_LENGTH - 1) * twins
    owner = np.repeat(np.arange(len(words)), units)
    # Units of an author in a random order: the first of them become phrases.
    shuffled = np.lexsort((random.random(len(owner)), owner))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[shuffled] = np.arange(len(owner)) - np.repeat(np.cumsum(units) - units, units)
    is_phrase = rank < 2 * twins[owner]
    ends = np.cumsum(np.where(is_phrase, PHRASE_LENGTH, 1))
    number = (np.cumsum(2 * twins) - 2 * twins)[owner] + rank
    last = np.empty(2 * int(twins.sum()), dtype=np.int64)
    last[number[is_phrase]] = ends[is_phrase] - 1
    return units, ends, last


def pick_loose(random: np.random.Generator, authors: int, author: Integers) -> Integers:
    """A word of phrases by itself for each word of a block, as indices into `PHRASE_WORDS`.

    An author uses half of them so. Words of twins, which come together always, would otherwise look
    the same to what tells words by the authors who use them, such as an SVD.

    Args:
        random: the generator that draws.
        authors: of the block.
        author: number of the author of each word, `[words]`.
    """
    own = np.argsort(random.random((authors, len(PHRASE_WORDS))), axis=1)
    return own[author, random.integers(len(PHRASE_WORDS) // 2, size=len(author))]
