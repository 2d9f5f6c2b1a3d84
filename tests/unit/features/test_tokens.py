"""The passes of `tokenize` that skip what need not be done, beside the plain ones."""

from __future__ import annotations

import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from components.features import tokens
from components.features.tokens import HANDLE, POST, SEPARATOR, URL, tokenize


def tokenize_plainly(texts):
    """Every pass over every text, and a space on both sides of every token."""
    invisible = r"[\p{Cc}\p{Cf}\p{Z}]"
    texts = tf.strings.regex_replace(texts, r"\x00", " ")
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, r"(?:https?://|www\.)[^\s\x1e]+", f" {URL} ")
    texts = tf.strings.regex_replace(texts, "’", "'")
    texts = tf.strings.regex_replace(texts, r"(^|[^\p{L}\p{N}_])@[\p{L}\p{N}_]+", rf"\1 {HANDLE} ")
    texts = tf.strings.regex_replace(texts, SEPARATOR, f" {POST} ")
    texts = tf.strings.regex_replace(texts, tokens._TOKEN, r" \0 ")
    texts = tf.strings.regex_replace(texts, rf"{invisible}*[\t-\r ]{invisible}*", " ")
    return tf.strings.split(texts)


PIECES = [
    *("don't", "ΣΑΣ", "ς", "Ab", "É", "İ", "é", "\u0301", "ß", "x2", "3.5", ",", "1", ".", "_"),
    *("http://", "https://a", "http", "www.", "www", "w", "://", "s://", "/", "Http://B"),
    *("@bob", "@", "a@", "’", "'", "<post>", "<url>", "<", "url>", "handle>"),
    *("👍🏽", "\u200d", "\ufe0f", "🇩", "👩", "你好", "ไท", "\u0e31"),
    *(" ", "  ", "\n", "\t", "\v", "\x1c", "\x85", "\xa0", "\u3000", "\u2028", "\x00", "\xad"),
    *("\ufeff", "\ufffd", "\uffff", "\U0010ffff", SEPARATOR),
    *(b"\xe4\xbd", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"),
]
BYTES = st.lists(st.sampled_from(PIECES), max_size=14).map(
    lambda pieces: b"".join(map(tf.compat.as_bytes, pieces))
)
TEXTS = st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(st.lists(BYTES | TEXTS | st.binary(max_size=20), min_size=1, max_size=12))
@example([b"a \xe2\x80\x8b", b"www.http://x http://www.y https://https:// http://"])
def test_skipping_what_need_not_be_done_gives_the_tokens_of_the_plain_passes(texts):
    batch = tf.constant(texts)
    assert tokenize(batch).to_list() == tokenize_plainly(batch).to_list()


def test_every_character_alone_and_between_letters_gives_the_tokens_of_the_plain_passes():
    letters = [chr(point) for point in range(0x30000) if not 0xD800 <= point < 0xE000]
    batch = tf.constant([pattern.replace("x", c) for c in letters for pattern in ("x", "Axb x1")])
    one, other = tokenize(batch), tokenize_plainly(batch)
    assert bool(tf.reduce_all(one.row_splits == other.row_splits))
    assert bool(tf.reduce_all(one.flat_values == other.flat_values))


def test_an_invisible_character_at_the_end_is_no_token():
    assert tokenize(tf.constant(["a \u200b", "a\u200b \u200b"])).to_list() == [[b"a"], [b"a"]]
