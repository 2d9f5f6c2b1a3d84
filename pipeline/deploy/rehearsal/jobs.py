"""Vertex AI's job service on a loopback address: custom jobs run as processes of this machine.

The client is not changed: it speaks gRPC over TLS to `<region>-aiplatform.googleapis.com`, through
a proxy that leads here, to a certificate made for the rehearsal, with a key that is no account's.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1 import types

from pipeline.deploy.rehearsal.container import end_group, start_container
from pipeline.deploy.rehearsal.stand_ins import Proxy, write_certificate, write_credentials

SERVICE = "google.cloud.aiplatform.v1.JobService"


class JobService:
    """The service, while its `with` block lasts.

    Attributes:
        host: by which the client calls it.
        environment: variables that lead the client of a step here.
        jobs: the jobs that were created, in order.
    """

    def __init__(self, logs: Path, region: str):
        self.logs = logs
        self.host = f"{region}-aiplatform.googleapis.com"
        self.jobs: list[types.CustomJob] = []
        self.environment: dict[str, str] = {}
        self._ended: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> JobService:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-")))
        certificate, key = write_certificate(folder, self.host)
        server = grpc.server(futures.ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers((self._handlers(),))
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        self._stack.callback(lambda: server.stop(grace=None).wait())
        proxy = self._stack.enter_context(Proxy(f"{self.host}:443", port))
        self.environment = {
            "https_proxy": f"http://127.0.0.1:{proxy.port}",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate),
            "GOOGLE_APPLICATION_CREDENTIALS": str(write_credentials(folder)),
        }
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            end_group(process)
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def _handlers(self) -> grpc.GenericRpcHandler:
        calls: dict[str, tuple[Callable[[Any, Any], types.CustomJob], Any]] = {
            "CreateCustomJob": (self._create, types.CreateCustomJobRequest),
            "GetCustomJob": (self._get, types.GetCustomJobRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    call,
                    request_deserializer=request.deserialize,
                    response_serializer=types.CustomJob.serialize,
                )
                for name, (call, request) in calls.items()
            },
        )

    def _create(self, request: types.CreateCustomJobRequest, context: Any) -> types.CustomJob:
        job = request.custom_job
        job.name = f"{request.parent}/customJobs/{len(self.jobs) + 1}"
        job.state = types.JobState.JOB_STATE_RUNNING
        self.jobs.append(job)
        self._ended[job.name] = threading.Event()
        thread = threading.Thread(target=self._run, args=(job,))
        thread.start()
        self._threads.append(thread)
        return job

    def _get(self, request: types.GetCustomJobRequest, context: Any) -> types.CustomJob:
        """The job once it has ended: the client asks but every half minute."""
        self._ended[request.name].wait()
        return next(job for job in self.jobs if job.name == request.name)

    def _run(self, job: types.CustomJob) -> None:
        try:
            self._run_replicas(job)
        except Exception as error:
            job.error.message = f"its replicas could not be run: {type(error).__name__}: {error}"
            job.state = types.JobState.JOB_STATE_FAILED
        finally:
            # Whoever asks for the job waits for this.
            self._ended[job.name].set()

    def _run_replicas(self, job: types.CustomJob) -> None:
        number = job.name.rpartition("/")[2]
        started = [
            start_container(
                [*container.command, *container.args],
                self.logs / f"job-{number}-{place}.log",
                environment,
            )
            for place, (container, environment) in enumerate(
                _replicas(job.job_spec.worker_pool_specs)
            )
        ]
        self._processes += started
        codes = [process.wait() for process in started]
        if any(codes):
            job.error.message = f"replicas ended with {codes}; their logs: job-{number}-*.log"
        job.state = (
            types.JobState.JOB_STATE_FAILED if any(codes) else types.JobState.JOB_STATE_SUCCEEDED
        )


def _replicas(pools: Sequence[types.WorkerPoolSpec]) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """Each replica's container and what Vertex AI puts into its environment.

    Source: cloud.google.com/vertex-ai/docs/training/distributed-training, "Cluster description".
    """
    hosts = {
        f"workerpool{place}": [f"127.0.0.1:{_free_port()}" for _ in range(pool.replica_count)]
        for place, pool in enumerate(pools)
    }
    for (name, held), pool in zip(hosts.items(), pools, strict=True):
        for index in range(len(held)):
            cluster = {
                "cluster": hosts,
                "environment": "cloud",
                "task": {"type": name, "index": index},
            }
            yield (
                pool.container_spec,
                {"CLUSTER_SPEC": json.dumps(cluster), "TF_CONFIG": _tf_config(cluster)},
            )


def _tf_config(cluster: Mapping[str, Any]) -> str:
    """The same cluster by TensorFlow's names: the first pool is the chief, the second its workers.

    Source: cloud.google.com/vertex-ai/docs/training/distributed-training, "Format of TF_CONFIG".
    """
    names = {"workerpool0": "chief", "workerpool1": "worker"}
    task = cluster["task"]
    return json.dumps(
        {
            "cluster": {names[pool]: hosts for pool, hosts in cluster["cluster"].items()},
            "environment": cluster["environment"],
            "task": {"type": names[task["type"]], "index": task["index"]},
        }
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
