"""What a person sees of a run: a line a stage with what it did, then the result.

Enters: the starts and ends of stages, the stages' own log lines (counts only), the outcome. Leaves:
text on the terminal. Stages log to `authorprofile.<stage>`: INFO is what it did and stays, DEBUG is
progress and is shown while it lasts.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import time
from pathlib import Path
from typing import Any, TextIO

from rich import box, filesize
from rich.table import Table
from rich.text import Text

from components.heads.declared import HEADS
from components.heads.metrics import SKILL, format_estimate, format_number
from components.report.contenders import contenders, describe_network, gains
from pipeline.terminal import Terminal, plain_table

TITLES = {
    "SpanLook": "look",
    "DecisionRecord": "decision",
    "PostsExampleGen": "ingest",
    "StatisticsGen": "statistics",
    "HeadsSchema": "schema",
    "LastSpan": "last span",
    "ExamplesValidator": "validation",
    "Transform": "transform",
    "Table": "table",
    "Baseline": "linear baseline",
    "EarlierHyperparameters": "settings",
    "Tuner": "search",
    "Trainer": "training",
    "ModelInService": "in service",
    "HeadEvaluator": "judging",
    "ServingCheck": "check",
    "VersionedPusher": "push",
    "HeadComparison": "comparison",
    "DataProfile": "data counts",
    "AnswersProfile": "answers",
    "RunReport": "report",
}


class Waiting:
    """What a stage under way shows: its own progress, what it has written, how long it has taken.

    A Beam pipeline on this machine gives its counters only when it has ended; the size of what it
    has written is the one count to be had meanwhile.

    Args:
        title: of the stage.
        folder: where it writes; None where nothing is written.
    """

    def __init__(self, title: str, folder: Path | None = None):
        self.title = title
        self.progress = ""
        self.folder = folder
        self.started = self.measured = time.monotonic()
        self.bytes_before = self.bytes_now = folder_bytes(folder)

    def __rich__(self) -> Text:
        """The line now; measures the folder once a second at the most."""
        now = time.monotonic()
        if now - self.measured >= 1:
            self.measured, self.bytes_now = now, folder_bytes(self.folder)
        written = self.bytes_now - self.bytes_before
        parts = [
            self.progress,
            f"{filesize.decimal(written)} written" if written > 0 else "",
            f"{now - self.started:.0f} s",
        ]
        text = f"{self.title}: {', '.join(part for part in parts if part)}"
        return Text(text, no_wrap=True, overflow="ellipsis")


def folder_bytes(folder: Path | None) -> int:
    """Bytes of all files in a folder, of which some may go meanwhile; 0 where there is none."""
    total = 0
    for parent, _, names in os.walk(folder) if folder else ():
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total


class RunConsole(logging.Handler):
    """Shows stages as they run; hears their log lines as a logging handler.

    Args:
        stream: what a person reads.
        artifacts: folder in which each stage writes to a folder of its name.
    """

    def __init__(self, stream: TextIO, artifacts: Path | None = None):
        super().__init__(logging.DEBUG)
        self.artifacts = artifacts
        self.waiting = Waiting("")
        self.console = Terminal(file=stream)
        self.status = self.console.status("")
        self.started = 0.0
        self.title = ""
        self.said = 0

    def __enter__(self) -> RunConsole:
        logging.getLogger("authorprofile").addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("authorprofile").removeHandler(self)
        self.status.stop()

    def say(self, text: str, style: str = "") -> None:
        """One line that stays."""
        self.console.say(text, style=style)

    def waiting_for(self, what: str, folder: Path | None = None) -> None:
        """Shows what is being waited for, where the terminal can."""
        self.waiting = Waiting(what, folder)
        self.status.update(self.waiting)
        self.status.start()

    def stage_started(self, stage: str) -> None:
        """A stage starts."""
        kind, _, number = stage.partition("-")
        self.title = f"{TITLES.get(kind, kind)} {number}".rstrip()
        self.started = time.monotonic()
        self.said = 0
        self.waiting_for(self.title, self.artifacts / stage if self.artifacts else None)

    def stage_finished(self, stage: str, how: str) -> None:
        """A stage has ended well, see `local.StageObserver`; one that said nothing gets a line."""
        self.status.stop()
        seconds = time.monotonic() - self.started
        if not self.said:
            self._stay(how, "dim")
        self.console.print(Text(f"{'':12}{seconds:.1f} s", style="dim"))

    def emit(self, record: logging.LogRecord) -> None:
        """A stage's own line."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._stay(text, "yellow")
        elif record.levelno >= logging.INFO:
            self._stay(text)
        elif self.console.is_terminal:
            self.waiting.progress = text
        else:
            self._stay(text, "dim")

    def _stay(self, text: str, style: str = "") -> None:
        title = self.title if not self.said else ""
        self.said += 1
        self.console.say(Text(f"{title:11} ", style="bold"), Text(text, style=style))


