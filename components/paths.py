"""Paths and patterns: a path that exists is itself, whatever characters its name has.

Beam, TensorFlow and TFX take `[`, `*` and `?` anywhere in a path for a pattern, in the name of a
folder too, and TFX takes `{SPAN}` and its like for a number. What a person gives goes through
`as_pattern` before a library sees it; folders of our own are listed, not matched.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SPECIAL = re.compile(r"[*?[{]")
# Beam's file sinks match their own target, and TensorFlow's glob knows no way to quote a backslash.
_UNWRITABLE = re.compile(r"[*?[\\]")
# SQLite, in which the metadata of runs are, opens no path of more than 512 bytes.
MAXIMUM_BYTES = 480
_WILD = re.compile(r"\[!?\]?[^\]]*\]|\*|\?|.", re.DOTALL)


def absolute(path: str) -> str:
    """The whole path; one that names a scheme (`gs://...`) stays as it is."""
    if "://" in path:
        return path
    return os.path.abspath(path if os.path.lexists(path) else os.path.expanduser(path))


def escape(path: str) -> str:
    """The pattern that names this path alone.

    >>> escape("/runs [v1]/{SPAN}.csv")
    '/runs [[]v1]/[{]SPAN}.csv'
    """
    return _SPECIAL.sub(r"[\g<0>]", path)


def as_pattern(path: str) -> str:
    """The pattern for what a person gave: the part of it that exists is itself, the rest a pattern.

    A pattern that is given back comes out the same. Object stores are not asked.

    Example:
        "posts[1].jsonl"    -> "/here/posts[[]1].jsonl" where that file exists, else as written
        "data [v1]/*.jsonl" -> "/here/data [[]v1]/*.jsonl" where that folder exists
    """
    whole = absolute(path)
    if "://" in whole or not _SPECIAL.search(whole):
        return whole
    parts = whole.split("/")
    ends = range(len(parts), 0, -1)
    exists = next((end for end in ends if os.path.lexists("/".join(parts[:end]))), 0)
    return "/".join([escape(part) for part in parts[:exists]] + parts[exists:])


def is_pattern(path: str) -> bool:
    """Whether a path names what a search finds: it has wildcards, and is not itself there."""
    return bool(re.search(r"[*?[]", path)) and not os.path.lexists(path)


def pattern_regex(pattern: str) -> str:
    """A regular expression of the paths that a pattern names; `*` and `?` stay in their folder."""
    return "".join(_piece_regex(piece) for piece in _WILD.findall(pattern))


def _piece_regex(piece: str) -> str:
    if len(piece) == 1:
        return {"*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
    inner = re.sub(r"([\\\[&~|])", r"\\\1", piece[1:-1])
    return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"


def fault_of_run_folder(folder: str) -> str:
    """Why no run can write to a folder of this path; empty where it can."""
    whole = absolute(folder)
    if "\0" in whole or not is_text(whole):
        return "its path must be UTF-8 text. Give a folder of another name"
    found = sorted(set(_UNWRITABLE.findall(whole)))
    if found:
        return (
            f"its path has {' and '.join(found)}, which Beam and TensorFlow take for a pattern in "
            f"the files that they write; the whole path is {whole}. Give a folder without these "
            "characters"
        )
    if (length := len(whole.encode())) > MAXIMUM_BYTES:
        return (
            f"its whole path may take {MAXIMUM_BYTES} bytes, as SQLite keeps the metadata there; "
            f"it takes {length}. Give a folder nearer to the root"
        )
    return ""


def is_text(path: str) -> bool:
    """Whether a path is UTF-8: a byte that is not comes as half a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in path)


@contextlib.contextmanager
def loadable(folder: str | Path) -> Iterator[str]:
    """A path by which TensorFlow loads the SavedModel of a folder of any name.

    `tf.saved_model.load` takes the path of a model's weights for a pattern, and offers no way to
    quote it. Where the path would be one, a link of a plain name leads to it.
    """
    path = str(folder)
    if not _UNWRITABLE.search(path) or "://" in path:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="authorprofile-") as temporary:
        link = os.path.join(temporary, "model")
        os.symlink(os.path.abspath(path), link)
        yield link
