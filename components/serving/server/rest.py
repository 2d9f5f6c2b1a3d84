"""The addresses of HTTP: TensorFlow Serving's REST, the Open Inference Protocol, health, the page.

Enters: the model and KServe's data plane. Leaves: an ASGI application.

| address | what |
|---|---|
| `/` | the page, whose names of metrics are in `/metrics.json` |
| `/v1/models/NAME[/versions/N]` | status; `/metadata`: signatures, heads, quality |
| `/v1/models/NAME[/versions/N]:predict` | `requests` says what enters, `service` what leaves |
| `/v1/models/NAME[/versions/N]:explain` | the words that mattered most to one author's answers |
| `/v2...` | Open Inference Protocol |
| `/metrics` | Prometheus |

Faults are answered as `{"error": "..."}`, in both protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from google.protobuf import json_format
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp
from tensorflow_serving.apis import get_model_metadata_pb2

from components.heads.declared import HEADS
from components.serving.server.answers import describe_head
from components.serving.server.guard import Guard
from components.serving.server.inference import input_tensors, output_tensors, read_infer
from components.serving.server.kserve_api import InferenceVerb, V2Endpoints, metrics_handler
from components.serving.server.loaded import LoadedVersion
from components.serving.server.refusals import Refusal, failed, refused
from components.serving.server.requests import Question, read_question
from components.serving.server.service import AuthorDataPlane, AuthorModel
from components.serving.server.watch import State

PLATFORM = "tensorflow_savedmodel"
_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_V1_PATHS = ("/{name:model}", "/{name:model}/versions/{version:model}")
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _BeforeVerb(StringConvertor):
    """A name or a version, which ends where `:predict` begins."""

    regex = "[^/:]+"


register_url_convertor("model", _BeforeVerb())


def build_application(model: AuthorModel, plane: AuthorDataPlane) -> ASGIApp:
    """The application of every address, guarded."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _no_such_address)
    for error in (Refusal, Exception):
        app.add_exception_handler(error, _refused(model))
    app.include_router(_tensorflow_serving(TensorFlowServing(model, plane)))
    app.include_router(_open_inference(OpenInference(model, plane)))
    app.add_api_route("/metrics", metrics_handler, methods=["GET"])
    for address, (file, kind) in _PAGE_FILES.items():
        app.add_api_route(address, _page((_PAGE / file).read_bytes(), kind), methods=["GET"])
    app.add_api_route("/metrics.json", _page(_metrics(), "application/json"), methods=["GET"])
    return Guard(app, model.settings, model.intake)


@dataclass(frozen=True)
class Endpoints:
    """What the addresses of both protocols share: the model served, and KServe's way to it."""

    model: AuthorModel
    plane: AuthorDataPlane


