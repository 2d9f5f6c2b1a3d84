"""What a model is asked before it serves, and whether its answers are good enough.

Enters: what the exported model answered, and what the Trainer's own did. Leaves: the faults found,
each one sentence without any author's text. Knows nothing of TFX or TensorFlow.

Every probe is asked three ways, which must agree: through `posts` in one batch, through `posts`
alone, and as a serialized Example through `serving_default`. The authors are asked through
`serving_default`, and must be answered as the Trainer's own model answered them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.heads.served import ServedHead

Row = Sequence[float]
Answers = Mapping[str, Sequence[Row]]

TOGETHER, ALONE, AS_EXAMPLES = "posts in one batch", "posts one by one", "posts as Examples"
AUTHORS, TRAINER = "authors by the exported model", "authors by the Trainer's model"
_PAIRS = ((ALONE, TOGETHER), (AS_EXAMPLES, TOGETHER), (AUTHORS, TRAINER))

PROBES: dict[str, tuple[bytes, ...]] = {
    "the empty post": (b"",),
    "one word": (b"hello",),
    "one sentence": (b"I went home, and it was raining.",),
    "two posts": (b"I went home.", b"Don't ask me why!"),
    "only spaces": (b" \t ",),
    "emoji": ("so happy \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467".encode(),),
    "Chinese": ("今天天气很好，我们去公园。".encode(),),
    "a URL and a handle": (b"see https://example.org/a?b=c @someone #tag",),
    "bytes that are not UTF-8": (b"caf\xe9 \xff\xfe",),
    "a very long text": (b"the cat sat on the mat and it was 3.5 years old. " * 4000,),
}


class Verdict(NamedTuple):
    """Faults, none where the model may serve; and per head the largest gap to the Trainer."""

    faults: list[str]
    largest_gaps: dict[str, float]


def judge(heads: Sequence[ServedHead], answers: Mapping[str, Answers], tolerance: float) -> Verdict:
    """Judges what a model answered.

    Args:
        heads: the model's heads, as its assets describe them.
        answers: question -> head -> one row a probe or author; the Trainer's own under `TRAINER`.
        tolerance: largest sound gap between two answers, relative where the second is above 1.
    """
    authors = max((len(rows) for rows in answers[TRAINER].values()), default=0)
    asked = {question: list(PROBES) for question in (TOGETHER, ALONE, AS_EXAMPLES)}
    asked |= {
        question: [f"author {number} of {authors}" for number in range(1, authors + 1)]
        for question in (AUTHORS, TRAINER)
    }
    verdict = Verdict([], {})
    for head in heads:
        faults = list(_shape_faults(head, answers, asked))
        if not faults:
            faults = list(_range_faults(head, answers, asked))
            gaps = {pair: _gaps(head.name, answers, pair) for pair in _PAIRS}
            for pair, values in gaps.items():
                faults += _gap_faults(head.name, values, asked[pair[0]], tolerance, pair)
            verdict.largest_gaps[head.name] = max(gaps[AUTHORS, TRAINER], default=0.0)
        verdict.faults.extend(faults)
    return verdict


def _shape_faults(
    head: ServedHead, answers: Mapping[str, Answers], asked: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    name, units = head.name, head.width
    for question, names in asked.items():
        rows = answers[question].get(name)
        if rows is None:
            yield f"{name}: no answer to {question}; there are {sorted(answers[question])}"
        elif len(rows) != len(names):
            yield f"{name}: {question} must be answered by {len(names)} rows; it is by {len(rows)}"
        elif any(not isinstance(row, list) or len(row) != units for row in rows):
            yield f"{name}: {question} must be answered by rows of {units}; some are not"


def _range_faults(
    head: ServedHead, answers: Mapping[str, Answers], asked: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for question, names in asked.items():
        for row, who in zip(answers[question][head.name], names, strict=True):
            if fault := head.fault(row):
                yield f"{head.name}: {who} ({question}) is answered by {fault}"
                break


def _gaps(name: str, answers: Mapping[str, Answers], pair: tuple[str, str]) -> list[float]:
    """Largest gap of each row; infinite where either side is not a finite number."""
    rows, references = (answers[question][name] for question in pair)
    return [
        max(_gap(a, b) for a, b in zip(row, reference, strict=True))
        for row, reference in zip(rows, references, strict=True)
    ]


def _gap(value: float, reference: float) -> float:
    gap = abs(value - reference) / max(1.0, abs(reference))
    return math.inf if math.isnan(gap) else gap


def _gap_faults(
    name: str, gaps: Sequence[float], names: Sequence[str], tolerance: float, pair: tuple[str, str]
) -> Iterator[str]:
    """One sentence, for the widest gap."""
    wide = [(gap, who) for gap, who in zip(gaps, names, strict=True) if gap > tolerance]
    if wide:
        worst, who = max(wide)
        yield (
            f"{name}: {pair[0]} and {pair[1]} must differ by {tolerance:g} at the most; they "
            f"differ by {worst:.3g} for {who}, and in {len(wide)} of {len(gaps)} answers in all"
        )
