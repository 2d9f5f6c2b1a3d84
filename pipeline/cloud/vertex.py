"""Runs on Vertex AI Pipelines, through its own client."""

from __future__ import annotations

import contextlib
import copy
import re
from typing import Any

from google.api_core.exceptions import Conflict
from google.cloud.aiplatform_v1 import PipelineJob, PipelineState, PipelineTaskDetail
from google.protobuf import json_format

from pipeline.cloud.schedules import PlatformSchedules
from pipeline.cloud.spec import CompiledSpec, tasks_of
from pipeline.cloud.target import Parameters, Run, State, Step, unique_name
from pipeline.cloud.vertex_client import advice_of, asking, check_bucket, connect_services, patient
from pipeline.cloud.vertex_schedules import VertexSchedules
from pipeline.config import ConfigError
from pipeline.deploy.settings import DeploySettings

CONSOLE = "https://console.cloud.google.com/vertex-ai/locations"
STATES = {
    PipelineState.PIPELINE_STATE_RUNNING: State.RUNNING,
    PipelineState.PIPELINE_STATE_SUCCEEDED: State.SUCCEEDED,
    PipelineState.PIPELINE_STATE_FAILED: State.FAILED,
    PipelineState.PIPELINE_STATE_CANCELLING: State.RUNNING,
    PipelineState.PIPELINE_STATE_CANCELLED: State.CANCELLED,
}
STEP_STATES = {
    PipelineTaskDetail.State.RUNNING: State.RUNNING,
    PipelineTaskDetail.State.SUCCEEDED: State.SUCCEEDED,
    PipelineTaskDetail.State.CANCEL_PENDING: State.RUNNING,
    PipelineTaskDetail.State.CANCELLING: State.RUNNING,
    PipelineTaskDetail.State.CANCELLED: State.CANCELLED,
    PipelineTaskDetail.State.FAILED: State.FAILED,
    PipelineTaskDetail.State.SKIPPED: State.SKIPPED,
    PipelineTaskDetail.State.NOT_TRIGGERED: State.SKIPPED,
}


class VertexTarget:
    """Vertex AI Pipelines as the section `deploy` has it."""

    def __init__(self, deploy: DeploySettings) -> None:
        self.deploy = deploy
        self.services = connect_services(deploy)

    @property
    def schedules(self) -> PlatformSchedules:
        return PlatformSchedules(VertexSchedules(self))

    def asking(self) -> contextlib.AbstractContextManager[None]:
        """Turns the client's errors into a line each."""
        return asking(advice_of(self.deploy))

    def submit(self, compiled: CompiledSpec, parameters: Parameters, cache: bool = True) -> Run:
        job = self.job(compiled, compiled.typed(parameters), cache)
        with self.asking():
            return self.begin(job, compiled.name)

    def look(self, run_id: str) -> Run:
        with self.asking():
            return self.told(patient(self.services.jobs.get_pipeline_job, name=run_id))

    def begin(self, job: PipelineJob, stem: str) -> Run:
        """Begins a run of a job under an id of its own, by which a repeated call is known."""
        job_id = new_id(stem)
        try:
            began = patient(
                self.services.jobs.create_pipeline_job,
                parent=self.services.parent,
                pipeline_job=job,
                pipeline_job_id=job_id,
            )
        except Conflict:
            # An attempt whose answer was lost got through: no one else has this id.
            name = f"{self.services.parent}/pipelineJobs/{job_id}"
            began = patient(self.services.jobs.get_pipeline_job, name=name)
        return self.told(began)

    def job(
        self, compiled: CompiledSpec, values: dict[str, Any], cache: bool = True
    ) -> PipelineJob:
        """The compiled job with the settings of `deploy` and the parameters' values.

        Raises:
            ConfigError: it is no job of the published schema, or its bucket is not there.
        """
        deploy, vertex = self.deploy, self.deploy.vertex
        document = copy.deepcopy(dict(compiled.document))
        runtime = document.setdefault("runtimeConfig", {})
        runtime["gcsOutputDirectory"] = deploy.root or runtime.get("gcsOutputDirectory", "")
        check_bucket(self.services, runtime["gcsOutputDirectory"], deploy)
        runtime.setdefault("parameterValues", {}).update(values)
        document.setdefault("labels", {}).update(vertex.labels)
        if deploy.service_account:
            document["serviceAccount"] = deploy.service_account
        if vertex.network:
            document["network"] = vertex.network
        if vertex.encryption_key:
            document["encryptionSpec"] = {"kmsKeyName": vertex.encryption_key}
        if not cache:
            for task in document["pipelineSpec"]["root"]["dag"]["tasks"].values():
                task["cachingOptions"] = {"enableCache": False}
        job = PipelineJob()
        try:
            json_format.ParseDict(document, PipelineJob.pb(job))
        except json_format.ParseError as error:
            fault = " ".join(str(error).split())
            raise ConfigError(f"spec: {compiled.path} is no PipelineJob: {fault}") from None
        return job

    def told(self, job: PipelineJob) -> Run:
        """A run in the words of every target."""
        return Run(
            id=job.name,
            name=job.name.rpartition("/")[2],
            link=self.link("runs", job.name),
            state=STATES.get(job.state, State.PENDING),
            error=job.error.message,
            steps=steps_of(job),
        )

    def link(self, kind: str, name: str) -> str:
        """Address of a page of the console."""
        last, project = name.rpartition("/")[2], self.services.project
        return f"{CONSOLE}/{self.deploy.vertex.region}/pipelines/{kind}/{last}?project={project}"


def new_id(stem: str) -> str:
    """A job's id that no other has: lower-case letters, digits and -."""
    return unique_name(re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:80])


def steps_of(job: PipelineJob) -> list[Step]:
    """The steps that have begun; the node of the whole run is left out."""
    spec = json_format.MessageToDict(PipelineJob.pb(job).pipeline_spec)
    tasks = set(tasks_of(spec))
    details = [detail for detail in job.job_detail.task_details if detail.task_name in tasks]
    details.sort(key=lambda detail: str(detail.start_time or detail.create_time or ""))
    return [
        Step(
            detail.task_name,
            STEP_STATES.get(detail.state, State.PENDING),
            detail.error.message if detail.state == PipelineTaskDetail.State.FAILED else "",
        )
        for detail in details
    ]