class TensorFlowServing(Endpoints):
    """https://www.tensorflow.org/tfx/serving/api_rest"""

    async def status(self, name: str, version: str | None = None) -> Response:
        """The version in service and those that were refused."""
        states = self.model.states(name, version)
        return as_json({"model_version_status": [_state(state) for state in states]})

    async def metadata(self, name: str, version: str | None = None) -> Response:
        """Signatures as the SavedModel declares them; each head's meaning and measured quality."""
        current = self.model.find(name, version)
        spec = {"name": name, "signature_name": "", "version": str(current.number)}
        signatures = json_format.MessageToDict(
            signature_map(current),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        heads = [describe_head(head) for head in current.served.heads]
        metadata = {"signature_def": signatures, "heads": heads}
        return as_json({"model_spec": spec, "metadata": metadata})

    async def predict(self, name: str, request: Request, version: str | None = None) -> Response:
        """Answers authors."""
        question = await self._question(name, version, request)
        answer, _ = await self.plane.infer(self.model.name, question, dict(request.headers))
        return as_json(answer)

    async def explain(self, name: str, request: Request, version: str | None = None) -> Response:
        """Tells which words mattered most to one author's answers."""
        question = await self._question(name, version, request)
        answer, _ = await self.model(question, dict(request.headers), InferenceVerb.EXPLAIN)
        return as_json(answer)

    async def unsupported(self, name: str, verb: str) -> Response:
        """Verbs of TensorFlow Serving that the model has no signature for."""
        self.model.find(name)
        raise Refusal("The model answers :predict and :explain.", HTTPStatus.NOT_IMPLEMENTED)

    async def _question(self, name: str, version: str | None, request: Request) -> Question:
        current = self.model.find(name, version)
        body = await request.body()
        return await self.model.intake.read(
            len(body), read_question, body, current, self.model.settings
        )


class OpenInference(Endpoints):
    """https://github.com/kserve/open-inference-protocol"""

    async def metadata(self, name: str, version: str | None = None) -> Response:
        """Tensors, versions, and under `properties` what the heads mean and how good they are.

        And which versions of the folder cannot serve, with the cause of each.
        """
        current = self.model.find(name, version)
        heads = orjson.dumps([describe_head(head) for head in current.served.heads])
        refused = orjson.dumps(self.model.versions.refused, option=orjson.OPT_NON_STR_KEYS)
        return as_json(
            {
                "name": name,
                "versions": [str(current.number)],
                "platform": PLATFORM,
                "inputs": input_tensors(current),
                "outputs": output_tensors(current),
                "properties": {"heads": heads.decode(), "refused": refused.decode()},
            }
        )

    async def server_live(self) -> Response:
        """Whether the process works; 503 where it has to be started again."""
        fault = self.plane.watch_fault()
        if fault:
            raise Refusal(fault, HTTPStatus.SERVICE_UNAVAILABLE)
        return as_json({"live": True, **self._last_look()})

    async def server_ready(self) -> Response:
        """Whether the server can answer; 503 where it cannot."""
        if not await self.plane.ready():
            raise Refusal("No version is in service.", HTTPStatus.SERVICE_UNAVAILABLE)
        return as_json({"ready": True, **self._last_look()})

    def _last_look(self) -> dict[str, Any]:
        look = self.model.versions.last_look()
        return {"last_look": look} if look else {}

    async def ready(self, name: str, version: str | None = None) -> Response:
        """Whether the model is in service."""
        self.model.find(name, version)
        return as_json({"name": name, "ready": bool(self.model.ready)})

    async def infer(self, name: str, request: Request, version: str | None = None) -> Response:
        """Answers authors, as tensors."""
        current = self.model.find(name, version)
        headers = dict(request.headers)
        length = headers.get("inference-header-content-length")
        body = await request.body()
        inference = await self.model.intake.read(
            len(body), read_infer, body, length, name, current, self.model.settings
        )
        answer, _ = await self.plane.infer(name, inference, headers)
        encoded, length_headers = self.plane.encode(name, answer, {}, {})
        if isinstance(encoded, bytes):
            kind = "application/octet-stream"
            return Response(encoded, media_type=kind, headers=length_headers)
        return as_json(encoded)


def _tensorflow_serving(endpoints: TensorFlowServing) -> APIRouter:
    router = APIRouter(prefix="/v1/models")
    for path in _V1_PATHS:
        for verb, endpoint in (("predict", endpoints.predict), ("explain", endpoints.explain)):
            router.add_api_route(f"{path}:{verb}", endpoint, methods=["POST"])
        router.add_api_route(f"{path}/metadata", endpoints.metadata, methods=["GET"])
    router.add_api_route("/{name:model}:{verb}", endpoints.unsupported, methods=["POST"])
    for path in _V1_PATHS:
        router.add_api_route(path, endpoints.status, methods=["GET"])
    return router


def _open_inference(endpoints: OpenInference) -> APIRouter:
    # KServe's own endpoints where they do what the protocol says; it knows no versions, and its
    # load and unload would let any client take the model out of service.
    standard = V2Endpoints(endpoints.plane)
    router = APIRouter(prefix="/v2")
    router.add_api_route("", standard.metadata, methods=["GET"])
    router.add_api_route("/health/live", endpoints.server_live, methods=["GET"])
    router.add_api_route("/health/ready", endpoints.server_ready, methods=["GET"])
    router.add_api_route("/models", standard.models, methods=["GET"])
    for path in ("/models/{name}", "/models/{name}/versions/{version}"):
        router.add_api_route(f"{path}/ready", endpoints.ready, methods=["GET"])
        router.add_api_route(f"{path}/infer", endpoints.infer, methods=["POST"])
        router.add_api_route(path, endpoints.metadata, methods=["GET"])
    return router


def signature_map(version: LoadedVersion) -> Any:
    """The signatures as TensorFlow Serving's message."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in version.signatures.items():
        message.signature_def[name].CopyFrom(signature.definition)
    return message


def _state(told: State) -> dict[str, Any]:
    state, code = ("AVAILABLE", "OK") if told.is_available else ("END", "FAILED_PRECONDITION")
    status = {"error_code": code, "error_message": told.cause}
    return {"version": str(told.number), "state": state, "status": status}


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(value), status, headers, "application/json")


def _refused(model: AuthorModel) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        return refused(error if isinstance(error, Refusal) else failed(), model.settings)

    return answer


async def _no_such_address(request: Request, error: Any) -> Response:
    allowed = dict(error.headers or {}).get("Allow")
    message = {
        HTTPStatus.NOT_FOUND: "There is no such address. The page at / names those there are.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"This address takes {allowed}; the request came as "
        f"{request.method[:20]}. It does not take this method.",
    }.get(HTTPStatus(error.status_code), "The request cannot be read.")
    return as_json({"error": message}, error.status_code, dict(error.headers or {}))


def _metrics() -> bytes:
    """Of each kind of head the metrics by key, as the page names them."""
    told = {
        kind: {metric.key: metric._asdict() for metric in head.metrics}
        for kind, head in HEADS.items()
    }
    return orjson.dumps(told)


def _page(content: bytes, kind: str) -> Any:
    async def answer() -> Response:
        return Response(content, media_type=kind, headers=_PAGE_HEADERS)

    return answer
