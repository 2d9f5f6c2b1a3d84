"""The component that keeps a run for later ones, on platforms whose store cannot be asked.

Enters: what the run was trained on and left. Leaves: a run in the history's folder (see `kept`);
no artifact. It runs behind the push: what was trained and found wanting was trained all the same,
and is no reason to be trained again. Never from the cache, since the folder is not seen in its
inputs.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.ingest.audit import JoinAudit
from components.ingest.example_gen import SPANS
from components.ingest.join import AUDIT_FILE
from components.retraining.drift import MEASURED_SPLIT, STATISTICS_FILE
from components.retraining.kept import CHOICE_FILE, TRAINING_FILE, RunRecord, keep_run
from components.retraining.plan import PLAN, given_plan
from components.training.warm_start import FOLDER
from components.wiring import Artifacts, WiredComponent

_LOG = logging.getLogger("authorprofile.retraining")


class RunKeeperExecutor(base_executor.BaseExecutor):
    """Keeps the run; see the module."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes into the history's folder."""
        self._log_startup(input_dict, output_dict, exec_properties)
        run = {name: artifacts[0] for name, artifacts in input_dict.items() if artifacts}
        statistics = artifact_utils.get_split_uri([run["statistics"]], MEASURED_SPLIT)
        files = {
            STATISTICS_FILE: os.path.join(statistics, STATISTICS_FILE),
            AUDIT_FILE: os.path.join(run["audit"].uri, AUDIT_FILE),
            TRAINING_FILE: os.path.join(run["model_run"].uri, TRAINING_FILE),
        }
        # Without a search of its own it only hands an earlier one's choice on.
        if "hyperparameters" in run and not given_plan(exec_properties).hyperparameters_from:
            files[CHOICE_FILE] = os.path.join(run["hyperparameters"].uri, CHOICE_FILE)
        record = describe_run(run)
        network = os.path.join(run["model_run"].uri, FOLDER) if record.version else ""
        folder = keep_run(exec_properties["history"], record, files, network)
        _LOG.info("kept for later runs: %s", folder)


def describe_run(run: Mapping[str, Any]) -> RunRecord:
    """What is known of a run from its artifacts `examples` and `pushed_model`."""
    examples, pushed = run["examples"], run["pushed_model"]
    spans = examples.get_string_custom_property(SPANS)
    is_pushed = pushed.get_int_custom_property("pushed")
    version = pushed.get_string_custom_property("pushed_version") if is_pushed else "0"
    return RunRecord(
        spans=json.loads(spans),
        fingerprint=examples.get_string_custom_property(utils.FINGERPRINT_PROPERTY_NAME),
        trained=datetime.now(UTC),
        version=int(version),
    )


class RunKeeperSpec(ComponentSpec):
    """Inputs and parameters of `RunKeeper`."""

    PARAMETERS = {
        "history": ExecutionParameter(type=str),  # folder, or a bucket's
        PLAN: ExecutionParameter(type=str),  # of `RetrainingPlanner`
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "audit": ChannelParameter(type=JoinAudit),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel),
        "hyperparameters": ChannelParameter(type=standard_artifacts.HyperParameters, optional=True),
    }
    OUTPUTS: dict[str, Any] = {}


class RunKeeper(WiredComponent):
    """Keeps a run in the history's folder."""

    SPEC_CLASS = RunKeeperSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RunKeeperExecutor)
