"""Whether the join may be trained on: a summary in, an error in plain words out.

Enters: `JoinSummary`, the heads and the settings. Leaves: nothing, or a `JoinError` that says the
rule, what was counted and what to do. Knows no TFX and no Beam.
"""

from __future__ import annotations

from components.heads.declared import Heads
from components.ingest.label_checks import empty_groups_note, learning_problem, range_problem
from components.ingest.records import SPLITS
from components.ingest.settings import IngestSettings
from components.ingest.sources import KINDS, Kind
from components.ingest.summary import CauseTotal, JoinSummary
from components.ingest.unmatched import why_no_author

_CAUSES_SHOWN = 5


class JoinError(ValueError):
    """The joined records cannot be trained on."""


def check_join(summary: JoinSummary, heads: Heads, settings: IngestSettings) -> None:
    """Raises JoinError at the first rule broken.

    1. In each file, records read = records used + records set aside.
    2. Of posts and of label records, each, the share set aside for a fault is within
       `maximum_set_aside_share`. A post or label record without its counterpart, or without a
       known label, is no fault.
    3. Each known label is in the range of its head.
    4. Each split has an author.
    5. Each head has a known label in each split, and different ones in `train` and in `eval`: of
       amounts, such as fall into different groups.
    """
    check_records(summary, heads, settings)
    _check_splits(summary, settings)
    _check_heads(summary, heads)


def check_records(summary: JoinSummary, heads: Heads, settings: IngestSettings) -> None:
    """Raises JoinError where the records cannot be used whatever they are joined with later.

    Rules 1 to 3 of `check_join`, and at least one author.
    """
    _check_counts(summary)
    for kind in KINDS:
        _check_share(summary, kind, settings.maximum_set_aside_share)
    _check_authors(summary)
    _check_ranges(summary, heads)


def list_notes(summary: JoinSummary, heads: Heads) -> list[str]:
    """What training goes on with, but who gave the data may not want: groups that stay empty."""
    return [note for head in heads if (note := empty_groups_note(summary, head))]


def _check_counts(summary: JoinSummary) -> None:
    for file in summary.files:
        set_aside = sum(count.records for count in file.set_aside.values())
        if file.read != file.used + set_aside:
            raise JoinError(
                "Every record read must be used or set aside. Received: "
                f"{file.file}: {file.read} read, {file.used} used, {set_aside} set aside. "
                "This is a defect of the join; please report it."
            )


def _check_share(summary: JoinSummary, kind: Kind, bound: float) -> None:
    share = summary.fault_share(kind)
    if share <= bound:
        return
    raise JoinError(
        f"At most {_percent(bound)} of the {kind} may be set aside for a fault. "
        f"Received: {_percent(share)} of {summary.read(kind):,} {kind} read:"
        f"{_list_causes(summary.faults(kind))}\n"
        "Correct these records (`authorprofile audit` lists every one, with file and line), "
        "or raise ingest.maximum_set_aside_share."
    )


def _check_authors(summary: JoinSummary) -> None:
    if not summary.authors:
        causes = "".join(
            f"\n{kind}: {summary.read(kind):,} read{_list_causes(summary.causes(kind))}"
            for kind in KINDS
        )
        raise JoinError(
            "At least one author must have posts and a known label. Received: none."
            f"{causes}\n{why_no_author(summary)}".rstrip()
        )


def _check_splits(summary: JoinSummary, settings: IngestSettings) -> None:
    for split in SPLITS:
        if not summary.splits[split].authors:
            raise JoinError(
                f"Each split needs an author; {split!r} has none of the {summary.authors:,} "
                f"authors (its share is {getattr(settings.splits, split):g}). "
                f"Give more authors, or raise ingest.splits.{split}."
            )


def _check_ranges(summary: JoinSummary, heads: Heads) -> None:
    problems = [problem for head in heads if (problem := range_problem(summary, head))]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise JoinError(
            f"Each known label must be in the range of its head. Received:{listed}\n"
            "Correct these labels; leave empty what is not known."
        )


def _check_heads(summary: JoinSummary, heads: Heads) -> None:
    problems = {head.name: learning_problem(summary, head) for head in heads}
    bad = {name: problem for name, problem in problems.items() if problem}
    if not bad:
        return
    sound = [head.name for head in heads if head.name not in bad]
    switch = (
        f"or leave {'it' if len(bad) == 1 else 'them'} out: --heads {','.join(sound)}"
        if sound
        else "or declare other heads"
    )
    raise JoinError(
        "Each head needs a known label in each split, and different ones in 'train' and in "
        f"'eval'. Received: {'; '.join(bad.values())}. Add the labels, {switch}."
    )


def _list_causes(causes: list[CauseTotal]) -> str:
    """One line a cause, each behind a line end."""
    shown = [
        f"\n  {total.cause}: {total.records:,}, first at {total.place}"
        for total in causes[:_CAUSES_SHOWN]
    ]
    more = len(causes) - len(shown)
    return "".join(shown + [f"\n  and {more} more causes"] * (more > 0))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
