"""How the authors of the sample write: words and their order follow from the traits.

Enters: traits and lengths of a block of authors. Leaves: the text of each post.

| words | share | which ones |
|---|---|---|
| markers | 50 % | of those that stand near the author's traits |
| phrases | 24 % | two of three words for every 25 words, straight or crossed |
| words of phrases | 8 % | by themselves, of the half of them that the author uses |
| emoji, URLs, handles | 3 % | any |
| background | 15 % | any of the author's script, by a Zipf-like law |

A marker has a level of the age trait (0..5), one of the income trait (0..5) and one of the two
kinds of the gender trait. An author uses the markers of two or three neighbouring levels of each,
so which words occur at all tells the traits. Which words a phrase has tells nothing, their order
does. Markers and phrases stay the same words in every script, as borrowed words do.
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
from pipeline.sample.phrases import WORDS_A_TWIN, draw_twins, pick_loose, place_phrases

MARKER_SHARE = 0.5
WINDOW_LEVELS = 1.5
WORDS_FOR_TWINS = 25
"""Two phrases for so many words, and for the first few; none of an author of less than 12."""
EXTRA_SHARE = 0.03
LOOSE_SHARE = 0.08
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
    is_crossed: Flags,
    scripts: Integers,
    words: Integers,
    posts: Integers,
) -> list[list[str]]:
    """Texts of a block of authors.

    Args:
        random: the generator that draws.
        traits: of the authors, `[authors]` each.
        is_crossed: whether phrases are crossed, `[authors]`.
        scripts: index into `SCRIPTS`, `[authors]`.
        words: words an author, `[authors]`.
        posts: posts an author, at most as many as words, `[authors]`.

    Returns:
        One list an author, of one text a post.
    """
    author = np.repeat(np.arange(len(words)), words)
    twins = count_twins(words)
    units, unit_ends, last = place_phrases(random, words, twins)
    ends = unit_ends[_cut_into_posts(random, units, posts) - 1]
    picked = _pick_words(random, traits, scripts, author, words / (words - WORDS_A_TWIN * twins))
    phrases = build_lexicon().phrase_start + draw_twins(random, twins, is_crossed)
    picked[last[:, None] + [-2, -1, 0]] = phrases
    pieces = _spell(random, picked, scripts[author], ends, last)
    starts = [0, *ends[:-1].tolist()]
    texts = [
        "".join(pieces[start:end]).strip() for start, end in zip(starts, ends.tolist(), strict=True)
    ]
    bounds = np.cumsum(posts).tolist()
    return [texts[i:j] for i, j in zip([0, *bounds[:-1]], bounds, strict=True)]


def count_twins(words: Integers) -> Integers:
    """Twins of phrases of authors of so many words, `[authors]`."""
    twins = np.maximum((words + WORDS_FOR_TWINS // 2) // WORDS_FOR_TWINS, 1)
    return np.where(words < 2 * WORDS_A_TWIN, 0, twins)


def _cut_into_posts(random: np.random.Generator, units: Integers, posts: Integers) -> Integers:
    """End of every post, in units from the start of the block, `[posts]`; no post is empty."""
    ends: list[int] = []
    start = 0
    for total, count in zip(units.tolist(), posts.tolist(), strict=True):
        cuts = random.choice(total - 1, size=count - 1, replace=False) if count > 1 else []
        ends.extend(start + 1 + int(cut) for cut in sorted(cuts))
        start += total
        ends.append(start)
    return np.array(ends, dtype=np.int64)


def _pick_words(
    random: np.random.Generator,
    traits: Traits,
    scripts: Integers,
    author: Integers,
    more: Floats,
) -> Integers:
    """Index into the lexicon of every word of the block, `[words]`.

    `more`, `[authors]`: how many times as often markers are picked where a word is free, so that
    phrases, which are put over some of the words, take the place of background alone.
    """
    lexicon = build_lexicon()
    kind = random.random(len(author))
    place = random.random(len(author))
    marker = lexicon.marker_start + _pick_markers(random, traits, author)
    background = lexicon.background_start[scripts[author]] + _zipf(place, scripts[author])
    loose = lexicon.phrase_start + pick_loose(random, len(scripts), author)
    extras = lexicon.size - lexicon.extra_start
    extra = lexicon.extra_start + (place * extras).astype(np.int64)
    picked = np.where(kind < MARKER_SHARE * more[author], marker, background)
    picked = np.where(kind >= 1.0 - (EXTRA_SHARE + LOOSE_SHARE) * more[author], loose, picked)
    return np.where(kind >= 1.0 - EXTRA_SHARE * more[author], extra, picked)


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
    random: np.random.Generator,
    picked: Integers,
    scripts: Integers,
    ends: Integers,
    last: Integers,
) -> list[str]:
    """Every word of the block with its case and what follows it, `[words]`.

    A phrase, whose `last` words are given, stands together and ends its sentence: what follows it
    is a neighbour that tells nothing either.
    """
    lexicon = build_lexicon()
    ending = random.choice(len(ENDING_SHARES), size=len(picked), p=ENDING_SHARES)
    ending[ends - 1] = FULL_STOP
    ending[picked >= lexicon.extra_start] = 0
    ending[last[:, None] - [2, 1]] = 0
    ending[last] = FULL_STOP
    starts_sentence = np.concatenate([[True], ending[:-1] >= FULL_STOP])
    starts_sentence[ends[:-1]] = True
    shouted = random.random(len(picked)) < SHOUTED_SHARE
    shouted[last[:, None] - [2, 1, 0]] = False
    case = np.where(shouted, 2, starts_sentence.astype(np.int64))
    ending[(ending == 0) & _touches_next(lexicon, picked, scripts)] = FUSED
    return list(lexicon.forms[picked + case * lexicon.size] + lexicon.endings[scripts, ending])


def _touches_next(lexicon: Lexicon, picked: Integers, scripts: Integers) -> Flags:
    """True where a Chinese word is followed by another, `[words]`: no space stands there."""
    chinese = (scripts == SCRIPTS.index("chinese")) & (picked < lexicon.marker_start)
    touches: Flags = chinese & np.append(chinese[1:], False)
    return touches
