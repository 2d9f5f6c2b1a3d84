"""What a decision makes of a configuration: its spans, its first weights, whether it searches.

Enters: the configuration, a `Decision` that trains. Leaves: the configuration of the run. All of
that is settled before the pipeline is made, and put to it as settings. Called by `retrain`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.retraining.decision import Decision
from components.retraining.plan import plan_of
from pipeline.config import Config


def apply(config: Config, decision: Decision) -> Config:
    """The configuration of the run that a decision leads to."""
    plan = plan_of(decision)
    changes: dict[str, Any] = {"ingest": plan.apply(config.ingest)}
    if decision.search is not None:
        changes["hyperparameters_from"] = plan.hyperparameters_from
    if decision.start is not None:
        changes["warm_start_from"] = plan.warm_start_from
    return config.model_copy(update=changes)


def decision_path(out: Path) -> Path:
    """File of the last decision in a run's folder."""
    return out / "retraining.json"
