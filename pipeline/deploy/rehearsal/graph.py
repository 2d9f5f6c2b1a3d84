"""A compiled specification as tasks: what each needs, and whether it is to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.rehearsal.conditions import holds

Artifact = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A task with its component and executor.

    Attributes:
        name: of the task.
        task: its entry in `root.dag.tasks`.
        component: its entry in `components`.
        executor: its entry in `deploymentSpec.executors`.
        after: names of the tasks that must have ended.
    """

    name: str
    task: dict[str, Any]
    component: dict[str, Any]
    executor: dict[str, Any]
    after: frozenset[str]

    def outputs(self) -> dict[str, Any]:
        """Declared output artifacts by name."""
        found: dict[str, Any] = self.component.get("outputDefinitions", {}).get("artifacts", {})
        return found

    def output_parameters(self) -> list[str]:
        """Names of declared output parameters."""
        declared = self.component.get("outputDefinitions", {}).get("parameters", {})
        return sorted(declared)


@dataclass
class State:
    """What the tasks so far have left.

    Attributes:
        parameters: runtime parameters of the pipeline.
        artifacts: by task and output key.
        values: output parameters, likewise.
        skipped: tasks whose condition did not hold, or that need such a one.
    """

    parameters: Mapping[str, Any]
    artifacts: dict[tuple[str, str], Artifact] = field(default_factory=dict)
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)


def read_tasks(specification: Mapping[str, Any]) -> list[Task]:
    """The tasks in an order in which each comes behind those that it needs.

    Raises:
        SpecificationError: a task names a component, executor or task that is not there.
    """
    tasks = specification["root"]["dag"]["tasks"]
    read = {name: _read_task(name, task, specification) for name, task in tasks.items()}
    for task in read.values():
        missing = sorted(task.after - set(read))
        if missing:
            raise SpecificationError(f"{task.name} needs tasks that are not there: {missing}")
    sorter = TopologicalSorter({name: sorted(task.after) for name, task in sorted(read.items())})
    try:
        return [read[name] for name in sorter.static_order()]
    except CycleError as error:
        raise SpecificationError(f"tasks need each other in a circle: {error.args[1]}") from None


def _read_task(name: str, task: dict[str, Any], specification: Mapping[str, Any]) -> Task:
    try:
        component = specification["components"][task["componentRef"]["name"]]
        executor = specification["deploymentSpec"]["executors"][component["executorLabel"]]
    except KeyError as error:
        raise SpecificationError(f"{name} has no component or executor {error}") from None
    inputs = task.get("inputs", {})
    producers = {
        one[kind]["producerTask"]
        for kind in ("taskOutputArtifact", "taskOutputParameter")
        for one in (*inputs.get("artifacts", {}).values(), *inputs.get("parameters", {}).values())
        if kind in one
    }
    after = frozenset(producers | set(task.get("dependentTasks", [])))
    return Task(name, task, component, executor, after)


def input_artifacts(task: Task, state: State) -> dict[str, Artifact]:
    """The artifacts of a task's inputs, from what others left.

    Raises:
        SpecificationError: an input is no output of its producer.
    """
    found = {}
    for name, one in task.task.get("inputs", {}).get("artifacts", {}).items():
        source = one["taskOutputArtifact"]
        key = source["producerTask"], source["outputArtifactKey"]
        if key not in state.artifacts:
            raise SpecificationError(f"{task.name}: input {name} is no output: {key}")
        found[name] = state.artifacts[key]
    return found


def input_parameters(task: Task, state: State) -> dict[str, Any]:
    """The values of a task's parameters.

    Raises:
        SpecificationError: a parameter has no value, or comes from where a platform cannot take it.
    """
    declared = task.component.get("inputDefinitions", {}).get("parameters", {})
    values = {name: one["defaultValue"] for name, one in declared.items() if "defaultValue" in one}
    for name, one in task.task.get("inputs", {}).get("parameters", {}).items():
        if "componentInputParameter" in one:
            values[name] = state.parameters[one["componentInputParameter"]]
        elif "taskOutputParameter" in one:
            values[name] = _output_value(task, name, one["taskOutputParameter"], state)
        elif "constant" in one.get("runtimeValue", {}):
            # Kubeflow knows no other kind of it.
            values[name] = one["runtimeValue"]["constant"]
        else:
            raise SpecificationError(f"{task.name}: parameter {name} is neither: {one}")
    missing = sorted(set(declared) - set(values))
    if missing:
        raise SpecificationError(f"{task.name} is given no value of {missing}")
    return values


def _output_value(task: Task, name: str, source: Mapping[str, str], state: State) -> Any:
    key = source["producerTask"], source["outputParameterKey"]
    if key not in state.values:
        raise SpecificationError(f"{task.name}: parameter {name} is no output: {key}")
    return state.values[key]


def is_to_run(task: Task, state: State) -> bool:
    """Whether the task's condition holds and nothing that it needs was left out."""
    if task.after & state.skipped:
        return False
    condition = task.task.get("triggerPolicy", {}).get("condition", "")
    if not condition:
        return True
    return holds(condition, input_artifacts(task, state), input_parameters(task, state))


def submitted_parameters(
    specification: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The pipeline's parameters: defaults, and what a submission gives in their place.

    Raises:
        SpecificationError: one that is given is not declared, or one that is declared has no value.
    """
    declared = specification["root"].get("inputDefinitions", {}).get("parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise SpecificationError(f"unknown parameters {unknown}; there are {sorted(declared)}")
    values = {n: one["defaultValue"] for n, one in declared.items() if "defaultValue" in one}
    values |= given
    missing = sorted(set(declared) - set(values))
    if missing:
        raise SpecificationError(f"parameters without a value: {missing}")
    return values
