"""Requests made to cost much: counted before they are built, and worked on off the event loop."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.server import bodies, calls, rest, service
from components.serving.server.bodies import read_json
from components.serving.server.kserve_api import (
    ModelRepository,
    grpc_predict_v2_pb2,
    grpc_predict_v2_pb2_grpc,
)
from components.serving.server.refusals import Refusal
from components.serving.server.rpc import build_rpc_server
from components.serving.server.service import AuthorDataPlane
from components.serving.server.settings import ServerSettings
from tests.serving.server_process import free_port
from tests.unit.serving.application import EXPLAIN, INFER, PREDICT, Server, push_calibrated

PATIENCE = 60
LARGE = {"posts": ["word " * 20_000]}
TENSOR = {"name": "posts", "datatype": "BYTES", "shape": [1], "data": LARGE["posts"]}
SMALL = ServerSettings(model=Path("models"), max_instances=1, max_posts=2)


@pytest.fixture(scope="module")
def server(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the default bounds, but for the bytes under way: two large requests."""
    folder = push_calibrated(toy_model, tmp_path_factory.mktemp("bounds"))
    most = {"max_body_bytes": 150_000, "max_bytes_under_way": 200_000}
    made = Server(folder, batch_wait_milliseconds=0, **most)
    yield made
    made.close()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), TREES), st.booleans(), st.sampled_from([None, 1]))
def test_no_text_is_taken_for_structure(
    tree: dict[str, Any], escaped: bool, indent: int | None
) -> None:
    body = json.dumps(tree, ensure_ascii=escaped, indent=indent).encode()
    assert read_json(body, SMALL) == tree


@given(st.lists(st.text('"\\\\[{,:ab')), st.booleans())
def test_many_strings_are_told_apart_as_few_are(texts: list[str], escaped: bool) -> None:
    body = json.dumps({"a": texts}, ensure_ascii=escaped).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_MANY_QUOTES", 0)
        assert read_json(body, SMALL) == {"a": texts}


@pytest.mark.parametrize("text", ['[{,:"', "\\", '\\"', "[]{}", ":,", '",'])
def test_posts_may_hold_any_number_of_marks(text: str) -> None:
    request = {"instances": [{"posts": [text * 50_000, text]}]}
    assert read_json(json.dumps(request).encode(), SMALL) == request


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"instances": [' + b"{}," * 1500 + b"{}]}", "at most 1028 objects and lists"),
        (b'{"instances": [' + b"[]," * 1500 + b"[]]}", "this one has 1503"),
        (b'{"instances": [' + b"1," * 1500 + b"1]}", "at most 1030 values; this one has 1501"),
        (b'{"instances": [' + b'"",' * 3000 + b'""]}', "at most 1030 values; this one has 3001"),
        (b"{" + b'"":1,' * 1500 + b'"":1}', "at most 1028 keys; this one has 1501"),
        (b'{"instances": ' + b"[" * 40 + b"]" * 40 + b"}", "within each other; this one has 41"),
        (b'{"instances": [' + b"{}," * 1500, "objects and lists"),
    ],
)
def test_more_than_a_request_can_need_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        read_json(body, SMALL)


HOSTILE = """
import resource, sys
from pathlib import Path
from components.serving.server.bodies import read_json
from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings
settings = ServerSettings(model=Path("models"))
def fill(head, item, tail, size=4_000_000):
    return head + b",".join([item] * ((size - len(head) - len(tail)) // (len(item) + 1))) + tail
bodies = [
    fill(b'{"inputs":[', b"{}", b"]}"),
    fill(b'{"inputs":[{}],"outputs":[', b'{"name":"age"}', b"]}"),
    fill(b'{"instances":[', b"[]", b"]}"),
    fill(b'{"instances":[', b"1", b"]}"),
    fill(b'{"instances":[', b'""', b"]}"),
    fill(b"{", b'"":0', b"}"),
    b'{"instances":' + b"[" * 3_999_980,
    b'{"instances":' + b'{"":' * 999_990,
]
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
# Room for copies of the bytes, none for objects made of them.
resource.setrlimit(resource.RLIMIT_AS, (used + 90_000_000,) * 2)
for body in bodies:
    try:
        read_json(body, settings)
    except Refusal as refusal:
        print(refusal.message.partition(";")[0])
"""


