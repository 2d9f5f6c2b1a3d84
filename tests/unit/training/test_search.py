"""The table of trials, from a real search over a model of one weight."""

from __future__ import annotations

import json

import keras
import keras_tuner
import pytest

from components.training.search import describe_trial, write_trials
from components.training.settings import TunerSettings
from components.training.tuner import make_tuner


class OneWeight(keras_tuner.HyperModel):
    """Its skills follow from the hyperparameter alone; the last value fails where `fail` is set."""

    def __init__(self, fail=False):
        super().__init__()
        self.fail = fail

    def build(self, hp):
        hp.Choice("loss_weight/gender", [1.0, 2.0, 4.0])
        return keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        weight = hp["loss_weight/gender"]
        if self.fail and weight == 4.0:
            raise keras_tuner.errors.FailedTrialError("no finite loss")
        return {
            "val_skill": weight / 10,
            "val_skill_error": 0.0,
            "val_age_skill": 0.5 - weight / 10,
            "val_gender_skill": weight / 10 * 3 - 0.5,
        }


def searched(tmp_path, algorithm="random", fail=False, **settings):
    tuner = make_tuner(
        OneWeight(fail), TunerSettings(algorithm=algorithm, **settings), seed=1, folder=tmp_path
    )
    tuner.search(verbose=0)
    return tuner


def test_the_table_has_each_trial_with_the_skill_of_each_head(tmp_path):
    write_trials(searched(tmp_path / "state", trials=3), str(tmp_path / "results"))
    rows = json.loads((tmp_path / "results/trials.json").read_text())
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["trials.json"]
    assert {row["hyperparameters"]["loss_weight/gender"] for row in rows} == {1.0, 2.0, 4.0}
    for row in rows:
        weight = row["hyperparameters"]["loss_weight/gender"]
        assert row["status"] == "COMPLETED"
        assert row["score"] == pytest.approx(weight / 10)
        assert row["skills"] == pytest.approx(
            {"age": 0.5 - weight / 10, "gender": weight / 10 * 3 - 0.5}
        )


def test_the_search_keeps_the_trial_of_the_best_mean_skill(tmp_path):
    (best,) = searched(tmp_path, trials=3).oracle.get_best_trials(1)
    assert describe_trial(best)["hyperparameters"]["loss_weight/gender"] == 4.0


def test_a_failed_trial_is_in_the_table_and_never_the_best(tmp_path):
    tuner = searched(tmp_path, fail=True, trials=3)
    rows = {
        row["hyperparameters"]["loss_weight/gender"]: row
        for row in map(describe_trial, tuner.oracle.trials.values())
    }
    assert rows[4.0]["status"] == "FAILED"
    assert rows[4.0]["score"] is None
    assert rows[4.0]["skills"] == {}
    (best,) = tuner.oracle.get_best_trials(1)
    assert best.hyperparameters["loss_weight/gender"] == 2.0


def test_hyperband_has_a_bound_of_trials_and_marks_its_rounds(tmp_path):
    tuner = searched(tmp_path, algorithm="hyperband", trials=4, epochs=3)
    assert tuner.oracle.max_trials == 4
    rows = [describe_trial(trial) for trial in tuner.oracle.trials.values()]
    assert len(rows) <= 4
    assert all("tuner/epochs" in row["hyperparameters"] for row in rows)
