"""Imports of TensorFlow, Beam and TFX without the cycle collector, which takes a third of them.

They make some million objects that live as long as the process. Collections on the way look through
all of those again and again, and so would every full one later; `gc.freeze` sets them aside.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Imports within are not collected in between; what they made is never looked through again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
