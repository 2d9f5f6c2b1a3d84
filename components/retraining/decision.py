"""Whether to train anew, and why: facts and bounds in, a decision with its figures out.

Enters: what the store, the listing of the input and the looks at new spans say (`Seen`), the
settings, the time. Leaves: a `Decision`, which is recorded whatever it says. Knows nothing of TFX
and TensorFlow.

| reason | holds when |
|---|---|
| `first` | nothing was trained yet |
| `forced` | asked for on the command line |
| `new_spans` | at least `minimum_new_spans` sound spans of the window were not trained on |
| `new_files` | no pattern has spans, and the files are others than those trained on |
| `label_drift`, `coverage` | the newest span's labels moved from those trained on beyond a bound |
| `model_age` | the model in service is older than a bound, and there is any new data |

A newest span that cannot be used blocks: it may be half-written, and whatever else is new can wait
until it is mended or a newer one has come. An older one is left out, and said to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from components.heads.names import EARLIER_KNOWN_LOSS, KNOWN_LOSS
from components.retraining.settings import RetrainingSettings
from components.strict import Strict

SECONDS_A_DAY = 86_400


class Reason(Strict):
    """One reason to train."""

    kind: Literal[
        "first", "forced", "new_spans", "new_files", "label_drift", "coverage", "model_age"
    ]
    text: str
    figures: dict[str, float] = Field(default_factory=dict)


class Search(Strict):
    """Whether loss weights and settings are searched anew."""

    again: bool
    why: str
    hyperparameters_from: str = Field("", description="file of the last search's choice")
    figures: dict[str, float] = Field(default_factory=dict)


class Start(Strict):
    """What the network's weights start from."""

    warm_start_from: str = ""
    why: str


class Decision(Strict):
    """What was decided, why, and what became of it."""

    decided: datetime
    state: Literal["nothing", "blocked", "running", "ended", "failed"]
    reasons: list[Reason] = Field(default_factory=list)
    summary: str = Field(description="one line for people")
    spans: list[int] = Field(description="to be trained on; empty where no pattern has spans")
    new_spans: list[int] = Field(default_factory=list)
    left_out: dict[int, str] = Field(default_factory=dict, description="spans, and why")
    changes: dict[str, Any] = Field(
        default_factory=dict, description="by head, the newest span beside what was trained on"
    )
    model_age_days: float | None = None
    search: Search | None = None
    start: Start | None = None

    @property
    def trains(self) -> bool:
        """Whether a training follows."""
        return self.state == "running"


@dataclass(frozen=True)
class Seen:
    """What is known when it is decided.

    Attributes:
        trained: spans of the last training; None where there was none.
        spans: sound spans of the window, ascending; empty where no pattern has spans.
        left_out: spans of the window that cannot be used, and why.
        newest_fault: why the newest span cannot be used; empty where it can.
        names: of spans, for people.
        files_changed: whether the files are others than those last trained on, without spans.
        changes: by head, as `drift.HeadChange`, the newest span beside the last training.
        model_born: when the model in service was trained; None where none is.
    """

    trained: tuple[int, ...] | None
    spans: tuple[int, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)
    newest_fault: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    files_changed: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    model_born: datetime | None = None

    @property
    def new_spans(self) -> list[int]:
        """Sound spans of the window that were not trained on."""
        return [span for span in self.spans if span not in (self.trained or ())]

    def name(self, span: int) -> str:
        """The span for people."""
        return self.names.get(span, str(span))


def decide(seen: Seen, settings: RetrainingSettings, now: datetime, forced: bool) -> Decision:
    """Decides; a training's search and start are added by who knows the last ones."""
    age = _age_days(seen, now)
    base: dict[str, Any] = {
        "decided": now,
        "spans": list(seen.spans),
        "new_spans": seen.new_spans,
        "left_out": dict(seen.left_out),
        "changes": {name: change.model_dump() for name, change in seen.changes.items()},
        "model_age_days": age,
    }
    if seen.newest_fault:
        summary = f"blocked: {seen.newest_fault}"
        return Decision(**base, state="blocked", summary=summary)
    reasons = find_reasons(seen, settings, age, forced)
    if not reasons:
        return Decision(
            **base, state="nothing", summary=f"nothing to do: {_shortfall(seen, settings)}"
        )
    summary = "training: " + "; ".join(reason.text for reason in reasons)
    return Decision(**base, state="running", reasons=reasons, summary=summary)


def find_reasons(
    seen: Seen, settings: RetrainingSettings, age_days: float | None, forced: bool
) -> list[Reason]:
    """All reasons that hold, in the order of the module's table."""
    reasons = [Reason(kind="forced", text="asked for")] if forced else []
    if seen.trained is None:
        return [*reasons, Reason(kind="first", text="nothing was trained yet")]
    new = seen.new_spans
    if len(new) >= settings.minimum_new_spans:
        names = ", ".join(seen.name(span) for span in new)
        text = f"{len(new)} new span{'s' if len(new) > 1 else ''} ({names})"
        reasons.append(Reason(kind="new_spans", text=text, figures={"spans": len(new)}))
    if seen.files_changed:
        reasons.append(Reason(kind="new_files", text="the files have changed"))
    if new:
        reasons += _moved(seen.changes, settings)
    return reasons + _aged(seen, settings, age_days)


