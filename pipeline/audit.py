"""What `authorprofile audit` does: the join alone, its counts on the console and in a folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from rich.table import Table

from components.ingest.checks import JoinError, check_join, list_notes
from components.ingest.summary import JoinSummary
from components.ingest.unreadable import SourceError
from pipeline.beam import beam_arguments
from pipeline.causes import describe_cause, statement
from pipeline.chatter import divert_output
from pipeline.config import Config
from pipeline.full_disk import describe_full, is_full
from pipeline.imports import uncollected
from pipeline.kinds import load_kinds
from pipeline.lock import InUseError, only_one
from pipeline.observed import leave
from pipeline.output import OutputError
from pipeline.terminal import Terminal, plain_table


def audit_command(config: Config) -> int:
    """Joins, counts, writes `<out>/audit/`.

    Returns:
        The exit code: 0 the data passes; 1 it does not, the audit failed, or another one is at
        work there; 2 a pattern names no file, or one that cannot be a source; 130 interrupted.
    """
    load_kinds(config.head_list)
    folder = Path(config.out) / "audit"
    with divert_output(Path(config.out) / "logs") as (terminal, log_path):
        console = Terminal(file=terminal)
        try:
            summary = _join(config, folder, console)
        except SourceError as error:
            console.say(statement(str(error)), style="red")
            return 2
        except InUseError as error:
            console.say(str(error), style="red")
            return 1
        except KeyboardInterrupt:
            console.say("Interrupted; an earlier audit is kept as it was.")
            # Beam's threads would hold the process until the join is done.
            leave(130)
        except OutputError:
            raise
        except Exception as error:
            logging.getLogger(__name__).exception("the audit failed")
            place = f"the audit, in {config.out}"
            full = is_full(error) and describe_full(place, "Free some, or name another --out.")
            console.say(f"audit failed: {full or describe_cause(error)}", style="red")
            console.say(f"The whole log: {log_path}")
            leave(1)
        show_summary(console, summary)
        console.say(f"Every record set aside, by file, line and cause: {folder}")
        code = _judge(config, summary, console)
    sys.stdout.flush()
    return code


def _join(config: Config, folder: Path, console: Terminal) -> JoinSummary:
    """The counts of the join, which it writes into the folder, alone there."""
    lock = only_one(folder.with_name("audit.lock"), "audit")
    with lock, console.status("joining posts and labels"):
        # Beam takes seconds to import, which whoever is refused need not wait for.
        with uncollected():
            from components.ingest.audit_sources import audit_sources

        return audit_sources(
            config.posts,
            config.labels,
            config.head_list,
            config.ingest,
            str(folder),
            beam_arguments(config.beam),
        )


def _judge(config: Config, summary: JoinSummary, console: Terminal) -> int:
    """Says whether a run would train on what was joined; the exit code."""
    try:
        check_join(summary, config.head_list, config.ingest)
    except JoinError as error:
        console.say(str(error), style="red")
        return 1
    for note in list_notes(summary, config.head_list):
        console.say(note, style="yellow")
    console.say(describe_passing(config), style="green")
    return 0


def describe_passing(config: Config) -> str:
    """What data that passes was checked for, and what only a run can see."""
    passed = "The data passes every check that a run makes before training"
    if any("{" in pattern for pattern in (*config.posts, *config.labels)):
        return f"{passed}, but for drift since an earlier span, which the run itself measures."
    return f"{passed}."


def show_summary(console: Terminal, summary: JoinSummary) -> None:
    """Files with their causes, then the splits with what is known of their authors, then notes."""
    numbers = ("read", "used", "set aside", "first line")
    columns = ("file", "read", "used", "set aside", "cause", "first line")
    table = plain_table(*columns, right=numbers, title="Records")
    for file in summary.files:
        aside = file.read - file.used
        table.add_row(file.file, f"{file.read:,}", f"{file.used:,}", f"{aside:,}", "", "")
        for cause, count in file.set_aside.items():
            table.add_row("", "", "", f"{count.records:,}", cause, str(count.first_line))
    console.print(table)
    names = list(next(iter(summary.splits.values())).heads)
    counts_of = ("authors", *names)
    authors = plain_table("split", *counts_of, right=counts_of, title="Authors and known labels")
    for split, counts in summary.splits.items():
        known = [f"{counts.heads[name].known:,}" for name in names]
        authors.add_row(split, f"{counts.authors:,}", *known)
    console.print(authors)
    for noted in (_notes_table(summary), _unknown_table(summary)):
        if noted.row_count:
            console.print(noted)


def _notes_table(summary: JoinSummary) -> Table:
    """What is unusual about records that were not set aside for it, file by file."""
    counted = ("records", "first line")
    table = plain_table("file", "note", *counted, right=counted, title="Notes on records read")
    for file in summary.files:
        for note, count in file.notes.items():
            table.add_row(file.file, note, f"{count.records:,}", str(count.first_line))
    return table


def _unknown_table(summary: JoinSummary) -> Table:
    """By head, the label records whose field is not empty and the value unknown."""
    counted = ("spelt as unknown", "neither of its two values", "distinct ones")
    title = "Label records with an unknown value"
    table = plain_table("head", *counted, right=counted, title=title)
    for head, counts in summary.unknown_values.items():
        table.add_row(head, f"{counts.spelt_unknown:,}", f"{counts.other:,}", counts.distinct_text)
    return table
