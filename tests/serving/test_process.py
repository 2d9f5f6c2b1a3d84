"""The serving process itself: what it imports, where it listens, what it writes, how it ends."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from tests.serving.server_process import ABSENT, ServerProcess, command, free_port, push

SECRET = "the secret of an author"
PREDICT = "/v1/models/authorprofile:predict"
INFER = "/v2/models/authorprofile/infer"


def test_it_serves_where_neither_tfx_nor_beam_can_be_imported(
    server: ServerProcess, record_property: Callable[[str, Any], None]
) -> None:
    record_property("seconds to ready", server.seconds_to_ready)
    assert {"tfx", "apache_beam"} <= set(ABSENT)
    code, answer = server.ask(PREDICT, {"instances": [{"posts": ["I went", "home."]}]})
    assert (code, answer["predictions"][0]["age"]["value"]) == (200, 23.0)


def test_keras_is_left_out_of_the_process(server: ServerProcess) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "tensorflow" in maps
    assert "/sklearn/" not in maps


def test_it_listens_on_loopback_alone(server: ServerProcess) -> None:
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if state == "0A":
                listening[int(port, 16)] = address
    assert listening[server.port] == "0100007F"
    assert listening[server.grpc_port] in ("0100007F", "0000000000000000FFFF00000100007F")


def test_headers_are_bounded_and_no_http_at_all_gets_400(server: ServerProcess) -> None:
    many = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(30_000))
    for sent in (many, b"\x16\x03\x01\x00\xff" * 9 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.settimeout(60)
            try:
                client.sendall(sent)
                answer = client.recv(12)
            except (BrokenPipeError, ConnectionResetError):
                # It stopped reading and closed before all was sent.
                continue
        assert answer == b"HTTP/1.1 400"


def test_no_text_reaches_the_log(server: ServerProcess) -> None:
    server.ask(PREDICT, {"instances": [{"posts": [SECRET]}]})
    server.ask(PREDICT, {"instances": [SECRET]})
    server.ask(PREDICT, {"signature_name": "serving_default", "inputs": [SECRET]})
    server.ask(PREDICT, f'{{"instances": [{{"posts": ["{SECRET}"'.encode())
    server.ask("/v1/models/authorprofile:explain", {"instances": [{"posts": [SECRET]}]})
    server.ask("/v2/models/authorprofile/infer", {"inputs": [SECRET]})
    log = server.log.read_text()
    assert "version 7 serves" in log
    assert "secret" not in log


TENSOR = b'{"name": "posts", "datatype": "BYTES", "data": ["a"], "shape": [1]}'


@pytest.mark.parametrize(
    ("path", "start", "item", "end"),
    [
        (INFER, b'{"inputs": [', b"{}", b"]}"),
        (INFER, b'{"inputs": [' + TENSOR + b'], "outputs": [', b'{"name": "age"}', b"]}"),
        (INFER, b'{"inputs": [' + TENSOR + b'], "outputs": [', b"1", b"]}"),
        (INFER, b'{"inputs": [' + TENSOR[:-3], b'""', b"]}]}"),
        (PREDICT, b'{"instances": [', b"{}", b"]}"),
        (PREDICT, b'{"instances": [', b"1", b"]}"),
    ],
)
def test_millions_of_elements_are_refused_in_little_memory(
    server: ServerProcess, path: str, start: bytes, item: bytes, end: bytes
) -> None:
    before = peak_megabytes(server)
    items = [item] * (4_000_000 // (len(item) + 1))
    code, answer = server.ask(path, start + b",".join(items) + end)
    assert (code, "must be JSON with at most" in answer["error"]) == (400, True)
    # Two copies of the body and what a request takes anyway; trees took 500 to 4,600.
    assert peak_megabytes(server) - before < 200


def peak_megabytes(server: ServerProcess) -> int:
    """The most memory that the server has held."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_a_signal_lets_requests_under_way_finish(toy_model: Path, tmp_path: Path) -> None:
    push(toy_model, tmp_path, 7)
    slow = ("batch_wait_milliseconds=1000",)
    with ServerProcess(tmp_path, tmp_path / "log", *slow) as server:
        body = b'{"instances": [{"posts": ["I went home."]}]}'
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head.encode() + body)
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(60)
            code = server.terminate()
            assert client.recv(20).startswith(b"HTTP/1.1 200 OK")
        assert code == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--set", "max_postz=1"], 2, "max_postz: unknown key; allowed here: "),
        (["--port", "0"], 2, "port: must be at least 1; got 0"),
        (["--set", "abstain_below={mood: 0.5}"], 1, "mood is none"),
    ],
)
def test_wrong_settings_are_named(
    toy_model: Path, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    push(toy_model, tmp_path, 7)
    ports = ["--port", str(free_port()), "--grpc-port", str(free_port())]
    ended = subprocess.run(
        command(tmp_path, *ports, *words), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, says in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_and_an_empty_folder_end_it(server: ServerProcess, tmp_path: Path) -> None:
    ports = ["--port", str(server.port), "--grpc-port", str(free_port())]
    ended = subprocess.run(
        command(server.folder, *ports), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert f"port {server.port} on 127.0.0.1 cannot be had" in ended.stderr
    ended = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Give the folder that a run pushed to" in ended.stderr


def test_a_folder_without_a_sound_version_is_one_line(toy_model: Path, tmp_path: Path) -> None:
    def spoil(version: Path) -> None:
        (version / "assets" / "heads.json").write_text('{"separator": "|", "heads": [{}]}')

    push(toy_model, tmp_path, 7, spoil)
    ports = ["--port", str(free_port()), "--grpc-port", str(free_port())]
    ended = subprocess.run(command(tmp_path, *ports), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    log, line = ended.stderr.splitlines()
    assert "version 7 refused: it does not load" in log
    assert line.startswith(
        "the model folder must hold a version that can serve; version 7: it does"
    )
    assert line.endswith("Push a model again, or give another folder.")


def test_a_broken_newest_version_gives_way_to_a_sound_one_and_the_watch_goes_on(
    toy_model: Path, tmp_path: Path
) -> None:
    def spoil(version: Path) -> None:
        heads = version / "assets" / "heads.json"
        heads.write_text(heads.read_text().replace('"positive"', '"positives"'))

    push(toy_model, tmp_path, 7)
    push(toy_model, tmp_path, 8, spoil)
    with ServerProcess(tmp_path, tmp_path / "log", "poll_seconds=0.1") as server:
        states = server.ask("/v1/models/authorprofile")[1]["model_version_status"]
        assert [(told["version"], told["state"]) for told in states] == [
            ("7", "AVAILABLE"),
            ("8", "END"),
        ]
        with grpc.insecure_channel(server.grpc_address) as channel:
            asked = get_model_status_pb2.GetModelStatusRequest()
            asked.model_spec.name = "authorprofile"
            answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(asked)
        serving, refused = answer.model_version_status
        assert (serving.version, serving.state) == (7, serving.AVAILABLE)
        assert (refused.version, refused.state) == (8, refused.END)
        assert "positive" in refused.status.error_message
        push(toy_model, tmp_path, 9)
        deadline = time.monotonic() + 60
        while server.ask("/v1/models/authorprofile/versions/9")[0] != 200:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)
        code, told = server.ask("/v2/health/live")
        assert (code, told["live"], list(told["last_look"])) == (200, True, ["seconds_ago"])
        assert server.ask(PREDICT, {"instances": [{"posts": ["I went", "home."]}]})[0] == 200
