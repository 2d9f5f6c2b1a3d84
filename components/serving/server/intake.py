"""Bounds the bytes of all requests under way, and reads large ones off the event loop.

The event loop answers everybody, health too, so nothing that takes long may run on it. What reads a
body is linear in its bytes (`bodies` sees to that); a small one is read where it is, which costs
less than a thread's turn, and never waits behind large ones.

    body -> at most `max_bytes_under_way` -> one of two threads -> a question for the model
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple

from prometheus_client import Gauge

from components.serving.server.refusals import overloaded
from components.serving.server.settings import ServerSettings

# Read within a millisecond or two.
_SMALL_BYTES = 16 * 1024
# How many trees of large bodies there are at once: Python runs one of them at a time anyway.
_THREADS = 2
BYTES = Gauge("authorprofile_bytes_under_way", "bytes of the requests that are under way")

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Intake:
    """What comes into one server, over all its protocols."""

    def __init__(self, settings: ServerSettings) -> None:
        self._most = settings.max_bytes_under_way
        self._bytes = 0
        self._threads = ThreadPoolExecutor(_THREADS, "intake")

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Counts a request's bytes as long as it is under way.

        Yields:
            A function that adds to them; it raises Refusal where all requests then hold too many.
        """
        held = 0

        def add(size: int) -> None:
            nonlocal held
            if self._bytes + size > self._most:
                raise overloaded()
            held += size
            self._bytes += size
            BYTES.set(self._bytes)

        try:
            yield add
        finally:
            self._bytes -= held
            BYTES.set(self._bytes)

    async def read(
        self, size: int, function: Callable[[*Arguments], Result], *args: *Arguments
    ) -> Result:
        """What a function makes of a body of so many bytes."""
        if size <= _SMALL_BYTES:
            return function(*args)
        return await self.in_thread(function, *args)

    async def in_thread(
        self, function: Callable[[*Arguments], Result], *args: *Arguments
    ) -> Result:
        """What a function returns that takes long whatever its input's size."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
