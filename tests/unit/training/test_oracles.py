"""Which settings a search tries next, and which of its trials it prefers."""

from __future__ import annotations

import keras
import keras_tuner
import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.fitting import OBJECTIVE
from components.training.settings import SearchSpace, TrainingSettings, TunerSettings
from components.training.skill_error import SKILL_ERROR, error_name
from components.training.tuner import declare_space, make_tuner

HEADS = parse_heads(DEFAULT_HEADS)


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
        declare_space(hp, HEADS, SearchSpace(), TrainingSettings())
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
    declare_space(hp, HEADS, SearchSpace(), TrainingSettings())
    assert hp.values["dropout"] == TrainingSettings().dropout
    assert tried[0] == hp.values
    assert len(tried) == 3
    assert hp.values not in tried[1:]
    assert tried[1] != tried[2]
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


def test_where_no_trial_has_ended_the_next_is_a_further_one(tmp_path):
    tuner = make_tuner(Scored([], 0.01), TunerSettings(algorithm="random", trials=2), 1, tmp_path)
    here, there = (tuner.oracle.create_trial(machine) for machine in ("here", "there"))
    assert here.status == there.status == "RUNNING"
    assert here.hyperparameters.values != there.hyperparameters.values


def test_a_failed_configured_trial_leaves_the_choice_to_the_others(tmp_path):
    nan = float("nan")
    tuner, tried = search(tmp_path, [[nan] * 3, [0.2] * 3, [0.3, 0.1, 0.3], [0.3, 0.2, 0.3]])
    assert tuner.get_best_hyperparameters()[0].values == tried[3]


def test_a_lead_whose_error_cannot_be_told_counts_as_none(tmp_path):
    skills = [[0.5, 0.2, 0.3], [0.5, 0.6, 0.4], [0.1, 0.1, 0.1]]
    tuner, tried = search(tmp_path, skills, error=float("nan"))
    assert tuner.get_best_hyperparameters()[0].values == tried[0]
