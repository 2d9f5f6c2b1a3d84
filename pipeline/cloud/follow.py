"""A run, followed on the terminal until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.text import Text

from pipeline.cloud.target import NoAnswerError, Run, State, Step, Target
from pipeline.terminal import Terminal

# A network may be gone for a while; what was begun goes on without us.
SILENT_LOOKS = 20
COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.CANCELLED: "yellow"}


def follow(
    target: Target,
    run: Run,
    console: Terminal,
    tasks: Sequence[str],
    every_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Asks for the run until it has ended.

    Args:
        target: where it runs.
        run: as it began.
        console: of the person who waits.
        tasks: the names of all steps.
        every_seconds: between two looks.
        sleep: waits that long.

    Raises:
        PlatformError: the platform refused, or did not answer many times in turn.
    """
    shown: dict[str, State] = {}
    with console.status(title(run, tasks)) as status:
        while not run.state.is_final:
            sleep(every_seconds)
            run = look(target, run, console, every_seconds, sleep)
            show(run.steps, shown, console)
            status.update(Text(title(run, tasks)))
    return run


def look(
    target: Target,
    run: Run,
    console: Terminal,
    every_seconds: float,
    sleep: Callable[[float], None],
) -> Run:
    """The run as it is; a platform that is silent for a while is asked again."""
    for left in reversed(range(SILENT_LOOKS)):
        try:
            return target.look(run.id)
        except NoAnswerError as error:
            if not left:
                raise
            console.say(f"{error}; asking again", style="dim")
            sleep(every_seconds)
    raise AssertionError("the last look returns or raises")


def show(steps: Sequence[Step], shown: dict[str, State], console: Terminal) -> None:
    """Prints each step whose state is not the one that was shown last."""
    for step in steps:
        if shown.get(step.name) is not step.state:
            shown[step.name] = step.state
            state = Text(step.state.value, style=COLOURS.get(step.state, "default"))
            console.say(f"  {step.name:<24} ", state)


def title(run: Run, tasks: Sequence[str]) -> str:
    """What is under way: `running: Trainer (7 of 14 steps ended)`."""
    under_way = [step.name for step in run.steps if step.state is State.RUNNING]
    ended = sum(step.state.is_final for step in run.steps)
    names = f": {', '.join(under_way)}" if under_way else ""
    return f"{run.state.value}{names} ({ended} of {len(tasks)} steps ended)"
