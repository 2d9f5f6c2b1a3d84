"""The sample's post and label records, a block of authors at a time, faults included.

Enters: a number of authors and a seed. Leaves: lines of JSON (posts) and of CSV (labels), shuffled
within their block, and counts of what they hold. Holds one block at a time.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import numpy as np

# NumPy loads this part at its first use, and would lose an interrupt that comes meanwhile.
from numpy.random import default_rng

from pipeline.sample.lexicon import SCRIPTS, Integers
from pipeline.sample.people import Labels, draw_crossed, draw_labels, draw_traits
from pipeline.sample.texts import draw_posts, draw_scripts

LABEL_FIELDS = ("author_id", "age", "income", "gender")
BLOCK_AUTHORS = 512

WORDS_MEDIAN = 98
WORDS_LOG_DEVIATION = 1.1
WORDS_RANGE = (25, 800)
POSTS_MEAN = 5
WORDS_A_POST = 5
"""An author writes no more posts than words divided by this."""
MISSING_SHARE = 0.15
UNSTATED_SHARE = 1 / 3
"""Of the missing genders; such a record says `unstated`, the others say nothing."""
NO_TIMESTAMP_SHARE = 0.1
FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
UTC_OFFSETS_MINUTES = (0, 0, 0, 0, 120, -300, 330)

Lengths = Callable[[np.random.Generator, int], tuple[Integers, Integers]]
"""Generator, authors -> words and posts of each, `[authors]` each; no more posts than words / 5."""

FAULTS = ("conflict", "duplicate", "without_label", "without_posts")
AUTHORS_A_FAULT_IN_1000 = 3
"""Authors of 1000 that have each of the faults; a sample below 334 authors has none."""
BROKEN_POSTS = ("cut_short", "no_text", "text_is_a_number")
AUTHORS_A_BROKEN_POST = 50


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds."""

    authors: int
    """Authors in all, faulty ones included."""
    post_records: int
    """Lines of the posts file, broken ones included."""
    label_records: int
    """Lines of the labels file but for its header."""
    broken_posts: dict[str, int]
    """Kind of the fault -> post records that cannot be read; none is an author's only one."""
    conflicts: int
    """Authors with two label records that disagree."""
    duplicates: int
    """Authors with the same label record twice."""
    without_label: int
    """Authors with posts but no label record."""
    without_posts: int
    """Authors with a label record but no post."""
    missing: dict[str, int]
    """Head -> authors whose label record does not say it."""
    non_latin: int
    """Authors who write in another script than Latin."""
    faulty_records: int
    """Broken posts, and every record of an author who has one of the four faults."""
    reachable: dict[str, dict[str, float]] = field(default_factory=dict)
    """Head -> metric -> score of a predictor that knows the hidden traits."""


@dataclass(frozen=True)
class Block:
    """Lines of some authors, without line ends, and what they hold, by name."""

    posts: list[str]
    labels: list[str]
    counts: Counter[str]


