"""A run is followed to its end, through a network that is gone for a while."""

from __future__ import annotations

import io

import pytest

from pipeline.cloud.follow import SILENT_LOOKS, follow, title
from pipeline.cloud.target import NoAnswerError, PlatformError, Run, State, Step
from pipeline.terminal import Terminal

BEGUN = Run("id", "name", "https://link", State.PENDING)


def at(state, *steps):
    return Run("id", "name", "https://link", state, steps=steps)


class Told:
    """A target that tells what it is given to tell, errors among it."""

    def __init__(self, *told):
        self.told = list(told)

    def look(self, run_id):
        answer = self.told.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def followed(*told):
    console, waits = Terminal(file=io.StringIO(), width=100), []
    try:
        ended = follow(Told(*told), BEGUN, console, ["Ingest", "Trainer"], 7, waits.append)
    except PlatformError as error:
        ended = error
    return ended, console.file.getvalue().splitlines(), waits


def test_a_step_is_shown_when_it_changes_and_only_then():
    running = at(State.RUNNING, Step("Ingest", State.RUNNING))
    done = at(State.SUCCEEDED, Step("Ingest", State.SUCCEEDED), Step("Trainer", State.SKIPPED))
    ended, shown, waits = followed(running, running, done)
    assert ended is done
    assert [line.split() for line in shown if line.startswith("  ")] == [
        ["Ingest", "running"],
        ["Ingest", "succeeded"],
        ["Trainer", "skipped"],
    ]
    assert waits == [7, 7, 7]


def test_a_platform_that_is_silent_for_a_while_is_asked_again():
    silence = [NoAnswerError("Vertex AI cannot be reached")] * (SILENT_LOOKS - 1)
    ended, shown, _ = followed(*silence, at(State.RUNNING), *silence, at(State.FAILED))
    assert ended.state is State.FAILED
    assert sum("cannot be reached; asking again" in line for line in shown) == len(silence) * 2


def test_a_platform_that_stays_silent_is_given_up():
    ended, _, _ = followed(*[NoAnswerError("gone")] * SILENT_LOOKS)
    assert str(ended) == "gone"


def test_a_refusal_is_not_repeated():
    ended, _, waits = followed(PlatformError("no right"))
    assert (str(ended), waits) == ("no right", [7])


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (BEGUN, "pending (0 of 2 steps ended)"),
        (
            at(State.RUNNING, Step("Ingest", State.SUCCEEDED), Step("Trainer", State.RUNNING)),
            "running: Trainer (1 of 2 steps ended)",
        ),
    ],
)
def test_the_title_says_what_is_under_way(run, said):
    assert title(run, ["Ingest", "Trainer"]) == said
