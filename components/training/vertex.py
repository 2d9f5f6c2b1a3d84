"""The search as a custom job of Vertex AI, through TFX's Google Cloud AI Platform extension.

Enters: as `search`, with the job's machines in the custom config. Leaves: the same outputs, written
by the job. `VertexTuner` starts the job from its step and waits for it; `SearchWorker` runs in each
of the job's machines, which try candidates side by side where there are several: Keras Tuner's
oracle then runs beside the first machine's own trials. Wired by `pipeline` where a machine for the
search is configured. The fit is TFX's own extension as it is.
"""

from __future__ import annotations

import json
import os
from typing import Any

from tfx import types
from tfx.components.tuner import executor as stock_executor
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.extensions.google_cloud_ai_platform import constants, runner
from tfx.extensions.google_cloud_ai_platform.trainer import executor as trainer_executor
from tfx.extensions.google_cloud_ai_platform.tuner import executor as extension
from tfx.utils import json_utils, name_utils

from components.training.search import HeadTuner, with_trials, write_search

Artifacts = dict[str, list[types.Artifact]]


class SearchJobExecutor(base_executor.BaseExecutor):
    """Starts the job and waits for its end.

    TFX's own executor names a worker that writes no table of trials.
    """

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Called by TFX.

        Raises:
            RuntimeError: the job failed.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        custom_config = json_utils.loads(exec_properties["custom_config"])
        runner.start_cloud_training(
            input_dict,
            output_dict,
            exec_properties,
            name_utils.get_full_name(SearchWorker),
            custom_config[extension.TUNING_ARGS_KEY],
            custom_config.get(trainer_executor.JOB_ID_KEY),
            None,
            True,
            custom_config[constants.VERTEX_REGION_KEY],
        )


class SearchWorker(extension._WorkerExecutor):
    """One machine of the job."""

    def __init__(self, context: Any):
        super().__init__(context)
        if _machines() < 2:
            # Alone it needs no oracle in a process of its own.
            self._tuner_id = None

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Searches; the machine that has the oracle, or is alone, writes the outputs."""
        tuner = self._search(input_dict, output_dict, with_trials(exec_properties))
        if self._tuner_id is None:
            write_search(tuner, output_dict)

    def _run_chief_oracle(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """The base class's, with this package's outputs; runs in a process of its own."""
        os.environ["KERASTUNER_ORACLE_IP"] = "0.0.0.0"  # noqa: S104 - the other machines call
        os.environ["KERASTUNER_ORACLE_PORT"] = self._master_port
        os.environ["KERASTUNER_TUNER_ID"] = "chief"
        tuner = stock_executor.search(
            input_dict, exec_properties, extension._WORKING_DIRECTORY, print_tuning_summary=False
        )
        write_search(tuner, output_dict)


class VertexTuner(HeadTuner):
    """The Tuner whose search is a job of its own."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SearchJobExecutor)


def _machines() -> int:
    """Machines of this job, as Vertex AI tells each of them."""
    cluster = json.loads(os.environ.get("CLUSTER_SPEC", "{}")).get("cluster", {})
    return sum(len(hosts) for hosts in cluster.values())
