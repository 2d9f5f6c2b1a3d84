"""Task managers that share a pool of Beam's workers do not end each other's."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2 as api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as services

from pipeline.workers import SharedWorkers

ENDED = api.InstructionResponse(instruction_id="ended")


class TaskManager(services.BeamFnControlServicer):
    """The control side of a task manager: what it asks its worker, what that answers."""

    def __init__(self) -> None:
        self.requests: queue.Queue[api.InstructionRequest | None] = queue.Queue()
        self.answers: queue.Queue[api.InstructionResponse] = queue.Queue()

    def Control(self, answers, context):  # noqa: N802 - gRPC's name
        self.pump = ThreadPoolExecutor(1)
        self.pump.submit(self.take, answers)
        yield from iter(self.requests.get, None)

    def take(self, answers):
        with contextlib.suppress(grpc.RpcError):
            for answer in answers:
                self.answers.put(answer)
        self.answers.put(ENDED)

    def ask(self, name: str) -> str:
        """The name of the answer."""
        nothing = api.HarnessMonitoringInfosRequest()
        self.requests.put(
            api.InstructionRequest(instruction_id=name, harness_monitoring_infos=nothing)
        )
        return self.answers.get(timeout=120).instruction_id


@pytest.fixture
def pool() -> Iterator[services.BeamFnExternalWorkerPoolStub]:
    address, server = SharedWorkers.start()
    with grpc.insecure_channel(address) as channel:
        yield services.BeamFnExternalWorkerPoolStub(channel)
    server.stop(None).wait()


@contextlib.contextmanager
def task_manager(pool: services.BeamFnExternalWorkerPoolStub) -> Iterator[TaskManager]:
    """A task manager that has started its first worker."""
    manager, server = TaskManager(), grpc.server(ThreadPoolExecutor(2))
    services.add_BeamFnControlServicer_to_server(manager, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    request = api.StartWorkerRequest(worker_id="1-1")
    request.control_endpoint.url = f"localhost:{port}"
    assert not pool.StartWorker(request, timeout=120).error
    yield manager
    manager.requests.put(None)
    assert manager.answers.get(timeout=120) == ENDED
    server.stop(None).wait()


def test_one_of_two_task_managers_stops_its_worker_and_the_others_works_on(pool):
    with task_manager(pool) as second:
        with task_manager(pool) as first:
            assert (first.ask("a"), second.ask("b")) == ("a", "b")
            pool.StopWorker(api.StopWorkerRequest(worker_id="1-1"), timeout=120)
            assert (first.ask("c"), second.ask("d")) == ("c", "d")
        assert second.ask("e") == "e"
