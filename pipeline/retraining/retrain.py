"""One retraining: look, decide, record, and train where there is a reason.

Enters: the configuration, an observer of stages. Leaves: the decision in the metadata store and as
`retraining.json` in the run's folder; of a training what `pipeline.local` leaves.

A training that was cut off, by a kill or an interrupt, goes on as it was decided: with the same
spans, weights and search, so that what was finished is found in the cache. One that failed is
decided anew, since newer data may mend it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.retraining.decision import Decision
from components.retraining.plan import plan_of
from components.retraining.planning import Setup, make_decision
from pipeline.config import Config
from pipeline.deploy.files import write_together
from pipeline.local import Outcome, StageObserver, run_folder, run_in
from pipeline.retraining.history import read_history
from pipeline.retraining.looks import Looker

LOGGER = logging.getLogger("authorprofile.retraining")
DECISION_FILE = "retraining.json"
"""Of the last decision, in a run's folder."""


def retrain(
    config: Config,
    observer: StageObserver,
    *,
    force: bool = False,
    search: bool = False,
    now: datetime | None = None,
) -> tuple[Decision, Outcome | None]:
    """Trains where there is a reason.

    Args:
        config: of the run.
        observer: is told of stages.
        force: train without a reason.
        search: search anew where it trains.
        now: what the model's age is measured at; None: the clock.

    Returns:
        The decision, and how the training ended, None where there was none.

    Raises:
        InUseError: another run is at work in `config.out`.
        SourceError: no file matches a pattern.
        Exception: of the stage that failed.
    """
    with run_folder(config) as (out, connection):
        looker = Looker(config, out, connection, observer)
        decision = None if force or search else unfinished(out)
        if decision is None or has_trained_since(decision, connection, config):
            moment = now or datetime.now(UTC)
            history = read_history(connection, config)
            decision = make_decision(
                Setup.of(config), looker, history, moment, force=force, search=search
            )
            keep(decision, out, looker)
        else:
            LOGGER.info("goes on with the training of %s, which was cut off", decision.decided)
        tell(decision)
        if not decision.trains:
            return decision, None
        planned = apply(config, decision)
        try:
            outcome = run_in(out, connection, planned, observer, decision.model_dump_json())
        except Exception:
            keep(decision.model_copy(update={"state": "failed"}), out, looker)
            raise
        keep(decision.model_copy(update={"state": "ended"}), out, looker)
        return decision, outcome


def apply(config: Config, decision: Decision) -> Config:
    """The configuration of the run that a decision leads to."""
    plan = plan_of(decision)
    changes: dict[str, Any] = {"ingest": plan.apply(config.ingest)}
    if decision.search is not None:
        changes["hyperparameters_from"] = plan.hyperparameters_from
    if decision.start is not None:
        changes["warm_start_from"] = plan.warm_start_from
    return config.model_copy(update=changes)


def unfinished(out: Path) -> Decision | None:
    """The last decision, where its training was cut off."""
    path = out / DECISION_FILE
    try:
        decision = Decision.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        LOGGER.warning("%s holds no decision and is replaced", path)
        return None
    return decision if decision.trains else None


def has_trained_since(decision: Decision, connection: Any, config: Config) -> bool:
    """Whether another run has come to its end since, which leaves nothing to go on with."""
    last = read_history(connection, config).last
    return last is not None and last.trained > decision.decided


def keep(decision: Decision, out: Path, looker: Looker) -> None:
    """Records a decision in the store and, by one rename, in the run's folder."""
    looker.record(decision.model_dump_json(), decision.state)
    write_together({out / DECISION_FILE: decision.model_dump_json(indent=1).encode()})


def tell(decision: Decision) -> None:
    """The decision's lines for people; one that does nothing is the command's last words."""
    if decision.trains:
        LOGGER.info(decision.summary)
    for span, fault in decision.left_out.items():
        LOGGER.warning("span %s is left out: %s", span, fault)
    if decision.search is not None:
        again = "searches anew" if decision.search.again else "searches nothing anew"
        LOGGER.info("%s: %s", again, decision.search.why)
    if decision.start is not None:
        LOGGER.info("weights: %s", decision.start.why)
