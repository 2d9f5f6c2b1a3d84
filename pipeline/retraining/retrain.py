"""One retraining: look, decide, record, and train where there is a reason.

Enters: the configuration, an observer of stages. Leaves: the decision in the metadata store and as
`retraining.json` in the run's folder; of a training what `pipeline.local` leaves. Called by
`authorprofile retrain`.

A training that was cut off, by a kill or an interrupt, goes on as it was decided: with the same
spans, weights and search, so that what was finished is found in the cache. One that failed is
decided anew, since newer data may mend it.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.retraining.decision import Decision
from components.retraining.planning import Setup, make_decision
from pipeline.config import Config
from pipeline.local import Outcome, StageObserver, run_folder, run_in
from pipeline.retraining.history import read_history
from pipeline.retraining.looks import Looker
from pipeline.retraining.plan import apply, decision_path

LOGGER = logging.getLogger("authorprofile.retraining")


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
        return decision, _train(config, decision, out, connection, observer, looker)


def _train(
    config: Config,
    decision: Decision,
    out: Path,
    connection: Any,
    observer: StageObserver,
    looker: Looker,
) -> Outcome:
    planned = apply(config, decision)
    try:
        outcome = run_in(out, connection, planned, observer, decision.model_dump_json())
    except Exception:
        keep(decision.model_copy(update={"state": "failed"}), out, looker)
        raise
    keep(decision.model_copy(update={"state": "ended"}), out, looker)
    return outcome


def unfinished(out: Path) -> Decision | None:
    """The last decision, where its training was cut off."""
    try:
        decision = Decision.model_validate_json(decision_path(out).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        LOGGER.warning("%s holds no decision and is replaced", decision_path(out))
        return None
    return decision if decision.trains else None


def has_trained_since(decision: Decision, connection: Any, config: Config) -> bool:
    """Whether another run has come to its end since, which leaves nothing to go on with."""
    last = read_history(connection, config).last
    return last is not None and last.trained > decision.decided


def keep(decision: Decision, out: Path, looker: Looker) -> None:
    """Records a decision in the store and, by one rename, in the run's folder."""
    looker.record(decision.model_dump_json(), decision.state)
    path = decision_path(out)
    beside = path.with_name(path.name + ".partial")
    beside.write_text(decision.model_dump_json(indent=1), encoding="utf-8")
    os.replace(beside, path)


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
