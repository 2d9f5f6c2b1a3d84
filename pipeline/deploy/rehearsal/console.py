"""How a rehearsal goes, on the terminal. Called by `commands`; imports no client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from pipeline.deploy.rehearsal.run import Rehearsal

_STYLES = {"done": "green", "skipped": "yellow", "not rehearsed": "yellow"}


class RehearsalConsole:
    """Prints a line a step."""

    def __init__(self, terminal: TextIO):
        self.console = Console(file=terminal, highlight=False)

    def told(self, step: str, state: str, seconds: float) -> None:
        """A step has ended."""
        style = _STYLES[state]
        self.console.print(f"{step:<24}[{style}]{state}[/{style}]  [dim]{seconds:.0f} s[/dim]")

    def show_outcome(self, done: Rehearsal) -> None:
        """Prints how it ended."""
        if done.filled:
            self.console.print(f"Stood in for, since not set: {', '.join(done.filled)}")
        if not done.trained:
            self.console.print(done.decision, soft_wrap=True)
        elif done.pushed:
            self.console.print(f"In service: {done.pushed}")
        else:
            self.console.print("Not blessed, so not pushed: see root/HeadEvaluator", style="yellow")
