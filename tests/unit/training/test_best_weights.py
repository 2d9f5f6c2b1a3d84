"""When a fit stops, and whose weights it leaves: told epoch by epoch, without data."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.training.fitting import BestWeights

# The best is the second; three epochs without gain follow it.
SKILLS = [0.1, 0.3, 0.2, 0.3, 0.25, 0.9]


def one_weight():
    """A compiled model of one weight."""
    model = keras.Sequential(
        [keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False, name="only")]
    )
    model.compile(optimizer="sgd", loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def run_epochs(model, folder, skills, patience=3, selects=True):
    """Ends an epoch a skill, its weight the epoch's number, until the callback stops it."""
    best = BestWeights(folder, patience, selects=selects)
    best.set_model(model)
    first = best.resume(model)
    model.stop_training = False
    for epoch, skill in enumerate(skills[first:], start=first):
        model.set_weights([np.full((1, 1), float(epoch))])
        best.on_epoch_end(epoch, {"val_skill": skill})
        if model.stop_training:
            break
    return best


def test_a_fit_stops_after_patience_and_leaves_the_best_epochs_weights(tmp_path):
    model = one_weight()
    best = run_epochs(model, tmp_path, SKILLS)
    assert len(best.state.history) == 5
    assert (best.state.best_epoch, best.state.best_skill) == (1, 0.3)
    assert model.get_weights()[0].item() == 4.0
    best.restore_best()
    assert model.get_weights()[0].item() == 1.0


def test_where_eval_is_trained_on_the_last_epoch_is_kept(tmp_path):
    model = one_weight()
    best = run_epochs(model, tmp_path, SKILLS[:5], selects=False)
    assert (best.state.best_epoch, best.state.best_skill) == (4, 0.25)
    best.restore_best()
    assert model.get_weights()[0].item() == 4.0


def test_a_fit_that_was_killed_remembers_its_best_and_its_patience(tmp_path):
    run_epochs(one_weight(), tmp_path, SKILLS[:3])
    model = one_weight()
    best = run_epochs(model, tmp_path, SKILLS)
    assert [epoch["val_skill"] for epoch in best.state.history] == SKILLS[:5]
    best.restore_best()
    assert model.get_weights()[0].item() == 1.0


def test_a_fit_without_a_finite_skill_says_what_to_lower(tmp_path):
    best = run_epochs(one_weight(), tmp_path, [float("-inf")])
    with pytest.raises(ValueError, match=r"Lower training\.learning_rate"):
        best.restore_best()
