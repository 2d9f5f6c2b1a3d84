"""Many clients at once while versions come, break and go, and while the process is killed.

Bounded by a number of requests. Records throughput, p50 and p99 as properties of the test, which
the summary lists; asserts none of them, as the machine decides them.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.serving.server_process import ServerProcess, push

CLIENTS = 8
REQUESTS = 1600
INFER = "/v2/models/authorprofile/infer"


class Load:
    """Clients that ask until the requests are used up, and check every answer by hand.

    Args:
        server: to ask.
        retry: whether a lost connection is tried again, as behind a supervisor.
    """

    def __init__(self, server: ServerProcess, retry: bool = False) -> None:
        self.port = server.port
        self.retry = retry
        self.seconds: list[float] = []
        self.versions: list[str] = []
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._next = 0
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def answered(self) -> int:
        """Requests answered so far."""
        return len(self.seconds)

    def join(self) -> dict[str, float]:
        """Waits for the end; figures."""
        for thread in self._threads:
            thread.join()
        cuts = statistics.quantiles(self.seconds, n=100)
        return {
            "requests a second": round(self.answered / (time.monotonic() - self._started), 1),
            "p50 milliseconds": round(1000 * cuts[49], 1),
            "p99 milliseconds": round(1000 * cuts[98], 1),
        }

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while (number := self._take()) is not None:
            words = 1 + number % 50
            started = time.monotonic()
            try:
                connection = self._ask(connection, words)
                self.seconds.append(time.monotonic() - started)
            except Exception as error:
                self.faults.append(f"request {number}: {type(error).__name__} {error}")

    def _take(self) -> int | None:
        with self._lock:
            self._next += 1
            return self._next if self._next <= REQUESTS else None

    def _ask(
        self, connection: http.client.HTTPConnection, words: int
    ) -> http.client.HTTPConnection:
        tensor = {"name": "posts", "datatype": "BYTES", "shape": [1], "data": ["word " * words]}
        body = json.dumps({"inputs": [tensor]})
        deadline = time.monotonic() + 180
        while True:
            try:
                connection.request("POST", INFER, body)
                response = connection.getresponse()
                answer = json.load(response)
                break
            except (OSError, http.client.HTTPException):
                if not self.retry or time.monotonic() > deadline:
                    raise
                connection.close()
                time.sleep(0.05)
        assert response.status == 200, answer
        assert answer["outputs"][0]["data"] == [20.0 + words]
        self.versions.append(answer["model_version"])
        return connection


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most three minutes."""
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_request_fails_while_versions_come_break_and_go(
    toy_model: Path, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    def spoil(version: Path) -> None:
        (version / "saved_model.pb").write_bytes(b"not a graph")

    push(toy_model, tmp_path, 7)
    with ServerProcess(tmp_path, tmp_path / "log", "poll_seconds=0.1") as server:
        load = Load(server)
        until(lambda: load.answered > REQUESTS // 8)
        push(toy_model, tmp_path, 8)
        until(lambda: "8" in load.versions)
        push(toy_model, tmp_path, 9, spoil)
        until(lambda: "version 9 refused" in server.log.read_text())
        push(toy_model, tmp_path, 10)
        until(lambda: "version 10 serves" in server.log.read_text())
        figures = load.join()
        (status,) = {s["state"] for s in states(server) if s["version"] == "9"}
    for name, value in figures.items():
        record_property(name, value)
    assert load.faults == []
    assert load.answered == REQUESTS
    assert set(load.versions) >= {"7", "8"}
    assert set(load.versions) <= {"7", "8", "10"}
    assert status == "END"


def states(server: ServerProcess) -> list[dict[str, Any]]:
    """The versions that the status lists."""
    _, answer = server.ask("/v1/models/authorprofile")
    return list(answer["model_version_status"])


def test_a_killed_process_that_is_started_again_loses_no_request_of_clients_that_try_again(
    toy_model: Path, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    push(toy_model, tmp_path, 7)
    with ServerProcess(tmp_path, tmp_path / "log") as server:
        load = Load(server, retry=True)
        until(lambda: load.answered > REQUESTS // 4)
        server.process.kill()
        server.process.wait()
        with ServerProcess(tmp_path, tmp_path / "log", port=server.port):
            figures = load.join()
    for name, value in figures.items():
        record_property(name, value)
    assert load.faults == []
    assert load.answered == REQUESTS
