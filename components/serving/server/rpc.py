"""The services of gRPC: the Open Inference Protocol's and TensorFlow Serving's, at one port.

Enters: the model and KServe's data plane. Leaves: a server, to be started by `main`. A client of
`tensorflow.serving.PredictionService` (Predict, GetModelMetadata) or `ModelService`
(GetModelStatus), or of `inference.GRPCInferenceService`, gets what it gets from those servers.
Sources: https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis,
https://github.com/kserve/open-inference-protocol (open_inference_grpc.proto).

How good each head measured has no field in either protocol's messages. It goes where each has room:

| call | where |
|---|---|
| `GetModelMetadata` | `metadata_field` `heads`: a `google.protobuf.Struct`, as in REST |
| `ModelMetadata` | trailing metadata `model-quality` of the call: JSON, by head |
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import struct_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.serving.server.answers import describe_head
from components.serving.server.authors import sound_rows
from components.serving.server.calls import Calls
from components.serving.server.inference import (
    Inference,
    inference_of,
    input_tensors,
    output_tensors,
)
from components.serving.server.kserve_api import (
    InferenceServicer,
    InferRequest,
    grpc_predict_v2_pb2,
    grpc_predict_v2_pb2_grpc,
)
from components.serving.server.loaded import LoadedVersion
from components.serving.server.refusals import Refusal
from components.serving.server.requests import (
    DEFAULT_SIGNATURE,
    Question,
    check_count,
    find_signature,
)
from components.serving.server.rest import PLATFORM, signature_map
from components.serving.server.service import AuthorDataPlane, AuthorModel
from components.serving.server.watch import State

QUALITY_KEY = "model-quality"
_HEALTH_CALLS = 8


class OpenInferenceService(InferenceServicer):
    """KServe's servicer, with versions, bounds, and without load and unload by clients."""

    def __init__(self, model: AuthorModel, plane: AuthorDataPlane) -> None:
        super().__init__(plane, None)
        self.model = model
        self.plane = plane

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer, _ = await self.plane.infer(self.model.name, request)
        return answer.to_grpc()

    def prepare_ModelInfer(self, request: Any) -> Inference:  # noqa: N802
        """What a request asks. Raises Refusal."""
        version = self.model.find(request.model_name, request.model_version or None)
        try:
            self.validate_grpc_request(request)
            parsed = InferRequest.from_grpc(request)
        except (ValueError, TypeError, KeyError) as error:
            # What KServe raises where a request contradicts itself; it may quote the request.
            raise Refusal("The request's tensors contradict each other.") from error
        return inference_of(parsed, version, self.model.settings)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.model.find(request.name, request.version or None)
        return grpc_predict_v2_pb2.ModelReadyResponse(ready=bool(self.model.ready))

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        version = self.model.find(request.name, request.version or None)
        context.set_trailing_metadata([(QUALITY_KEY, quality_json(version))])
        tensors: Any = {"inputs": input_tensors(version), "outputs": output_tensors(version)}
        return grpc_predict_v2_pb2.ModelMetadataResponse(
            name=request.name,
            versions=[str(version.number)],
            platform=PLATFORM,
            **tensors,
        )

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise Refusal("The server watches its folder of versions.", HTTPStatus.NOT_IMPLEMENTED)

    RepositoryModelUnload = RepositoryModelLoad


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService`, of which the model has Predict."""

    def __init__(self, model: AuthorModel) -> None:
        self.model = model

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        question, wanted = request
        answers = await self.model.ask(question)
        wanted = wanted or list(answers)
        if not set(wanted) <= set(answers):
            raise Refusal(f"The outputs are {sorted(answers)}; output_filter names another one.")
        if len(wanted) > len(set(wanted)):
            raise Refusal(f"output_filter must name an output once; it names {len(wanted)}.")
        response = predict_pb2.PredictResponse()
        set_spec(response.model_spec, self.model, question.version, question.signature)
        for output in wanted:
            response.outputs[output].CopyFrom(tf.make_tensor_proto(answers[output]))
        return response

    def prepare_Predict(self, request: Any) -> tuple[Question, list[str]]:  # noqa: N802
        """What a request asks, and the outputs that it names. Raises Refusal."""
        version = self.model.find(*named(request.model_spec))
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = find_signature(version, name)
        if set(request.inputs) != {signature.argument}:
            raise Refusal(f"The inputs of signature {name} are [{signature.argument!r}].")
        tensor = request.inputs[signature.argument]
        if tensor.dtype != tf.string.as_datatype_enum or len(tensor.tensor_shape.dim) != 1:
            raise Refusal(f"The input {signature.argument} must be a vector of strings.")
        size, values = tensor.tensor_shape.dim[0].size, list(tensor.string_val)
        if len(values) != size:
            raise Refusal(f"The input's shape says {size} strings; it holds {len(values)}.")
        check_count(values, "inputs", self.model.settings.max_instances)
        rows = sound_rows(signature, values, version, self.model.settings)
        return Question(version, name, rows), list(request.output_filter)

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        version = self.model.find(*named(request.model_spec))
        fields = {"signature_def": signature_map, "heads": heads_struct}
        wanted = set(request.metadata_field)
        if not wanted or not wanted <= fields.keys():
            raise Refusal(f"metadata_field must name some of {list(fields)}.")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        set_spec(response.model_spec, self.model, version, "")
        for name in wanted:
            response.metadata[name].Pack(fields[name](version))
        return response

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise Refusal("The model answers Predict.", HTTPStatus.NOT_IMPLEMENTED)

    Regress = MultiInference = Classify


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService`, for the status."""

    def __init__(self, model: AuthorModel) -> None:
        self.model = model

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        states = self.model.states(*named(request.model_spec))
        return get_model_status_pb2.GetModelStatusResponse(
            model_version_status=map(status_of, states)
        )

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise Refusal("The server watches its folder of versions.", HTTPStatus.NOT_IMPLEMENTED)


def named(spec: Any) -> tuple[str, str | None]:
    """The model and the version that a ModelSpec names; None: whichever there is."""
    number = str(spec.version.value) if spec.HasField("version") else spec.version_label
    return spec.name, number or None


def status_of(told: State) -> Any:
    """A version's state as TensorFlow Serving's message."""
    kinds = get_model_status_pb2.ModelVersionStatus
    status = kinds(version=told.number, state=kinds.AVAILABLE if told.is_available else kinds.END)
    if not told.is_available:
        status.status.error_code = tf.errors.FAILED_PRECONDITION
        status.status.error_message = told.cause
    return status


def heads_struct(version: LoadedVersion) -> struct_pb2.Struct:
    """What REST's metadata says of the heads: meaning and measured quality."""
    message = struct_pb2.Struct()
    message.update({"heads": [describe_head(head) for head in version.served.heads]})
    return message


