"""Who shares a batch, and that nobody's answer hangs on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.serving.server.batches import Batches
from components.serving.server.loaded import RowFault
from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings


class Recorder:
    """Stands where a loaded version does: answers the length of a text, notes every batch."""

    number = 1

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, signature: str, rows: Sequence[bytes]) -> dict[str, Any]:
        """Lengths; cannot read what holds an `x`."""
        self.gate.wait(10)
        self.batches.append(list(rows))
        if any(b"x" in row for row in rows):
            raise RowFault("InvalidArgumentError")
        return {"length": np.array([[len(row)] for row in rows], np.float32)}


def run(work: Callable[[Batches, Any], Awaitable[Any]], **options: Any) -> tuple[Any, Recorder]:
    """Runs work on batches over a recorder."""
    recorder = Recorder()
    settings = ServerSettings(model=Path("."), **{"batch_wait_milliseconds": 50, **options})

    async def begin() -> Any:
        batches = Batches(settings)
        try:
            return await work(batches, recorder)
        finally:
            recorder.gate.set()
            batches.close()

    return asyncio.run(begin()), recorder


def test_requests_share_a_batch_and_each_gets_its_own_rows() -> None:
    async def work(batches: Batches, model: Any) -> Any:
        asked = [batches.answer(model, "posts", rows) for rows in ([b"a", b"bb"], [b"ccc"])]
        return await asyncio.gather(*asked)

    (first, second), model = run(work)
    assert model.batches == [[b"a", b"bb", b"ccc"]]
    assert first["length"].tolist() == [[1.0], [2.0]]
    assert second["length"].tolist() == [[3.0]]


def test_long_texts_are_not_padded_onto_short_ones_and_batches_keep_their_bounds() -> None:
    rows = [b"a" * 3000, b"b", b"c" * 3500, b"d", b"e", b"f" * 9000]

    async def work(batches: Batches, model: Any) -> Any:
        return await batches.answer(model, "posts", rows)

    answer, model = run(work, batch_authors=2)
    assert answer["length"].ravel().tolist() == [3000, 1, 3500, 1, 1, 9000]
    assert sorted(sorted(map(len, batch)) for batch in model.batches) == [
        [1],
        [1, 1],
        [3000, 3500],
        [9000],
    ]
    _, model = run(work, batch_bytes=6500)
    assert sorted(map(len, model.batches)) == [1, 1, 1, 3]


def test_a_row_the_model_cannot_read_fails_alone() -> None:
    async def work(batches: Batches, model: Any) -> Any:
        asked = [batches.answer(model, "posts", rows) for rows in ([b"a"], [b"b", b"x"], [b"c"])]
        return await asyncio.gather(*asked, return_exceptions=True)

    (first, second, third), _ = run(work)
    assert first["length"].tolist() == [[1.0]]
    assert third["length"].tolist() == [[1.0]]
    assert isinstance(second, Refusal)
    assert second.message.startswith("Instance 1 must be a serialized tf.Example")


def test_beyond_the_bound_one_is_refused_at_once_and_the_others_are_answered() -> None:
    async def work(batches: Batches, model: Any) -> Any:
        model.gate.clear()
        waiting = asyncio.gather(*(batches.answer(model, "posts", [b"a"]) for _ in range(4)))
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as refused:
            await batches.answer(model, "posts", [b"a", b"b"])
        model.gate.set()
        return refused.value, await waiting

    (refusal, answers), _ = run(
        work, max_waiting_authors=5, max_instances=4, explain_words=2, batch_wait_milliseconds=0
    )
    assert (refusal.status, refusal.grpc_code) == (503, "UNAVAILABLE")
    assert len(answers) == 4


def test_the_model_is_not_asked_for_whom_nobody_waits() -> None:
    async def work(batches: Batches, model: Any) -> Any:
        given_up = asyncio.create_task(batches.answer(model, "posts", [b"gone", b"too"]))
        stays = asyncio.create_task(batches.answer(model, "posts", [b"stays"]))
        await asyncio.sleep(0)
        given_up.cancel()
        return await stays

    _, model = run(work)
    assert model.batches == [[b"stays"]]


def test_rows_of_two_versions_never_share_a_batch() -> None:
    other = Recorder()
    other.number = 2

    async def work(batches: Batches, model: Any) -> Any:
        asked = [batches.answer(version, "posts", [b"a"]) for version in (model, other, model)]
        return await asyncio.gather(*asked)

    _, model = run(work)
    assert (model.batches, other.batches) == ([[b"a", b"a"]], [[b"a"]])


def test_whoever_waits_hears_of_it_where_no_thread_can_answer() -> None:
    async def work(batches: Batches, model: Any) -> Any:
        batches.close()
        async with asyncio.timeout(30):
            with pytest.raises(RuntimeError, match="cannot schedule new futures"):
                await batches.answer(model, "posts", [b"a", b"bb"])
        return True

    assert run(work)[0]
