"""A platform's REST API on loopback: routes, planted faults, and requests kept for the tests.

A request that breaks the published schema is answered with 400 and kept in `broken`, which every
test's fixture expects to be empty at the end.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Refusal(Exception):
    """An answer that refuses, with the platform's own message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclasses.dataclass
class Fault:
    """What a call gets in place of its answer: a status, or a broken connection.

    Args:
        silent_seconds: how long there is no answer before.
        happens: the call is carried out nevertheless, and its answer lost.
    """

    method: str
    path: str
    status: int = 0
    message: str = "planted"
    times: int = 1
    silent_seconds: float = 0
    happens: bool = False


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class Loopback:
    """A server; a subclass has routes, `(method, pattern) -> answer(match, request)`."""

    prefix = ""

    def __init__(self) -> None:
        self.routes: list[tuple[str, str, Callable[..., Any]]] = []
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.broken: list[str] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def fail(self, method: str, path: str, status: int = 0, **words: Any) -> None:
        """Plants a fault; without a status the connection breaks."""
        self.faults.append(Fault(method, path, status, **words))

    def calls(self, method: str, path: str) -> list[Request]:
        """The requests of a kind, refused ones too."""
        return [r for r in self.requests if r.method == method and re.search(path, r.path)]

    def refusal_body(self, status: int, message: str) -> dict[str, Any]:
        raise NotImplementedError

    def fault_of(self, request: Request) -> Fault | None:
        for fault in self.faults:
            same = fault.method == request.method and re.search(fault.path, request.path)
            if same and fault.times:
                fault.times -= 1
                return fault
        return None

    def answer(self, request: Request) -> tuple[int, Any]:
        for method, pattern, route in self.routes:
            match = re.fullmatch(self.prefix + pattern, request.path)
            if match and method == request.method:
                try:
                    return 200, route(match, request)
                except Refusal as refusal:
                    if refusal.status == 400:
                        self.broken.append(f"{request.method} {request.path}: {refusal.message}")
                    return refusal.status, self.refusal_body(refusal.status, refusal.message)
                except Exception as fault:
                    self.broken.append(f"{request.method} {request.path}: {fault!r}")
                    return 500, self.refusal_body(500, "the loopback's own fault")
        self.broken.append(f"no such call: {request.method} {request.path}")
        return 404, self.refusal_body(404, "no such call")

    def handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(length)
                url = urlsplit(self.path)
                query = {key: values[-1] for key, values in parse_qs(url.query).items()}
                with loopback.lock:
                    request = Request(
                        self.command,
                        url.path,
                        query,
                        json.loads(content)
                        if "json" in (self.headers["Content-Type"] or "") and content
                        else None,
                        {key.lower(): value for key, value in self.headers.items()},
                    )
                    loopback.requests.append(request)
                    fault = loopback.fault_of(request)
                    status, body = 0, None
                    if fault is None or fault.happens:
                        status, body = loopback.answer(request)
                    if fault is not None:
                        status = fault.status
                        body = loopback.refusal_body(status, fault.message)
                if fault is not None:
                    time.sleep(fault.silent_seconds)
                if not status:
                    self.close_connection = True
                    self.connection.close()
                    return
                answer = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = serve  # noqa: N815

            def log_message(self, *words: Any) -> None:
                pass

        return Handler


BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


def check_cron(fields: list[str], names: list[str]) -> None:
    """Refuses what a cron of these fields does not take; numbers alone, as both platforms do."""
    if len(fields) != len(names):
        raise Refusal(400, f"Expected exactly {len(names)} fields, found {len(fields)}")
    bounds = {**BOUNDS, "second": (0, 59)}
    for name, field in zip(names, fields, strict=True):
        low, high = bounds[name]
        for item in field.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", item)
            if not match:
                raise Refusal(400, f"Failed to parse {name} from {item!r}")
            start, end = match.group(1), match.group(2)
            if not low <= int(start or low) <= int(end or start or high) <= high:
                raise Refusal(400, f"{name} out of range: {item!r}")


def page_of(items: list[Any], token: str, size: int) -> tuple[list[Any], str]:
    """A page and the token of the next; never more than two, so that every list has pages."""
    begin = int(token or 0)
    end = begin + min(size or 2, 2)
    return items[begin:end], str(end) if end < len(items) else ""
