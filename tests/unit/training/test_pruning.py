"""A hopeless trial is stopped, a promising one is not, and a killed search knows its trials."""

from __future__ import annotations

import json
from types import SimpleNamespace

from components.training.pruning import MedianStopping, best_so_far, is_hopeless


def write(folder, *skills):
    folder.mkdir(parents=True)
    history = [{"val_skill": skill} for skill in skills]
    (folder / "state.json").write_text(json.dumps({"history": history}))


def run(callback, *skills):
    """Epochs until the callback stopped the model."""
    callback.set_model(SimpleNamespace(stop_training=False))
    for epoch, skill in enumerate(skills):
        callback.on_epoch_end(epoch, {"val_skill": skill})
        if callback.model.stop_training:
            return epoch + 1
    return None


def test_a_trial_below_the_median_of_the_others_at_the_same_epoch_is_stopped(tmp_path):
    for name, skills in (("a", (0.1, 0.3)), ("b", (0.2, 0.4)), ("c", (0.3, 0.5))):
        write(tmp_path / name, *skills)
    own = tmp_path / "d"
    assert run(MedianStopping(tmp_path, own), 0.1, 0.5) == 1
    assert run(MedianStopping(tmp_path, own), 0.25, 0.3, 0.9) == 2
    assert run(MedianStopping(tmp_path, own), 0.2, 0.4) is None


def test_a_trials_best_counts_and_not_its_last(tmp_path):
    for name in "ab":
        write(tmp_path / name, 0.1, 0.3)
    assert run(MedianStopping(tmp_path, tmp_path / "c"), 0.4, 0.2) is None
    write(tmp_path / "worse", 0.5, 0.2)
    assert best_so_far(tmp_path / "worse" / "state.json") == [0.5, 0.5]


def test_one_earlier_trial_says_too_little_and_a_trial_does_not_compete_with_itself(tmp_path):
    write(tmp_path / "a", 0.9)
    write(tmp_path / "own", 0.9)
    assert run(MedianStopping(tmp_path, tmp_path / "own"), 0.1) is None


def test_trials_that_ended_before_say_nothing_of_later_epochs():
    assert not is_hopeless(0.1, 1, [[0.5], [0.6]])
    assert is_hopeless(0.1, 0, [[0.5], [0.6]])
