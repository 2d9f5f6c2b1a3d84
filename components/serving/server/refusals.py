"""Why a request gets no answer, with the code that each protocol has for it.

Raised where a request enters. The message goes to the client: the rule, what was received, what to
do, and never a post's text.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.responses import Response

from components.serving.server.settings import ServerSettings

# The codes of google.rpc.Code by the HTTP codes that TensorFlow Serving gives for them
# (tensorflow_serving/model_servers/http_rest_api_util.cc).
GRPC_CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
# The rest of the body is not read, so nothing after it can be.
_UNREAD = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


class Refusal(Exception):
    """A request that is not answered, and what the client reads of why."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    @property
    def grpc_code(self) -> str:
        """Name of the gRPC status."""
        return GRPC_CODES.get(self.status, "INVALID_ARGUMENT")


def refused(refusal: Refusal, settings: ServerSettings) -> Response:
    """What HTTP answers."""
    headers = {}
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(settings.retry_after_seconds)
    if refusal.status in _UNREAD:
        headers["connection"] = "close"
    body = orjson.dumps({"error": refusal.message})
    return Response(body, refusal.status, headers, "application/json")


def failed() -> Refusal:
    """Anything else went wrong; the cause is not told, as it may quote a post."""
    return Refusal("The server failed.", HTTPStatus.INTERNAL_SERVER_ERROR)


def unknown_model(name: str, served: str) -> Refusal:
    """There is no such model."""
    return Refusal(
        f"The model served here is {served}; {_short(name)} is not. Ask for {served}.",
        HTTPStatus.NOT_FOUND,
    )


def unknown_version(version: str, served: str) -> Refusal:
    """There is no such version in service."""
    return Refusal(
        f"The version in service is {served}; {_short(version)} is not. "
        "Leave the version out to get the newest.",
        HTTPStatus.NOT_FOUND,
    )


def overloaded() -> Refusal:
    """More is asked at once than the server takes."""
    return Refusal(
        "The server takes no more requests at the moment. Come back after Retry-After.",
        HTTPStatus.SERVICE_UNAVAILABLE,
    )


def out_of_time(seconds: float) -> Refusal:
    """A request took too long."""
    return Refusal(
        f"A request must be answered within {seconds:g} seconds; this one was not. "
        "Send fewer authors at once, or raise timeout_seconds.",
        HTTPStatus.GATEWAY_TIMEOUT,
    )


def _short(text: str) -> str:
    """A name as it may be repeated: short and printable."""
    return repr(text[:40])
