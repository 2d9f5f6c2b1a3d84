"""Bounds on the connections of HTTP themselves, whatever comes or does not come over them.

Enters: uvicorn's connections. Leaves: each of them closed in time. `guard` bounds requests; this
bounds what is none yet, such as a socket that says nothing, or headers sent a byte at a time
("slowloris").

| state of a connection | how long |
|---|---|
| waits for the headers of a request | `idle_seconds`, then closed; 408 if part came |
| has a request under way | `timeout_seconds` of `guard`, and `idle_seconds` to take the answer |

A connection beyond `max_connections` takes the place of the one that has waited longest; where all
have a request under way it gets 503. So sockets left open lock nobody out.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from prometheus_client import Gauge
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from components.serving.server.guard import RESPONSES
from components.serving.server.refusals import Refusal, overloaded, refused
from components.serving.server.settings import ServerSettings

CONNECTIONS = Gauge("authorprofile_connections", "open connections of HTTP")


class Connections:
    """All connections of one server."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._open: set[BoundedProtocol] = set()
        # A dictionary keeps the order in which they began to wait.
        self._waiting: dict[BoundedProtocol, None] = {}

    def protocol(self, *args: Any, **options: Any) -> BoundedProtocol:
        """What uvicorn calls for every new connection."""
        return BoundedProtocol(self, *args, **options)

    def admit(self, connection: BoundedProtocol) -> bool:
        """Counts a new connection, and makes room for it; false where there is none."""
        full = len(self._open) >= self.settings.max_connections
        self._open.add(connection)
        CONNECTIONS.set(len(self._open))
        if full and self._waiting:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.abort()
            return True
        return not full

    def leave(self, connection: BoundedProtocol) -> None:
        """Forgets a connection that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        CONNECTIONS.set(len(self._open))

    def wait(self, connection: BoundedProtocol, waits: bool) -> None:
        """Notes that a connection waits from now on, or that it does not."""
        self._waiting.pop(connection, None)
        if waits:
            self._waiting[connection] = None


class BoundedProtocol(H11Protocol):
    """uvicorn's connection, with an end to every state it may be in."""

    def __init__(self, connections: Connections, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections = connections
        self._alarm: asyncio.TimerHandle | None = None
        self._waits: bool | None = None

    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        super().connection_made(transport)
        if not self._connections.admit(self):
            self._end(overloaded())
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._connections.leave(self)
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come, of which a request may begin."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """An answer was given, and the next request may be here already."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Sets the alarm where the state has changed; more bytes in the same state gain no time."""
        cycle: RequestResponseCycle | None = self.cycle
        waits = cycle is None or cycle.response_complete
        if waits == self._waits:
            return
        self._waits = waits
        self._connections.wait(self, waits)
        settings = self._connections.settings
        seconds = settings.idle_seconds + (0 if waits else settings.timeout_seconds)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.loop.call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        begun = self._waits and self.conn.trailing_data[0]
        if not begun or self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        seconds = self._connections.settings.idle_seconds
        fault = f"The headers of a request must arrive within {seconds:g} seconds."
        self._end(Refusal(fault, HTTPStatus.REQUEST_TIMEOUT))

    def _end(self, refusal: Refusal) -> None:
        """Answers what no request was read for, and closes."""
        response = refused(refusal, self._connections.settings)
        response.headers["connection"] = "close"
        lines = [
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        RESPONSES.labels("http", str(refusal.status.value)).inc()
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(response.body))
        self.transport.close()
