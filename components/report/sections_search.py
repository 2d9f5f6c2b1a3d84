"""The report's section on the search: trials, trade-off, the command with a trial's weights.

What cannot be shown is said in words.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping
from typing import Any

from components.heads.metrics import format_number
from components.report.figures_search import parallel_figure, title_of, tradeoff_figure, with_skills
from components.report.markup import (
    Html,
    element,
    joined,
    missing,
    paragraph,
    plot,
    script_json,
    table,
)
from components.report.record import Json, RunRecord
from components.training.searched import CHOICES, WEIGHT_PREFIX


def search(record: RunRecord) -> Html:
    """Trials, trade-off, and the command that retrains with a trial's weights."""
    if not record.trials:
        return missing(
            "No search was run: the loss weights came from the settings or from an earlier run."
        )
    names = record.names
    comparable = with_skills(record.trials, names)
    return joined(
        paragraph(
            f"{len(record.trials)} trials. The objective is the mean skill of the heads on "
            "eval, which does not depend on the loss weights."
        ),
        plot(
            "trials",
            parallel_figure(record.trials, names if comparable else ()),
            "Each line is a trial: what it chose on the left, what it reached on the right; "
            "the stronger the line, the better the trial; the thick orange one is the best. "
            "The configured settings, where tried first (not by Hyperband), are chosen unless "
            "another trial is better by more than one standard error.",
        ),
        _tradeoff(comparable, names),
        _picker(record),
        element("details", element("summary", "All trials"), _trials_table(record.trials, names)),
    )


def _tradeoff(trials: list[Json], names: list[str]) -> Html:
    if len(names) < 2:
        return missing("One head alone: there is nothing to trade off.")
    if not trials:
        return missing(
            "The trade-off between heads is not shown: this search kept no skill of each head "
            "(trials.json)."
        )
    drawn = [
        plot(
            f"tradeoff {x} {y}",
            tradeoff_figure(trials, names, x, y),
            f"Each point is a trial: skill of {x} to the right, of {y} upwards. Choose a point to "
            "see the command that trains with its weights.",
        )
        for x, y in itertools.islice(itertools.combinations(names, 2), 6)
    ]
    return element("div", *drawn, kind="columns")


def _picker(record: RunRecord) -> Html:
    commands = {str(trial["trial"]): retrain_command(record, trial) for trial in record.trials}
    options = [
        element(
            "option",
            f"trial {trial['trial']}, mean skill {format_number(trial['score'])}",
            value=str(trial["trial"]),
        )
        for trial in record.trials
    ]
    return element(
        "div",
        element("label", "Train with the weights of ", element("select", *options, id="trial")),
        element("pre", element("code", next(iter(commands.values())), id="command"), tabindex="0"),
        element("button", "Copy", type="button", id="copy"),
        element("span", "", id="copied", role="status"),
        script_json("commands", commands),
        kind="picker",
    )


def retrain_command(record: RunRecord, trial: Json) -> str:
    """The command that trains on a trial's loss weights and settings without a search."""
    chosen = trial["hyperparameters"]
    weights = {name: chosen.get(WEIGHT_PREFIX + name, 1.0) for name in record.names}
    settings = ["tune=false", f"training.loss_weights={_by_head(weights)}"]
    settings += [
        f"training.{key}={float(chosen[key]):.6g}"
        for key in ("learning_rate", *CHOICES)
        if key in chosen
    ]
    words = [word for setting in settings for word in ("--set", setting)]
    return repeat_command(record, *words)


def _by_head(values: Mapping[str, float]) -> str:
    listed = ", ".join(f"{name}: {float(value):.6g}" for name, value in values.items())
    return f"{{{listed}}}"


def repeat_command(record: RunRecord, *words: str) -> str:
    """The command that repeats the run, with further words."""
    return shlex.join(["authorprofile", "run", record.config or "config.yaml", *words])


def _trials_table(trials: list[Json], names: list[str]) -> Html:
    chosen = sorted({key for trial in trials for key in trial["hyperparameters"]})
    rows = [
        [
            trial["trial"],
            *(setting_text(trial["hyperparameters"].get(key)) for key in chosen),
            *(format_number(trial["skills"].get(name)) for name in names),
            format_number(trial["score"]),
        ]
        for trial in trials
    ]
    titles = [title_of(key) for key in chosen]
    return table(["trial", *titles, *(f"skill of {n}" for n in names), "mean skill"], rows)


def setting_text(value: Any) -> str:
    """A setting's value for people."""
    return format_number(value, digits=4) if isinstance(value, int | float) else str(value or "")
