"""Schedules of Vertex AI, whose jobs' labels hold the digest of their definition.

A new schedule of Vertex AI is active at once, and one can be created paused only by way of a first
time in the future: while a replacement is under way the new one starts nothing for five minutes,
within which it is paused and, once the old one is, resumed. A time that falls into these minutes is
left out. A run that is due while one is under way is left out too, and runs missed in a pause are
not made up.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.cloud.aiplatform_v1 import CreatePipelineJobRequest, ListPipelineJobsRequest
from google.cloud.aiplatform_v1 import Schedule as VertexSchedule

from pipeline.cloud.cron import Cron
from pipeline.cloud.replacing import Entry
from pipeline.cloud.retries import once
from pipeline.cloud.schedules import Definition
from pipeline.cloud.target import Run
from pipeline.cloud.vertex_client import creating, patient, until_gone

if TYPE_CHECKING:
    from pipeline.cloud.vertex import VertexTarget

DIGEST_LABEL, MEANT_LABEL = "authorprofile_definition", "authorprofile_meant"
HANDOVER_SECONDS = 300


class VertexSchedules:
    """The schedules of a project's region."""

    title = "Vertex AI"

    def __init__(self, target: VertexTarget) -> None:
        self.target, self.client = target, target.services.schedules

    @property
    def settings(self) -> Sequence[str]:
        deploy, vertex = self.target.deploy, self.target.deploy.vertex
        labels = [f"{key}={value}" for key, value in sorted(vertex.labels.items())]
        return [deploy.root, deploy.service_account, vertex.network, vertex.encryption_key, *labels]

    def asking(self) -> contextlib.AbstractContextManager[None]:
        return self.target.asking()

    def check_times(self, times: Cron) -> None:
        """Vertex AI keeps every time in its own zone."""

    def find(self, name: str | None = None) -> Sequence[Entry]:
        request = {"parent": self.target.services.parent}
        if name:
            request["filter"] = f'display_name="{name}"'
        listed = patient(self.client.list_schedules, request=request)
        found = [self._entry(schedule) for schedule in listed]
        return [one for one in found if one is not None and name in (None, one.name)]

    def add(
        self, definition: Definition, digest: str, *, active: bool, wanted_active: bool
    ) -> None:
        """Adds a schedule; one that is not to be active yet is paused before it starts anything."""
        schedule = self._schedule(definition, digest, wanted_active)
        if not active:
            delay = datetime.timedelta(seconds=HANDOVER_SECONDS)
            schedule.start_time = datetime.datetime.now(datetime.UTC) + delay
        made = once(
            lambda: (
                creating(
                    self.client.create_schedule,
                    parent=self.target.services.parent,
                    schedule=schedule,
                ).name
            ),
            lambda: next((e.id for e in self.find(definition.name) if e.digest == digest), None),
        )
        if not active:
            try:
                self.pause(made)
            except BaseException:
                # Left active, it would start runs beside the old one.
                self.delete(made)
                raise

    def pause(self, entry_id: str) -> None:
        patient(self.client.pause_schedule, name=entry_id)

    def resume(self, entry_id: str) -> None:
        patient(self.client.resume_schedule, name=entry_id)

    def delete(self, entry_id: str) -> None:
        patient(self.client.delete_schedule, name=entry_id)
        # Asked of the schedule itself: over REST the client asks for operations at paths of the
        # console's own (/ui/...).
        until_gone(self.client.get_schedule, name=entry_id)

    def last_run(self, entry: Entry) -> tuple[datetime.datetime | None, str]:
        request = ListPipelineJobsRequest(
            parent=self.target.services.parent,
            filter=f"schedule_name={entry.id}",
            order_by="create_time desc",
            page_size=1,
        )
        jobs = patient(self.target.services.jobs.list_pipeline_jobs, request=request)
        newest = next(iter(jobs), None)
        if newest is None:
            return None, ""
        return newest.create_time, self.target.told(newest).state.value

    def begin(self, entry: Entry) -> Run:
        schedule = patient(self.client.get_schedule, name=entry.id)
        return self.target.begin(schedule.create_pipeline_job_request.pipeline_job, entry.name)

    def _schedule(self, definition: Definition, digest: str, wanted_active: bool) -> VertexSchedule:
        job = self.target.job(definition.compiled, definition.values)
        job.labels[DIGEST_LABEL] = digest
        job.labels[MEANT_LABEL] = "active" if wanted_active else "paused"
        return VertexSchedule(
            display_name=definition.name,
            cron=definition.times.vertex,
            # The first bounds requests under way, the second runs under way.
            max_concurrent_run_count=1,
            max_concurrent_active_run_count=1,
            create_pipeline_job_request=CreatePipelineJobRequest(
                parent=self.target.services.parent, pipeline_job=job
            ),
        )

    def _entry(self, schedule: VertexSchedule) -> Entry | None:
        labels = schedule.create_pipeline_job_request.pipeline_job.labels
        zone, _, cron = schedule.cron.partition(" ")
        match = re.fullmatch(r"TZ=(\S+)", zone)
        if DIGEST_LABEL not in labels or match is None:
            return None
        state = VertexSchedule.State
        return Entry(
            id=schedule.name,
            digest=labels[DIGEST_LABEL],
            active=schedule.state == state.ACTIVE,
            wanted_active=labels.get(MEANT_LABEL) == "active",
            created=schedule.create_time,
            name=schedule.display_name,
            cron=cron,
            timezone=match.group(1),
            link=self.target.link("schedules", schedule.name),
            ended=schedule.state == state.COMPLETED,
            next_run=schedule.next_run_time,
        )
