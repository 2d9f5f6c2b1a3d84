"""The Open Inference Protocol's tensors: a request to strings for the model, answers to tensors.

Enters: a body of REST, or KServe's `InferRequest` of gRPC. Leaves: an `Inference`, then KServe's
`InferResponse`. Source of the form:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

| input | shape | what an element is |
|---|---|---|
| `posts` BYTES | `[authors]` | an author's posts, joined by the separator |
| `posts` BYTES | `[authors, posts]` | a post; an empty one fills up the row |
| `examples` BYTES | `[authors]` | a serialized tf.Example |

JSON holds text alone: serialized tf.Examples come as binary data, over gRPC, or in base64 where the
input's parameter `content_type` says so. Every head is an output FP32 `[authors, width]`; `answers`
BYTES `[authors]`, a JSON object an author with what `answers` says of each head, comes where the
request asks for it by name.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from pydantic import Field, ValidationError

from components.serving.server.authors import decoded, join_posts, sound_rows
from components.serving.server.bodies import read_json
from components.serving.server.kserve_api import (
    InferenceRequest,
    InferOutput,
    InferRequest,
    InferResponse,
    InvalidInput,
    RequestInput,
    RequestOutput,
)
from components.serving.server.loaded import POSTS, Answers, LoadedVersion
from components.serving.server.refusals import Refusal
from components.serving.server.requests import (
    DEFAULT_SIGNATURE,
    Question,
    check_number,
    find_signature,
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


class Inference(NamedTuple):
    """What a request asks the model and wants of it; the request itself is not kept.

    Attributes:
        question: for the model.
        wanted: outputs, by name.
        reply: what KServe's response takes over from the request.
    """

    question: Question
    wanted: list[str]
    reply: dict[str, Any]


def read_infer(
    body: bytes,
    json_bytes: str | None,
    model_name: str,
    version: LoadedVersion,
    settings: ServerSettings,
) -> Inference:
    """A request of REST, whose binary tensor, if any, follows its JSON.

    `json_bytes` is the header `Inference-Header-Content-Length`, if any.

    Raises:
        Refusal: it is no inference request.
    """
    end = len(body)
    if json_bytes is not None:
        # A number of thousands of digits is read by nobody.
        is_number = json_bytes.isascii() and json_bytes.isdecimal() and len(json_bytes) < 20
        if not is_number or int(json_bytes) > len(body):
            raise Refusal("Inference-Header-Content-Length must be the length of the body's JSON.")
        end = int(json_bytes)
    request = read_json(body[:end], settings)
    inputs = request.get("inputs")
    if isinstance(inputs, list) and len(inputs) != 1:
        raise _not_one(len(inputs))
    binary = _take_binary(inputs[0] if isinstance(inputs, list) else None, body[end:])
    try:
        parsed = InferRequest.from_inference_request(_Request.model_validate(request), model_name)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise Refusal(
            f"The request must be an inference request; {place}: {first['msg']}."
        ) from None
    except InvalidInput:
        raise Refusal("The input must be of datatype BYTES; it is not.") from None
    if binary is not None:
        parsed.inputs[0]._raw_data = binary
    return inference_of(parsed, version, settings)


class _Input(RequestInput):
    # One wrong element is enough to know; pydantic would describe each.
    shape: list[int] = Field(fail_fast=True)


class _Request(InferenceRequest):
    inputs: list[_Input]
    outputs: list[RequestOutput] | None = Field(None, fail_fast=True)


def _not_one(inputs: int) -> Refusal:
    return Refusal(f"A request must have one input; this one has {inputs}.")


def _take_binary(tensor: Any, data: bytes) -> bytes | None:
    """The binary data of an input, which then needs no other."""
    parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        if data:
            raise Refusal(
                f"{len(data)} bytes follow the JSON that no input's binary_data_size names."
            )
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size != len(data):
        raise Refusal("binary_data_size must be the length of the data that follows the JSON.")
    if tensor.get("data"):
        raise Refusal("An input's data must come once; this one has both data and binary data.")
    tensor["data"] = []
    return data


def inference_of(
    request: InferRequest, version: LoadedVersion, settings: ServerSettings
) -> Inference:
    """The request's one input as strings for one signature. Raises Refusal."""
    if len(request.inputs) != 1:
        raise _not_one(len(request.inputs))
    wanted = _wanted(request, version)
    tensor = request.inputs[0]
    signatures = {POSTS: POSTS, "examples": DEFAULT_SIGNATURE}
    if tensor.name not in signatures or tensor.datatype != "BYTES":
        raise Refusal("The input must be 'posts' or 'examples', of datatype BYTES; it is not.")
    shape = _shape(tensor, settings)
    values = _elements(tensor, math.prod(shape))
    name = signatures[tensor.name]
    signature = find_signature(version, name)
    if len(shape) == 1:
        rows = sound_rows(signature, values, version, settings)
    elif name == POSTS:
        rows = _authors(values, shape, version, settings)
    else:
        raise Refusal(f"The shape of 'examples' must be [authors]; it is {shape}.")
    reply = {
        "response_id": request.id or "",
        "model_name": request.model_name,
        "model_version": str(version.number),
        "use_binary_outputs": request.use_binary_outputs,
        "requested_outputs": request.request_outputs,
    }
    return Inference(Question(version, name, rows), wanted, reply)