def quality_json(version: LoadedVersion) -> str:
    """{head: measured quality}, in ASCII, as the metadata of a call must be."""
    measured = {head.name: head.quality for head in version.served.heads if head.quality}
    return json.dumps(measured)


def set_spec(spec: Any, model: AuthorModel, version: LoadedVersion, signature: str) -> None:
    """Fills a response's ModelSpec."""
    spec.name = model.name
    spec.version.value = version.number
    spec.signature_name = signature


def _milliseconds(seconds: float) -> int:
    return max(1, round(1000 * seconds))


def build_rpc_server(model: AuthorModel, plane: AuthorDataPlane) -> Any:
    """A gRPC server of all services, bound to its address and not yet started.

    Raises:
        OSError: the port is taken.
    """
    settings = model.settings
    server = grpc.aio.server(
        interceptors=[Calls(model)],
        # Beyond it gRPC itself refuses, before it reads a message; health has room of its own.
        maximum_concurrent_rpcs=settings.max_requests + _HEALTH_CALLS,
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            # Two servers at one port would share its requests.
            ("grpc.so_reuseport", 0),
            ("grpc.max_allowed_incoming_connections", settings.max_connections),
            # From the socket to the first frame; then without a call; then whatever it does.
            ("grpc.server_handshake_timeout_ms", _milliseconds(settings.idle_seconds)),
            ("grpc.max_connection_idle_ms", _milliseconds(settings.idle_seconds)),
            ("grpc.max_connection_age_ms", _milliseconds(settings.connection_seconds)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(settings.timeout_seconds)),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(model), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(model), server)
    grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        OpenInferenceService(model, plane), server
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError:
        raise OSError(f"grpc_port {settings.grpc_port} on {settings.host} is taken") from None
    return server
