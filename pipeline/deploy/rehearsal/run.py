"""Rehearses a run on Kubeflow or Vertex AI: every step of the compiled specification, in order.

| path in `<folder>/<target>/` | what |
|---|---|
| `specification.yaml` or `.json` | what was compiled and executed |
| `root/` | artifacts, a folder a step |
| `serving/` | the pushed versions, `serving-history/` what a next rehearsal compares with |
| `logs/` | what each step printed |

Steps that wait for nothing run side by side, as on the platforms. The cache of a platform is not
rehearsed: every step runs.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pipeline.config import Config
from pipeline.deploy.compiler import compile_pipeline
from pipeline.deploy.rehearsal.container import Containers
from pipeline.deploy.rehearsal.graph import (
    State,
    Task,
    input_artifacts,
    input_parameters,
    is_to_run,
    read_tasks,
    submitted_parameters,
)
from pipeline.deploy.rehearsal.jobs import JobService
from pipeline.deploy.rehearsal.places import Places, find_places, for_rehearsal
from pipeline.deploy.rehearsal.platforms import (
    Kubeflow,
    Vertex,
    fill,
    import_artifact,
    read_output,
)
from pipeline.deploy.settings import SUFFIXES, Target
from pipeline.deploy.specification import parse, render

PLATFORMS = {"kubeflow": Kubeflow, "vertex": Vertex}
# It calls Vertex AI's endpoints, for which nothing on this machine stands in.
NOT_REHEARSED = ("EndpointPusher",)


class Observer(Protocol):
    """Is told how the rehearsal goes; calls may come from several threads."""

    def told(self, step: str, state: str, seconds: float) -> None:
        """A step has ended: `done`, `skipped` or `not rehearsed`."""


@dataclass(frozen=True)
class Rehearsal:
    """How a rehearsal ended.

    Attributes:
        trained: whether there was a reason to train.
        filled: settings that were not set, and stood in for.
        pushed: the version that this run pushed; empty where its model was not blessed.
        decision: in one line, what the run decided.
    """

    trained: bool
    filled: list[str]
    pushed: str
    decision: str


@dataclass
class _Run:
    """What the steps of a run share."""

    platform: Kubeflow
    places: Places
    folder: Path
    state: State
    observer: Observer
    containers: Containers


def rehearse(
    config: Config,
    target: Target,
    folder: Path,
    observer: Observer,
    submitted: Mapping[str, Any],
    side_by_side: int,
) -> Rehearsal:
    """Compiles, then executes step by step.

    Args:
        config: of the run.
        target: the platform.
        folder: of rehearsals; `<folder>/<target>` is this one's. Versions that an earlier one
            pushed are in service for this one; all else of it is deleted.
        observer: is told of each step.
        submitted: runtime parameters in place of their defaults, as a submission gives them.
        side_by_side: steps at once, at the most.

    Raises:
        ConfigError: the configuration cannot be compiled for the target.
        SpecificationError: the specification asks for what the platform could not do.
        StepError: a step failed.
    """
    complete, filled = for_rehearsal(config, target)
    content = render(compile_pipeline(complete, target), target)
    here = folder.resolve() / target
    places = find_places(complete.deploy, here)
    with contextlib.ExitStack() as stack:
        environment: Mapping[str, str] = {}
        # A step of the specification starts custom jobs.
        if b"worker_pool_specs" in content:
            service = JobService(here / "logs", complete.deploy.vertex.region)
            environment = stack.enter_context(service).environment
        state = execute(
            content, target, here, places, observer, submitted, side_by_side, environment
        )
    pushed = state.artifacts.get(("VersionedPusher", "pushed_model"), {}).get("metadata", {})
    return Rehearsal(
        trained="Trainer" not in state.skipped,
        filled=filled,
        pushed=pushed["pushed_destination"] if pushed.get("pushed") else "",
        decision=state.artifacts["RetrainingPlanner", "decision"]["metadata"]["summary"],
    )


def execute(
    content: bytes,
    target: Target,
    folder: Path,
    places: Places,
    observer: Observer,
    submitted: Mapping[str, Any],
    side_by_side: int = 2,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> State:
    """Executes a compiled file, from the very bytes that a client would send.

    Args:
        content: of the file.
        target: its platform.
        folder: of this rehearsal; artifacts and logs of an earlier one are deleted.
        places: folders in place of addresses.
        observer: is told of each step.
        submitted: runtime parameters in place of their defaults.
        side_by_side: steps at once, at the most.
        environment: further variables of every step.

    Raises:
        SpecificationError: it asks for what the platform could not do.
        StepError: a step failed.
    """
    specification = parse(content)["pipelineSpec"]
    parameters = submitted_parameters(specification, submitted)
    tasks = read_tasks(specification)
    for left in ("root", "logs"):
        shutil.rmtree(folder / left, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"specification{SUFFIXES[target]}").write_bytes(content)
    state = State({name: places.here(value) for name, value in parameters.items()})
    platform = PLATFORMS[target](folder / "root")
    containers = Containers(environment)
    _run_all(tasks, _Run(platform, places, folder, state, observer, containers), side_by_side)
    return state


def _run_all(tasks: list[Task], run: _Run, side_by_side: int) -> None:
    """Runs each task once those that it needs have ended; the first fault ends all."""
    waiting = {task.name: task for task in tasks}
    ended: set[str] = set()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        try:
            while waiting or running:
                for task in [one for one in waiting.values() if one.after <= ended]:
                    running[pool.submit(_run_task, task, run)] = task.name
                    del waiting[task.name]
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    ended.add(running.pop(future))
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            run.containers.end()
            raise


def _run_task(task: Task, run: _Run) -> None:
    started = time.monotonic()
    if task.name in NOT_REHEARSED or not is_to_run(task, run.state):
        run.state.skipped.add(task.name)
        state = "not rehearsed" if task.name in NOT_REHEARSED else "skipped"
        run.observer.told(task.name, state, 0.0)
        return
    parameters = {n: run.places.here(v) for n, v in input_parameters(task, run.state).items()}
    if "importer" in task.executor:
        key, artifact = import_artifact(task, parameters, f"imported-{task.name}")
        run.state.artifacts[task.name, key] = {**artifact, "uri": run.places.here(artifact["uri"])}
    else:
        _run_container_task(task, run, parameters)
    run.observer.told(task.name, "done", time.monotonic() - started)


def _run_container_task(task: Task, run: _Run, parameters: dict[str, Any]) -> None:
    platform, log = run.platform, run.folder / "logs" / f"{task.name}.log"
    artifacts = input_artifacts(task, run.state)
    invocation = platform.invocation(task, artifacts, parameters)
    _make_folders(invocation)
    hook = platform.hook(task)
    if hook:
        run.containers.run(f"{task.name}'s hook", fill(hook, invocation), log)
        parameters |= read_output(invocation).get("parameterValues", {})
        written = platform.invocation(task, artifacts, parameters)
        invocation["inputs"] = written["inputs"]
    container = task.executor["container"]
    words = [*container["command"], *container["args"]]
    run.containers.run(task.name, fill(words, invocation), log)
    reported = read_output(invocation)
    for name in task.output_parameters():
        run.state.values[task.name, name] = reported["parameterValues"][name]
    for name, held in invocation["outputs"].get("artifacts", {}).items():
        (before,) = held["artifacts"]
        after = reported.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[0]
        run.state.artifacts[task.name, name] = platform.kept(name, before, after)


def _make_folders(invocation: Mapping[str, Any]) -> None:
    """A bucket needs no folders; what stands in for it does, and parents alone for a value."""
    values = invocation["outputs"].get("parameters", {})
    for name, held in invocation["outputs"].get("artifacts", {}).items():
        for artifact in held["artifacts"]:
            path = Path(artifact["uri"])
            (path.parent if name in values else path).mkdir(parents=True, exist_ok=True)
