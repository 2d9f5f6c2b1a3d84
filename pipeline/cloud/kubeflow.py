"""Runs on Kubeflow Pipelines, through its own client."""

from __future__ import annotations

import contextlib
from typing import Any

from pipeline.cloud.faults import one_line
from pipeline.cloud.kubeflow_client import Client, advice_of, asking, open_client, where
from pipeline.cloud.kubeflow_schedules import KubeflowRecurringRuns
from pipeline.cloud.retries import once
from pipeline.cloud.schedules import PlatformSchedules
from pipeline.cloud.spec import CompiledSpec, tasks_of
from pipeline.cloud.target import Parameters, Run, State, Step, unique_name
from pipeline.config import ConfigError
from pipeline.deploy.settings import DeploySettings

STATES = {
    "SUCCEEDED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELED": State.CANCELLED,
    "SKIPPED": State.SKIPPED,
    "RUNNING": State.RUNNING,
    "CANCELING": State.RUNNING,
}


class KubeflowTarget:
    """Kubeflow Pipelines as the section `deploy` has it."""

    def __init__(self, deploy: DeploySettings) -> None:
        self.deploy = deploy
        self.client: Client = open_client(deploy)

    @property
    def address(self) -> str:
        """Where the API was found."""
        return self.link("").removesuffix("/#/")

    @property
    def schedules(self) -> PlatformSchedules:
        return PlatformSchedules(KubeflowRecurringRuns(self))

    def asking(self) -> contextlib.AbstractContextManager[None]:
        """Turns the client's errors into a line each."""
        return asking(advice_of(self.deploy))

    def submit(self, compiled: CompiledSpec, parameters: Parameters, cache: bool = True) -> Run:
        values = compiled.typed(parameters)
        name = unique_name(compiled.name)
        with self.asking():
            experiment = self.experiment()
            began = once(
                lambda: self.client.run_pipeline(
                    experiment,
                    name,
                    str(compiled.path),
                    values,
                    pipeline_root=self.deploy.root or None,
                    enable_caching=None if cache else False,
                    service_account=self.deploy.service_account or None,
                ),
                lambda: self.run_named(name),
            )
        return self.told(began)

    def look(self, run_id: str) -> Run:
        with self.asking():
            return self.told(self.client.get_run(run_id))

    def begin_again(self, recurring: Any) -> Run:
        """Begins a run of what a recurring run runs."""
        import kfp_server_api

        name = unique_name(recurring.display_name)
        body = kfp_server_api.V2beta1Run(
            experiment_id=recurring.experiment_id,
            display_name=name,
            pipeline_spec=recurring.pipeline_spec,
            pipeline_version_reference=recurring.pipeline_version_reference,
            runtime_config=recurring.runtime_config,
            service_account=recurring.service_account,
        )
        return self.told(
            once(
                lambda: self.client.runs.run_service_create_run(run=body),
                lambda: self.run_named(name),
            )
        )

    def experiment(self) -> str:
        """Id of the experiment that holds the runs, made where it is missing."""
        kubeflow = self.deploy.kubeflow
        try:
            # It looks for the experiment itself before it makes one.
            made = once(
                lambda: self.client.create_experiment(
                    kubeflow.experiment, namespace=kubeflow.namespace or None
                ),
                lambda: None,
            )
        except ValueError as error:
            # The library's own word where several have the name.
            raise ConfigError(f"deploy.kubeflow.experiment: {one_line(str(error))}") from None
        return str(made.experiment_id)

    def run_named(self, name: str) -> Any | None:
        """A run by its name, which no other has."""
        answer = self.client.list_runs(filter=where("display_name", name), **self.within)
        return next((run for run in answer.runs or [] if run.display_name == name), None)

    def link(self, path: str) -> str:
        """Address of a page of the user interface."""
        return f"{self.client._get_url_prefix().rstrip('/')}/#/{path}"

    def told(self, run: Any) -> Run:
        """A run in the words of every target."""
        return Run(
            id=run.run_id,
            name=run.display_name,
            link=self.link(f"runs/details/{run.run_id}"),
            state=STATES.get(run.state, State.PENDING),
            error=message_of(run),
            steps=steps_of(run),
        )

    @property
    def within(self) -> dict[str, str]:
        """The namespace, where there are several."""
        namespace = self.deploy.kubeflow.namespace or self.client.get_user_namespace()
        return {"namespace": namespace} if namespace else {}


def steps_of(run: Any) -> list[Step]:
    """The steps that have begun; the platform's own drivers and groups are left out."""
    details = (run.run_details and run.run_details.task_details) or []
    spec = run.pipeline_spec or {}
    tasks = tasks_of(spec.get("pipeline_spec", spec))
    by_id = {detail.task_id: detail for detail in details}
    shown = [detail for detail in details if detail.display_name in tasks]
    shown.sort(key=lambda detail: str(detail.start_time or detail.create_time or ""))
    return [
        Step(d.display_name, STATES.get(d.state, State.PENDING), _error_of(d, by_id)) for d in shown
    ]


def _error_of(detail: Any, by_id: dict[str, Any]) -> str:
    """A failed step's error; its own pod's says more than the group's above it."""
    if detail.state != "FAILED":
        return ""
    below = [by_id[child.task_id] for child in detail.child_tasks or [] if child.task_id in by_id]
    deeper = (_error_of(child, by_id) for child in below)
    return next((error for error in deeper if error), message_of(detail))


def message_of(told: Any) -> str:
    """The message of a run's or a step's error."""
    return str(told.error.message or "") if told.error else ""
