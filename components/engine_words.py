"""What engines add to the message of an error: Beam its stage, TensorFlow its node."""

from __future__ import annotations

import re

_ADDED = re.compile(r"\s*(\[while running '[^']*'\]|\[\[\{\{node [^\]]*\]\]|\[Op:\w+\])")


def without_engine_words(message: str) -> str:
    """The message alone.

    >>> without_engine_words("posts.csv is gone. [while running 'Read/ParDo(_Read)']")
    'posts.csv is gone.'
    """
    return _ADDED.sub("", message).strip()
