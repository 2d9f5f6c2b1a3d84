"""One schedule of a name, however often it is created, and whatever interrupts that.

Neither platform can change what a schedule runs, and neither keeps names unique. So a schedule
carries a *mark*: the digest of its definition, and whether it is meant to be active. A changed
definition takes the old one's place in this order:

    create the new one paused -> pause the old -> activate the new -> delete the old

At no moment are two active, and at none is there nothing. Two of one name are the sign of an
interrupted replacement, which the next command that changes the schedule finishes; one that is
paused was paused by a person, and stays so. Called by the schedules of Kubeflow and Vertex AI.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Entry:
    """A schedule as the platform keeps it.

    Args:
        digest: of its definition; empty where the platform's record was changed by others.
        wanted_active: what it is meant to be once its replacement is done.
    """

    id: str
    digest: str
    active: bool
    wanted_active: bool
    created: datetime.datetime


class Book(Protocol):
    """A platform's schedules of one name."""

    def entries(self) -> Sequence[Entry]:
        """All of the name."""

    def create(self, *, active: bool, wanted_active: bool) -> None:
        """Adds one with the new definition."""

    def pause(self, entry_id: str) -> None:
        """Pauses one."""

    def resume(self, entry_id: str) -> None:
        """Activates one."""

    def delete(self, entry_id: str) -> None:
        """Removes one."""


def put(book: Book, digest: str) -> Entry:
    """Leaves exactly one schedule with the definition of this digest."""
    present = book.entries()
    if not any(entry.digest == digest for entry in present):
        wanted = not present or meant_active(present)
        book.create(active=not present and wanted, wanted_active=wanted)
        # An answer that was lost on its way may have been repeated: what is there counts.
        present = book.entries()
    return keep(book, newest([entry for entry in present if entry.digest == digest]), present)


def finish(book: Book) -> Entry | None:
    """Completes an interrupted replacement; the schedule, or None where there is none."""
    present = book.entries()
    return keep(book, newest(present), present) if present else None


def keep(book: Book, kept: Entry, present: Sequence[Entry]) -> Entry:
    """Leaves `kept` alone of all that are present, active if that is meant."""
    others = [entry for entry in present if entry.id != kept.id]
    for entry in others:
        if entry.active:
            book.pause(entry.id)
    active = kept.active or (bool(others) and newest(present).wanted_active)
    if active and not kept.active:
        book.resume(kept.id)
    for entry in others:
        book.delete(entry.id)
    return dataclasses.replace(kept, active=active)


def meant_active(present: Sequence[Entry]) -> bool:
    """Whether a name's schedule is meant to start runs; one alone is what it is."""
    return present[0].active if len(present) == 1 else newest(present).wanted_active


def newest(entries: Sequence[Entry]) -> Entry:
    """The one created last."""
    return max(entries, key=lambda entry: entry.created)