def show_outcome(console: Terminal, outcome: Any, reachable: dict[str, Any]) -> None:
    """The table of heads, what blocked, and how to use the model.

    Args:
        console: where to.
        outcome: of `local.run_local`.
        reachable: best reachable scores by head and metric, empty where unknown.
    """
    verdict = outcome.verdict
    level = f"{verdict['confidence']:.0%}"
    console.print()
    console.print(result_table(verdict, reachable))
    console.print(
        Text(
            f"On {verdict['authors']} authors of `{verdict['split']}`, which nothing was chosen "
            f"by; intervals at {level}. Constant baseline: the best constant answer in hindsight. "
            "Skill: 1 - loss / its loss.",
            style="dim",
        )
    )
    for sentence in gains(verdict, outcome.training):
        console.say(f"{sentence}.")
    if outcome.hyperparameters:
        chosen = ", ".join(
            f"{_title(name)} {_chosen(value)}"
            for name, value in sorted(outcome.hyperparameters.items())
            if isinstance(value, float | str) and not name.startswith("tuner/")
        )
        console.say(f"Chosen by the search: {chosen}.")
    for head in verdict["heads"]:
        if not head["blessed"]:
            console.say(f"{head['name']} blocked: it {head['reason']}.", style="red")
    for fault in outcome.check.get("faults", []):
        console.say(f"check failed: {fault}", style="red")
    if network := describe_network(outcome.training):
        console.say(f"Network:    {network}")
    if outcome.pushed:
        folder = shlex.quote(str(Path(outcome.serving_path).parent))
        console.say(f"In service: {outcome.serving_path}", style="green")
        console.say(f"Use it:     echo 'a post' | authorprofile predict --model {folder}")
    else:
        console.say("Not pushed; what was in service stays there.")
    console.say(f"Report:     {outcome.report}")


def _title(name: str) -> str:
    return name.replace("loss_weight/", "weight of ")


def _chosen(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def result_table(verdict: dict[str, Any], reachable: dict[str, Any]) -> Table:
    """Per head and metric: the score with its interval, and beside it those of the contenders.

    Narrow, so that all of them stand in 80 columns.
    """
    beside = contenders(verdict, reachable)
    # Two lines a title: the words are wider than the numbers.
    titles = ["score", *(contender.title.replace(" ", "\n") for contender in beside)]
    look = {"title": "Result on `test`", "box": box.SIMPLE_HEAD, "padding": 0}
    table = plain_table("", *titles, right=tuple(titles), **look)
    for head in verdict["heads"]:
        table.add_row(Text.assemble(f"{head['name']}: ", _verdict_cell(head)))
        shown = [(m.short, m.key) for m in HEADS[head["kind"]].metrics if m.on_console]
        for title, key in [*shown, (SKILL, SKILL)]:
            scores = {**head["metrics"], SKILL: head["skill"]}
            others = [(one.scores[head["name"]].get(key) or {}).get("value") for one in beside]
            table.add_row(
                f"  {title}",
                format_estimate(scores.get(key)),
                *(format_number(value, unknown="") for value in others),
                end_section=key == SKILL,
            )
    return table


def _verdict_cell(head: dict[str, Any]) -> Text:
    if not head["blessed"]:
        return Text("not blessed", style="red")
    return Text("accepted" if head["accepted"] else "blessed", style="green")


def read_reachable(path: str) -> dict[str, Any]:
    """Best reachable scores by head and metric from the file a sample comes with."""
    if not path:
        return {}
    heads: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))["heads"]
    return heads
