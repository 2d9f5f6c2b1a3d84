"""Recurring runs of Kubeflow Pipelines, for `pipeline.cloud.schedules`.

Enters: definitions, and a connected target. Leaves: recurring runs whose description holds the mark
of their definition. Called by `pipeline.cloud.kubeflow`.

Kubeflow reads cron with seconds first and has no time zone a schedule: the whole install has one
(CRON_SCHEDULE_TIMEZONE, UTC unless set), and a schedule in another is refused. Of runs missed while
it could not start them it makes up one; a run that is due while one is under way waits for it.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cloud.cron import Cron
from pipeline.cloud.kubeflow_client import asking, where
from pipeline.cloud.replacing import Entry
from pipeline.cloud.retries import once
from pipeline.cloud.schedules import Definition, Found, Mark
from pipeline.cloud.spec import package_version
from pipeline.cloud.target import Run, TargetName
from pipeline.config import ConfigError

if TYPE_CHECKING:
    from pipeline.cloud.kubeflow import KubeflowTarget

PAGE_SIZE = 100
_MARK = re.compile(
    r"^authorprofile (\S+); definition ([0-9a-f]{32}); meant (active|paused); (\S+)$"
)


class KubeflowRecurringRuns:
    """The recurring runs of a namespace."""

    name: TargetName = "kubeflow"
    title = "Kubeflow"

    def __init__(self, target: KubeflowTarget) -> None:
        self.target, self.client, self.place = target, target.client, target.place

    @property
    def settings(self) -> Sequence[str]:
        """What of the place belongs to a schedule's definition."""
        return (self.place.root, self.place.service_account, self.place.experiment)

    def asking(self) -> contextlib.AbstractContextManager[None]:
        """Turns the client's errors into a line each."""
        return asking(self.place.advice)

    def check_times(self, times: Cron) -> None:
        """Raises ConfigError unless the install reads cron in the schedule's zone."""
        if times.timezone != self.place.timezone:
            raise ConfigError(
                f"timezone: this Kubeflow reads the cron of all schedules in {self.place.timezone} "
                f"(deploy.kubeflow.timezone); got {times.timezone}; give --timezone "
                f"{self.place.timezone}, or change CRON_SCHEDULE_TIMEZONE of the install and then "
                "that setting"
            )

    def find(self, name: str | None = None) -> Sequence[Found]:
        """The recurring runs of one name or of all that carry a mark."""
        condition = where("display_name", name) if name else None
        found = (self._found(run) for run in self._pages(condition))
        # The API may compare names without case.
        return [one for one in found if one is not None and name in (None, one.name)]

    def add(self, definition: Definition, mark: Mark, *, active: bool) -> None:
        """Adds a recurring run."""
        experiment = self.target.experiment()
        once(
            lambda: self.client.create_recurring_run(
                experiment,
                definition.name,
                description=describe(mark, definition.times.timezone),
                cron_expression=definition.times.kubeflow,
                max_concurrency=1,
                no_catchup=True,
                params=definition.values,
                pipeline_package_path=str(definition.compiled.path),
                enabled=active,
                pipeline_root=self.place.root or None,
                service_account=self.place.service_account or None,
            ),
            lambda: next(
                (f for f in self.find(definition.name) if f.entry.digest == mark.digest), None
            ),
        )

    def pause(self, entry_id: str) -> None:
        """Disables a recurring run."""
        self.client.disable_recurring_run(entry_id)

    def resume(self, entry_id: str) -> None:
        """Enables a recurring run."""
        self.client.enable_recurring_run(entry_id)

    def delete(self, entry_id: str) -> None:
        """Removes a recurring run."""
        self.client.delete_recurring_run(entry_id)

    def last_run(self, found: Found) -> tuple[datetime.datetime | None, str]:
        """When the newest run of a recurring run began, and its state."""
        answer = self.client.list_runs(
            page_size=1,
            sort_by="created_at desc",
            filter=where("recurring_run_id", found.entry.id),
            **self.target.within,
        )
        if not answer.runs:
            return None, ""
        return answer.runs[0].created_at, self.target.told(answer.runs[0]).state.value

    def begin(self, found: Found) -> Run:
        """Begins a run of what a recurring run runs."""
        return self.target.begin_again(self.client.get_recurring_run(found.entry.id))

    def _pages(self, condition: str | None) -> Iterator[Any]:
        token = ""
        while True:
            answer = self.client.list_recurring_runs(
                page_token=token, page_size=PAGE_SIZE, filter=condition, **self.target.within
            )
            yield from answer.recurring_runs or []
            token = answer.next_page_token or ""
            if not token:
                return

    def _found(self, run: Any) -> Found | None:
        mark = _MARK.match(run.description or "")
        if mark is None:
            return None
        _, digest, meant, timezone = mark.groups()
        active = run.status == "ENABLED"
        entry = Entry(run.recurring_run_id, digest, active, meant == "active", run.created_at)
        cron = run.trigger.cron_schedule.cron.removeprefix("0 ")
        link = self.target.link(f"recurringrun/details/{run.recurring_run_id}")
        return Found(run.display_name, cron, timezone, entry, link)


def describe(mark: Mark, timezone: str) -> str:
    """A mark as a recurring run's description; the zone is there for a person to read too."""
    meant = "active" if mark.wanted_active else "paused"
    version = package_version()
    return f"authorprofile {version}; definition {mark.digest}; meant {meant}; {timezone}"
