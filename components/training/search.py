"""The Tuner component, which also leaves the table of its trials with each head's skill.

Enters: transformed examples, the hook `tuner.tuner_fn`. Leaves: what TFX's own Tuner leaves (the
best hyperparameters, `tuner_results.json`) and beside the latter `trials.json`: every trial with
its hyperparameters, its objective and the skill of each head, so that a reader can see what a
choice of weights gave one head and took from another. Called by `pipeline.pipeline`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial
from tfx import types
from tfx.components.tuner import component as stock_component
from tfx.components.tuner import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs

TRIALS = "trials.json"


class SearchExecutor(stock_executor.Executor):
    """Searches as TFX's executor does, then writes the trials; see the module."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Called by TFX.

        Raises:
            ValueError: no trial ended with a finite skill.
        """
        tuner = stock_executor.search(
            input_dict, exec_properties, self._get_tmp_dir(), print_tuning_summary=False
        )
        if not any(trial.status == "COMPLETED" for trial in tuner.oracle.trials.values()):
            raise ValueError(
                "A search must end at least one trial with a finite skill. Received none of "
                f"{len(tuner.oracle.trials)}. Lower tuner.space.learning_rate.maximum."
            )
        stock_executor.write_best_hyperparameters(tuner, output_dict)
        folder = artifact_utils.get_single_uri(
            output_dict[standard_component_specs.TUNER_RESULTS_KEY]
        )
        write_trials(tuner, Path(folder))


class HeadTuner(stock_component.Tuner):
    """TFX's Tuner with the executor of this module."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SearchExecutor)


def write_trials(tuner: keras_tuner.Tuner, folder: Path) -> None:
    """Writes `trials.json`, whole or not at all."""
    rows = [describe_trial(trial) for trial in tuner.oracle.trials.values()]
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{TRIALS}.partial"
    beside.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    os.replace(beside, folder / TRIALS)


def describe_trial(trial: Trial) -> dict[str, Any]:
    """One row of the table.

    Returns:
        `trial` (its name), `status`, `score` (mean skill on `eval`, None where it failed),
        `skills` ({head: skill on `eval`} of the same epoch) and `hyperparameters`; Hyperband's own
        entries start with 'tuner/'.
    """
    skills = {
        name.removeprefix("val_").removesuffix("_skill"): history.get_history()[-1].value[0]
        for name, history in trial.metrics.metrics.items()
        if name.endswith("_skill") and name != "val_skill" and history.get_history()
    }
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        "score": trial.score,
        "skills": skills,
        "hyperparameters": trial.hyperparameters.values,
    }
