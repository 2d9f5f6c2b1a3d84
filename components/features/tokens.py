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
# English has 4 to 6, its spaces included.
_BYTES_A_TOKEN = 8


def join_posts(posts: tf.RaggedTensor) -> tf.Tensor:
    """Joins each author's posts by the separator; one inside a post becomes a space.

    Args:
        posts: ragged strings `[batch, (posts)]`.

    Returns:
        Strings `[batch]`.
    """
    clean = tf.ragged.map_flat_values(tf.strings.regex_replace, posts, SEPARATOR, " ")
    return tf.strings.reduce_join(clean, axis=1, separator=SEPARATOR)


def tokenize_posts(posts: tf.RaggedTensor, max_tokens: int) -> tf.RaggedTensor:
    """The first tokens of each author, the same as `tokenize(join_posts(posts), max_tokens)`.

    Of an author with more posts than `max_tokens` can come from, only the first posts are read:
    none of the passes of `tokenize` looks across a separator. Where those had fewer tokens than
    expected, the author is read again, whole.

    Args:
        posts: ragged strings `[batch, (posts)]`.
        max_tokens: tokens kept of each author.

    Returns:
        Ragged strings `[batch, (tokens)]`.
    """
    first, is_cut = _first_posts(posts, max_tokens * _BYTES_A_TOKEN)
    tokens = tokenize(first, max_tokens)
    is_short = is_cut & (tokens.row_lengths() < max_tokens)
    whole = tokenize(join_posts(tf.ragged.boolean_mask(posts, is_short)), max_tokens)
    rows = tf.range(posts.nrows())
    behind = posts.nrows() - 1 + tf.cumsum(tf.cast(is_short, tf.int64))
    return tf.gather(tf.concat([tokens, whole], axis=0), tf.where(is_short, behind, rows))


def _first_posts(posts: tf.RaggedTensor, most_bytes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The joined posts that begin within the first bytes, and whether others follow, `[batch]`."""
    ends = tf.cumsum(tf.cast(tf.strings.length(posts.flat_values), tf.int64))
    before_post = tf.concat([[0], ends], axis=0)
    before_author = tf.gather(before_post, posts.row_starts())
    starts = before_post[:-1] - tf.gather(before_author, posts.value_rowids())
    kept = tf.ragged.boolean_mask(posts, posts.with_flat_values(starts < most_bytes))
    is_cut = kept.row_lengths() < posts.row_lengths()
    # What stands before a separator must see it, as it does in the whole text.
    return join_posts(kept) + tf.where(is_cut, SEPARATOR, ""), is_cut


def tokenize(texts: tf.Tensor, max_tokens: int) -> tf.RaggedTensor:
    """Tokens of each text, at most `max_tokens` of them.

    Args:
        texts: strings `[batch]`; bytes that are not UTF-8 become U+FFFD, one each.
        max_tokens: tokens kept of each text, from its start.

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
    return tf.strings.split(texts)[:, :max_tokens]


def _unless(pattern: str, texts: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The texts, those changed that do not match as a whole; looking costs a tenth of changing."""
    is_left = tf.strings.regex_full_match(texts, pattern)
    return tf.where(is_left, texts, change(tf.where(is_left, "", texts)))


def _replace_bad_bytes(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _replace_handles(texts: tf.Tensor) -> tf.Tensor:
    handle = r"(^|[^\p{L}\p{N}_])@[\p{L}\p{N}_]+"
    return tf.strings.regex_replace(texts, handle, rf"\1 {HANDLE} ")