def draw_lengths(random: np.random.Generator, authors: int) -> tuple[Integers, Integers]:
    """Words and posts of each author of the sample, `[authors]` each."""
    logs = math.log(WORDS_MEDIAN) + WORDS_LOG_DEVIATION * random.standard_normal(authors)
    words = np.clip(np.rint(np.exp(logs)), *WORDS_RANGE).astype(np.int64)
    posts = 1 + random.poisson(POSTS_MEAN - 1, authors)
    return words, np.minimum(posts, words // WORDS_A_POST)


def draw_blocks(authors: int, seed: int, lengths: Lengths = draw_lengths) -> Iterator[Block]:
    """Blocks of records of so many authors in all; the same ones for the same arguments."""
    for number, first in enumerate(range(0, authors, BLOCK_AUTHORS)):
        random = default_rng([seed, number])
        members = range(first, min(first + BLOCK_AUTHORS, authors))
        yield _draw_block(random, members, authors, lengths)


def summarise(authors: int, counts: Counter[str]) -> SampleSummary:
    """The summary of all blocks' counts, without reachable scores."""
    return SampleSummary(
        authors=authors,
        post_records=counts["post_records"],
        label_records=counts["label_records"],
        broken_posts={kind: counts[kind] for kind in BROKEN_POSTS},
        conflicts=counts["conflict"],
        duplicates=counts["duplicate"],
        without_label=counts["without_label"],
        without_posts=counts["without_posts"],
        missing={head: counts[f"missing_{head}"] for head in LABEL_FIELDS[1:]},
        non_latin=counts["non_latin"],
        faulty_records=counts["faulty_records"],
    )


def _draw_block(
    random: np.random.Generator, members: range, authors: int, lengths: Lengths
) -> Block:
    traits = draw_traits(random, len(members))
    labels = draw_labels(random, traits)
    scripts = draw_scripts(random, len(members))
    words, posts = lengths(random, len(members))
    is_crossed = draw_crossed(random, labels)
    texts = draw_posts(random, traits, is_crossed, scripts, words, posts)
    timestamps = iter(_draw_timestamps(random, posts))
    missing = random.random((len(members), 3)) < MISSING_SHARE
    unstated = random.random(len(members)) < UNSTATED_SHARE
    block = Block([], [], Counter(non_latin=int((scripts != SCRIPTS.index("latin")).sum())))
    for i, author in enumerate(members):
        fault = fault_of(author, authors)
        post_lines = _post_lines(author, texts[i], [next(timestamps) for _ in texts[i]])
        row = _label_row(labels, i, missing[i].tolist(), bool(unstated[i]), fault)
        broken_kinds = _broken_kinds(author, authors)
        _add_author(block, author, fault, post_lines, row, broken_kinds)
    random.shuffle(block.posts)
    random.shuffle(block.labels)
    return block


def _draw_timestamps(random: np.random.Generator, posts: Integers) -> list[str | None]:
    """RFC 3339, rising within an author; None for the posts that have none. `[sum of posts]`."""
    days = random.exponential(3.0, int(posts.sum()))
    offsets = random.choice(UTC_OFFSETS_MINUTES, len(posts))
    absent = (random.random(len(days)) < NO_TIMESTAMP_SHARE).tolist()
    stamps: list[str | None] = []
    for count, start, offset in zip(
        posts.tolist(), random.uniform(0, 700, len(posts)).tolist(), offsets.tolist(), strict=True
    ):
        zone = timezone(timedelta(minutes=offset))
        place = len(stamps)
        for day in np.cumsum(days[place : place + count]).tolist():
            moment = (FIRST_DAY + timedelta(days=start + day)).astimezone(zone)
            stamp = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
            stamps.append(None if absent[len(stamps)] else stamp)
    return stamps


def _author_id(author: int) -> str:
    return f"author-{author:06d}"


def _post_lines(author: int, texts: list[str], timestamps: list[str | None]) -> list[str]:
    lines = []
    for k, (text, timestamp) in enumerate(zip(texts, timestamps, strict=True)):
        record = {"author_id": _author_id(author), "post_id": f"{author:06d}-{k:02d}", "text": text}
        if timestamp is not None:
            record["timestamp"] = timestamp
        lines.append(json.dumps(record, ensure_ascii=False))
    return lines


def _label_row(
    labels: Labels, i: int, missing: list[bool], unstated: bool, fault: str | None
) -> list[str]:
    """Fields of an author's label record, in the order of `LABEL_FIELDS` after the id."""
    row = [
        str(labels.age[i]),
        str(labels.income[i]),
        "female" if labels.female[i] else "male",
    ]
    # Both records of a conflict say the age, in which they disagree.
    hidden = [missing[0] and fault != "conflict", *missing[1:]]
    unknown = ["", "", "unstated" if unstated else ""]
    return [unknown[k] if hidden[k] else row[k] for k in range(3)]


def fault_of(author: int, authors: int) -> str | None:
    """The author's fault, if any; as many authors have each, spread evenly."""
    each = authors * AUTHORS_A_FAULT_IN_1000 // 1000
    before, after = (place * each * len(FAULTS) // authors for place in (author, author + 1))
    return FAULTS[before % len(FAULTS)] if after > before else None


def _broken_kinds(author: int, authors: int) -> list[str]:
    """Kinds of the broken posts that stand among this author's; they take turns."""
    total = authors // AUTHORS_A_BROKEN_POST
    before, after = (place * total // authors for place in (author, author + 1))
    return [BROKEN_POSTS[number % len(BROKEN_POSTS)] for number in range(before, after)]


def _broken_line(author: int, kind: str) -> str:
    record: dict[str, object] = {"author_id": _author_id(author), "post_id": f"{author:06d}-{kind}"}
    if kind != "no_text":
        record["text"] = 7 if kind == "text_is_a_number" else "..."
    line = json.dumps(record)
    return line[:-3] if kind == "cut_short" else line


def _add_author(
    block: Block,
    author: int,
    fault: str | None,
    posts: list[str],
    row: list[str],
    broken_kinds: list[str],
) -> None:
    """Adds the author's lines to the block, with the fault done to them, and counts them."""
    posts = [] if fault == "without_posts" else posts
    rows = [] if fault == "without_label" else [row]
    if fault == "duplicate":
        rows.append(row)
    elif fault == "conflict":
        age = int(row[0])
        rows.append([str(age + 5 if age < 80 else age - 5), *row[1:]])
    block.posts.extend(posts)
    block.posts.extend(_broken_line(author, kind) for kind in broken_kinds)
    block.labels.extend(",".join([_author_id(author), *fields]) for fields in rows)
    counts = block.counts
    counts.update(broken_kinds)
    counts["post_records"] += len(posts) + len(broken_kinds)
    counts["label_records"] += len(rows)
    counts["faulty_records"] += len(broken_kinds)
    if fault is not None:
        counts[fault] += 1
        counts["faulty_records"] += len(posts) + len(rows)
    if rows:
        for head, value in zip(LABEL_FIELDS[1:], row, strict=True):
            counts[f"missing_{head}"] += value in ("", "unstated")
