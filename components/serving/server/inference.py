"""The Open Inference Protocol's tensors: a request to strings for the model, answers to tensors.

Enters: KServe's `InferRequest`, of REST or gRPC. Leaves: a `Question`, then KServe's
`InferResponse`. Called by `service`. Source of the form:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

| input | shape | what an element is |
|---|---|---|
| `posts` BYTES | `[authors]` | an author's posts, joined by the separator |
| `posts` BYTES | `[authors, posts]` | a post; an empty one fills up the row |
| `examples` BYTES | `[authors]` | a serialized tf.Example |

JSON holds text alone: serialized tf.Examples come as binary data, over gRPC, or in base64 where the
input's parameter `content_type` says so. Every head is an output FP32 `[authors, units]`; `answers`
BYTES `[authors]`, a JSON object an author with what `answers` says of each head, comes where the
request asks for it by name.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError

from components.serving.server.kserve_api import (
    InferenceRequest,
    InferOutput,
    InferRequest,
    InferResponse,
    InvalidInput,
)
from components.serving.server.loaded import POSTS, Answers, LoadedVersion
from components.serving.server.refusals import Refusal
from components.serving.server.requests import (
    DEFAULT_SIGNATURE,
    Question,
    check_count,
    check_rows,
    find_signature,
    join_posts,
    read_json,
)
from components.serving.server.settings import ServerSettings

DESCRIBED = "answers"


def input_tensors(version: LoadedVersion) -> list[dict[str, Any]]:
    """The inputs as the model's metadata lists them."""
    names = [
        version.signatures[name].argument
        for name in (POSTS, DEFAULT_SIGNATURE)
        if name in version.signatures
    ]
    return [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in names]


def output_tensors(version: LoadedVersion) -> list[dict[str, Any]]:
    """The outputs as the model's metadata lists them."""
    outputs = version.signatures[POSTS].outputs
    tensors = [
        {"name": name, "datatype": "FP32", "shape": [-1, *outputs[name][1][1:]]}
        for name in version.head_names
    ]
    return [*tensors, {"name": DESCRIBED, "datatype": "BYTES", "shape": [-1]}]


def question_of(
    request: InferRequest, version: LoadedVersion, settings: ServerSettings
) -> Question:
    """The request's one input as strings for one signature. Raises Refusal."""
    if len(request.inputs) != 1:
        raise Refusal(f"A request must have one input; this one has {len(request.inputs)}.")
    tensor = request.inputs[0]
    signatures = {POSTS: POSTS, "examples": DEFAULT_SIGNATURE}
    if tensor.name not in signatures or tensor.datatype != "BYTES":
        raise Refusal("The input must be 'posts' or 'examples', of datatype BYTES; it is not.")
    values = _elements(tensor)
    shape = [int(size) for size in tensor.shape]
    if not 1 <= len(shape) <= 2 or min(shape) < 1 or math.prod(shape) != len(values):
        raise Refusal(
            f"The input's shape must be [authors] or [authors, posts] and fit its {len(values)} "
            f"elements; it is {shape[:4]}."
        )
    check_count([None] * shape[0], "inputs", settings.max_instances)
    name = signatures[tensor.name]
    if len(shape) == 1:
        signature = find_signature(version, name)
        check_rows(signature, values, version, settings)
        return Question(version, name, values)
    if name != POSTS:
        raise Refusal(f"The shape of 'examples' must be [authors]; it is {shape}.")
    return Question(version, name, _authors(values, shape, version, settings))


def read_infer(body: bytes, json_bytes: str | None, model_name: str) -> InferRequest:
    """A request's body, whose binary tensors, if any, follow its JSON.

    Args:
        body: of the request.
        json_bytes: the header `Inference-Header-Content-Length`, if any.
        model_name: of the address.

    Raises:
        Refusal: it is no inference request.
    """
    end = len(body)
    if json_bytes is not None:
        if not (json_bytes.isascii() and json_bytes.isdecimal()) or int(json_bytes) > len(body):
            raise Refusal("Inference-Header-Content-Length must be the length of the body's JSON.")
        end = int(json_bytes)
    request = read_json(body[:end])
    binary = _take_binary(request, body[end:])
    try:
        parsed = InferRequest.from_inference_request(
            InferenceRequest.model_validate(request), model_name
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise Refusal(
            f"The request must be an inference request; {place}: {first['msg']}."
        ) from None
    except InvalidInput:
        raise Refusal("The input must be of datatype BYTES; it is not.") from None
    for index, data in binary.items():
        parsed.inputs[index]._raw_data = data
    return parsed


def _take_binary(request: dict[str, Any], data: bytes) -> dict[int, bytes]:
    """The binary tensors of a request, by the place of their input, which then needs no data."""
    taken: dict[int, bytes] = {}
    inputs = request.get("inputs")
    for index, tensor in enumerate(inputs if isinstance(inputs, list) else ()):
        parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(data):
            raise Refusal("binary_data_size must be the length of data that follows the JSON.")
        taken[index], data = data[:size], data[size:]
        tensor["data"] = []
    if data:
        raise Refusal(f"{len(data)} bytes follow the JSON that no input's binary_data_size names.")
    return taken


def _elements(tensor: Any) -> list[bytes]:
    """The input's elements in row-major order, as bytes."""
    try:
        array = tensor.as_numpy()
    except Exception:
        # KServe unpacks a tensor by its own lengths and shape, which may lie.
        raise Refusal("The input's data does not fit its datatype and shape.") from None
    values = np.asarray(array, dtype=object).ravel().tolist()
    if not all(isinstance(value, str | bytes) for value in values):
        raise Refusal("The input's data must be strings; it is not.")
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    if (tensor.parameters or {}).get("content_type") != "base64":
        return encoded
    try:
        return [base64.b64decode(value, validate=True) for value in encoded]
    except (binascii.Error, ValueError):
        raise Refusal("The input's content_type is base64; its data is not.") from None


def _authors(
    values: Sequence[bytes], shape: Sequence[int], version: LoadedVersion, settings: ServerSettings
) -> list[bytes]:
    width = shape[1]
    rows = []
    for index in range(shape[0]):
        try:
            posts = [value.decode() for value in values[index * width : (index + 1) * width]]
        except UnicodeDecodeError:
            raise Refusal(f"Instance {index}: posts must be UTF-8; they are not.") from None
        filled = [post for post in posts if post] or [""]
        rows.append(join_posts(filled, version.served.separator, settings, index))
    return rows


def response_of(
    request: InferRequest,
    version: LoadedVersion,
    answers: Answers,
    described: Sequence[dict[str, Any]],
) -> InferResponse:
    """The answers as tensors, those that the request names or every head's. Raises Refusal."""
    known = [*version.head_names, DESCRIBED]
    wanted = [output.name for output in request.request_outputs or ()] or version.head_names
    if not set(wanted) <= set(known):
        raise Refusal(f"The outputs are {known}; the request names another one.")
    outputs = []
    for name in wanted:
        if name == DESCRIBED:
            data = np.array([orjson.dumps(answer).decode() for answer in described], object)
            output = InferOutput(name, list(data.shape), "BYTES", data=data.tolist())
        else:
            values = np.ascontiguousarray(answers[name], np.float32)
            output = InferOutput(name, list(values.shape), "FP32")
            output.set_data_from_numpy(values, binary_data=False)
        outputs.append(output)
    return InferResponse(
        response_id=request.id or "",
        model_name=request.model_name,
        model_version=str(version.number),
        infer_outputs=outputs,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )
