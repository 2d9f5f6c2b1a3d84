"""Vertex AI's API v1 on loopback, with the two others that its client asks: tokens and buckets.

Every body is parsed into the published protobuf types of `google.cloud.aiplatform_v1`, and its
PipelineSpec into its own; an unknown field is refused. Cron is checked with its zone.
"""

from __future__ import annotations

import datetime
import itertools
import re
import zoneinfo
from typing import Any

from google.cloud.aiplatform_v1 import PipelineJob, PipelineState, PipelineTaskDetail, Schedule
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.cloud.loopback import Loopback, Refusal, Request, check_cron, page_of

PLACE = "/v1/(projects/people/locations/europe-west4)"
STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}
EPOCH = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
STEP = PipelineTaskDetail.State


def parse(kind: Any, body: Any) -> Any:
    """A message of the published type; an unknown field or a wrong value is refused."""
    message = kind()
    try:
        json_format.ParseDict(body, kind.pb(message))
    except json_format.ParseError as error:
        raise Refusal(400, str(error)) from None
    return message


def told(message: Any) -> Any:
    return json_format.MessageToDict(type(message).pb(message))


def check_job(job: PipelineJob) -> None:
    """Refuses a job that Vertex AI would not begin."""
    spec = json_format.MessageToDict(PipelineJob.pb(job).pipeline_spec)
    try:
        parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise Refusal(400, f"pipeline_spec: {error}") from None
    if not job.runtime_config.gcs_output_directory.startswith("gs://"):
        raise Refusal(400, "runtime_config.gcs_output_directory must be a bucket")
    if job.runtime_config.parameters:
        raise Refusal(400, "runtime_config.parameters are of schema 2.0.0")
    declared = parsed.root.input_definitions.parameters
    given = job.runtime_config.parameter_values
    for name in given:
        if name not in declared:
            raise Refusal(400, f"unknown parameter {name}")
    for name, declaration in declared.items():
        if name not in given and not declaration.HasField("default_value"):
            raise Refusal(400, f"missing parameter {name}")
    for pair in job.labels.items():
        if not all(re.fullmatch(r"[a-z0-9_-]{0,63}", word) for word in pair):
            raise Refusal(400, f"label {pair}")


class VertexServer(Loopback):
    """Jobs go one state further each time they are asked for, and end as `failing` says."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, PipelineJob] = {}
        self.kept: dict[str, Schedule] = {}
        self.buckets = {"bucket"}
        self.numbers = itertools.count(1)
        self.failing: dict[str, str] = {}
        self.asked: dict[str, int] = {}
        self.going: set[str] = set()
        name = f"/v1/({PLACE[5:-1]}/KIND/[^/:]+)"
        job, schedule = name.replace("KIND", "pipelineJobs"), name.replace("KIND", "schedules")
        self.routes = [
            ("POST", "/token", self.token),
            ("GET", "/storage/v1/b/([^/]+)", self.bucket),
            ("POST", f"{PLACE}/pipelineJobs", self.create_job),
            ("GET", f"{PLACE}/pipelineJobs", self.list_jobs),
            ("GET", job, self.get_job),
            ("POST", f"{PLACE}/schedules", self.create_schedule),
            ("GET", f"{PLACE}/schedules", self.list_schedules),
            ("GET", schedule, self.get_schedule),
            ("DELETE", schedule, self.delete_schedule),
            ("POST", f"{schedule}:(pause|resume)", self.switch_schedule),
        ]

    def refusal_body(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "X")}}

    def one(self, kept: dict[str, Any], match: re.Match[str]) -> Any:
        if match.group(1) not in kept:
            raise Refusal(404, f"{match.group(1)} is not found.")
        return kept[match.group(1)]

    def later(self) -> datetime.datetime:
        """A time later than every earlier one."""
        return EPOCH + datetime.timedelta(seconds=next(self.numbers))

    def token(self, match: Any, request: Request) -> Any:
        return {"access_token": "sesame", "expires_in": 3600, "token_type": "Bearer"}

    def bucket(self, match: re.Match[str], request: Request) -> Any:
        if match.group(1) not in self.buckets:
            raise Refusal(404, "The specified bucket does not exist.")
        return {"name": match.group(1)}

    def create_job(self, match: re.Match[str], request: Request) -> Any:
        job = parse(PipelineJob, request.body)
        check_job(job)
        job_id = request.query["pipelineJobId"]
        if not re.fullmatch(r"[a-z][-a-z0-9]{0,127}", job_id):
            raise Refusal(400, f"pipelineJobId {job_id!r}")
        job.name = f"{match.group(1)}/pipelineJobs/{job_id}"
        if job.name in self.jobs:
            raise Refusal(409, "Requested entity already exists")
        job.state = PipelineState.PIPELINE_STATE_PENDING
        job.create_time = self.later()
        self.jobs[job.name] = job
        return told(job)

    def get_job(self, match: re.Match[str], request: Request) -> Any:
        job = self.one(self.jobs, match)
        asked = self.asked[job.name] = self.asked.get(job.name, 0) + 1
        tasks = json_format.MessageToDict(PipelineJob.pb(job).pipeline_spec)["root"]["dag"]["tasks"]
        steps = sorted(tasks, key=lambda step: len(tasks[step].get("dependentTasks", [])))
        job.state = PipelineState.PIPELINE_STATE_RUNNING
        details = [PipelineTaskDetail(task_name=job.display_name, state=STEP.RUNNING)]
        for number, step in enumerate(steps[:asked], 1):
            state = STEP.SUCCEEDED if asked > number else STEP.RUNNING
            detail = PipelineTaskDetail(task_name=step, state=state, start_time=self.later())
            details.append(detail)
            if step in self.failing:
                detail.state, detail.error = STEP.FAILED, {"code": 9, "message": self.failing[step]}
                job.state = PipelineState.PIPELINE_STATE_FAILED
                job.error = {"code": 9, "message": "The DAG failed because some tasks failed."}
                break
        else:
            if asked > len(steps):
                job.state = PipelineState.PIPELINE_STATE_SUCCEEDED
        # The API promises no order.
        job.job_detail.task_details = details[::-1]
        return told(job)

    def listed(self, items: list[Any], request: Request, plural: str) -> Any:
        if request.query.get("orderBy") == "create_time desc":
            items = items[::-1]
        size = int(request.query.get("pageSize") or 0)
        page, token = page_of(items, request.query.get("pageToken", ""), size)
        return {plural: [told(item) for item in page], "nextPageToken": token}

    def list_jobs(self, match: Any, request: Request) -> Any:
        wanted = re.fullmatch(r"schedule_name=(\S+)", request.query["filter"])
        jobs = [job for job in self.jobs.values() if job.schedule_name == wanted.group(1)]
        return self.listed(jobs, request, "pipelineJobs")

    def list_schedules(self, match: Any, request: Request) -> Any:
        condition = request.query.get("filter", "")
        wanted = re.fullmatch(r'display_name="([^"]+)"', condition)
        if condition and not wanted:
            raise Refusal(400, f"filter {condition!r}")
        kept = [s for s in self.kept.values() if not wanted or s.display_name == wanted.group(1)]
        return self.listed(kept, request, "schedules")

    def create_schedule(self, match: re.Match[str], request: Request) -> Any:
        schedule = parse(Schedule, request.body)
        check_job(schedule.create_pipeline_job_request.pipeline_job)
        if schedule.create_pipeline_job_request.parent != match.group(1):
            raise Refusal(400, "create_pipeline_job_request.parent")
        if schedule.max_concurrent_run_count < 1 or not schedule.display_name:
            raise Refusal(400, "max_concurrent_run_count and display_name are required")
        zone, *fields = schedule.cron.split(" ")
        if zone.removeprefix("TZ=") not in zoneinfo.available_timezones():
            raise Refusal(400, f"time zone {zone}")
        check_cron(fields, ["minute", "hour", "day", "month", "weekday"])
        schedule.create_time = self.later()
        schedule.next_run_time = schedule.create_time + datetime.timedelta(days=1)
        schedule.name = f"{match.group(1)}/schedules/{next(self.numbers)}"
        schedule.state = Schedule.State.ACTIVE
        self.kept[schedule.name] = schedule
        return told(schedule)

    def switch_schedule(self, match: re.Match[str], request: Request) -> Any:
        schedule = self.one(self.kept, match)
        paused, active = Schedule.State.PAUSED, Schedule.State.ACTIVE
        schedule.state = paused if match.group(2) == "pause" else active
        return {}

    def delete_schedule(self, match: re.Match[str], request: Request) -> Any:
        """Begins an operation; the schedule is gone after it was asked for once more."""
        schedule = self.one(self.kept, match)
        self.going.add(schedule.name)
        place = schedule.name.rpartition("/schedules/")[0]
        return {"name": f"{place}/operations/{next(self.numbers)}"}

    def get_schedule(self, match: re.Match[str], request: Request) -> Any:
        schedule = self.one(self.kept, match)
        if schedule.name in self.going:
            del self.kept[schedule.name]
        return told(schedule)

    def states(self) -> list[tuple[str, str, str]]:
        """Name, cron and state of each schedule."""
        return [(s.display_name, s.cron, s.state.name) for s in self.kept.values()]
