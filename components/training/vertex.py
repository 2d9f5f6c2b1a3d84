"""The search as a custom job of Vertex AI, through TFX's Google Cloud AI Platform extension.

Enters: as `search`, with the job's machines in the custom config. Leaves: the same outputs, written
by the job. `VertexTuner` starts the job from its step and waits for it; `SearchWorker` runs on each
of the job's machines, which try candidates side by side where there are several. The fit's job is
TFX's own extension.

    first machine    oracle (which candidate is next; writes the outputs) + candidates
    other machines   candidates

TFX's own worker forks the oracle from a process that has TensorFlow loaded, and waits for it
without end where its own candidates failed. Here the oracle is a fresh process, ended with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from tfx.components.tuner import executor as stock_executor
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.extensions.google_cloud_ai_platform import constants, runner
from tfx.extensions.google_cloud_ai_platform.trainer.executor import JOB_ID_KEY
from tfx.extensions.google_cloud_ai_platform.tuner.executor import TUNING_ARGS_KEY
from tfx.utils import json_utils, name_utils

from components.training.artifacts import with_artifacts
from components.training.search import HeadTuner, reuse_choice, with_trials, write_search
from components.wiring import Artifacts

# Keras Tuner's own variables.
TUNER, ORACLE_HOST, ORACLE_PORT = (
    f"KERASTUNER_{name}" for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")
)
ORACLE = "chief"
ENTRY = "tfx.scripts.run_executor"


class SearchJobExecutor(base_executor.BaseExecutor):
    """Starts the job and waits for its end."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Called by TFX.

        Raises:
            RuntimeError: the job failed.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        if reuse_choice(output_dict, exec_properties):
            return
        custom_config = json_utils.loads(exec_properties["custom_config"])
        runner.start_cloud_training(
            input_dict,
            output_dict,
            exec_properties,
            name_utils.get_full_name(SearchWorker),
            custom_config[TUNING_ARGS_KEY],
            custom_config.get(JOB_ID_KEY),
            None,
            True,
            custom_config[constants.VERTEX_REGION_KEY],
        )


class SearchWorker(base_executor.BaseExecutor):
    """One machine of the job, or the oracle beside the first one's candidates."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Searches; the oracle, or the only machine, writes the outputs.

        Raises:
            ValueError: no candidate ended with a finite skill.
            RuntimeError: the oracle failed.
        """
        machine = read_machine(os.environ.get("CLUSTER_SPEC", ""))
        if machine.machines < 2 or os.environ.get(TUNER) == ORACLE:
            write_search(_search(input_dict, exec_properties), output_dict)
            return
        oracle = _start_oracle(machine) if machine.is_first else None
        os.environ[ORACLE_HOST], os.environ[ORACLE_PORT] = machine.oracle.rsplit(":", 1)
        os.environ[TUNER] = machine.name
        try:
            _search(input_dict, exec_properties)
        except BaseException:
            if oracle:
                oracle.kill()
            raise
        if oracle and oracle.wait():
            raise RuntimeError(f"the search's oracle ended with code {oracle.returncode}")


class VertexTuner(HeadTuner):
    """The Tuner whose search is a job of its own."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SearchJobExecutor)


@dataclass(frozen=True)
class Machine:
    """This machine in its job.

    Attributes:
        name: unlike that of any other.
        machines: how many there are.
        is_first: whether the oracle is to run here.
        oracle: host and port of the oracle.
    """

    name: str
    machines: int
    is_first: bool
    oracle: str


def read_machine(cluster_spec: str) -> Machine:
    """Which machine this is, as Vertex AI says in `CLUSTER_SPEC`; alone where it says nothing.

    Source: cloud.google.com/vertex-ai/docs/training/distributed-training, "Cluster description".
    """
    if not cluster_spec:
        return Machine("alone", 1, True, "")
    described = json.loads(cluster_spec)
    pools, task = described["cluster"], described["task"]
    kind, index = task["type"], int(task["index"])
    return Machine(
        name=f"{kind}-{index}",
        machines=sum(len(hosts) for hosts in pools.values()),
        is_first=kind == "workerpool0" and index == 0,
        oracle=pools.get("workerpool0", [""])[0],
    )


def _search(input_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:
    folder = tempfile.mkdtemp(prefix="search-")
    told = with_artifacts(input_dict, with_trials(exec_properties))
    return stock_executor.search(input_dict, told, folder, print_tuning_summary=False)


def _start_oracle(machine: Machine) -> subprocess.Popen[bytes]:
    """This process's own command once more, as the oracle."""
    port = machine.oracle.rsplit(":", 1)[1]
    listening = {TUNER: ORACLE, ORACLE_HOST: "0.0.0.0", ORACLE_PORT: port}  # noqa: S104
    return subprocess.Popen(
        [sys.executable, "-m", ENTRY, *sys.argv[1:]], env={**os.environ, **listening}
    )
