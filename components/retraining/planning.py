"""From what is known to a decision: facts gathered, compared, decided.

Enters: what is asked of a retraining (`Setup`), who looks at spans, the runs that came before
(`History`). Leaves: a `Decision`. The rules are the same wherever the runs are kept:
`pipeline.retraining` reads them in the metadata store, and `planner`, the first step of a compiled
pipeline, in the history's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from components.heads.declared import Heads, heads_from_json, heads_to_json
from components.ingest.rolling import Span, available_spans, choose_spans, span_name
from components.ingest.settings import IngestSettings, SpanWindow
from components.ingest.spans import select_span
from components.ingest.unreadable import SourceError
from components.paths import as_pattern
from components.retraining.decision import (
    Decision,
    Search,
    Seen,
    Start,
    decide,
    decide_search,
    loss_ratios,
)
from components.retraining.drift import Facts, HeadChange, compare
from components.retraining.look import SpanView
from components.retraining.settings import RetrainingSettings
from components.strict import Strict
from components.training.settings import OLD_KINDS


class Setup(Strict):
    """What a retraining is asked for; travels as JSON."""

    posts: list[str]
    labels: list[str]
    heads: str = Field(description="JSON of `heads_to_json`")
    ingest: IngestSettings
    retraining: RetrainingSettings
    tune: bool = Field(description="whether there is a search at all")
    hyperparameters_from: str = Field(description="file of the choice to take; empty: the last's")
    warm_start_from: str = Field(description="folder to start from; empty: the served network's")

    @classmethod
    def of(cls, config: Any) -> Setup:
        """That of the pipeline's configuration, which has all of it under the same names."""
        same = {name: getattr(config, name) for name in cls.model_fields if name != "heads"}
        return cls(heads=heads_to_json(config.head_list), **same)

    @property
    def head_list(self) -> Heads:
        """What is predicted."""
        return heads_from_json(self.heads)

    @property
    def patterns(self) -> tuple[list[str], list[str]]:
        """Of posts and of labels, what exists taken as itself."""
        return [as_pattern(one) for one in self.posts], [as_pattern(one) for one in self.labels]

    @property
    def join(self) -> IngestSettings:
        """The join of one span."""
        return self.ingest.model_copy(update={"window": SpanWindow()})


class PastRun(Protocol):
    """A run that ended."""

    @property
    def spans(self) -> tuple[int, ...]:
        """Spans that it was trained on, ascending."""

    @property
    def fingerprint(self) -> str:
        """Of its files."""

    @property
    def facts(self) -> Facts:
        """What its labels were."""

    @property
    def training(self) -> dict[str, Any]:
        """Content of its `training.json`."""

    @property
    def trained(self) -> datetime:
        """When its model was trained."""

    @property
    def network(self) -> str:
        """Folder that a warm start takes; empty where the run left none."""

    @property
    def choice(self) -> str:
        """File of the hyperparameters that its search chose; empty where it is not there."""

    @property
    def version(self) -> int:
        """Number of the version that it pushed, 0 where it pushed none."""


@dataclass(frozen=True)
class History:
    """The runs that a retraining goes by; None where there is none of the kind."""

    last: PastRun | None
    searched: PastRun | None
    in_service: PastRun | None


def choose_runs(runs: Iterable[PastRun], served: int | None) -> History:
    """The three that count; runs are asked for as long as one is missing.

    Args:
        runs: that ended, the latest first.
        served: version whose model serves, after a rollback the one rolled back to; None: none.
    """
    last = searched = in_service = None
    for run in runs:
        last = last or run
        searched = searched or (run if run.choice else None)
        if served is not None and run.version == served:
            in_service = in_service or run
        if searched and (in_service or served is None):
            break
    return History(last, searched, in_service)


class Looker(Protocol):
    """Looks at spans."""

    def look(self, spans: Sequence[Span]) -> dict[int, SpanView]:
        """What is seen of each, by number."""


def make_decision(
    setup: Setup,
    looker: Looker,
    history: History,
    now: datetime,
    *,
    force: bool,
    search: bool,
) -> Decision:
    """Looks, compares, decides.

    Args:
        setup: of the run.
        looker: for spans.
        history: the runs before.
        now: the time that the model's age is measured at.
        force: train whatever is seen.
        search: search anew where it trains.

    Raises:
        SourceError: no pattern has a span, or a pattern no file.
    """
    seen, views = gather(setup, looker, history)
    decision = decide(seen, setup.retraining, now, force)
    if not decision.trains:
        return decision
    newest = views.get(seen.spans[-1] if seen.spans else 0)
    return decision.model_copy(
        update={
            "search": choose_search(setup, history, newest, asked=search),
            "start": choose_start(setup, history),
        }
    )


