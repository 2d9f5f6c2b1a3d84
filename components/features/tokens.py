r"""Text to tokens inside the TensorFlow graph, the same ops in training and in service.

Enters: strings `[batch]`, an author's posts joined by `SEPARATOR`. Leaves: ragged strings
`[batch, (tokens)]`.

    "Don't @bob! http://a.io\x1e你好 3.5 👍🏽"
    -> don't <handle> ! <url> <post> 你 好 3.5 👍🏽

One token each: a word with its inner apostrophes, a number, an emoji with its modifiers, a
punctuation mark or other symbol; every URL is `<url>`, every handle `<handle>`, every border
between posts `<post>`. Scripts written without spaces between words fall back to characters.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

SEPARATOR = "\x1e"
POST, URL, HANDLE = "<post>", "<url>", "<handle>"

_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Javanese}"
)
# RE2 has no class difference; the complement of "no letter, or of an unspaced script" is one.
_LETTER = rf"[^\P{{L}}{_UNSPACED}]"
_WORD = rf"{_LETTER}(?:{_LETTER}|\p{{M}})*(?:'(?:{_LETTER}|\p{{M}})+)*"
_NUMBER = r"\p{N}+(?:[.,]\p{N}+)*"
_MODIFIED = r"\p{So}[\x{FE0F}\x{1F3FB}-\x{1F3FF}]*"
_EMOJI = rf"[\x{{1F1E6}}-\x{{1F1FF}}]{{2}}|{_MODIFIED}(?:\x{{200D}}{_MODIFIED})*"
_CHARACTER = r"[^\s\p{M}\p{Cc}\p{Cf}]\p{M}*"
_TOKEN = rf"(?:{POST}|{URL}|{HANDLE}|{_WORD}|{_NUMBER}|{_EMOJI}|{_CHARACTER})"
_TOKENS = rf"{_TOKEN}(?:\s+{_TOKEN})*"
_SPACE = r"[\t-\r ]"
_INVISIBLE = r"(?:[^\P{Cc}\t-\r]|\p{Cf}|[^\P{Z} ])"
_ASCII, _UTF8, _NO_HANDLE = r"[\x00-\x7f]*", r"[\x00-\x{D7FF}\x{E000}-\x{10FFFF}]*", "[^@]*"


def join_posts(posts: tf.RaggedTensor) -> tf.Tensor:
    """Joins each author's posts by the separator; one inside a post becomes a space.

    Args:
        posts: ragged strings `[batch, (posts)]`.

    Returns:
        Strings `[batch]`.
    """
    clean = tf.ragged.map_flat_values(tf.strings.regex_replace, posts, SEPARATOR, " ")
    return tf.strings.reduce_join(clean, axis=1, separator=SEPARATOR)


def tokenize_posts(posts: tf.RaggedTensor, maximum_bytes: int) -> tf.RaggedTensor:
    """Tokens of each author's posts, read up to so many bytes.

    Args:
        posts: ragged strings `[batch, (posts)]`.
        maximum_bytes: of the joined posts that are read.

    Returns:
        Ragged strings `[batch, (tokens)]`.
    """
    return tokenize(join_first_posts(posts, maximum_bytes))


def join_first_posts(posts: tf.RaggedTensor, maximum_bytes: int) -> tf.Tensor:
    r"""The first bytes of `join_posts`, cut between posts or between characters.

    Posts that begin later are not joined at all, so what is held does not grow with them.

        ["aé", "b"] -> at most 2 bytes: "a"; 3: "aé"; 4: "aé"; 5: "aé\x1eb"

    Args:
        posts: ragged strings `[batch, (posts)]`.
        maximum_bytes: of what leaves.

    Returns:
        Strings `[batch]`.
    """
    # A separator follows each post.
    sizes = tf.cast(tf.strings.length(posts.flat_values), tf.int64) + 1
    before_post = tf.concat([[0], tf.cumsum(sizes)], axis=0)
    before_author = tf.gather(before_post, posts.row_starts())
    starts = before_post[:-1] - tf.gather(before_author, posts.value_rowids())
    begun = tf.ragged.boolean_mask(posts, posts.with_flat_values(starts < maximum_bytes))
    return _cut(join_posts(begun), maximum_bytes)


def _cut(texts: tf.Tensor, maximum_bytes: int) -> tf.Tensor:
    """At most so many bytes of each text; no character of UTF-8 is cut in two."""
    # Of the first byte that is left out, and the two before it.
    places = tf.constant([[max(maximum_bytes - back, 0) for back in range(3)]])
    lengths = tf.strings.length(texts)[:, tf.newaxis]
    places = tf.minimum(places, lengths)
    found = tf.strings.substr(texts[:, tf.newaxis], places, tf.ones_like(places))
    of_byte = tf.reshape(tf.io.decode_raw(found, tf.uint8, fixed_length=1), [-1, 3])
    # All bytes of a character but its first are 10xxxxxx.
    goes_on = tf.cast(tf.equal(tf.bitwise.bitwise_and(of_byte, 0xC0), 0x80), tf.int32)
    cut_off = tf.reduce_sum(tf.math.cumprod(goes_on, axis=1), axis=1)
    kept = tf.maximum(maximum_bytes - cut_off, 0)
    return tf.strings.substr(texts, tf.zeros_like(kept), kept)


def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
    """Tokens of each text.

    Args:
        texts: strings `[batch]`; bytes that are not UTF-8 become U+FFFD, one each.

    Returns:
        Ragged strings `[batch, (tokens)]`, lower case.
    """
    # ICU, behind the next op, takes a NUL for the end of the text.
    texts = tf.strings.regex_replace(texts, r"\x00", " ")
    texts = _unless(_UTF8, texts, _replace_bad_bytes)
    texts = tf.where(
        tf.strings.regex_full_match(texts, _ASCII),
        tf.strings.lower(texts),
        _unless(_ASCII, texts, lambda some: tf.strings.lower(some, encoding="utf-8")),
    )
    # Patterns that begin with a letter are found many times as fast as alternatives.
    texts = tf.strings.regex_replace(texts, r"https?://([^\s\x1e])", r"www.\1")
    texts = tf.strings.regex_replace(texts, r"www\.[^\s\x1e]+", f" {URL} ")
    texts = tf.strings.regex_replace(texts, "’", "'")
    texts = _unless(_NO_HANDLE, texts, _replace_handles)
    texts = tf.strings.regex_replace(texts, SEPARATOR, f" {POST} ")
    # Tokens that stand apart already are one match: what costs is each match, not each byte.
    texts = tf.strings.regex_replace(texts, _TOKENS, r" \0 ")
    apart = rf"{_INVISIBLE}+{_SPACE}+{_INVISIBLE}*|{_SPACE}{_INVISIBLE}+"
    texts = tf.strings.regex_replace(texts, apart, " ")
    return tf.strings.split(texts)


def _unless(pattern: str, texts: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The texts, those changed that do not match as a whole; looking costs a tenth of changing."""
    is_left = tf.strings.regex_full_match(texts, pattern)
    return tf.where(is_left, texts, change(tf.where(is_left, "", texts)))


def _replace_bad_bytes(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _replace_handles(texts: tf.Tensor) -> tf.Tensor:
    handle = r"(^|[^\p{L}\p{N}_])@[\p{L}\p{N}_]+"
    return tf.strings.regex_replace(texts, handle, rf"\1 {HANDLE} ")
