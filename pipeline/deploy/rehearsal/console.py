"""How a rehearsal goes, on the terminal. Imports no client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from pipeline.terminal import Terminal

if TYPE_CHECKING:
    from pipeline.deploy.rehearsal.run import Rehearsal

_STYLES = {"done": "green", "skipped": "yellow", "not rehearsed": "yellow"}


class RehearsalConsole:
    """Prints a line a step."""

    def __init__(self, terminal: TextIO):
        self.console = Terminal(file=terminal)

    def told(self, step: str, state: str, seconds: float) -> None:
        """A step has ended."""
        told = Text.assemble(f"{step:<24}", (state, _STYLES[state]), (f"  {seconds:.0f} s", "dim"))
        self.console.say(told)

    def show_outcome(self, done: Rehearsal) -> None:
        """Prints how it ended."""
        if done.filled:
            self.console.say(f"Stood in for, since not set: {', '.join(done.filled)}")
        if not done.trained:
            self.console.say(done.decision)
        elif done.pushed:
            self.console.say(f"In service: {done.pushed}")
        else:
            self.console.say("Not blessed, so not pushed: see root/HeadEvaluator", style="yellow")
