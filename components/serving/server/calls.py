"""What every call of gRPC passes: bounds of number, bytes and time, and the last word on faults.

Enters: gRPC's generated handlers, which would build a message on the event loop, whatever it holds.
Leaves: handlers that take the bytes of a call, read them as `bodies` does, off the event loop where
they are many, and turn a `Refusal` into gRPC's own code.
"""

from __future__ import annotations

import asyncio
import logging
from types import MethodType
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from components.serving.server.bodies import most_names, read_message
from components.serving.server.guard import RESPONSES
from components.serving.server.refusals import Refusal, out_of_time, overloaded
from components.serving.server.service import AuthorModel

_log = logging.getLogger("authorprofile.serving")
# Answered however many calls are under way.
_HEALTH = frozenset({"ServerLive", "ServerReady", "ServerMetadata"})


class Calls(grpc.aio.ServerInterceptor):
    """Calls under way over all services of one server."""

    def __init__(self, model: AuthorModel) -> None:
        self.model = model
        self._under_way = 0

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """A handler that takes the bytes of a call, None where there is no such method."""
        found = await continuation(details)
        if found is None or found.unary_unary is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._guarded(
                found.unary_unary,
                found.request_deserializer.__self__,
                counts=details.method.rpartition("/")[2] not in _HEALTH,
            ),
            response_serializer=found.response_serializer,
        )

    def _guarded(self, method: MethodType, kind: type[Message], counts: bool) -> Any:
        async def answer(data: bytes, context: Any) -> Any:
            code, message = "OK", ""
            try:
                way = self._counted if counts else self._answer
                return await way(method, kind, data, context)
            except Refusal as refusal:
                code, message = refusal.grpc_code, refusal.message
            except Exception as error:
                _log.error("a request failed: %s", type(error).__name__)
                code, message = "INTERNAL", "The server failed."
            finally:
                RESPONSES.labels("grpc", code).inc()
            await context.abort(grpc.StatusCode[code], message)

        return answer

    async def _counted(
        self, method: MethodType, kind: type[Message], data: bytes, context: Any
    ) -> Any:
        settings = self.model.settings
        if self._under_way >= settings.max_requests:
            raise overloaded()
        self._under_way += 1
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                return await self._answer(method, kind, data, context)
        except TimeoutError:
            raise out_of_time(settings.timeout_seconds) from None
        finally:
            self._under_way -= 1

    async def _answer(
        self, method: MethodType, kind: type[Message], data: bytes, context: Any
    ) -> Any:
        with self.model.intake.hold() as hold:
            hold(len(data))
            request = await self.model.intake.read(len(data), self._read, method, kind, data)
            return await method(request, context)

    def _read(self, method: MethodType, kind: type[Message], data: bytes) -> Any:
        """The message, or what the service's own `prepare_<method>` makes of it."""
        try:
            message = read_message(data, kind, most_names(self.model.settings))
        except DecodeError:
            raise Refusal(f"The request must be a {kind.DESCRIPTOR.name}; it is not.") from None
        prepare = getattr(method.__self__, f"prepare_{method.__name__}", None)
        return message if prepare is None else prepare(message)
