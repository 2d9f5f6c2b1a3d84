"""What a row costs: seconds by the clock, and of the processors, which other work changes less."""

from __future__ import annotations

import resource
import time
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds by the clock, and of all processors, child processes that have ended among them."""

    seconds: float
    cpu_seconds: float

    def since(self, started: Spent) -> Spent:
        """What was spent between two moments."""
        return Spent(*(now - then for now, then in zip(self, started, strict=True)))

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(*(one + more for one, more in zip(self, other, strict=True)))


def now() -> Spent:
    """A moment, to be told from another."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(time.monotonic(), time.process_time() + children.ru_utime + children.ru_stime)
