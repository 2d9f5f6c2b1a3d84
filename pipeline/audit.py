"""What `authorprofile audit` does: the join alone, its counts on the console and in a folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.ingest.checks import JoinError, check_join
from components.ingest.summary import JoinSummary
from pipeline.beam import beam_arguments
from pipeline.causes import describe_cause
from pipeline.chatter import divert_output
from pipeline.config import Config
from pipeline.imports import uncollected
from pipeline.observed import leave


def audit_command(config: Config) -> int:
    """Joins, counts, writes `<out>/audit/`.

    Returns:
        The exit code: 0 training could start; 1 it could not, or the audit failed; 2 a pattern
        names no file, or one that cannot be a source; 130 interrupted.
    """
    folder = Path(config.out) / "audit"
    with divert_output(Path(config.out) / "logs") as (terminal, log_path):
        console = Console(file=terminal, highlight=False)
        with uncollected():
            from components.ingest.audit_sources import audit_sources
            from components.ingest.sources import SourceError

        try:
            with console.status("joining posts and labels"):
                summary = audit_sources(
                    config.posts,
                    config.labels,
                    config.head_list,
                    config.ingest,
                    str(folder),
                    beam_arguments(config.beam),
                )
        except SourceError as error:
            console.print(Text(str(error), style="red"))
            return 2
        except KeyboardInterrupt:
            console.print("Interrupted; an earlier audit is kept as it was.")
            # Beam's threads would hold the process until the join is done.
            leave(130)
        except Exception as error:
            logging.getLogger(__name__).exception("the audit failed")
            console.print(Text(f"audit failed: {describe_cause(error)}", style="red"))
            console.print(f"The whole log: {log_path}", soft_wrap=True)
            leave(1)
        show_summary(console, summary)
        console.print(f"Every record set aside, by file, line and cause: {folder}", soft_wrap=True)
        try:
            check_join(summary, config.head_list, config.ingest)
        except JoinError as error:
            console.print(Text(str(error), style="red"), soft_wrap=True)
            return 1
        console.print(Text("Training could start.", style="green"))
    sys.stdout.flush()
    return 0


def show_summary(console: Console, summary: JoinSummary) -> None:
    """Files with their causes, then the splits with what is known of their authors."""
    table = Table(title="Records")
    table.add_column("file", overflow="fold")
    for name in ("read", "used", "set aside", "cause", "first line"):
        table.add_column(name, justify="left" if name == "cause" else "right")
    for file in summary.files:
        aside = file.read - file.used
        table.add_row(file.file, f"{file.read:,}", f"{file.used:,}", f"{aside:,}", "", "")
        for cause, count in file.set_aside.items():
            table.add_row("", "", "", f"{count.records:,}", cause, str(count.first_line))
    console.print(table)
    authors = Table(title="Authors and known labels")
    authors.add_column("split")
    authors.add_column("authors", justify="right")
    names = list(next(iter(summary.splits.values())).heads)
    for name in names:
        authors.add_column(name, justify="right")
    for split, counts in summary.splits.items():
        known = [f"{counts.heads[name].known:,}" for name in names]
        authors.add_row(split, f"{counts.authors:,}", *known)
    console.print(authors)
