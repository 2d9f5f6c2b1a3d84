"""Whether the labels of a head can be trained on, and what is said where they cannot.

Enters: `JoinSummary`, a head. Leaves: a problem in plain words, or None. No label of a person is
quoted, only codes that data sets commonly write for an unknown one, and a value that many share.
Knows no TFX and no Beam.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from components.heads.base import Head, LabelsSeen
from components.ingest.label_counts import OUT_OF_RANGE, Cuts, HeadCounts, RangeCount
from components.ingest.records import SPLITS, Split
from components.ingest.summary import JoinSummary

# Labels of `train` are what is learned, those of `eval` what the skill is measured on.
_NEED_DIFFERENT: tuple[Split, ...] = ("train", "eval")
_OFTEN = 2
_MANY = 10
_FEW_GROUPS = 10


def name_head(head: Head) -> str:
    """The head and its field, for people to read."""
    return f"head {head.name!r} (field {head.field!r})"


def range_problem(summary: JoinSummary, head: Head) -> str | None:
    """The labels outside of the head's range, with their number and first places."""
    counts = [split.heads[head.name] for split in summary.splits.values()]
    known = sum(one.known for one in counts)
    sides = [
        f"{_share(labels.labels, known)} {side}, first at {labels.first}"
        for side in ("below", "above")
        if (labels := _on_side(counts, side)).labels
    ]
    if not sides:
        return None
    found = f"{head.range_rule}; {' and '.join(sides)}"
    return " ".join([f"{name_head(head)}: {found}.", *_hints(counts, head)])


def _share(labels: int, known: int) -> str:
    """How many of the known labels, with a verb.

    >>> _share(1, 200), _share(200, 200)
    ('1 of 200 labels is', 'all 200 labels are')
    """
    if labels == known > 1:
        return f"all {labels:,} labels are"
    return f"{labels:,} of {known:,} labels {'is' if labels == 1 else 'are'}"


def _on_side(counts: list[HeadCounts], side: str) -> RangeCount:
    """Over all splits; the first place is that of the first split that has one."""
    found = [one.out_of_range[side] for one in counts if side in one.out_of_range]
    first = min((one.first for one in found), key=_by_file_and_line, default="")
    return RangeCount(labels=sum(one.labels for one in found), first=first)


def _by_file_and_line(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


def _hints(counts: list[HeadCounts], head: Head) -> Iterator[str]:
    """What the numbers look like, where that can be said, and what can be set."""
    codes: Counter[str] = Counter()
    for one in counts:
        codes.update(one.codes)
    for code, labels in codes.items():
        if labels >= _OFTEN:
            yield (
                f"The value {code} occurs {labels:,} times: if it means unknown, add {code} to "
                "ingest.unknown."
            )
    seen = LabelsSeen(
        known=sum(one.known for one in counts),
        smallest=min(one.minimum for one in counts if one.minimum is not None),
        largest=max(one.maximum for one in counts if one.maximum is not None),
        above=_on_side(counts, "above").labels,
    )
    yield head.range_hint(seen) or f"If they are right, {head.range_remedy}."


def learning_problem(summary: JoinSummary, head: Head) -> str | None:
    """A split without a label, or labels that do not differ where they must."""
    for split in SPLITS:
        counts = summary.splits[split]
        if not counts.heads[head.name].known:
            authors = f"{counts.authors:,} {split} author{'s' if counts.authors > 1 else ''}"
            found = f"{name_head(head)} has no known label among {authors}"
            return found + _why_unknown(summary, head)
    cuts = summary.cuts.get(head.name)
    for split in _NEED_DIFFERENT:
        counts_of_head = summary.splits[split].heads[head.name]
        only = _only_value(counts_of_head)
        if only is not None and (split == "train" or not cuts):
            value = f", {only}," if counts_of_head.known >= _MANY else ""
            return f"{name_head(head)} has one value only{value} in {split!r}"
    return _one_group_problem(summary, head, cuts) if cuts else None


def _why_unknown(summary: JoinSummary, head: Head) -> str:
    """What the labels hold in place of known ones, and the setting that may be wrong."""
    unknown = summary.unknown_values.get(head.name)
    values = unknown.line() if unknown else ""
    if unknown and values:
        rule = head.value_rule if unknown.other else ""
        return f" ({'; '.join(filter(None, (values, rule)))})"
    if any(counts.heads[head.name].known for counts in summary.splits.values()):
        return ""
    return f" (if the files name that field otherwise, capitals count, set heads.{head.name}.field)"


def _only_value(counts: HeadCounts) -> str | None:
    if counts.values:
        return next(iter(counts.values)) if len(counts.values) == 1 else None
    return f"{counts.minimum:g}" if counts.minimum == counts.maximum else None


def _one_group_problem(summary: JoinSummary, head: Head, cuts: Cuts) -> str | None:
    for split in _NEED_DIFFERENT:
        counts = summary.splits[split].heads[head.name]
        smallest, largest = counts.minimum, counts.maximum
        assert smallest is not None and largest is not None
        if cuts.group_of(smallest) != cuts.group_of(largest):
            continue
        problem = (
            f"{name_head(head)} has all {counts.known:,} known amounts of {split!r} in one of its "
            f"{cuts.classes} groups, which are cut at the quantiles of 'train'"
        )
        return f"{problem}; {_describe_empty(summary, head, cuts)}" if _has_empty(cuts) else problem
    return None


def empty_groups_note(summary: JoinSummary, head: Head) -> str | None:
    """Groups that no author of `train` is in; training goes on without them."""
    cuts = summary.cuts.get(head.name)
    if cuts is not None:
        empty = _describe_empty(summary, head, cuts) if _has_empty(cuts) else ""
    else:
        empty = _describe_missing(summary, head)
    return f"{name_head(head)}: {empty}" if empty else None


def _has_empty(cuts: Cuts) -> bool:
    return cuts.filled < cuts.classes


def _describe_empty(summary: JoinSummary, head: Head, cuts: Cuts) -> str:
    are_groups = _look_like_groups(summary.splits["train"].heads[head.name], cuts)
    remedy = head.cut_remedy(cuts.fitting_classes, are_groups=are_groups)
    return f"{_filled(cuts.filled, cuts.classes)}, since too few amounts differ: set {remedy}"


def _look_like_groups(counts: HeadCounts, cuts: Cuts) -> bool:
    """Whether the amounts seem to be few whole numbers, by those that are known of them."""
    smallest, largest = counts.minimum, counts.maximum
    if smallest is None or largest is None or largest - smallest >= _FEW_GROUPS:
        return False
    return all(float(one).is_integer() for one in (smallest, largest, *cuts.boundaries))


def _describe_missing(summary: JoinSummary, head: Head) -> str:
    """Of groups given as such: those that occur, where they are not all; empty where they are."""
    if not head.label_groups:
        return ""
    in_train, *others = (_groups_of(split.heads[head.name]) for split in summary.splits.values())
    if len(in_train) == head.label_groups:
        return ""
    remedy = head.missing_remedy(in_train.union(*others))
    return f"{_filled(len(in_train), head.label_groups)}; {remedy}"


def _groups_of(counts: HeadCounts) -> set[int]:
    return {int(group) for group in counts.values if group != OUT_OF_RANGE}


def _filled(filled: int, groups: int) -> str:
    holds = "holds" if filled == 1 else "hold"
    return f"only {filled} of {groups} groups {holds} an author of 'train'"
