"""Official clients against a real server: TensorFlow Serving's messages, KServe's clients."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format, struct_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.serving.server import kserve_api  # noqa: F401  (imports kserve as it must be)
from tests.serving.server_process import QUALITY, ServerProcess

POSTS = "I went\x1ehome."


@pytest.fixture
def channel(server: ServerProcess) -> Any:
    """A channel to the server."""
    with grpc.insecure_channel(server.grpc_address) as made:
        yield made


def predict_request(values: Any, argument: str, **spec: Any) -> Any:
    """A request as TensorFlow Serving's guide writes it."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = spec.get("name", "authorprofile")
    request.model_spec.signature_name = spec.get("signature", "")
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    request.inputs[argument].CopyFrom(tf.make_tensor_proto(values))
    return request


def example(*posts: bytes) -> bytes:
    """A serialized tf.Example."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=posts))
    message = tf.train.Example(features=tf.train.Features(feature={"posts": feature}))
    return bytes(message.SerializeToString())


def test_a_client_of_tensorflow_serving_is_answered(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    answer = stub.Predict(
        predict_request([example(b"I went", b"home."), example(b"one")], "examples")
    )
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("authorprofile", 7)
    assert answer.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(answer.outputs["age"]).tolist() == [[23.0], [21.0]]
    assert tf.make_ndarray(answer.outputs["gender"]).tolist() == [[0.75], [0.5]]
    assert answer.outputs["income"].dtype == tf.float32.as_datatype_enum
    request = predict_request([POSTS], "posts", signature="posts", version=7)
    request.output_filter.append("age")
    answer = stub.Predict(request)
    assert list(answer.outputs) == ["age"]
    assert tf.make_ndarray(answer.outputs["age"]).tolist() == [[23.0]]


def test_its_metadata_and_status_are_tensorflow_servings(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "authorprofile"
    answer = stub.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert sorted(signature.outputs) == ["age", "gender", "income"]
    request.metadata_field.append("heads")
    answer = stub.GetModelMetadata(request)
    assert set(answer.metadata) == {"signature_def", "heads"}
    heads = struct_pb2.Struct()
    assert answer.metadata["heads"].Unpack(heads)
    age = json_format.MessageToDict(heads)["heads"][0]
    assert (age["name"], age["quality"]) == ("age", QUALITY)
    request.metadata_field.append("weights")
    with pytest.raises(grpc.RpcError, match=r"must name some of \['signature_def', 'heads'\]"):
        stub.GetModelMetadata(request)
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "authorprofile"
    (version,) = (
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status).model_version_status
    )
    assert (version.version, version.state) == (7, version.AVAILABLE)


def test_open_inference_metadata_tells_version_and_measured_quality(channel: Any) -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as v2
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as v2_grpc

    stub = v2_grpc.GRPCInferenceServiceStub(channel)
    request = v2.ModelMetadataRequest(name="authorprofile")
    answer, call = stub.ModelMetadata.with_call(request)
    assert list(answer.versions) == ["7"]
    assert [tensor.name for tensor in answer.outputs] == ["age", "income", "gender", "answers"]
    assert json.loads(dict(call.trailing_metadata())["model-quality"]) == {"age": QUALITY}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (predict_request(["a"], "posts", signature="posts", name="nobody"), "NOT_FOUND"),
        (predict_request(["a"], "posts", signature="posts", version=8), "NOT_FOUND"),
        (predict_request(["a"], "posts", signature="nothing"), "INVALID_ARGUMENT"),
        (predict_request(["a"], "words", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request([1.0], "posts", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request([["a"]], "posts", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request([b"\xff"], "posts", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request(["no example"], "examples"), "INVALID_ARGUMENT"),
        (predict_request(["a", " "], "posts", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request([example(b" ", b"")], "examples"), "INVALID_ARGUMENT"),
        (predict_request([example()], "examples"), "INVALID_ARGUMENT"),
        (predict_request(["a"] * 65, "posts", signature="posts"), "INVALID_ARGUMENT"),
        (predict_request(["a" * 5_000_000], "posts", signature="posts"), "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_wrong_call_gets_grpcs_own_code(channel: Any, request_: Any, code: str) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request_)
    assert raised.value.code().name == code


INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
MOST = "must hold at most 1280 fields"


@pytest.mark.parametrize(
    ("method", "data", "says"),
    [
        (INFER, b"\x2a\x07\x1a\x05BYTES" * 100_000, MOST),  # inputs
        (INFER, b"\x2a\x04\x22\x02\x0a\x00" * 2000, MOST),  # parameters of inputs
        (INFER, b"\x22\x00" * 2000, MOST),  # parameters
        (INFER, b"\x32\x05\x0a\x03age" * 100_000, MOST),  # outputs
        (PREDICT, b"\x12\x00" * 2000, MOST),  # inputs
        (PREDICT, b"\x1a\x03age" * 2000, MOST),  # output_filter
        (METADATA, b"\x12\x00" * 2000, MOST),  # metadata_field
        (INFER, b"\x0a\x09short", "must be a ModelInferRequest; it is not"),
        (INFER, b"\x80" * 100_000, "must be a ModelInferRequest; it is not"),
        (PREDICT, b"\x0b" * 100, "must be a PredictRequest; it is not"),
        (PREDICT, b"\x1a\xff\xff\xff\xff\x0f", "must be a PredictRequest; it is not"),
    ],
)
def test_a_message_is_counted_before_it_is_built(
    channel: Any, method: str, data: bytes, says: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(method)(data)
    assert raised.value.code().name == "INVALID_ARGUMENT"
    assert says in raised.value.details()


def test_an_output_is_named_once(channel: Any) -> None:
    request = predict_request(["a"], "posts", signature="posts")
    request.output_filter.extend(["age", "age"])
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError, match="must name an output once; it names 2"):
        stub.Predict(request)


def test_blank_posts_are_left_out(channel: Any) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    for request in (
        predict_request([" \x1eI went\x1e\x1ehome."], "posts", signature="posts"),
        predict_request([example(b" ", b"I went", b"", b"home.")], "examples"),
    ):
        income = tf.make_ndarray(stub.Predict(request).outputs["income"])
        # The group follows from the bytes of the text.
        assert income.argmax(axis=1).tolist() == [0]


def test_a_thousand_wrong_tensors_bring_no_internal_error(channel: Any) -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as v2
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as v2_grpc

    chance = random.Random(7)
    tensorflow = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    inference = v2_grpc.GRPCInferenceServiceStub(channel)
    codes = set()
    for _ in range(500):
        request = predict_request(
            ["a", "b"], chance.choice(["posts", "examples"]), signature="posts"
        )
        (name,) = request.inputs
        proto = request.inputs[name]
        proto.dtype = chance.choice([1, 3, 7, 7, 7])
        proto.tensor_content = chance.randbytes(chance.choice([0, 0, 9]))
        for dim in proto.tensor_shape.dim:
            dim.size = chance.choice([-1, 0, 1, 2, 2**62])
        codes.add(code_of(tensorflow.Predict, request))
        tensor = v2.ModelInferRequest.InferInputTensor(
            name=chance.choice(["posts", "examples", "x"]),
            datatype=chance.choice(["BYTES", "BYTES", "FP32", "FP16", ""]),
            shape=[chance.choice([-1, 0, 1, 2, 2**62]) for _ in range(chance.randrange(4))],
        )
        tensor.contents.bytes_contents.extend(
            [chance.randbytes(3)] * chance.randrange(3) + [b"a"] * chance.randrange(3)
        )
        request = v2.ModelInferRequest(model_name="authorprofile", inputs=[tensor])
        if chance.random() < 0.4:
            request.raw_input_contents.extend([chance.randbytes(9)] * chance.randrange(3))
            if chance.random() < 0.7:
                request.inputs[0].ClearField("contents")
        codes.add(code_of(inference.ModelInfer, request))
    assert codes <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    assert "INVALID_ARGUMENT" in codes


def code_of(method: Any, request: Any) -> str:
    """The code of a call."""
    try:
        method(request)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_kserves_rest_client_speaks_both_protocols(server: ServerProcess) -> None:
    from kserve import InferenceRESTClient, InferInput, InferRequest
    from kserve.inference_client import RESTConfig

    posts = InferInput("posts", [2], "BYTES", [POSTS, "one"])

    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_live(server.address)
        assert await client.is_server_ready(server.address)
        assert await client.is_model_ready(server.address, "authorprofile")
        request = InferRequest("authorprofile", [posts], request_id="42")
        second = await client.infer(server.address, request, model_name="authorprofile")
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        body = {"instances": [{"posts": ["I went", "home."]}]}
        first = await client.infer(server.address, body, model_name="authorprofile")
        return first, second

    first, second = asyncio.run(ask())
    assert first["predictions"][0]["age"]["interval"]["upper"] == 27.0
    assert first["predictions"][0]["gender"]["abstain"] is True
    assert second.get_output_by_name("age").as_numpy().tolist() == [[23.0], [21.0]]


def test_kserves_grpc_client_is_answered(server: ServerProcess) -> None:
    from kserve import InferenceGRPCClient, InferInput, InferRequest

    raw = InferInput("examples", [1], "BYTES")
    raw.set_data_from_numpy(np.array([example(b"I went", b"home.")], object))

    async def ask() -> Any:
        async with InferenceGRPCClient(url=server.grpc_address, channel_args=[]) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("authorprofile")
            return await client.infer(InferRequest("authorprofile", [raw]))

    answer = asyncio.run(ask())
    assert answer.get_output_by_name("income").as_numpy().shape == (1, 4)
    assert answer.get_output_by_name("age").as_numpy().tolist() == [[23.0]]
