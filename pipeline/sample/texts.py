"""How the authors of the sample write: which words an author uses follows from the traits.

Enters: traits and lengths of a block of authors. Leaves: the text of each post.

| words | share | which ones |
|---|---|---|
| markers | 50 % | of those that stand near the author's traits |
| emoji, URLs, handles | 3 % | any |
| background | 47 % | any of the author's script, by a Zipf-like law |

A marker has a level of the age trait (0..5), one of the income trait (0..5) and one of the two
kinds of the gender trait. An author uses the markers of two or three neighbouring levels of each,
so which words occur at all tells the traits. Markers stay the same words in every script, as
borrowed words do.
"""

from __future__ import annotations

import functools

import numpy as np

from pipeline.sample.lexicon import (
    FULL_STOP,
    FUSED,
    LATIN_WORDS,
    MARKER_LEVELS,
    OTHER_WORDS,
    SCRIPTS,
    Integers,
    Lexicon,
    build_lexicon,
)
from pipeline.sample.people import Flags, Floats, Traits, normal_cdf

MARKER_SHARE = 0.5
WINDOW_LEVELS = 1.5
EXTRA_SHARE = 0.03
NON_LATIN_SHARE = 0.05
SHOUTED_SHARE = 0.015
ZIPF_OFFSET = 2.7
ENDING_SHARES = (0.86, 0.06, 0.05, 0.015, 0.015)
"""Space, comma, full stop, question mark, exclamation mark."""


def draw_scripts(random: np.random.Generator, authors: int) -> Integers:
    """Index into `SCRIPTS` of each author, 0 being Latin."""
    others = len(SCRIPTS) - 1
    shares = [1.0 - NON_LATIN_SHARE] + [NON_LATIN_SHARE / others] * others
    return random.choice(len(SCRIPTS), size=authors, p=shares)


def draw_posts(
    random: np.random.Generator,
    traits: Traits,
    scripts: Integers,
    words: Integers,
    posts: Integers,
) -> list[list[str]]:
    """Texts of a block of authors.

    Args:
        random: the generator that draws.
        traits: of the authors, `[authors]` each.
        scripts: index into `SCRIPTS`, `[authors]`.
        words: words an author, `[authors]`.
        posts: posts an author, at most as many as words, `[authors]`.

    Returns:
        One list an author, of one text a post.
    """
    author = np.repeat(np.arange(len(words)), words)
    ends = _cut_into_posts(random, words, posts)
    picked = _pick_words(random, traits, scripts, author)
    pieces = _spell(random, picked, scripts[author], ends)
    starts = [0, *ends[:-1].tolist()]
    texts = [
        "".join(pieces[start:end]).strip() for start, end in zip(starts, ends.tolist(), strict=True)
    ]
    bounds = np.cumsum(posts).tolist()
    return [texts[i:j] for i, j in zip([0, *bounds[:-1]], bounds, strict=True)]


def _cut_into_posts(random: np.random.Generator, words: Integers, posts: Integers) -> Integers:
    """End of every post, in words from the start of the block, `[posts]`; no post is empty."""
    ends: list[int] = []
    start = 0
    for total, count in zip(words.tolist(), posts.tolist(), strict=True):
        cuts = random.choice(total - 1, size=count - 1, replace=False) if count > 1 else []
        ends.extend(start + 1 + int(cut) for cut in sorted(cuts))
        start += total
        ends.append(start)
    return np.array(ends, dtype=np.int64)


def _pick_words(
    random: np.random.Generator, traits: Traits, scripts: Integers, author: Integers
) -> Integers:
    """Index into the lexicon of every word of the block, `[words]`."""
    lexicon = build_lexicon()
    kind = random.random(len(author))
    place = random.random(len(author))
    marker = lexicon.marker_start + _pick_markers(random, traits, author)
    background = lexicon.background_start[scripts[author]] + _zipf(place, scripts[author])
    extras = lexicon.size - lexicon.extra_start
    extra = lexicon.extra_start + (place * extras).astype(np.int64)
    picked = np.where(kind < MARKER_SHARE, marker, background)
    return np.where(kind >= 1.0 - EXTRA_SHARE, extra, picked)


def _pick_markers(random: np.random.Generator, traits: Traits, author: Integers) -> Integers:
    """Index among the markers of one marker for every word of the block, `[words]`.

    A trait below which lies a share u of all authors spreads its words evenly over the levels from
    u * (MARKER_LEVELS - WINDOW_LEVELS) on, WINDOW_LEVELS wide.
    """
    age, income = (
        (
            normal_cdf(trait)[author] * (MARKER_LEVELS - WINDOW_LEVELS)
            + random.random(len(author)) * WINDOW_LEVELS
        ).astype(np.int64)
        for trait in (traits.age, traits.income)
    )
    return (age * MARKER_LEVELS + income) * 2 + traits.is_second_kind[author]


def _zipf(place: Floats, scripts: Integers) -> Integers:
    """Rank of a background word from a uniform number, by the size of its script."""
    latin = np.searchsorted(_zipf_edges(LATIN_WORDS), place, side="right")
    other = np.searchsorted(_zipf_edges(OTHER_WORDS), place, side="right")
    return np.where(scripts == 0, latin, other)


@functools.cache
def _zipf_edges(words: int) -> Floats:
    """Upper edge of each rank's share; rank r >= 1 has a share of about 1 / (r + 2.7)."""
    shares = 1.0 / (np.arange(1, words + 1) + ZIPF_OFFSET)
    edges: Floats = np.cumsum(shares / shares.sum())
    # Rounding may leave the last edge below a number that is drawn.
    edges[-1] = 1.0
    return edges


def _spell(
    random: np.random.Generator, picked: Integers, scripts: Integers, ends: Integers
) -> list[str]:
    """Every word of the block with its case and what follows it, `[words]`."""
    lexicon = build_lexicon()
    ending = random.choice(len(ENDING_SHARES), size=len(picked), p=ENDING_SHARES)
    ending[ends - 1] = FULL_STOP
    ending[picked >= lexicon.extra_start] = 0
    starts_sentence = np.concatenate([[True], ending[:-1] >= FULL_STOP])
    starts_sentence[ends[:-1]] = True
    shouted = random.random(len(picked)) < SHOUTED_SHARE
    case = np.where(shouted, 2, starts_sentence.astype(np.int64))
    ending[(ending == 0) & _touches_next(lexicon, picked, scripts)] = FUSED
    return list(lexicon.forms[picked + case * lexicon.size] + lexicon.endings[scripts, ending])


def _touches_next(lexicon: Lexicon, picked: Integers, scripts: Integers) -> Flags:
    """True where a Chinese word is followed by another, `[words]`: no space stands there."""
    chinese = (scripts == SCRIPTS.index("chinese")) & (picked < lexicon.marker_start)
    touches: Flags = chinese & np.append(chinese[1:], False)
    return touches
