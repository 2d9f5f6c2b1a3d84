"""What becomes of one author: all posts and label records in, each record's outcome out.

Enters: the posts and label records of one author, in any order. Leaves: the texts in order and the
label values where the author is used, and for every record that it was used or why it was set
aside. Pure Python.

| the author has | posts | label records |
|---|---|---|
| posts, no label record | no label record | |
| a label record, no posts | | no posts |
| label records whose values differ | author's labels conflict | conflicting labels |
| a label record without a known value | no known label | no known label |
| a label record, again with equal values | used | first used, others duplicate label |
| label records of several spans | as above, by those of the newest | older ones superseded label |
| a post_id more than once | first as read used, others duplicate post | used |
| a post_id in several spans | first as read used, others repeated post | used |
| more than `maximum_posts` posts | the first in order used, others beyond it | used |

Where several spans are read, a span says how things stand when it ends: its label records take the
place of those of older spans, whole, and disagree with each other alone. A person has a birthday,
and moves up an income group; that is no conflict.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from components.heads.base import LabelValue
from components.ingest.lines import COMMENT
from components.ingest.tables import NOT_RECORDS

NO_LABEL_RECORD = "no label record"
NO_POSTS = "no posts"
NO_KNOWN_LABEL = "no known label"
DUPLICATE_POST = "duplicate post"
DUPLICATE_LABEL = "duplicate label"
SUPERSEDED_LABEL = "superseded label"
REPEATED_POST = "repeated post"
BEYOND = "beyond maximum_posts"
CONFLICTING_LABELS = "conflicting labels"
LABELS_CONFLICT = "author's labels conflict"

# Sound records that training has no use for, and what a file holds beside records; they do not
# count against the bound on faults.
NOT_FAULTS = NOT_RECORDS | {
    COMMENT,
    NO_LABEL_RECORD,
    NO_POSTS,
    NO_KNOWN_LABEL,
    SUPERSEDED_LABEL,
    REPEATED_POST,
    BEYOND,
}

NO_TEXT = ""
"""In place of the text of a post that will not be used (see `crowds`); no readable post has it."""

# Plain tuples: Beam shuffles these fast, and pickles anything else.
Values = tuple[LabelValue | None, ...]
PostRow = tuple[int, int, int | None, str | None, str]
"""Source, line, time in microseconds, post_id, text."""
LabelRow = tuple[int, int, Values]
"""Source, line, a value for each head."""
SetAside = tuple[int, int, str]
"""Source, line, cause."""

_read_order = itemgetter(0, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One author: `texts` is empty where the author is not used.

    `used_sources` holds the source of each record used, one entry a record; `label_place` the
    source and line of the label record used.
    """

    texts: tuple[str, ...]
    values: Values
    used_sources: tuple[int, ...]
    set_aside: tuple[SetAside, ...]
    label_place: tuple[int, int] = (0, 0)


def match_author(
    posts: list[PostRow],
    labels: list[LabelRow],
    spans: Sequence[int] = (),
    most: int = sys.maxsize,
) -> Outcome:
    """The outcome of all records of one author.

    Args:
        posts: of the author, in any order.
        labels: of the author, in any order.
        spans: the span of each source; empty where all are of one.
        most: posts used; further ones in order are set aside.

    Example:
        posts [(0, 1, None, None, "a"), (0, 2, None, None, "b")], labels [(1, 1, (41.0,))]
        -> Outcome(texts=("a", "b"), values=(41.0,), used_sources=(1, 0, 0), set_aside=(),
                   label_place=(1, 1))
    """
    if not labels:
        return _not_used(posts, [], NO_LABEL_RECORD, "")
    newest, superseded = _newest_labels(labels, spans)
    first, *others = sorted(newest, key=_read_order)
    values = first[2]
    if any(other[2] != values for other in others):
        return _not_used(posts, newest, LABELS_CONFLICT, CONFLICTING_LABELS, superseded)
    duplicates = tuple((source, line, DUPLICATE_LABEL) for source, line, _ in others) + superseded
    if not posts:
        return _not_used([], [first], "", NO_POSTS, duplicates)
    if all(value is None for value in values):
        return _not_used(posts, [first], NO_KNOWN_LABEL, NO_KNOWN_LABEL, duplicates)
    kept, repeated = split_repeated(posts, spans)
    ordered = order_posts(kept)
    used = ordered[:most]
    beyond = tuple((post[0], post[1], BEYOND) for post in ordered[most:])
    return Outcome(
        texts=tuple(post[4] for post in used),
        values=values,
        used_sources=(first[0], *(post[0] for post in used)),
        set_aside=duplicates + repeated + beyond,
        label_place=first[:2],
    )


def read_posts_of(posts: list[PostRow], most: int) -> list[PostRow]:
    """The posts of an author whose texts are used, if any are; the texts themselves do not matter.

    Spans change by what cause a repeated post is set aside, not which one is used.
    """
    return order_posts(split_repeated(posts)[0])[:most]


def _newest_labels(
    labels: list[LabelRow], spans: Sequence[int]
) -> tuple[list[LabelRow], tuple[SetAside, ...]]:
    """The label records of the newest span that has any, and the others, set aside."""
    if not spans:
        return labels, ()
    newest = max(spans[source] for source, _, _ in labels)
    kept = [label for label in labels if spans[label[0]] == newest]
    older = tuple((s, line, SUPERSEDED_LABEL) for s, line, _ in labels if spans[s] != newest)
    return kept, older


def order_posts(posts: list[PostRow]) -> list[PostRow]:
    """Posts by timestamp; one without a timestamp stays behind the post that was read before it.

    Args:
        posts: as read. Posts of one time keep this order.
    """
    latest = float("-inf")
    keys: list[float] = []
    for post in posts:
        latest = latest if post[2] is None else post[2]
        keys.append(latest)
    return [posts[place] for place in sorted(range(len(posts)), key=keys.__getitem__)]


def split_repeated(
    posts: list[PostRow], spans: Sequence[int] = ()
) -> tuple[list[PostRow], tuple[SetAside, ...]]:
    """The posts as read, and those set aside whose post_id the author has already."""
    seen: dict[str, int] = {}
    kept: list[PostRow] = []
    repeated: list[SetAside] = []
    for post in sorted(posts, key=_read_order):
        source, line, _, post_id, _ = post
        span = spans[source] if spans else 0
        if post_id is None or post_id not in seen:
            kept.append(post)
        else:
            cause = DUPLICATE_POST if seen[post_id] == span else REPEATED_POST
            repeated.append((source, line, cause))
        if post_id is not None:
            # A third time counts against the second: a span may repeat posts, but each one once.
            seen[post_id] = span
    return kept, tuple(repeated)


def _not_used(
    posts: list[PostRow],
    labels: list[LabelRow],
    post_cause: str,
    label_cause: str,
    duplicates: tuple[SetAside, ...] = (),
) -> Outcome:
    set_aside = [(post[0], post[1], post_cause) for post in posts]
    set_aside += [(label[0], label[1], label_cause) for label in labels]
    return Outcome((), (), (), (*set_aside, *duplicates))
