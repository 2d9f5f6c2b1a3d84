"""Beam's Python workers on a machine where several task managers share them.

Enters: a pipeline that Flink or Spark runs, with workers in this process (`beam.workers: loopback`,
whose runners `beam_arguments` names), or a port, for a pool that `external` workers come from:

    python -m pipeline.workers 50000

Leaves: workers that end when their task manager hangs up. Beam's own pool goes by the id that a
task manager gives a worker, and each counts from 1-1: of two task managers, the first that is done
with its worker stops the other's too (since apache/beam#38432), and the job fails with "SDK harness
closed connection".
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.portability.spark_runner import SparkRunner
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.transforms.environments import ExternalEnvironment

from pipeline.guarded import guard_output

# Of side inputs and the like; as much as Beam's workers hold where nothing else is said.
CACHE_BYTES = 100 * 1024 * 1024


class SharedWorkers(BeamFnExternalWorkerPoolServicer):
    """Beam's pool of workers, but for the order to stop one, which may mean another's."""

    def StopWorker(self, *_: Any) -> beam_fn_api_pb2.StopWorkerResponse:  # noqa: N802 - gRPC's name
        """Stops nothing: the task manager closes the connection next, which ends its own worker."""
        return beam_fn_api_pb2.StopWorkerResponse()


class _WorkersHere(PortableRunner):
    """A portable runner whose loopback workers may be shared."""

    @staticmethod
    def start_and_replace_loopback_environments(pipeline: Any, options: Any) -> list[Any]:
        """As Beam's, which see, with another pool."""
        stop = []
        for environment in pipeline.components.environments.values():
            if environment.urn == python_urns.EMBEDDED_PYTHON_LOOPBACK:
                address, server = SharedWorkers.start(state_cache_size=CACHE_BYTES)
                external = ExternalEnvironment(address).to_runner_api(None)
                environment.urn, environment.payload = external.urn, external.payload
                stop.append(functools.partial(server.stop, 1))
        return stop


class FlinkWithWorkersHere(_WorkersHere, FlinkRunner):
    """Flink, with workers in this process."""


class SparkWithWorkersHere(_WorkersHere, SparkRunner):
    """Spark, with workers in this process."""


def main() -> None:
    """Serves workers, each a process, at the port given, until it is ended."""
    guard_output()
    # Beam starts them by the name `python`.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    address, _ = SharedWorkers.start(
        use_process=True, port=int(sys.argv[1]), state_cache_size=CACHE_BYTES
    )
    print(f"Beam's workers are served at {address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
