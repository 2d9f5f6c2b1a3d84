"""The Tuner component, which also leaves the table of its trials with each head's skill.

Enters: transformed examples, the hook `tuner.tuner_fn`. Leaves: what TFX's own Tuner leaves (the
best hyperparameters, `tuner_results.json`) and beside the latter `trials.json`: every trial with
its hyperparameters, its objective and the skill of each head, so that a reader can see what a
choice of weights gave one head and took from another.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial
from tfx.components.tuner import component as stock_component
from tfx.components.tuner import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import io_utils, json_utils

from components.retraining.plan import PLAN, given_plan
from components.training.artifacts import READ_BESIDE, with_artifacts
from components.training.settings import TunerSettings
from components.wiring import Artifacts, WiredComponent

_LOG = logging.getLogger("authorprofile.tuner")
TRIALS = "trials.json"


class SearchExecutor(stock_executor.Executor):
    """Searches as TFX's executor does, then writes the trials; see the module."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Called by TFX.

        Raises:
            ValueError: no trial ended with a finite skill.
        """
        if reuse_choice(output_dict, exec_properties):
            return
        tuner = stock_executor.search(
            input_dict,
            with_artifacts(input_dict, with_trials(exec_properties)),
            self._get_tmp_dir(),
            print_tuning_summary=False,
        )
        write_search(tuner, output_dict)


def reuse_choice(output_dict: Artifacts, exec_properties: Mapping[str, Any]) -> bool:
    """Hands the last search's choice on, where a plan says so, and whether it does.

    There are no trials then: the table that a run explains its search by stays away.
    """
    earlier = given_plan(exec_properties).hyperparameters_from
    if not earlier:
        return False
    folder = artifact_utils.get_single_uri(output_dict["best_hyperparameters"])
    io_utils.copy_file(earlier, os.path.join(folder, os.path.basename(earlier)), overwrite=True)
    _LOG.info("not searched anew: %s", earlier)
    return True


def with_trials(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with the number of trials that a submission gave in the hook's settings."""
    trials = exec_properties.get("trials")
    if not trials:
        return dict(exec_properties)
    custom = json_utils.loads(exec_properties["custom_config"])
    settings = TunerSettings.model_validate({**json.loads(custom["tuner"]), "trials": int(trials)})
    custom["tuner"] = settings.model_dump_json()
    return {**exec_properties, "custom_config": json_utils.dumps(custom)}


class HeadTunerSpec(standard_component_specs.TunerSpec):
    """TFX's Tuner, with a number of trials that a submission may give, and a retraining's plan."""

    PARAMETERS = {
        **standard_component_specs.TunerSpec.PARAMETERS,
        # Runtime parameter in place of the settings' number.
        "trials": ExecutionParameter(type=int, optional=True),
        PLAN: ExecutionParameter(type=str, optional=True),  # whether to search at all
    }
    INPUTS = {**standard_component_specs.TunerSpec.INPUTS, **READ_BESIDE}


class HeadTuner(WiredComponent, stock_component.Tuner):
    """TFX's Tuner with the executor of this module."""

    SPEC_CLASS = HeadTunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SearchExecutor)


def write_search(tuner: keras_tuner.Tuner, output_dict: Artifacts) -> None:
    """Writes the component's outputs.

    Raises:
        ValueError: no trial ended with a finite skill.
    """
    if not any(trial.status == "COMPLETED" for trial in tuner.oracle.trials.values()):
        raise ValueError(
            "A search must end at least one trial with a finite skill. Received none of "
            f"{len(tuner.oracle.trials)}. Lower tuner.space.learning_rate.maximum."
        )
    stock_executor.write_best_hyperparameters(tuner, output_dict)
    folder = artifact_utils.get_single_uri(output_dict[standard_component_specs.TUNER_RESULTS_KEY])
    write_trials(tuner, folder)


def write_trials(tuner: keras_tuner.Tuner, folder: str) -> None:
    """Writes `trials.json` into a folder or bucket."""
    rows = [describe_trial(trial) for trial in tuner.oracle.trials.values()]
    io_utils.write_string_file(os.path.join(folder, TRIALS), json.dumps(rows, indent=1))


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
