"""Sockets that say nothing, or too little, against a real server: each is closed, none locks out.

No test measures a time: a socket that the server leaves open fails at `PATIENCE`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving.server_process import ServerProcess, push

MOST = 6
PATIENCE = 60
PREDICT = "/v1/models/authorprofile:predict"
BODY = json.dumps({"instances": [{"posts": ["I went home."]}]}).encode()


@pytest.fixture(scope="module")
def strict(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of few and short connections."""
    folder = tmp_path_factory.mktemp("strict")
    push(toy_model, folder, 7)
    bounds = (f"max_connections={MOST}", "idle_seconds=1", "timeout_seconds=20")
    with ServerProcess(folder, tmp_path_factory.mktemp("log") / "log", *bounds) as process:
        yield process


@pytest.fixture
def call(strict: ServerProcess) -> Iterator[Any]:
    """Opens sockets to the server, which are closed at the end."""
    with ExitStack() as stack:

        def call_it(sent: bytes = b"", port: int = 0) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port or strict.port), PATIENCE)
            stack.enter_context(client)
            client.sendall(sent)
            return client

        yield call_it


def post(*more: str) -> bytes:
    """The headers of a request."""
    lines = [f"POST {PREDICT} HTTP/1.1", "Host: x", f"Content-Length: {len(BODY)}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def read_to_end(client: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    told = b""
    try:
        while part := client.recv(65536):
            told += part
    except ConnectionResetError:
        pass
    return told


def drip(client: socket.socket, endless: bytes) -> bytes:
    """Sends one byte after the other, far faster than the server's bound, until it closes."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.05):
            try:
                client.sendall(endless)
            except OSError:
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return read_to_end(client)
    finally:
        ended.set()
        sender.join()


def test_a_socket_that_says_nothing_is_closed(call: Any) -> None:
    assert read_to_end(call()) == b""


def test_headers_sent_byte_by_byte_get_408(call: Any) -> None:
    head, _, body = drip(call(b"GET / HTTP/1.1\r\nX: "), b"a").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(body) == {"error": "The headers of a request must arrive within 1 seconds."}


def test_a_connection_is_kept_for_the_next_request_and_closed_without_one(call: Any) -> None:
    client = call(post() + BODY)
    told = client.recv(65536)
    client.sendall(post() + BODY)
    assert (told + read_to_end(client)).count(b"HTTP/1.1 200 OK") == 2


def test_a_body_that_nobody_reads_holds_no_connection(call: Any) -> None:
    sent = b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    assert drip(call(sent), b"a").startswith(b"HTTP/1.1 200 OK")


def test_silent_sockets_lock_nobody_out(call: Any, strict: ServerProcess) -> None:
    silent = [call() for _ in range(3 * MOST)]
    code, answer = strict.ask(PREDICT, json.loads(BODY))
    assert (code, answer["predictions"][0]["age"]["value"]) == (200, 23.0)
    # The first of them were closed for the sake of the last; nothing was said to them.
    assert [read_to_end(client) for client in silent] == [b""] * len(silent)


def test_where_every_connection_has_a_request_one_more_gets_503(call: Any) -> None:
    busy = [call(post("Expect: 100-continue")) for _ in range(MOST)]
    for client in busy:
        assert client.recv(65536).startswith(b"HTTP/1.1 100")
    one_more = read_to_end(call())
    assert one_more.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in one_more
    for client in busy:
        client.sendall(BODY)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_silent_sockets_of_grpc_are_closed_and_counted(call: Any, strict: ServerProcess) -> None:
    silent = [call(port=strict.grpc_port) for _ in range(3 * MOST)]
    told = [read_to_end(client) for client in silent]
    # gRPC greets whom it lets in with its settings, the others not at all.
    assert sum(bool(said) for said in told) <= MOST
    with grpc.insecure_channel(strict.grpc_address) as channel:
        grpc.channel_ready_future(channel).result(PATIENCE)
