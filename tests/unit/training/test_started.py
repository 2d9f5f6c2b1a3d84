"""Which networks of a training start from an earlier one."""

from __future__ import annotations

import logging
from types import SimpleNamespace

from components.training import learning
from components.training.fitting import FitState
from components.training.settings import TrainingSettings


def test_networks_that_answer_about_authors_of_train_start_from_nobody(monkeypatch, tmp_path):
    """The earlier network has learned from `train`, of which some of a part's authors are."""
    fitted = []

    def fit_anew(build, data, epochs, strategy, **fitting):
        fitted.append((build(data, epochs), fitting["folder"].name))
        return "model", FitState(best_epoch=2, next_epoch=3)

    def fit_folds(build, data, epochs, strategy, folder, fitting):
        fitted.append((build(data, epochs), "parts"))
        return []

    monkeypatch.setattr(learning, "_fit_anew", fit_anew)
    monkeypatch.setattr(learning, "_fit_folds", fit_folds)
    monkeypatch.setattr(learning, "join_splits", lambda data: data)
    for name in ("held_out_of", "pool_heads", "find_shares"):
        monkeypatch.setattr(learning, name, lambda *given: {})
    split = SimpleNamespace(steps=3, constants={}, authors=9)
    data = SimpleNamespace(folds=((1, 2), (3, 4)), train=split, heads=(), links={})
    learning.learn(
        lambda data, epochs: "started",
        data,
        TrainingSettings(),
        tmp_path / "fit",
        logger=logging.getLogger("test"),
        build_apart=lambda data, epochs: "anew",
    )
    assert fitted == [("started", "fit"), ("anew", "parts"), ("started", "final")]
