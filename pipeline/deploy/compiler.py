"""Compiles the pipeline for Kubeflow Pipelines or Vertex AI, by TFX's `KubeflowV2DagRunner`.

What TFX leaves out is added here: defaults and descriptions of the runtime parameters, the
condition under which a retraining runs at all, machines of the ExampleGen, steps that must never
come from the cache, volumes, and the driver of this package's ExampleGen. On Kubeflow a step starts
through `pipeline.deploy.step`, which says why; on Vertex AI through `pipeline.guarded`.
"""

from __future__ import annotations

from typing import Any

from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from components.retraining.planner import DUE, YES, RetrainingPlanner
from pipeline.config import Config, ConfigError
from pipeline.deploy.checks import require_deployable
from pipeline.deploy.platforms import DESCRIPTIONS, make_platform, parameter_defaults
from pipeline.deploy.settings import Target
from pipeline.deploy.specification import made_by
from pipeline.deploy.step import ENTRY
from pipeline.pipeline import create_pipeline

PLANNER = RetrainingPlanner.__name__
STEP_COMMANDS: dict[Target, tuple[str, ...]] = {
    "kubeflow": ("python", "-m", "pipeline.deploy.step"),
    "vertex": ("python", "-m", "pipeline.guarded", ENTRY),
}
DRIVER_COMMAND = ("python", "-m", "pipeline.guarded", "components.ingest.platform_driver")
# What they find is not seen in their inputs, or tells of its own run.
NEVER_REUSED = (
    "RetrainingPlanner",
    "ModelInService",
    "VersionedPusher",
    "EndpointPusher",
    "RunKeeper",
    "RunReport",
)
# Kubeflow runs no drivers, so nothing tells its cache that the files changed.
NEVER_REUSED_ON_KUBEFLOW = (*NEVER_REUSED, "PostsExampleGen")


def compile_pipeline(config: Config, target: Target) -> dict[str, Any]:
    """The compiled PipelineJob: `displayName`, `labels`, `pipelineSpec`, `runtimeConfig`.

    For Kubeflow also `platforms`, its own part, where a volume is configured.

    Raises:
        ConfigError: the configuration lacks what the target needs.
    """
    require_deployable(config, target)
    pipeline = create_pipeline(
        config.model_copy(
            update={
                "cache": config.deploy.cache,
                "push": config.deploy.push_folder,
                "reachable": config.reachable if "://" in config.reachable else "",
            }
        ),
        root=config.deploy.root,
        platform=make_platform(config, target),
    )
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(
            default_image=config.deploy.image,
            default_commands=STEP_COMMANDS[target],
            use_pipeline_spec_2_1=True,
        )
    )
    job: dict[str, Any] = runner.run(pipeline, write_out=False)
    specification = job["pipelineSpec"]
    specification["pipelineInfo"] |= {"description": made_by(), "displayName": config.name}
    _declare_defaults(specification, config)
    _set_conditions(specification)
    _set_cache(specification, target)
    _set_driver(specification, target)
    _set_machines(specification, config)
    if target == "kubeflow":
        job["platforms"] = _volumes(specification, config)
        if config.deploy.root:
            specification["defaultPipelineRoot"] = config.deploy.root
    return job


def _declare_defaults(specification: dict[str, Any], config: Config) -> None:
    """TFX declares the parameters and drops their defaults."""
    declared = specification["root"]["inputDefinitions"]["parameters"]
    for name, value in parameter_defaults(config).items():
        declared[name] |= {"defaultValue": value, "description": DESCRIPTIONS[name]}


def _set_conditions(specification: dict[str, Any]) -> None:
    """Every step behind the planner runs where that found a reason, and only there.

    TFX's own `Cond` has a predicate on an artifact, which each step then has among its inputs; the
    planner's is another one in every run, so that nothing would ever come from the cache. A
    parameter counts by its value. Kubeflow and Vertex AI both read it in a condition; Kubeflow
    allows none on an importer, which runs nothing. TFX names the producer of a parameter by what
    no task is called.
    """
    due = {"producerTask": PLANNER, "outputParameterKey": DUE}
    components = specification["components"]
    components[PLANNER]["outputDefinitions"]["parameters"][DUE] = {"parameterType": "STRING"}
    for name, task in specification["root"]["dag"]["tasks"].items():
        parameters = task.setdefault("inputs", {}).setdefault("parameters", {})
        for given in parameters.values():
            if "taskOutputParameter" in given:
                given["taskOutputParameter"]["producerTask"] = PLANNER
        if name == PLANNER or name not in _containers(specification):
            continue
        declared = components[name].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        declared[DUE] = {"parameterType": "STRING"}
        parameters[DUE] = {"taskOutputParameter": dict(due)}
        task["dependentTasks"] = sorted({*task.get("dependentTasks", []), PLANNER})
        task["triggerPolicy"] = {"condition": f"inputs.parameter_values['{DUE}'] == '{YES}'"}


def _set_cache(specification: dict[str, Any], target: Target) -> None:
    never = NEVER_REUSED if target == "vertex" else NEVER_REUSED_ON_KUBEFLOW
    for name, task in specification["root"]["dag"]["tasks"].items():
        if name in never or "cachingOptions" not in task:
            task["cachingOptions"] = {}


def _set_driver(specification: dict[str, Any], target: Target) -> None:
    container = _containers(specification)["PostsExampleGen"]
    if target == "vertex":
        container["lifecycle"]["preCacheCheck"]["command"] = list(DRIVER_COMMAND)
    else:
        del container["lifecycle"]


def _set_machines(specification: dict[str, Any], config: Config) -> None:
    containers = _containers(specification)
    for step, machine in config.deploy.machines.items():
        if step not in containers:
            raise ConfigError(
                f"deploy.machines: names steps of the pipeline: {', '.join(sorted(containers))}; "
                f"got {step}. Correct the name."
            )
        resources: dict[str, Any] = {}
        if machine.cpu:
            resources["cpuLimit"] = machine.cpu
        if machine.memory_gb:
            resources["memoryLimit"] = machine.memory_gb
        if machine.accelerator:
            kind, count = machine.accelerator, str(machine.accelerators)
            resources["accelerator"] = {"type": kind, "count": count}
        containers[step]["resources"] = resources


def _containers(specification: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The container of each step that has one."""
    executors = specification["deploymentSpec"]["executors"]
    return {
        name.removesuffix("_executor"): executor["container"]
        for name, executor in executors.items()
        if "container" in executor
    }


def _volumes(specification: dict[str, Any], config: Config) -> dict[str, Any]:
    """Kubeflow's own part of a specification: the volume, mounted in every step."""
    volume = config.deploy.kubeflow.volume
    if not volume.claim:
        return {}
    mount = {
        # Until Kubeflow Pipelines 2.4 the first, since then the second.
        "constant": volume.claim,
        "pvcNameParameter": {"runtimeValue": {"constant": volume.claim}},
        "mountPath": volume.path,
    }
    executors = [f"{name}_executor" for name in _containers(specification)]
    mounts = {name: {"pvcMount": [mount]} for name in executors}
    return {"kubernetes": {"deploymentSpec": {"executors": mounts}}}
