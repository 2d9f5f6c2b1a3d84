"""Recurring runs of Kubeflow Pipelines, whose description holds the digest of their definition.

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
from pipeline.cloud.kubeflow_client import where
from pipeline.cloud.replacing import Entry
from pipeline.cloud.retries import once
from pipeline.cloud.schedules import Definition
from pipeline.cloud.spec import package_version
from pipeline.cloud.target import Run
from pipeline.config import ConfigError

if TYPE_CHECKING:
    from pipeline.cloud.kubeflow import KubeflowTarget

PAGE_SIZE = 100
_MARK = re.compile(
    r"^authorprofile (\S+); definition ([0-9a-f]{32}); meant (active|paused); (\S+)$"
)


class KubeflowRecurringRuns:
    """The recurring runs of a namespace."""

    title = "Kubeflow"

    def __init__(self, target: KubeflowTarget) -> None:
        self.target, self.client, self.deploy = target, target.client, target.deploy

    @property
    def settings(self) -> Sequence[str]:
        deploy = self.deploy
        return (deploy.root, deploy.service_account, deploy.kubeflow.experiment)

    def asking(self) -> contextlib.AbstractContextManager[None]:
        return self.target.asking()

    def check_times(self, times: Cron) -> None:
        own = self.deploy.kubeflow.timezone
        if times.timezone != own:
            raise ConfigError(
                f"timezone: this Kubeflow reads the cron of all schedules in {own} "
                f"(deploy.kubeflow.timezone); got {times.timezone}; give --timezone {own}, or "
                "change CRON_SCHEDULE_TIMEZONE of the install and then that setting"
            )

    def find(self, name: str | None = None) -> Sequence[Entry]:
        condition = where("display_name", name) if name else None
        found = (self._entry(run) for run in self._pages(condition))
        # The API may compare names without case.
        return [one for one in found if one is not None and name in (None, one.name)]

    def add(
        self, definition: Definition, digest: str, *, active: bool, wanted_active: bool
    ) -> None:
        experiment = self.target.experiment()
        once(
            lambda: self.client.create_recurring_run(
                experiment,
                definition.name,
                description=describe(digest, wanted_active, definition.times.timezone),
                cron_expression=definition.times.kubeflow,
                max_concurrency=1,
                no_catchup=True,
                params=definition.values,
                pipeline_package_path=str(definition.compiled.path),
                enabled=active,
                pipeline_root=self.deploy.root or None,
                service_account=self.deploy.service_account or None,
            ),
            lambda: next((e for e in self.find(definition.name) if e.digest == digest), None),
        )

    def pause(self, entry_id: str) -> None:
        self.client.disable_recurring_run(entry_id)

    def resume(self, entry_id: str) -> None:
        self.client.enable_recurring_run(entry_id)

    def delete(self, entry_id: str) -> None:
        self.client.delete_recurring_run(entry_id)

    def last_run(self, entry: Entry) -> tuple[datetime.datetime | None, str]:
        answer = self.client.list_runs(
            page_size=1,
            sort_by="created_at desc",
            filter=where("recurring_run_id", entry.id),
            **self.target.within,
        )
        if not answer.runs:
            return None, ""
        return answer.runs[0].created_at, self.target.told(answer.runs[0]).state.value

    def begin(self, entry: Entry) -> Run:
        return self.target.begin_again(self.client.get_recurring_run(entry.id))

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

    def _entry(self, run: Any) -> Entry | None:
        mark = _MARK.match(run.description or "")
        if mark is None:
            return None
        _, digest, meant, timezone = mark.groups()
        return Entry(
            id=run.recurring_run_id,
            digest=digest,
            active=run.status == "ENABLED",
            wanted_active=meant == "active",
            created=run.created_at,
            name=run.display_name,
            cron=run.trigger.cron_schedule.cron.removeprefix("0 "),
            timezone=timezone,
            link=self.target.link(f"recurringrun/details/{run.recurring_run_id}"),
        )


def describe(digest: str, wanted_active: bool, timezone: str) -> str:
    """What a recurring run's description holds; the zone is there for a person to read too."""
    meant = "active" if wanted_active else "paused"
    return f"authorprofile {package_version()}; definition {digest}; meant {meant}; {timezone}"