def gather(setup: Setup, looker: Looker, history: History) -> tuple[Seen, Mapping[int, SpanView]]:
    """What is known, and the looks at the spans not yet trained on."""
    trained = history.last.spans if history.last else None
    born = history.in_service.trained if history.in_service else None
    spans = available_spans(setup.posts, setup.labels)
    if not spans:
        return _gather_files(setup, looker, history, born)
    views: dict[int, SpanView] = {}
    window = choose_spans(spans, setup.ingest.window)
    while unseen := [s for s in window if s.number not in {*views, *(trained or ())}]:
        views.update(looker.look(unseen))
        broken = [number for number, view in views.items() if view.fault]
        leave_out = [*setup.ingest.window.leave_out, *broken]
        window = choose_spans(
            spans, setup.ingest.window.model_copy(update={"leave_out": leave_out})
        )
    allowed = choose_spans(spans, setup.ingest.window.model_copy(update={"last": 1}))
    if not allowed:
        raise SourceError(
            "ingest.window must hold a span that there is. Received: "
            f"{setup.ingest.window.model_dump_json()}, of spans {spans[0].number} to "
            f"{spans[-1].number}"
        )
    (newest,) = allowed
    names = {span.number: span_name(span.number, setup.posts + setup.labels) for span in spans}
    sound = tuple(span.number for span in window)
    newest_view = views.get(newest.number)
    fault = newest_view.fault if newest_view else ""
    seen = Seen(
        trained=trained,
        spans=sound,
        left_out=_left_out(views, sound),
        newest_fault=f"span {names[newest.number]} cannot be used: {fault}" if fault else "",
        names=names,
        changes=_changes(setup, history.last, views.get(sound[-1]) if sound else None),
        model_born=born,
    )
    return seen, views


def _gather_files(
    setup: Setup, looker: Looker, history: History, born: datetime | None
) -> tuple[Seen, Mapping[int, SpanView]]:
    """The same where no pattern has spans: all files are looked at once they have changed."""
    if any("{" in pattern for pattern in (*setup.posts, *setup.labels)):
        raise SourceError(
            "Patterns with a span need files, all of one span at least. Received: "
            f"{', '.join((*setup.posts, *setup.labels))}"
        )
    before = history.last.fingerprint if history.last else None
    changed = before not in (None, select_span(setup.posts, setup.labels).fingerprint)
    views = looker.look([Span(0, None)]) if changed or before is None else {}
    view = views.get(0)
    seen = Seen(
        trained=() if history.last else None,
        files_changed=changed,
        newest_fault=f"the files cannot be used: {view.fault}" if view and view.fault else "",
        changes=_changes(setup, history.last, view),
        model_born=born,
    )
    return seen, views


def _left_out(views: Mapping[int, SpanView], sound: tuple[int, ...]) -> dict[int, str]:
    """Broken spans that the window would hold."""
    first = min(sound, default=0)
    return {number: view.fault for number, view in views.items() if view.fault and number > first}


def _changes(setup: Setup, then: PastRun | None, now: SpanView | None) -> dict[str, HeadChange]:
    if then is None or now is None or now.fault:
        return {}
    minimum = setup.retraining.minimum_labels
    return compare(setup.head_list, now.facts, then.facts, minimum)


def choose_search(
    setup: Setup, history: History, newest: SpanView | None, *, asked: bool
) -> Search:
    """Whether the run searches; as its settings say where those leave no choice."""
    if setup.hyperparameters_from:
        given = setup.hyperparameters_from
        return Search(again=False, why="hyperparameters_from is set", hyperparameters_from=given)
    if not setup.tune:
        return Search(again=False, why="tune is false")
    if (kind := _old_kind(history.searched)) and not asked:
        return Search(again=True, why=f"the last search was for {kind}, which there is no more")
    names = [head.name for head in setup.head_list]
    now, then = (
        loss_ratios(run.training, names) if run else {} for run in (history.last, history.searched)
    )
    return decide_search(
        _changes(setup, history.searched, newest),
        (now, then),
        setup.retraining,
        history.searched.choice if history.searched else "",
        asked,
    )


def choose_start(setup: Setup, history: History) -> Start:
    """Where the network's weights start."""
    if setup.warm_start_from:
        return Start(warm_start_from=setup.warm_start_from, why="warm_start_from is set")
    if not setup.retraining.warm_start:
        return Start(why="anew, since retraining.warm_start is false")
    if history.in_service is None:
        return Start(why="anew, since no model is in service")
    if not history.in_service.network:
        return Start(why="anew, since the model in service left no weights to start from")
    if kind := _old_kind(history.in_service):
        return Start(why=f"anew, since the model in service is {kind}, which there is no more")
    version = history.in_service.version
    why = f"started from those of version {version}, which is in service"
    return Start(warm_start_from=history.in_service.network, why=why)


def _old_kind(run: PastRun | None) -> str:
    """In words the kind of a run's network, where nothing of it is of use to one of today."""
    kind = run.training.get("network", {}).get("kind", "") if run else ""
    return f"a network of the kind {kind}" if kind in OLD_KINDS else ""
