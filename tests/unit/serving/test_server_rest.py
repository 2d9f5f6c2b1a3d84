"""The addresses of HTTP without a network: both protocols, bounds, ten thousand wrong requests."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import shutil
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from components.serving.server.authors import join_posts
from tests.unit.serving.application import (
    EXPLAIN,
    HOME,
    HOME_TENSORS,
    INFER,
    PREDICT,
    QUALITY,
    Server,
    push_calibrated,
)

SECRET = "the secret of an author"


@pytest.fixture(scope="module")
def folder(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 7, whose heads were calibrated and measured."""
    return push_calibrated(toy_model, tmp_path_factory.mktemp("rest"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server with small bounds."""
    options = {"max_body_bytes": 20_000, "max_instances": 4, "max_posts": 50}
    made = Server(folder, abstain_below={"gender": 0.8}, batch_wait_milliseconds=0, **options)
    yield made
    made.close()


def example(*posts: bytes) -> bytes:
    """A serialized tf.Example."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=posts))
    message = tf.train.Example(features=tf.train.Features(feature={"posts": feature}))
    return bytes(message.SerializeToString())


def b64(value: bytes) -> dict[str, str]:
    """Bytes as TensorFlow Serving's JSON has them."""
    return {"b64": base64.b64encode(value).decode()}


def test_raw_posts_are_answered_in_words_of_people(server: Server) -> None:
    response = server.ask(PREDICT, {"instances": [HOME, {"posts": ["one"]}]})
    assert response.status_code == 200
    first, second = response.json()["predictions"]
    assert first == {
        "age": {
            "value": 23.0,
            "unit": "years",
            "interval": {"coverage": 0.8, "lower": 19.0, "upper": 27.0},
            "confidence": 0.8,
        },
        "income": {
            "group": 0,
            "probabilities": [0.7, 0.1, 0.1, 0.1],
            "boundaries": [10.0, 20.0, 30.5],
        },
        "gender": {
            "probabilities": {"female": 0.75, "male": 0.25},
            "confidence": 0.75,
            "abstain": True,
        },
    }
    assert second["age"]["value"] == 21.0


def test_tensorflow_servings_rows_and_columns_are_answered_as_it_answers(server: Server) -> None:
    rows = {"instances": [b64(example(b"I went", b"home."))]}
    assert server.ask(PREDICT, rows).json() == {"predictions": [HOME_TENSORS]}
    named = {"instances": [{"examples": b64(example(b"I went home."))}]}
    assert server.ask(PREDICT, named).json() == {"predictions": [HOME_TENSORS]}
    texts = {"signature_name": "posts", "instances": ["I went\x1ehome."]}
    assert server.ask(PREDICT, texts).json() == {"predictions": [HOME_TENSORS]}
    columns = {"inputs": {"examples": [b64(example(b"I went home."))]}}
    expected = {"outputs": {name: [value] for name, value in HOME_TENSORS.items()}}
    assert server.ask(PREDICT, columns).json() == expected
    assert server.ask("/v1/models/authorprofile/versions/7:predict", columns).json() == expected
    described = server.ask(PREDICT, {**rows, "described": True}).json()["predictions"][0]
    assert described["age"]["interval"]["lower"] == 19.0
    plain = server.ask(PREDICT, {"instances": [HOME], "described": False}).json()
    assert plain == {"predictions": [HOME_TENSORS]}


def test_a_post_cannot_split_itself_into_two(server: Server) -> None:
    joined = join_posts(["I\x1ewent", "home"], "\x1e", server.model.settings, 0)
    assert joined == b"I went\x1ehome"


@pytest.mark.parametrize("author_id", ["7", 7, 0, 2**63, "ünï\u200bcode"])
def test_an_authors_id_is_repeated_beside_the_heads(server: Server, author_id: Any) -> None:
    named = {"author_id": author_id, **HOME}
    first, second = server.ask(PREDICT, {"instances": [named, HOME]}).json()["predictions"]
    assert list(first) == ["author_id", "age", "income", "gender"]
    assert (first["author_id"], first["age"]["value"]) == (author_id, 23.0)
    assert "author_id" not in second
    plain = server.ask(PREDICT, {"instances": [named, HOME], "described": False}).json()
    assert plain == {"predictions": [{"author_id": author_id, **HOME_TENSORS}, HOME_TENSORS]}
    (explained,) = server.ask(EXPLAIN, {"instances": [named]}).json()["explanations"]
    assert explained["author_id"] == author_id


NO_POSTS = ["", " ", "\n\t", "\u3000", "\x1e"]


def test_blank_posts_are_left_out_whatever_the_protocol(server: Server) -> None:
    posts = [*NO_POSTS, "I went", " ", "home.", ""]
    joined = "\x1e".join(posts)
    raw = example(*(post.encode() for post in posts))
    for request in (
        {"instances": [{"posts": posts}], "described": False},
        {"signature_name": "posts", "instances": [joined]},
        {"instances": [b64(raw)]},
    ):
        assert server.ask(PREDICT, request).json() == {"predictions": [HOME_TENSORS]}, request
    for request in (tensor([joined], [1]), tensor(posts, [1, len(posts)])):
        age, income, gender = server.ask(INFER, request).json()["outputs"]
        assert (age["data"], gender["data"]) == ([23.0], [0.75])
        assert income["data"] == pytest.approx([0.7, 0.1, 0.1, 0.1])


def test_the_input_s_name_tells_the_signature(server: Server) -> None:
    expected = {"outputs": {name: [value] for name, value in HOME_TENSORS.items()}}
    for inputs in ({"posts": ["I went\x1ehome."]}, {"posts": "I went\x1ehome."}):
        assert server.ask(PREDICT, {"inputs": inputs}).json() == expected


def test_a_byte_order_mark_is_left_out(server: Server) -> None:
    for path, request in ((PREDICT, {"instances": [HOME]}), (INFER, tensor(["a"], [1]))):
        body = json.dumps(request).encode()
        told = server.ask(path, b"\xef\xbb\xbf" + body)
        assert (told.status_code, told.json()) == (200, server.ask(path, body).json())


@pytest.mark.parametrize("version", ["", "/versions/7"])
@pytest.mark.parametrize("verb", ["predict", "explain"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_what_is_posted_is_not_read_in_another_way(
    server: Server, version: str, verb: str, method: str
) -> None:
    response = server.ask(f"/v1/models/authorprofile{version}:{verb}", method=method)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert f"takes POST; the request came as {method}" in response.json()["error"]


def test_status_and_metadata_read_as_tensorflow_servings_messages(server: Server) -> None:
    status = get_model_status_pb2.GetModelStatusResponse()
    json_format.Parse(server.ask("/v1/models/authorprofile").text, status)
    (version,) = status.model_version_status
    assert (version.version, version.state) == (7, version.AVAILABLE)
    told = server.ask("/v1/models/authorprofile/versions/7/metadata").json()
    assert told["model_spec"] == {"name": "authorprofile", "signature_name": "", "version": "7"}
    signatures = get_model_metadata_pb2.SignatureDefMap()
    json_format.ParseDict(told["metadata"]["signature_def"], signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["examples"].dtype == tf.string.as_datatype_enum
    assert told["metadata"]["heads"][0]["quality"] == QUALITY


def test_open_inference_metadata_tells_version_tensors_and_quality(server: Server) -> None:
    told = server.ask("/v2/models/authorprofile").json()
    assert (told["versions"], told["platform"]) == (["7"], "tensorflow_savedmodel")
    assert {tensor["name"] for tensor in told["inputs"]} == {"posts", "examples"}
    assert told["outputs"][0] == {"name": "age", "datatype": "FP32", "shape": [-1, 1]}
    assert json.loads(told["properties"]["heads"])[0]["quality"] == QUALITY


def test_a_refused_version_is_in_the_status(server: Server) -> None:
    server.model.versions.refused[9] = "it does not load"
    try:
        status = get_model_status_pb2.GetModelStatusResponse()
        json_format.Parse(server.ask("/v1/models/authorprofile").text, status)
    finally:
        server.model.versions.refused.clear()
    refused = status.model_version_status[1]
    assert (refused.version, refused.state) == (9, refused.END)
    assert refused.status.error_message == "it does not load"


def test_why_a_version_was_refused_is_told_wherever_it_is_asked_for(
    toy_model: Path, tmp_path: Path
) -> None:
    for version in ("7", "8"):
        shutil.copytree(toy_model, tmp_path / version)
    heads = tmp_path / "8" / "assets" / "heads.json"
    heads.write_text(heads.read_text().replace('"classes": 4, ', ""))
    server = Server(tmp_path)
    try:
        (serving, refused) = server.ask("/v1/models/authorprofile").json()["model_version_status"]
        assert (serving["version"], serving["state"]) == ("7", "AVAILABLE")
        assert (refused["version"], refused["state"]) == ("8", "END")
        cause = refused["status"]["error_message"]
        assert "heads.1.classes: must be given" in cause
        alone = server.ask("/v1/models/authorprofile/versions/8").json()
        assert alone == {"model_version_status": [refused]}
        properties = server.ask("/v2/models/authorprofile").json()["properties"]
        assert json.loads(properties["refused"]) == {"8": cause}
        metrics = server.ask("/metrics").text
        assert "authorprofile_versions_refused 1.0" in metrics
        assert "authorprofile_version 7.0" in metrics
    finally:
        server.close()


def test_the_last_look_at_the_folder_is_in_the_health(folder: Path) -> None:
    server = Server(folder, poll_seconds=0.05)
    versions = server.model.versions
    try:
        versions.start(0.05)
        for address, key in (("live", "live"), ("ready", "ready")):
            told = server.ask(f"/v2/health/{address}").json()
            assert told[key] is True
            assert 0 <= told["last_look"]["seconds_ago"] < 60
        versions._thread = threading.Thread()
        response = server.ask("/v2/health/live")
        assert response.status_code == 503
        assert "must be looked at every 0.05 seconds" in response.json()["error"]
        assert server.ask("/v2/health/ready").status_code == 200
        assert server.ask(PREDICT, {"instances": [HOME]}).status_code == 200
    finally:
        server.close()


def test_health_readiness_and_metrics(server: Server) -> None:
    assert server.ask("/v2/health/live").json() == {"live": True}
    assert server.ask("/v2/health/ready").json() == {"ready": True}
    assert server.ask("/v2/models/authorprofile/ready").json()["ready"] is True
    server.model.ready = False
    try:
        assert server.ask("/v2/health/ready").status_code == 503
        assert server.ask("/v2/models/authorprofile/ready").json()["ready"] is False
    finally:
        server.model.ready = True
    server.ask(PREDICT, {"instances": [HOME]})
    metrics = server.ask("/metrics").text
    assert 'request_predict_seconds_count{model_name="authorprofile"}' in metrics
    assert 'authorprofile_responses_total{code="200",protocol="http"}' in metrics


def tensor(data: list[Any], shape: list[int], **more: Any) -> dict[str, Any]:
    """An inference request of posts."""
    return {
        "inputs": [{"name": "posts", "datatype": "BYTES", "shape": shape, "data": data}],
        **more,
    }


def test_the_open_inference_protocol_answers_tensors(server: Server) -> None:
    answer = server.ask(INFER, tensor(["I went\x1ehome.", "one"], [2], id="42")).json()
    assert (answer["id"], answer["model_version"]) == ("42", "7")
    assert [(out["name"], out["shape"]) for out in answer["outputs"]] == [
        ("age", [2, 1]),
        ("income", [2, 4]),
        ("gender", [2, 1]),
    ]
    assert answer["outputs"][0]["data"] == [23.0, 21.0]
    padded = tensor(["I went", "home.", "one", ""], [2, 2], outputs=[{"name": "answers"}])
    answers = server.ask(INFER, padded).json()["outputs"][0]["data"]
    assert [json.loads(text)["age"]["value"] for text in answers] == [23.0, 21.0]


def test_binary_tensors_carry_examples(server: Server) -> None:
    row = example(b"I went", b"home.")
    data = struct.pack("<I", len(row)) + row
    inputs = {"name": "examples", "datatype": "BYTES", "shape": [1]}
    request = {"inputs": [{**inputs, "parameters": {"binary_data_size": len(data)}}]}
    request["parameters"] = {"binary_data_output": True}
    head = json.dumps(request).encode()
    response = server.ask(
        INFER, head + data, headers={"Inference-Header-Content-Length": str(len(head))}
    )
    length = int(response.headers["inference-header-content-length"])
    told = json.loads(response.content[:length])
    assert struct.unpack("<f", response.content[length : length + 4]) == (23.0,)
    assert told["outputs"][0]["parameters"] == {"binary_data_size": 4}
    base = {**inputs, "data": [base64.b64encode(row).decode()]}
    answer = server.ask(INFER, {"inputs": [{**base, "parameters": {"content_type": "base64"}}]})
    assert answer.json()["outputs"][0]["data"] == [23.0]


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1 ", "1.0", ""])
def test_a_length_of_json_that_is_none_is_refused(server: Server, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    response = server.ask(INFER, tensor(["a"], [1]), headers=headers)
    assert response.status_code == 400
    assert "must be the length of the body's JSON" in response.json()["error"]


def test_data_that_comes_twice_is_refused(server: Server) -> None:
    request = tensor(["a"], [1])
    request["inputs"][0]["parameters"] = {"binary_data_size": 5}
    head = json.dumps(request).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = server.ask(INFER, head + b"\1\0\0\0b", headers=headers)
    assert response.status_code == 400
    assert "must come once" in response.json()["error"]


def test_words_are_explained_by_leaving_them_out(server: Server) -> None:
    told = server.ask(EXPLAIN, {"instances": [{"posts": ["so so", "good"]}]}).json()
    (explanation,) = told["explanations"]
    assert (explanation["tried_words"], explanation["distinct_words"]) == (2, 2)
    assert explanation["heads"]["age"]["words"] == [
        {"word": "so", "count": 2, "effect": 2.0},
        {"word": "good", "count": 1, "effect": 1.0},
    ]
    assert server.ask(EXPLAIN, {"instances": [HOME, HOME]}).status_code == 400


ONE_FORM = (
    "Instance 0 must be an object with the key 'posts'; it is {}. "
    'Send {{"instances": [{{"posts": ["...", "..."]}}]}}.'
)
WRONG = [
    (PREDICT, b"", 400, "must be JSON in UTF-8; it is not, at line 1, column 1"),
    (PREDICT, b'{"instances": [', 400, "must be JSON"),
    (PREDICT, b'{"instances": ["\xff\xfe"]}', 400, "must be JSON in UTF-8"),
    (PREDICT, b'{"instances": [{"posts": ["\\ud800"]}]}', 400, "must be JSON in UTF-8"),
    (PREDICT, b"[" * 10_000, 400, "must be JSON"),
    (PREDICT, [1], 400, "must be a JSON object; it is a list"),
    (PREDICT, {}, 400, "either 'instances' or 'inputs'"),
    (PREDICT, {"instances": [HOME], "inputs": [""]}, 400, "either 'instances' or 'inputs'"),
    (PREDICT, {"instances": [HOME], SECRET: 1}, 400, "this one has 1 other"),
    (PREDICT, {"instances": {}}, 400, "'instances' must be a list"),
    (PREDICT, {"instances": []}, 400, "at least one"),
    (PREDICT, {"instances": [HOME] * 5}, 400, "at most 4 authors; this one holds 5"),
    (PREDICT, {"instances": [{"posts": []}]}, 400, "at least one string"),
    (PREDICT, {"instances": [{"posts": [SECRET, 5]}]}, 400, "post 1 is a number"),
    (PREDICT, {"instances": [{"posts": ["a"] * 51}]}, 400, "at most 50 posts"),
    (PREDICT, {"instances": [HOME, b64(b"")]}, 400, "Instance 1 must be an object"),
    (PREDICT, {"instances": [HOME, SECRET]}, 400, "Instance 1 must be an object with the key"),
    (PREDICT, {"instances": [{"posts": SECRET}]}, 400, "at least one string; it is a string"),
    (PREDICT, {"instances": [{**HOME, SECRET: 1}]}, 400, "instance 0 has 1 other"),
    (PREDICT, {"instances": [{"text": SECRET}]}, 400, ONE_FORM.format("an object of other keys")),
    (PREDICT, {"instances": [7]}, 400, ONE_FORM.format("a number")),
    (
        PREDICT,
        {"signature_name": "serving_default", "instances": [{"text": SECRET}]},
        400,
        "Instance 0 must be a string, {'b64': base64} or {'examples': ...}; it is an object of "
        "other keys.",
    ),
    (PREDICT, {"instances": [{**HOME, "author_id": 7.5}]}, 400, "64 bits; it is a number"),
    (PREDICT, {"instances": [{**HOME, "author_id": 2**70}]}, 400, "64 bits; it is a number"),
    (PREDICT, {"instances": [{**HOME, "author_id": True}]}, 400, "it is a boolean"),
    (PREDICT, {"instances": [{**HOME, "author_id": [SECRET]}]}, 400, "it is a list"),
    (PREDICT, {"instances": [{**HOME, "author_id": " "}]}, 400, "it is blank"),
    (PREDICT, {"posts": [SECRET]}, 400, 'this one has 1 other. Send {"instances"'),
    (PREDICT, {"inputs": {SECRET: ["a"]}}, 400, "'posts' or 'examples'; it has 1 keys, 1 of them"),
    (PREDICT, {"inputs": {"posts": ["a"], "examples": []}}, 400, "it has 2 keys, 0 of them other"),
    (PREDICT, {"inputs": {"posts": [[SECRET]]}}, 400, "Instance 0 must be a string"),
    (PREDICT, b'{"instances": [], "instances": ["a"]}', 400, "this body repeats 1"),
    (PREDICT, b'{"instances": [{"posts": ["a"], "posts": ["b"]}]}', 400, "this body repeats 1"),
    (INFER, b'{"inputs": [{"name": "posts", "name": "x", "name": "y"}]}', 400, "repeats 2"),
    (PREDICT, b"\xff\xfe{\x00}\x00", 400, "must be JSON in UTF-8"),
    *(
        (PREDICT, {"instances": [HOME, {"posts": [blank, ""]}]}, 400, "Instance 1: at least one")
        for blank in NO_POSTS
    ),
    (
        PREDICT,
        {"signature_name": "posts", "instances": ["a", " "]},
        400,
        "Instance 1: at least one",
    ),
    (PREDICT, {"inputs": {"posts": ["\x1e"]}}, 400, "Instance 0: at least one"),
    (PREDICT, {"instances": [b64(example(b" ", b""))]}, 400, "Instance 0: at least one"),
    (PREDICT, {"instances": [b64(example())]}, 400, "Instance 0: at least one"),
    (PREDICT, {"instances": [b64(b"")]}, 400, "whose feature 'posts' is a bytes_list"),
    (EXPLAIN, {"instances": [{"posts": [" "]}]}, 400, "Instance 0: at least one"),
    (INFER, {"inputs": [SECRET, SECRET]}, 400, "must have one input; this one has 2"),
    (INFER, tensor(["a", "b", "", " "], [2, 2]), 400, "Instance 1: at least one"),
    (
        INFER,
        tensor(["a"], [1], outputs=[{"name": "age"}] * 2),
        400,
        "must name an output once; this one names 2",
    ),
    (PREDICT, {"instances": [SECRET]}, 400, "For plain text: Send"),
    (PREDICT, {"instances": [{"b64": SECRET}]}, 400, "must be base64"),
    (PREDICT, {"instances": [b64(example(b"\xff"))]}, 400, "posts must be UTF-8"),
    (PREDICT, {"instances": [b64(example(*[b"a"] * 51))]}, 400, "at most 50 posts"),
    (PREDICT, {"instances": [None]}, 400, "it is null"),
    (PREDICT, {"signature_name": 5, "instances": ["a"]}, 400, "'signature_name' must be a string"),
    (PREDICT, {"signature_name": [], "instances": ["a"]}, 400, "must be a string; it is a list"),
    (PREDICT, {"signature_name": 0, "instances": ["a"]}, 400, "must be a string; it is a number"),
    (PREDICT, {"signature_name": "x", "instances": ["a"]}, 400, "['posts', 'serving_default']"),
    (PREDICT, {"instances": [HOME], "described": 1}, 400, "'described' must be true or false"),
    (PREDICT, b"x" * 20_001, 413, "at most 20000 bytes"),
    ("/v1/models/nobody:predict", {}, 404, "'nobody' is not. Ask for authorprofile"),
    ("/v1/models/authorprofile/versions/8:predict", {}, 404, "in service is 7; '8' is not"),
    ("/v1/models/authorprofile:classify", {}, 501, ":predict and :explain"),
    ("/v2/models/nobody/infer", {}, 404, "'nobody' is not"),
    ("/v2/models/authorprofile/versions/8/infer", tensor(["a"], [1]), 404, "'8' is not"),
    (INFER, {}, 400, "inputs: Field required"),
    (INFER, {"inputs": [SECRET]}, 400, "inputs.0: Input should be a valid dictionary"),
    (INFER, {"inputs": []}, 400, "must have one input; this one has 0"),
    (INFER, tensor([SECRET], [2]), 400, "does not fit"),
    (INFER, tensor([SECRET], [-1]), 400, "it is [-1]"),
    (INFER, tensor([5], [1]), 400, "must be strings"),
    (INFER, tensor([["a"], ["b", "c"]], [2]), 400, "must be strings"),
    (INFER, tensor(["a"] * 5, [5]), 400, "at most 4 authors"),
    (INFER, tensor(["a"], [1], outputs=[{"name": SECRET}]), 400, "names another one"),
    ("/nowhere", {}, 404, "no such address"),
    ("/v2/repository/models/authorprofile/unload", {}, 404, "no such address"),
    ("/metrics", {}, 405, "does not take this method"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), WRONG)
def test_a_wrong_request_gets_its_code_and_what_to_do(
    server: Server,
    path: str,
    body: Any,
    status: int,
    words: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    response = server.ask(path, body)
    message = response.json()["error"]
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert words in message
    assert SECRET not in message + caplog.text + "".join(capfd.readouterr())


def test_a_body_of_no_announced_length_is_bounded_too(server: Server) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 5000

    response = server.ask_all([("POST", PREDICT, {"content": endless()})])[0]
    assert (response.status_code, response.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("length", ["20001", "9" * 5000])
def test_a_body_that_announces_too_much_is_not_read(server: Server, length: str) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    options = {"content": unread(), "headers": {"Content-Length": length}}
    assert server.ask_all([("POST", PREDICT, options)])[0].status_code == 413


def test_a_body_that_does_not_arrive_in_time_gets_408(folder: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    server = Server(folder, timeout_seconds=0.05)
    response = server.ask_all([("POST", PREDICT, {"content": slow()})])[0]
    assert response.status_code == 408
    server.close()


def test_a_packed_body_is_refused(server: Server) -> None:
    response = server.ask(PREDICT, b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415


def test_more_requests_than_are_taken_get_503_with_a_time_to_come_back(folder: Path) -> None:
    server = Server(folder, max_requests=2, retry_after_seconds=3)
    body = {"content": json.dumps({"instances": [HOME]})}
    responses = server.ask_all([("POST", PREDICT, body)] * 5 + [("GET", "/v2/health/live", {})])
    assert [response.status_code for response in responses] == [200, 200, 503, 503, 503, 200]
    assert responses[2].headers["Retry-After"] == "3"
    assert server.ask(PREDICT, {"instances": [HOME]}).status_code == 200
    server.close()


def test_more_authors_than_may_wait_get_503(folder: Path) -> None:
    server = Server(folder, max_waiting_authors=3, max_instances=3, explain_words=2)
    body = {"content": json.dumps({"instances": [HOME, HOME]})}
    responses = server.ask_all([("POST", PREDICT, body)] * 3)
    assert [response.status_code for response in responses] == [200, 503, 503]
    assert responses[1].headers["Retry-After"] == "1"
    server.close()


def test_an_answer_out_of_time_gets_504_and_nothing_stays_behind(folder: Path) -> None:
    server = Server(folder, timeout_seconds=0.02, batch_wait_milliseconds=1000)
    response = server.ask(PREDICT, {"instances": [HOME]})
    assert response.status_code == 504
    assert "within 0.02 seconds" in response.json()["error"]
    assert server.ask("/metrics").text.count("authorprofile_requests_under_way 0.0") == 1
    server.close()


def test_what_fails_inside_is_500_without_a_word_of_why(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError(SECRET)

    monkeypatch.setattr(server.model, "describe", fail)
    response = server.ask(PREDICT, {"instances": [HOME]})
    assert (response.status_code, response.json()) == (500, {"error": "The server failed."})
    assert SECRET not in caplog.text
    assert "a request failed: KeyError" in caplog.text


def test_the_page_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.ask("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    for address in ("/", "/page.css", "/page.js", "/metrics.json"):
        text = server.ask(address).text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


VALID = [
    {"instances": [HOME]},
    {"instances": [{"author_id": 7, **HOME}]},
    {"inputs": {"posts": ["a", "b"]}},
    {"instances": [b64(example(b"a"))]},
    {"signature_name": "posts", "instances": ["a", "b"]},
    {"inputs": {"examples": [b64(example(b"a"))]}},
    tensor(["a", "b"], [2], id="1", outputs=[{"name": "age", "parameters": {"binary_data": True}}]),
    tensor(["a", "b"], [1, 2], parameters={"binary_data_output": True}),
]
PATHS = [PREDICT, PREDICT, INFER, INFER, EXPLAIN, "/v1/models/authorprofile/versions/7:predict"]
ODD = [None, True, -1, 1e308, 2**70, "", "a\x00b", "\x1e", [], {}, [[]], {"b64": "?"}, "9" * 99]


def spoil(chance: random.Random, value: Any) -> Any:
    """The value with one part of it changed, lost or doubled, and the odd whole one."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        kept = dict(value)
        action = chance.random()
        if action < 0.15:
            del kept[key]
        elif action < 0.3:
            kept[chance.choice(["posts", "b64", "instances", "data", "shape", "x"])] = kept[key]
        else:
            kept[key] = spoil(chance, value[key])
        return kept
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value * chance.choice([0, 2, 9])
        return [*value[:place], spoil(chance, value[place]), *value[place + 1 :]]
    return chance.choice(ODD)


def wrong_request(chance: random.Random) -> tuple[str, str, dict[str, Any]]:
    """A request with something wrong in its structure, its bytes, its headers or its address."""
    body = json.dumps(spoil(chance, chance.choice(VALID))).encode()
    action = chance.random()
    if action < 0.2:
        place = chance.randrange(len(body))
        body = body[:place] + chance.randbytes(chance.randrange(4)) + body[place + 1 :]
    elif action < 0.3:
        body = body[: chance.randrange(len(body))]
    elif action < 0.35:
        body = chance.randbytes(chance.randrange(300))
    headers = {}
    if chance.random() < 0.15:
        values = ["0", str(len(body) // 2), str(len(body)), "-1", "x", "9" * 30]
        headers["Inference-Header-Content-Length"] = chance.choice(values)
    if chance.random() < 0.05:
        headers["Content-Type"] = chance.choice(["application/cloudevents+json", "text/plain", ";"])
        headers["ce-id"] = "1"
    path, method = chance.choice(PATHS), "POST"
    if chance.random() < 0.05:
        path = path.replace("authorprofile", chance.choice(["%00", "..", "a b", "%ff", "é"]))
        method = chance.choice(["POST", "GET", "DELETE", "PUT"])
    return method, path, {"content": body, "headers": headers}


def test_ten_thousand_wrong_requests_bring_no_server_error(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(20_240_607)
    codes: Counter[int] = Counter()
    for _ in range(100):
        requests = [wrong_request(chance) for _ in range(100)]
        for start in range(0, 100, 25):
            for request, response in zip(
                requests[start : start + 25],
                server.ask_all(requests[start : start + 25]),
                strict=True,
            ):
                codes[response.status_code] += 1
                assert response.status_code < 500, (request, response.text)
                assert response.status_code < 400 or list(response.json()) == ["error"], request
                assert "Traceback" not in response.text
    assert codes.total() == 10_000
    assert codes[400] > 7000
    assert "a request failed" not in caplog.text
    assert server.ask(PREDICT, {"instances": [HOME]}).status_code == 200
