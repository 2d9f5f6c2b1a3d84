"""The Trainer component, which may be told by a parameter what network to start from.

Enters: as TFX's own Trainer, and the plan of a retraining. Leaves: what TFX's leaves. A warm start
that is known before the pipeline is made stands in the hook's settings; in a compiled pipeline the
plan of its first step names it, when the pipeline runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.components.trainer import component as stock_component
from tfx.components.trainer import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.extensions.google_cloud_ai_platform.trainer import executor as job_executor
from tfx.types import standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from components.retraining.plan import PLAN, given_plan
from components.training.artifacts import READ_BESIDE, with_artifacts
from components.wiring import Artifacts, WiredComponent


class FitExecutor(stock_executor.GenericExecutor):
    """Fits in the step's own process."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        super().Do(input_dict, output_dict, told(input_dict, exec_properties))


class FitJobExecutor(job_executor.GenericExecutor):
    """Starts a custom job of Vertex AI that fits, and waits for it."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        super().Do(input_dict, output_dict, told(input_dict, exec_properties))


def told(input_dict: Artifacts, exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with what the hook reads beside the examples, and a plan's start."""
    return with_start(with_artifacts(input_dict, exec_properties))


def with_start(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with the plan's start in the hook's settings, which a job is given too."""
    start = given_plan(exec_properties).warm_start_from
    if not start:
        return dict(exec_properties)
    custom = json_utils.loads(exec_properties["custom_config"])
    custom["warm_start"] = start
    return {**exec_properties, "custom_config": json_utils.dumps(custom)}


class HeadTrainerSpec(standard_component_specs.TrainerSpec):
    """TFX's Trainer, with a retraining's plan."""

    PARAMETERS = {
        **standard_component_specs.TrainerSpec.PARAMETERS,
        PLAN: ExecutionParameter(type=str, optional=True),  # what is started from
    }
    INPUTS = {**standard_component_specs.TrainerSpec.INPUTS, **READ_BESIDE}


class HeadTrainer(WiredComponent, stock_component.Trainer):
    """TFX's Trainer with the executor of this module."""

    SPEC_CLASS = HeadTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(FitExecutor)


class VertexTrainer(HeadTrainer):
    """The Trainer whose fit is a job of its own."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(FitJobExecutor)
