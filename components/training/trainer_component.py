"""The Trainer component, which may be told by a parameter what network to start from.

Enters: as TFX's own Trainer, and the plan of a retraining. Leaves: what TFX's leaves. A warm start
that is known before the pipeline is made stands in the hook's settings; in a compiled pipeline the
plan of its first step names it, when the pipeline runs. Wired by `pipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.components.trainer import component as stock_component
from tfx.components.trainer import executor as stock_executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.extensions.google_cloud_ai_platform.trainer import executor as job_executor
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from components.retraining.plan import PLAN, given_plan

Artifacts = dict[str, list[types.Artifact]]


class FitExecutor(stock_executor.GenericExecutor):
    """Fits in the step's own process."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Called by TFX."""
        super().Do(input_dict, output_dict, with_start(exec_properties))


class FitJobExecutor(job_executor.GenericExecutor):
    """Starts a custom job of Vertex AI that fits, and waits for it."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Called by TFX."""
        super().Do(input_dict, output_dict, with_start(exec_properties))


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
        PLAN: ExecutionParameter(type=str, optional=True),
    }


class HeadTrainer(stock_component.Trainer):
    """TFX's Trainer with the executor of this module."""

    SPEC_CLASS = HeadTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(FitExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        schema: types.BaseChannel,
        run_fn: str,
        train_args: trainer_pb2.TrainArgs,
        eval_args: trainer_pb2.EvalArgs,
        custom_config: dict[str, Any],
        hyperparameters: types.BaseChannel | None = None,
        plan: Any = None,
    ) -> None:
        """Wires the component.

        Args:
            examples: transformed examples.
            transform_graph: by which they were made.
            schema: of the raw examples.
            run_fn: dotted path of the hook.
            train_args: names the split that fits.
            eval_args: names the split that selects.
            custom_config: of `HookSettings`.
            hyperparameters: of a search; None: the settings' own.
            plan: of `RetrainingPlanner`, what is started from; None: as the settings say.
        """
        spec = HeadTrainerSpec(
            examples=examples,
            transform_graph=transform_graph,
            schema=schema,
            hyperparameters=hyperparameters,
            run_fn=run_fn,
            train_args=train_args,
            eval_args=eval_args,
            custom_config=json_utils.dumps(custom_config),
            plan=plan,
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        # The stock constructor knows no further parameters.
        base_component.BaseComponent.__init__(self, spec=spec)


class VertexTrainer(HeadTrainer):
    """The Trainer whose fit is a job of its own."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(FitJobExecutor)
