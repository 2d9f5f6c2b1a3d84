"""The invented language of the sample: its word forms, which of them show a trait, its punctuation.

Enters: nothing. Leaves: the lexicon, always the same whatever the seed of the sample, so that what
is learned of one sample holds for another.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.sample.phrases import PHRASE_WORDS

Integers = NDArray[np.int64]
Words = NDArray[Any]

MARKER_LEVELS = 6
"""Levels of the age trait, and of the income trait, that a marker can have."""
LATIN_WORDS = 3000
OTHER_WORDS = 400
FULL_STOP = 2
FUSED = 5

_LANGUAGE_SEED = 1
_APOSTROPHE_SHARE = 0.03
_ONSETS = {
    "latin": "b d f g h j l m n r s t v w z bl br dr fl gl pl sm sn tr",
    "cyrillic": "б в г д ж з к л м н п р с т ш",
    "greek": "β γ δ ζ θ κ λ μ ν π ρ τ φ χ",
    "arabic": "ب ت ج د ر ز س ش ف ق ك ل م ن",
    "chinese": "山 水 木 石 田 云 雨 风 雪 星 月 日 林 江 河 海 花 草 竹 松 叶 米 鸟 鱼",
}
_VOWELS = {
    "latin": "a e i o u ai ea io ou",
    "cyrillic": "а е и о у ы ю я",
    "greek": "α ε η ι ο υ ω",
    "arabic": "ا و ي",
    "chinese": "东 西 南 北 上 中 前 后 大 小 高 长 青 白 金 红 远 近",
}
SCRIPTS = tuple(_ONSETS)
_WESTERN = (" ", ", ", ". ", "? ", "! ", "")
_ENDINGS: dict[str, tuple[str, ...]] = {
    "latin": _WESTERN,
    "cyrillic": _WESTERN,
    "greek": (" ", ", ", ". ", "; ", "! ", ""),
    "arabic": (" ", "، ", ". ", "؟ ", "! ", ""),
    "chinese": (" ", "，", "。", "？", "！", ""),
}
_EMOJI = "😀 😂 🙂 😢 😡 🎉 🔥 🌈 🌙 ☕ 🍕 🐈 🐕 🚲 📚 🎵 ⚽ ✨ ❤️ 👍🏽 👩‍💻 🇪🇺"


@dataclass(frozen=True)
class Lexicon:
    """All word forms in one row: background by script, markers, words of phrases, extras."""

    forms: Words
    """Shape `[3 * size]`: every word as it is, then capitalised, then in capitals."""
    size: int
    background_start: Integers
    """Shape `[scripts]`."""
    marker_start: int
    """Where markers begin: by age level, then by income level, then by kind of the gender trait."""
    phrase_start: int
    """Where `PHRASE_WORDS` begin."""
    extra_start: int
    """Where emoji, URLs and handles begin; they have one case only."""
    endings: Words
    """Shape `[scripts, 6]`: what follows a word: space, comma, then from `FULL_STOP` on the ends of
    a sentence, and `FUSED`: nothing, between words of a script without spaces."""


@functools.cache
def build_lexicon() -> Lexicon:
    """The language; the same at every call."""
    groups = _coin_all()
    starts = dict(zip(groups, np.cumsum([0, *map(len, groups.values())]).tolist(), strict=False))
    words = [word for group in groups.values() for word in group]
    extras = _extras(groups["latin"])
    cased = [words, [word.capitalize() for word in words], [word.upper() for word in words]]
    return Lexicon(
        forms=np.array([form for case in cased for form in [*case, *extras]], dtype=object),
        size=len(words) + len(extras),
        background_start=np.array([starts[script] for script in SCRIPTS]),
        marker_start=starts["markers"],
        phrase_start=starts["phrases"],
        extra_start=len(words),
        endings=np.array([_ENDINGS[script] for script in SCRIPTS], dtype=object),
    )


def _coin_all() -> dict[str, list[str]]:
    """Words by script, markers, words of phrases; no word is in two groups."""
    random = np.random.default_rng(_LANGUAGE_SEED)
    taken = set(PHRASE_WORDS)
    groups: dict[str, list[str]] = {}
    for script in SCRIPTS:
        count = LATIN_WORDS if script == "latin" else OTHER_WORDS
        syllables = (1, 1) if script == "chinese" else (2, 3)
        # Frequent words are short ones.
        groups[script] = sorted(_coin(random, script, count, syllables, taken), key=len)
    groups["markers"] = _coin(random, "latin", 2 * MARKER_LEVELS**2, (3, 3), taken)
    groups["phrases"] = list(PHRASE_WORDS)
    return groups


def _coin(
    random: np.random.Generator,
    script: str,
    count: int,
    syllables: tuple[int, int],
    taken: set[str],
) -> list[str]:
    """So many new words, which are added to `taken`."""
    onsets, vowels = _ONSETS[script].split(), _VOWELS[script].split()
    coined: list[str] = []
    while len(coined) < count:
        length = int(random.integers(syllables[0], syllables[1] + 1))
        parts = [_pick(random, onsets) + _pick(random, vowels) for _ in range(length)]
        apostrophe = script == "latin" and random.random() < _APOSTROPHE_SHARE
        word = parts[0] + ("'" if apostrophe else "") + "".join(parts[1:])
        if word not in taken:
            coined.append(word)
            taken.add(word)
    return coined


def _pick(random: np.random.Generator, choices: list[str]) -> str:
    return choices[int(random.integers(len(choices)))]


def _extras(words: list[str]) -> list[str]:
    plain = [word for word in words if "'" not in word]
    urls = [f"https://example.org/{word}" for word in plain[100:110]]
    handles = [f"@sample_{word}" for word in plain[200:210]]
    return [*_EMOJI.split(), *urls, *handles]
