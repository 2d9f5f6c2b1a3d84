"""What a check found, and how a list of it is shown. Imports no client library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from pipeline.terminal import Terminal, plain_table

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


def judged(check: str, fault: str, otherwise: str, remedy: str) -> Finding:
    """The finding of a check: a fault where there is one, else ok with what was found."""
    if fault:
        return Finding(check, "fault", fault, remedy)
    return Finding(check, "ok", otherwise)


def show(findings: Iterable[Finding], console: Terminal, title: str) -> None:
    """Prints the list as a table."""
    columns = ("check", "", "found", "to do")
    table = plain_table(*columns, title=title, title_justify="left", show_lines=True)
    for finding in findings:
        verdict = Text(finding.verdict, style=_STYLES[finding.verdict])
        table.add_row(finding.check, verdict, finding.found, finding.remedy)
    console.print(table)