def _moved(changes: Mapping[str, Any], settings: RetrainingSettings) -> list[Reason]:
    reasons = []
    for name, change in changes.items():
        bound = settings.maximum_label_drift
        if bound is not None and change.distance is not None and change.distance > bound:
            reasons.append(
                Reason(
                    kind="label_drift",
                    text=f"labels of {name} drifted by {change.distance:.3f}, above {bound:g}",
                    figures={"distance": change.distance, "bound": bound},
                )
            )
        bound = settings.maximum_coverage_change
        moved = abs(change.coverage_now - change.coverage_then)
        if bound is not None and moved > bound and _enough_authors(change, settings):
            text = (
                f"{name} is known of {change.coverage_now:.0%} of the authors, "
                f"{change.coverage_then:.0%} before, a change above {bound:g}"
            )
            figures = {"now": change.coverage_now, "then": change.coverage_then, "bound": bound}
            reasons.append(Reason(kind="coverage", text=text, figures=figures))
    return reasons


def _enough_authors(change: Any, settings: RetrainingSettings) -> bool:
    """Whether shares say something: labels known or not are counted on both sides."""
    return all(
        labels / share >= settings.minimum_labels if share else True
        for labels, share in (
            (change.labels_now, change.coverage_now),
            (change.labels_then, change.coverage_then),
        )
    )


def _aged(seen: Seen, settings: RetrainingSettings, age_days: float | None) -> list[Reason]:
    bound = settings.maximum_model_age_days
    if bound is None or age_days is None or age_days <= bound:
        return []
    # On the very data it was trained on, a training ends in the very model.
    if not (seen.new_spans or seen.files_changed):
        return []
    text = f"the model in service is {age_days:.1f} days old, above {bound:g}"
    return [Reason(kind="model_age", text=text, figures={"days": age_days, "bound": bound})]


def _age_days(seen: Seen, now: datetime) -> float | None:
    if seen.model_born is None:
        return None
    return (now - seen.model_born).total_seconds() / SECONDS_A_DAY


def _shortfall(seen: Seen, settings: RetrainingSettings) -> str:
    """Why there is no reason."""
    if not seen.spans:
        return "the files are those of the last training"
    last = max(seen.trained or (0,))
    count = len(seen.new_spans)
    if not count:
        return f"no new span since {seen.name(last)}"
    told = f"{count} new span{'s' if count > 1 else ''} since {seen.name(last)}"
    distances = [c.distance for c in seen.changes.values() if c.distance is not None]
    if distances:
        told += f", drift of labels {max(distances):.3f}"
    return f"{told}; {settings.minimum_new_spans} new spans, or a drift, are a reason"


def decide_search(
    changes: Mapping[str, Any] | None,
    ratios: tuple[Mapping[str, float], Mapping[str, float]],
    settings: RetrainingSettings,
    last_choice: str,
    asked: bool,
) -> Search:
    """Whether to search anew.

    Args:
        changes: by head, the newest examples beside those of the last search; None where there are
            none to compare.
        ratios: each head's loss over the first head's, in the last training and in the one that
            followed the last search.
        settings: the bounds.
        last_choice: file of the last search's hyperparameters; empty where there was none.
        asked: on the command line.
    """
    if asked:
        return Search(again=True, why="asked for")
    if not last_choice:
        return Search(again=True, why="nothing was searched yet")
    if settings.search != "when_moved":
        again = settings.search == "always"
        why = f"retraining.search is {settings.search}"
        return Search(again=again, why=why, hyperparameters_from="" if again else last_choice)
    figures, moved = _search_figures(changes or {}, ratios, settings)
    if moved:
        return Search(again=True, why="; ".join(moved), figures=figures)
    why = "labels and losses stand to each other as at the last search"
    return Search(again=False, why=why, hyperparameters_from=last_choice, figures=figures)


def _search_figures(
    changes: Mapping[str, Any],
    ratios: tuple[Mapping[str, float], Mapping[str, float]],
    settings: RetrainingSettings,
) -> tuple[dict[str, float], list[str]]:
    figures: dict[str, float] = {}
    moved = []
    for name, change in changes.items():
        coverage = abs(change.coverage_now - change.coverage_then)
        figures[f"{name}_coverage_change"] = coverage
        if coverage > settings.search_coverage_change and _enough_authors(change, settings):
            moved.append(f"the share of known {name} changed by {coverage:.2f}")
        if change.distance is not None:
            figures[f"{name}_label_drift"] = change.distance
            if change.distance > settings.search_label_drift:
                moved.append(f"labels of {name} moved by {change.distance:.3f}")
    now, then = ratios
    for name in sorted(set(now) & set(then)):
        factor = math.exp(abs(math.log(now[name] / then[name])))
        figures[f"{name}_loss_ratio"] = factor
        if factor > settings.search_loss_ratio:
            moved.append(f"the loss of {name} beside the first head's changed by {factor:.2f}")
    return figures, [f"{text} since the last search" for text in moved]


def loss_ratios(training: Mapping[str, Any], heads: list[str]) -> dict[str, float]:
    """Each head's loss on `eval` over the first head's, at the best epoch.

    Args:
        training: content of `training.json`.
        heads: names, the first one first.
    """
    epochs = training.get("epochs") or []
    best = int(training.get("best_epoch") or 0)
    row = epochs[best - 1] if 0 < best <= len(epochs) else {}
    losses = {
        name: row.get(f"val_{name}_{KNOWN_LOSS}", row.get(f"val_{name}_{EARLIER_KNOWN_LOSS}"))
        for name in heads
    }
    first = losses.get(heads[0])
    return {
        name: loss / first for name, loss in losses.items() if first and loss and name != heads[0]
    }
