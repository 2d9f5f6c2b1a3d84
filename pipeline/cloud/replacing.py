"""One schedule of a name, however often it is created, and whatever interrupts that.

Neither platform can change what a schedule runs, and neither keeps names unique. So a schedule
carries a *mark*: the digest of its definition, and whether it is meant to be active. A changed
definition takes the old one's place in this order:

    create the new one paused -> pause the old -> activate the new -> delete the old

At no moment are two active, and at none is there nothing. Two of one name are the sign of an
interrupted replacement, which the next command that changes the schedule finishes; one that is
paused was paused by a person, and stays so.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cloud.schedules import Platform


@dataclasses.dataclass(frozen=True)
class Entry:
    """A schedule that this package made, as its platform keeps it.

    Args:
        digest: of its definition.
        wanted_active: what it is meant to be once its replacement is done.
        cron: five fields.
        link: page of the schedule.
        ended: whether the platform will start no more runs.
    """

    id: str
    digest: str
    active: bool
    wanted_active: bool
    created: datetime.datetime
    name: str
    cron: str
    timezone: str
    link: str
    ended: bool = False
    next_run: datetime.datetime | None = None


def put(platform: Platform, name: str, digest: str, create: Callable[..., None]) -> Entry:
    """Leaves exactly one schedule of the name, with the definition of this digest.

    Args:
        platform: whose schedule it is.
        name: of the schedule.
        digest: of the definition.
        create: adds a schedule of it; takes `active` and `wanted_active`.
    """
    present = platform.find(name)
    if not any(entry.digest == digest for entry in present):
        wanted = not present or meant_active(present)
        create(active=not present and wanted, wanted_active=wanted)
        # An answer that was lost on its way may have been repeated: what is there counts.
        present = platform.find(name)
    return keep(platform, newest([entry for entry in present if entry.digest == digest]), present)


def finish(platform: Platform, name: str) -> Entry | None:
    """Completes an interrupted replacement; the schedule, or None where there is none."""
    present = platform.find(name)
    return keep(platform, newest(present), present) if present else None


def keep(platform: Platform, kept: Entry, present: Sequence[Entry]) -> Entry:
    """Leaves `kept` alone of all that are present, active if that is meant."""
    others = [entry for entry in present if entry.id != kept.id]
    for entry in others:
        if entry.active:
            platform.pause(entry.id)
    active = kept.active or (bool(others) and newest(present).wanted_active)
    if active and not kept.active:
        platform.resume(kept.id)
    for entry in others:
        platform.delete(entry.id)
    return dataclasses.replace(kept, active=active)


def meant_active(present: Sequence[Entry]) -> bool:
    """Whether a name's schedule is meant to start runs; one alone is what it is."""
    return present[0].active if len(present) == 1 else newest(present).wanted_active


def newest(entries: Sequence[Entry]) -> Entry:
    """The one created last."""
    return max(entries, key=lambda entry: entry.created)
