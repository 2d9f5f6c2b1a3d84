"""What a check found, and how a list of it is shown. Imports no client library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["ok", "fault", "not checked"]
_STYLES: dict[Verdict, str] = {"ok": "green", "fault": "red", "not checked": "yellow"}


@dataclass(frozen=True)
class Finding:
    """One line of the list.

    Attributes:
        check: the rule, in a few words.
        verdict: whether it holds; `not checked` where nothing here can tell.
        found: what was found.
        remedy: what to do; empty where all is well.
    """

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


def show(findings: Iterable[Finding], console: Console, title: str) -> None:
    """Prints the list as a table."""
    table = Table(title=title, title_justify="left", show_lines=True)
    for name in ("check", "", "found", "to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        style = _STYLES[finding.verdict]
        verdict = f"[{style}]{finding.verdict}[/{style}]"
        table.add_row(finding.check, verdict, _plain(finding.found), _plain(finding.remedy))
    console.print(table)


def _plain(text: str) -> str:
    """Text in which rich sees no markup: patterns hold brackets."""
    return text.replace("[", r"\[")
