"""`authorprofile retrain`: what a schedule runs.

Enters: the command line. Leaves: lines on the console, of which the last says how it ended, and an
exit code.
"""

from __future__ import annotations

from typing import Any

import click

from pipeline.imports import uncollected
from pipeline.observed import FAILED, NOT_BLESSED, leave, observed
from pipeline.options import check_before, config_options, read_config


@click.command()
@click.option("--force", is_flag=True, help="Train without a reason.")
@click.option("--search", is_flag=True, help="Search loss weights and settings anew; trains.")
@config_options
def retrain(force: bool, search: bool, **options: Any) -> None:
    """Train where there is a reason: new spans, drifted labels, an old model; else say why not.

    CONFIG is a YAML file of settings, of which the section `retraining` holds the bounds. A
    training starts from the model in service and the last search's settings; its model goes into
    service if no head is worse there. One that was cut off goes on.

    Exit codes: 0 nothing to do, or pushed; 1 failed, or the newest span cannot be used; 2 wrong
    usage; 3 trained but not blessed.
    """
    settings = read_config(**options)
    from pipeline.console import show_outcome

    reachable = check_before(settings)
    with observed(settings, "retraining") as console:
        with uncollected():
            from pipeline.retraining.retrain import retrain as run_retraining

        decision, outcome = run_retraining(settings, console, force=force or search, search=search)
        if outcome is not None:
            show_outcome(console.console, outcome, reachable)
        # One line whatever its length: a schedule keeps the last one.
        console.say(last_words(decision, outcome))
    if decision.state == "blocked":
        leave(FAILED)
    if outcome is not None and not outcome.pushed:
        leave(NOT_BLESSED if not outcome.verdict["blessed"] else FAILED)


def last_words(decision: Any, outcome: Any) -> str:
    """How a retraining ended, in one line, which a schedule's log keeps."""
    if outcome is None:
        return str(decision.summary)
    if outcome.pushed:
        return f"{decision.summary}: in service as {outcome.serving_path}"
    blocked = ", ".join(outcome.verdict["falling_short"]) or "the serving check"
    return f"{decision.summary}: not pushed, blocked by {blocked}"
