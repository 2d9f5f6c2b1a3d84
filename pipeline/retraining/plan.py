"""From what is known to what is done: facts gathered, the decision, the configuration it leads to.

Enters: the configuration, the run's folder, the metadata store. Leaves: a `Decision`, and of one
that trains the configuration of the run: its spans, where its weights start, whether it searches.
All of that is settled before the pipeline is made, and put to it as settings. Called by `retrain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from components.ingest.rolling import Span, available_spans, choose_spans, span_name
from components.ingest.sources import SourceError
from components.ingest.spans import select_span
from components.retraining.decision import (
    Decision,
    Search,
    Seen,
    Start,
    decide,
    decide_search,
    loss_ratios,
)
from components.retraining.drift import HeadChange, compare
from pipeline.config import Config
from pipeline.retraining.history import History, TrainingRun, read_history
from pipeline.retraining.looks import Looker, SpanView


def make_decision(
    config: Config, looker: Looker, now: datetime, *, force: bool, search: bool
) -> Decision:
    """Looks, compares, decides.

    Args:
        config: of the run.
        looker: for spans.
        now: the time that the model's age is measured at.
        force: train whatever is seen.
        search: search anew where it trains.

    Raises:
        SourceError: no pattern has a span, or a pattern no file.
    """
    history = read_history(looker.connection, config)
    seen, views = gather(config, looker, history)
    decision = decide(seen, config.retraining, now, force)
    if not decision.trains:
        return decision
    newest = views.get(seen.spans[-1] if seen.spans else 0)
    return decision.model_copy(
        update={
            "search": choose_search(config, history, newest, asked=search),
            "start": choose_start(config, history),
        }
    )


def gather(config: Config, looker: Looker, history: History) -> tuple[Seen, Mapping[int, SpanView]]:
    """What is known, and the looks at the spans not yet trained on."""
    trained = history.last.spans if history.last else None
    born = history.in_service.trained if history.in_service else None
    spans = available_spans(config.posts, config.labels)
    if not spans:
        return _gather_files(config, looker, history, born)
    views: dict[int, SpanView] = {}
    window = choose_spans(spans, config.ingest.window)
    while unseen := [s for s in window if s.number not in {*views, *(trained or ())}]:
        views.update(looker.look(unseen))
        broken = [number for number, view in views.items() if view.fault]
        leave_out = [*config.ingest.window.leave_out, *broken]
        window = choose_spans(
            spans, config.ingest.window.model_copy(update={"leave_out": leave_out})
        )
    allowed = choose_spans(spans, config.ingest.window.model_copy(update={"last": 1}))
    if not allowed:
        raise SourceError(
            "ingest.window must hold a span that there is. Received: "
            f"{config.ingest.window.model_dump_json()}, of spans {spans[0].number} to "
            f"{spans[-1].number}"
        )
    (newest,) = allowed
    names = {span.number: span_name(span.number, config.posts + config.labels) for span in spans}
    sound = tuple(span.number for span in window)
    newest_view = views.get(newest.number)
    fault = newest_view.fault if newest_view else ""
    seen = Seen(
        trained=trained,
        spans=sound,
        left_out=_left_out(views, sound),
        newest_fault=f"span {names[newest.number]} cannot be used: {fault}" if fault else "",
        names=names,
        changes=_changes(config, history.last, views.get(sound[-1]) if sound else None),
        model_born=born,
    )
    return seen, views


def _gather_files(
    config: Config, looker: Looker, history: History, born: datetime | None
) -> tuple[Seen, Mapping[int, SpanView]]:
    """The same where no pattern has spans: all files are looked at once they have changed."""
    if any("{" in pattern for pattern in (*config.posts, *config.labels)):
        raise SourceError(
            "Patterns with a span need files, all of one span at least. Received: "
            f"{', '.join((*config.posts, *config.labels))}"
        )
    before = history.last.fingerprint if history.last else None
    changed = before not in (None, select_span(config.posts, config.labels).fingerprint)
    views = looker.look([Span(0, None)]) if changed or before is None else {}
    view = views.get(0)
    seen = Seen(
        trained=() if history.last else None,
        files_changed=changed,
        newest_fault=f"the files cannot be used: {view.fault}" if view and view.fault else "",
        changes=_changes(config, history.last, view),
        model_born=born,
    )
    return seen, views


def _left_out(views: Mapping[int, SpanView], sound: tuple[int, ...]) -> dict[int, str]:
    """Broken spans that the window would hold."""
    first = min(sound, default=0)
    return {number: view.fault for number, view in views.items() if view.fault and number > first}


def _changes(
    config: Config, then: TrainingRun | None, now: SpanView | None
) -> dict[str, HeadChange]:
    if then is None or now is None or now.fault:
        return {}
    minimum = config.retraining.minimum_labels
    return compare(config.head_list, now.facts, then.facts, minimum)


def choose_search(
    config: Config, history: History, newest: SpanView | None, *, asked: bool
) -> Search:
    """Whether the run searches; as its settings say where those leave no choice."""
    if config.hyperparameters_from:
        given = config.hyperparameters_from
        return Search(again=False, why="hyperparameters_from is set", hyperparameters_from=given)
    if not config.tune:
        return Search(again=False, why="tune is false")
    names = list(config.heads)
    now, then = (
        loss_ratios(run.training, names) if run else {} for run in (history.last, history.searched)
    )
    return decide_search(
        _changes(config, history.searched, newest),
        (now, then),
        config.retraining,
        history.searched.choice if history.searched else "",
        asked,
    )


def choose_start(config: Config, history: History) -> Start:
    """Where the network's weights start."""
    if config.warm_start_from:
        return Start(warm_start_from=config.warm_start_from, why="warm_start_from is set")
    if not config.retraining.warm_start:
        return Start(why="anew, since retraining.warm_start is false")
    if history.in_service is None:
        return Start(why="anew, since no model is in service")
    if not history.in_service.network:
        return Start(why="anew, since the model in service left no weights to start from")
    version = history.in_service.version
    why = f"started from those of version {version}, which is in service"
    return Start(warm_start_from=history.in_service.network, why=why)


def apply(config: Config, decision: Decision) -> Config:
    """The configuration of the run that a decision leads to."""
    changes: dict[str, Any] = {}
    if decision.search is not None:
        changes["hyperparameters_from"] = decision.search.hyperparameters_from
    if decision.start is not None:
        changes["warm_start_from"] = decision.start.warm_start_from
    if decision.spans:
        window = config.ingest.window.model_copy(
            update={
                "until": decision.spans[-1],
                "leave_out": sorted({*config.ingest.window.leave_out, *decision.left_out}),
            }
        )
        changes["ingest"] = config.ingest.model_copy(update={"window": window})
    return config.model_copy(update=changes)


def decision_path(out: Path) -> Path:
    """File of the last decision in a run's folder."""
    return out / "retraining.json"
