"""How often a platform is asked again, and what is never asked twice without looking.

The libraries repeat what was refused for the moment. A creation whose connection broke may have got
through, so it is looked for before it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

# Refused for the moment; every other refusal will not get better by itself.
STATUSES = (429, 502, 503, 504)
ATTEMPTS = 5
PAUSE_SECONDS = 0.5  # after the first refusal; it doubles
LONGEST_PAUSE_SECONDS = 15
Created = TypeVar("Created")
Found = TypeVar("Found")


class LostAnswer(Exception):
    """A creation was sent and the connection broke: it may have got through."""


def once(create: Callable[[], Created], find: Callable[[], Found | None]) -> Created | Found:
    """Creates, and after a lost answer looks first whether it got through.

    Raises:
        LostAnswer: every attempt's answer was lost, and nothing is there.
    """
    for _ in range(ATTEMPTS):
        try:
            return create()
        except LostAnswer as error:
            lost = error
            found = find()
            if found is not None:
                return found
    raise lost
