"""Which settings a search tries next, and which of its trials it prefers."""

from __future__ import annotations

import keras
import keras_tuner
import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.fitting import OBJECTIVE
from components.training.settings import (
    NetworkSettings,
    SearchSpace,
    TrainingSettings,
    TunerSettings,
)
from components.training.skill_error import SKILL_ERROR, error_name
from components.training.tuner import declare_space, make_tuner

HEADS = parse_heads(DEFAULT_HEADS)
CONFIGURED = NetworkSettings(ridge=0.2)


class Scored(keras_tuner.HyperModel):
    """Trials whose skills are given in turn; `tried` has their settings.

    Args:
        skills: of each trial, of age, income and gender.
        error: of a head's skill and of their mean.
    """

    def __init__(self, skills, error):
        super().__init__()
        self.skills, self.error = iter(skills), error
        self.tried = []

    def build(self, hp):
        declare_space(hp, HEADS, SearchSpace(), TrainingSettings(), CONFIGURED)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        self.tried.append(dict(hp.values))
        skills = {
            f"val_{head.name}_skill": s for head, s in zip(HEADS, next(self.skills), strict=True)
        }
        errors = {error_name(head.name): self.error for head in HEADS}
        mean = sum(skills.values()) / len(skills)
        return {OBJECTIVE: mean, SKILL_ERROR: self.error, **skills, **errors}


def search(folder, skills, error=0.01, algorithm="random"):
    model = Scored(skills, error)
    settings = TunerSettings(algorithm=algorithm, trials=len(skills))
    tuner = make_tuner(model, settings, 1, folder)
    tuner.search(verbose=0)
    return tuner, model.tried


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_the_first_trial_is_what_is_configured_and_the_others_differ(algorithm, tmp_path):
    tuner, tried = search(tmp_path, [[0.5] * 3, [0.1] * 3, [0.1] * 3], algorithm=algorithm)
    hp = keras_tuner.HyperParameters()
    declare_space(hp, HEADS, SearchSpace(), TrainingSettings(), CONFIGURED)
    assert hp.values["dropout"] == TrainingSettings().dropout
    assert tried[0] == hp.values
    assert len(tried) == 3
    assert hp.values not in tried[1:]
    assert tuner.get_best_hyperparameters()[0].values == hp.values


@pytest.mark.parametrize(
    ("error", "is_kept"), [(0.1, True), (0.04, False)], ids=["within", "beyond"]
)
def test_another_trial_is_chosen_only_if_better_by_more_than_its_standard_error(
    error, is_kept, tmp_path
):
    tuner, tried = search(tmp_path, [[0.30] * 3, [0.35] * 3, [0.20] * 3], error)
    best = [trial.score for trial in tuner.oracle.get_best_trials(3)]
    assert best == pytest.approx([0.30, 0.35, 0.20] if is_kept else [0.35, 0.30, 0.20])
    assert (tuner.get_best_hyperparameters()[0].values == tried[0]) == is_kept


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_the_last_trial_joins_the_penalties_that_each_head_did_best_with(algorithm, tmp_path):
    skills = [[0.50, 0.2, 0.3], [0.48, 0.5, 0.3], [0.20, 0.1, 0.6], [0.50, 0.5, 0.6]]
    tuner, tried = search(tmp_path, skills, algorithm=algorithm)
    configured, second, third, last = tried
    # The second is the best of the three by its mean; age and gender did better in the others.
    penalties = {
        "ridge/age": configured["ridge/age"],
        "ridge/income": second["ridge/income"],
        "ridge/gender": third["ridge/gender"],
    }
    assert last == {**second, **penalties}
    assert tuner.get_best_hyperparameters()[0].values == last


def test_a_head_keeps_the_configured_penalty_unless_another_is_surely_better(tmp_path):
    skills = [[0.50, 0.2, 0.300], [0.45, 0.5, 0.305], [0.1] * 3, [0.50, 0.5, 0.3]]
    _, tried = search(tmp_path, skills, error=0.01)
    kept = ("ridge/age", "ridge/gender")
    assert {name: tried[3][name] for name in kept} == {name: tried[0][name] for name in kept}
    assert tried[3]["ridge/income"] == tried[1]["ridge/income"] != tried[0]["ridge/income"]


def test_where_nothing_is_to_be_joined_the_last_trial_is_a_further_one(tmp_path):
    _, tried = search(tmp_path, [[0.5] * 3, [0.1] * 3, [0.1] * 3, [0.1] * 3])
    assert all(tried[3] != earlier for earlier in tried[:3])


def test_where_no_trial_has_ended_there_is_nothing_to_join_yet(tmp_path):
    tuner = make_tuner(Scored([], 0.01), TunerSettings(algorithm="random", trials=2), 1, tmp_path)
    here, there = (tuner.oracle.create_trial(machine) for machine in ("here", "there"))
    assert here.status == there.status == "RUNNING"
    assert here.hyperparameters.values != there.hyperparameters.values


def test_a_failed_configured_trial_leaves_the_choice_to_the_others(tmp_path):
    nan = float("nan")
    tuner, tried = search(tmp_path, [[nan] * 3, [0.2] * 3, [0.3, 0.1, 0.3], [0.3, 0.2, 0.3]])
    assert tuner.get_best_hyperparameters()[0].values == tried[3]
    assert tried[3] == {**tried[2], "ridge/income": tried[1]["ridge/income"]}


def test_a_lead_whose_error_cannot_be_told_counts_as_none(tmp_path):
    skills = [[0.5, 0.2, 0.3], [0.5, 0.6, 0.4], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]]
    tuner, tried = search(tmp_path, skills, error=float("nan"))
    assert tuner.get_best_hyperparameters()[0].values == tried[0]
    assert tried[3]["ridge/income"] != tried[1]["ridge/income"]
