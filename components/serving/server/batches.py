"""Puts authors of like length together, whoever sent them, and asks the model for them at once.

Enters: rows of one or many requests. Leaves: each request's rows answered, in its order. A text's
length in bytes stands for its length in tokens: a batch is padded to its longest text, so a batch
takes texts of the same power of two. What the model cannot read fails alone: a batch with such a
row is asked again row by row, so nobody's answer hangs on a neighbour.

    rows -> waiting, at most `max_waiting_authors` -> batch -> one of `parallel_batches` threads
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from prometheus_client import Gauge, Histogram

from components.serving.server.authors import unreadable
from components.serving.server.loaded import Answers, LoadedVersion, RowFault
from components.serving.server.refusals import overloaded
from components.serving.server.settings import ServerSettings

# Below this many bytes a difference in length costs less than another batch.
_SHORT_BYTES = 1024
WAITING = Gauge("authorprofile_waiting_authors", "authors that wait for the model")
BATCH = Histogram(
    "authorprofile_batch_authors", "authors in a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)


@dataclass(eq=False)
class Row:
    """One author's text on its way to the model and back."""

    version: LoadedVersion
    signature: str
    text: bytes
    done: asyncio.Future[dict[str, np.ndarray]]

    @property
    def bucket(self) -> tuple[int, str, int]:
        """Rows of the same bucket may share a batch."""
        length = max(len(self.text), _SHORT_BYTES).bit_length()
        return self.version.number, self.signature, length


class Batches:
    """The way to the model."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._waiting: deque[Row] = deque()
        self._threads = ThreadPoolExecutor(settings.parallel_batches, "model")
        self._under_way: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def answer(
        self, version: LoadedVersion, signature: str, rows: Sequence[bytes]
    ) -> Answers:
        """Arrays `[rows, ...]` by output.

        Raises:
            Refusal: too many wait already, or the model cannot read a row.
        """
        if len(self._waiting) + len(rows) > self.settings.max_waiting_authors:
            raise overloaded()
        loop = asyncio.get_running_loop()
        waiting = [Row(version, signature, text, loop.create_future()) for text in rows]
        self._waiting.extend(waiting)
        WAITING.set(len(self._waiting))
        self._start_soon()
        outputs: list[dict[str, np.ndarray]] = []
        try:
            for index, row in enumerate(waiting):
                try:
                    outputs.append(await row.done)
                except RowFault:
                    raise unreadable(index) from None
        finally:
            for row in waiting:
                row.done.cancel()
        return {name: np.stack([output[name] for output in outputs]) for name in outputs[0]}

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start_soon(self) -> None:
        """Starts a batch now where one is full, else after the wait for company."""
        if len(self._waiting) >= self.settings.batch_authors:
            self._start()
        elif self._timer is None:
            delay = self.settings.batch_wait_milliseconds / 1000
            self._timer = asyncio.get_running_loop().call_later(delay, self._start)

    def _start(self) -> None:
        """Starts batches while there are threads and rows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while len(self._under_way) < self.settings.parallel_batches and (batch := self._take()):
            task = asyncio.create_task(self._run(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        WAITING.set(len(self._waiting))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._start()

    def _take(self) -> list[Row]:
        """The row that waited longest, and rows like it; rows nobody waits for any more go."""
        batch: list[Row] = []
        others: deque[Row] = deque()
        longest = 0
        for row in self._waiting:
            if row.done.done():
                continue
            longest_with = max(longest, len(row.text))
            fits = not batch or (
                row.bucket == batch[0].bucket
                and len(batch) < self.settings.batch_authors
                and longest_with * (len(batch) + 1) <= self.settings.batch_bytes
            )
            if fits:
                batch.append(row)
                longest = longest_with
            else:
                others.append(row)
        self._waiting = others
        return batch

    async def _run(self, batch: list[Row]) -> None:
        BATCH.observe(len(batch))
        loop = asyncio.get_running_loop()
        results: list[dict[str, np.ndarray] | Exception]
        try:
            results = await loop.run_in_executor(self._threads, _ask, batch)
        except Exception as error:
            # Whoever waits must hear of it, whatever ended the thread.
            results = [error] * len(batch)
        for row, result in zip(batch, results, strict=True):
            if row.done.done():
                continue
            if isinstance(result, Exception):
                row.done.set_exception(result)
                # Whoever waited may be gone by the time; asyncio would log it as an error.
                row.done.exception()
            else:
                row.done.set_result(result)


def _ask(batch: Sequence[Row]) -> list[dict[str, np.ndarray] | Exception]:
    """Answers by row, or what went wrong with it."""
    version, signature = batch[0].version, batch[0].signature
    try:
        outputs = version.answer(signature, [row.text for row in batch])
        return [{name: values[i] for name, values in outputs.items()} for i in range(len(batch))]
    except Exception as error:
        if len(batch) == 1:
            return [error]
        return [result for row in batch for result in _ask([row])]