def _wanted(request: InferRequest, version: LoadedVersion) -> list[str]:
    """The outputs that a request names, or every head's."""
    known = [*version.head_names, DESCRIBED]
    wanted = [output.name for output in request.request_outputs or ()] or version.head_names
    if not set(wanted) <= set(known):
        raise Refusal(f"The outputs are {known}; the request names another one.")
    if len(wanted) > len(set(wanted)):
        raise Refusal(f"A request must name an output once; this one names {len(wanted)}.")
    return wanted


def _shape(tensor: Any, settings: ServerSettings) -> list[int]:
    """[authors] or [authors, posts]. Raises Refusal."""
    shape = [int(size) for size in tensor.shape[:3]]
    if not 1 <= len(shape) <= 2 or min(shape) < 1:
        raise Refusal(f"The input's shape must be [authors] or [authors, posts]; it is {shape}.")
    check_number(shape[0], settings.max_instances)
    if len(shape) == 2 and shape[1] > settings.max_posts:
        raise Refusal(
            f"An author has at most {settings.max_posts} posts; the input's shape is {shape}."
        )
    return shape


def _elements(tensor: Any, count: int) -> list[bytes]:
    """The input's elements in row-major order, as bytes."""
    if tensor._raw_data is not None:
        values: list[Any] = _unpack(tensor._raw_data, count)
    else:
        values = _flat(tensor.data, count)
    if len(values) != count:
        raise Refusal(
            f"The input's data does not fit its shape: {count} strings by the shape, and "
            f"{len(values)} in the data."
        )
    if not all(isinstance(value, str | bytes) for value in values):
        raise Refusal("The input's data must be strings; it is not.")
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    if (tensor.parameters or {}).get("content_type") != "base64":
        return encoded
    try:
        return [base64.b64decode(value, validate=True) for value in encoded]
    except (binascii.Error, ValueError):
        raise Refusal("The input's content_type is base64; its data is not.") from None


def _flat(data: list[Any], count: int) -> list[Any]:
    """The elements of a tensor that is given as a flat list or as a list of rows."""
    if len(data) > count or not all(isinstance(row, list) for row in data):
        return data
    if sum(map(len, data)) != count:
        return data
    return list(chain.from_iterable(data))


def _unpack(data: bytes, count: int) -> list[bytes]:
    """Strings of a binary tensor: each its length in four bytes, then its bytes."""
    values: list[bytes] = []
    place = 0
    while place < len(data) and len(values) < count:
        start = place + 4
        place = start + int.from_bytes(data[place:start], "little")
        values.append(data[start:place])
    if len(values) != count or place != len(data):
        raise Refusal(
            f"The input's data does not fit its shape: it must be {count} strings, each after its "
            "length in four bytes."
        )
    return values


def _authors(
    values: Sequence[bytes], shape: Sequence[int], version: LoadedVersion, settings: ServerSettings
) -> list[bytes]:
    width = shape[1]
    rows = []
    for index in range(shape[0]):
        posts = decoded(values[index * width : (index + 1) * width], index)
        rows.append(join_posts(posts, version.served.separator, settings, index))
    return rows


def response_of(
    inference: Inference, answers: Answers, described: Sequence[dict[str, Any]]
) -> InferResponse:
    """The answers that a request wants, as tensors."""
    outputs = []
    for name in inference.wanted:
        if name == DESCRIBED:
            data = np.array([orjson.dumps(answer).decode() for answer in described], object)
            output = InferOutput(name, list(data.shape), "BYTES", data=data.tolist())
        else:
            values = np.ascontiguousarray(answers[name], np.float32)
            output = InferOutput(name, list(values.shape), "FP32")
            output.set_data_from_numpy(values, binary_data=False)
        outputs.append(output)
    return InferResponse(infer_outputs=outputs, **inference.reply)
