"""What every HTTP request passes: bounds of size, number and time, and the last word on faults.

Enters: any ASGI request. Leaves: a request with its whole body read, handed to the application, or
an answer `{"error": "..."}`: 408 the body came too slowly, 413 it is too large, 415 it is packed,
503 with Retry-After too many, or too many bytes, are under way, 504 the answer took too long, 500
without a word of why, as the cause may quote a post.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import Counter, Gauge
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.server.intake import Intake
from components.serving.server.refusals import Refusal, failed, out_of_time, overloaded, refused
from components.serving.server.settings import ServerSettings

_log = logging.getLogger("authorprofile.serving")
RESPONSES = Counter(
    "authorprofile_responses", "responses by protocol and code", ["protocol", "code"]
)
UNDER_WAY = Gauge("authorprofile_requests_under_way", "requests with a body that are under way")


class _Gone(Exception):
    """The client went away."""


class Guard:
    """An ASGI application around another one, which answers."""

    def __init__(self, application: ASGIApp, settings: ServerSettings, intake: Intake) -> None:
        self.application = application
        self.settings = settings
        self.intake = intake
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes what is no request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        started = False

        async def send_and_count(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                RESPONSES.labels("http", str(message["status"])).inc()
            await send(message)

        try:
            await self._answer(scope, receive, send_and_count)
        except _Gone:
            return
        except Refusal as refusal:
            if not started:
                await refused(refusal, self.settings)(scope, receive, send_and_count)
        except Exception as error:
            _log.error("a request failed: %s", type(error).__name__)
            if not started:
                await refused(failed(), self.settings)(scope, receive, send_and_count)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await self.application(scope, receive, send)
            return
        if self._under_way >= self.settings.max_requests:
            raise overloaded()
        self._under_way += 1
        UNDER_WAY.inc()
        deadline = asyncio.get_running_loop().time() + self.settings.timeout_seconds
        try:
            with self.intake.hold() as hold:
                body = await self._read(scope, receive, deadline, hold)
                async with asyncio.timeout_at(deadline):
                    await self.application(scope, _replay(body, receive), send)
        except TimeoutError:
            raise out_of_time(self.settings.timeout_seconds) from None
        finally:
            self._under_way -= 1
            UNDER_WAY.dec()

    async def _read(
        self, scope: Scope, receive: Receive, deadline: float, hold: Callable[[int], None]
    ) -> bytes:
        headers = dict(scope["headers"])
        most = self.settings.max_body_bytes
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise Refusal(
                "A body must not be packed; leave Content-Encoding out.",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )
        announced = headers.get(b"content-length", b"0")
        # A number of thousands of digits is read by nobody.
        if announced.isdigit() and (len(announced) > 20 or int(announced) > most):
            raise _too_large(most)
        try:
            async with asyncio.timeout_at(deadline):
                return await _whole_body(receive, most, hold)
        except TimeoutError:
            raise Refusal(
                f"A body must arrive within {self.settings.timeout_seconds:g} seconds.",
                HTTPStatus.REQUEST_TIMEOUT,
            ) from None


def _too_large(most: int) -> Refusal:
    return Refusal(
        f"A request holds at most {most} bytes; this one holds more. Send several requests.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


async def _whole_body(receive: Receive, most: int, hold: Callable[[int], None]) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        if len(body) + len(part) > most:
            raise _too_large(most)
        hold(len(part))
        body += part
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body, then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
