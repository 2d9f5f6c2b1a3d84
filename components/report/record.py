"""Everything a report shows, as plain values: what `report.json` holds.

Enters: the JSON files of a run's artifacts. Leaves: a `RunRecord`. What a run did not make is
empty, and the page says so. Knows nothing of TFX, Beam and TensorFlow.
"""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import Field

from components.report.settings import CardSettings
from components.strict import Strict

RECORD_FILE, PAGE_FILE, CARD_FILE = "report.json", "report.html", "model_card.md"
Json = dict[str, Any]


class RunRecord(Strict):
    """One run."""

    heads: list[Json] = Field(description="declarations of the heads, in their order")
    failure: Json = Field({}, description="stage and cause of a run that failed; empty otherwise")
    verdict: Json = Field({}, description="`verdict.json` of the Evaluator; empty: not judged")
    check: Json = Field({}, description="`check.json` of the serving check")
    pushed: str = Field("", description="folder of the pushed version; empty where none was")
    training: Json = Field({}, description="`training.json` of the Trainer")
    trials: list[Json] = Field([], description="of the search, see `read_trials`")
    audit: Json = Field({}, description="`audit.json` of the join")
    data: Json = Field({}, description="`data.json` of DataProfile")
    answers: Json = Field({}, description="`answers.json` of AnswersProfile")
    drift: list[Json] = Field([], description="per head: measure, value, threshold")
    vocabulary: int = Field(0, description="ids, those of padding and of unknown tokens included")
    history: Json = Field({}, description="of `history`")
    previous: Json = Field({}, description="run, verdict, training, audit of the run before")
    comparison: list[Json] = Field(
        [],
        description="rows of `comparison.json`: name, seeds, heads {name: {mean, lower, upper}}",
    )
    reachable: Json = Field({}, description="best reachable scores by head and metric, where known")
    card: CardSettings = Field(default_factory=CardSettings)
    titles: dict[str, str] = Field({}, description="names of the stages, for people")
    config: str = Field("", description="configuration file that repeats the run")
    decision: Json = Field({}, description="why the model was trained anew, see `retraining`")
    created: str = Field("", description="when the report's run began, ISO 8601")

    @property
    def names(self) -> list[str]:
        """Names of the heads, in their order."""
        return [head["name"] for head in self.heads]


def read_rows(text: str) -> list[Json]:
    """The rows of a `comparison.json`: a list of rows, or an object that holds it as `rows`.

    Raises:
        ValueError: the text holds something else.
    """
    content = json.loads(text)
    rows = content.get("rows") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and {"name", "seeds", "heads"} <= row.keys() for row in rows
    ):
        raise ValueError(
            "comparison.json must be a list of rows with the keys name, seeds and heads; it is "
            "not. Write it anew with `authorprofile run --compare`."
        )
    return rows


def read_trials(trials: str, results: str) -> list[Json]:
    """The search's trials, best first.

    Args:
        trials: text of `trials.json`, a list of `{trial, hyperparameters, skills, score, status}`;
            empty where there is none.
        results: text of Keras Tuner's `tuner_results.json`, which knows no skill of a head.

    Returns:
        Dictionaries with the keys of `trials.json`.
    """
    if trials:
        found: list[Json] = json.loads(trials)
    else:
        found = [_from_results(row) for row in (json.loads(results) if results else [])]
    finished = [_plain(trial) for trial in found if is_finite(trial.get("score"))]
    return sorted(finished, key=lambda trial: -float(trial["score"]))


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(trial: Json) -> Json:
    """A trial without Hyperband's own bookkeeping."""
    chosen = trial.get("hyperparameters", {}).items()
    return {
        **trial,
        "hyperparameters": {key: value for key, value in chosen if not key.startswith("tuner/")},
    }


def _from_results(row: Json) -> Json:
    values = {key: value for key, value in row.items() if key not in ("trial_id", "score")}
    return {
        "trial": row.get("trial_id", ""),
        "score": row.get("score"),
        "hyperparameters": values,
        "skills": {},
        "status": "COMPLETED",
    }