def test_hostile_bodies_are_refused_in_little_memory() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout.splitlines()
    assert [line.split("at most ")[1].split(" ", 1)[1] for line in told] == [
        "objects and lists",
        "objects and lists",
        "objects and lists",
        "values",
        "values",
        "keys",
        "objects and lists",
        "objects and lists",
    ]


class Held:
    """Work that does not go on until somebody else was answered.

    Args:
        work: what is done then.
    """

    def __init__(self, work: Any) -> None:
        self.work = work
        self.begun, self.free = threading.Event(), threading.Event()
        self.in_time = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.set()
        self.in_time = self.in_time and self.free.wait(PATIENCE)
        return self.work(*args, **kwargs)


LARGE_WORK = [
    (PREDICT, {"instances": [LARGE]}, rest, "read_question"),
    (INFER, {"inputs": [TENSOR]}, rest, "read_infer"),
    (EXPLAIN, {"instances": [{"posts": ["so so", "good"]}]}, service, "occlude"),
]


@pytest.mark.parametrize(("path", "body", "module", "name"), LARGE_WORK)
def test_health_answers_while_a_large_request_is_worked_on(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, module: Any, name: str
) -> None:
    held = Held(getattr(module, name))
    monkeypatch.setattr(module, name, held)

    async def ask() -> tuple[int, int]:
        large = asyncio.create_task(server.client.post(path, json=body))
        assert await asyncio.to_thread(held.begun.wait, PATIENCE)
        live = await server.client.get("/v2/health/live")
        assert not large.done()
        held.free.set()
        return live.status_code, (await large).status_code

    assert server.runner.run(ask()) == (200, 200)
    assert held.in_time


def test_bytes_under_way_are_bounded_and_given_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(rest.read_question)
    monkeypatch.setattr(rest, "read_question", held)
    body = {"instances": [LARGE]}

    async def ask() -> Any:
        first = asyncio.create_task(server.client.post(PREDICT, json=body))
        assert await asyncio.to_thread(held.begun.wait, PATIENCE)
        second = await server.client.post(PREDICT, json=body)
        metrics = (await server.client.get("/metrics")).text
        held.free.set()
        return await first, second, metrics

    first, second, metrics = server.runner.run(ask())
    assert (first.status_code, second.status_code) == (200, 503)
    assert second.headers["retry-after"] == "1"
    assert f"authorprofile_bytes_under_way {float(len(first.request.content))}" in metrics
    assert server.ask(PREDICT, body).status_code == 200
    assert "authorprofile_bytes_under_way 0.0" in server.ask("/metrics").text


def test_bytes_under_way_leave_room_for_one_request() -> None:
    with pytest.raises(ValueError, match=r"they are 2000 and 3000\. Set both"):
        ServerSettings(model=Path("models"), max_bytes_under_way=2000, max_body_bytes=3000)


def large_call() -> Any:
    """A sound request of gRPC."""
    request = grpc_predict_v2_pb2.ModelInferRequest(model_name="authorprofile")
    tensor = request.inputs.add(name="posts", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(LARGE["posts"][0].encode())
    return request


def test_health_answers_and_bytes_are_counted_over_grpc_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, held, port = calls.read_message, Held(calls.read_message), free_port()

    def held_where_large(data: bytes, *args: Any) -> Any:
        return held(data, *args) if len(data) > 50_000 else read(data, *args)

    monkeypatch.setattr(calls, "read_message", held_where_large)
    settings = server.model.settings.model_copy(update={"grpc_port": port})
    monkeypatch.setattr(server.model, "settings", settings)

    async def ask() -> Any:
        repository = ModelRepository()
        repository.update(server.model)
        made = build_rpc_server(server.model, AuthorDataPlane(repository))
        await made.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = grpc_predict_v2_pb2_grpc.GRPCInferenceServiceStub(channel)
            first = stub.ModelInfer(large_call())
            assert await asyncio.to_thread(held.begun.wait, PATIENCE)
            live = await stub.ServerLive(grpc_predict_v2_pb2.ServerLiveRequest())
            second = await stub.ModelInfer(large_call()).code()
            assert not first.done()
            held.free.set()
            codes = (await first.code()).name, second.name, live.live
        await made.stop(None)
        return codes

    assert server.runner.run(ask()) == ("OK", "UNAVAILABLE", True)
    assert held.in_time
