"""What the join counted: per file, per cause, per split and per head, exact.

Enters: the tally that `join` adds up, or `audit.json`. Leaves: `JoinSummary`, its JSON and the
lines for the console. Knows no TFX and no Beam.

    {"files": [{"kind": "posts", "file": "/data/posts.jsonl", "read": 6012, "used": 5998,
                "set_aside": {"no label record": {"records": 14, "first_line": 3}},
                "notes": {"timestamp not readable": {"records": 2, "first_line": 8}}}],
     "splits": {"train": {"authors": 944, "heads": {
         "age": {"known": 900, "minimum": 18.0, "maximum": 71.0, "values": {}, ...},
         "gender": {"known": 870, "minimum": null, "maximum": null,
                    "values": {"female": 430, "male": 440}, ...}}}},
     "unknown_values": {"gender": {"spelt_unknown": 31, "other": 40, "distinct": 2}},
     "id_shapes": {"posts": {"digits (5)": 100}, "labels": {"digits (5)": 100}}}

What is counted of a head: `label_counts.HeadCounts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from components.heads.declared import Heads
from components.ingest.label_counts import Cuts, HeadCounts, count_labels
from components.ingest.lines import BREAKS
from components.ingest.matching import NOT_FAULTS
from components.ingest.records import RECORD_NOTES, SPLITS
from components.ingest.sources import KINDS, Kind, SourceFile
from components.ingest.unknown_values import ValueCounts, count_unknown

Key = tuple[str | int, ...]
Count = tuple[int, float | None, float | None, *tuple[int, ...]]
"""Records, smallest and largest number seen (a line or a label; None where there is none), then
digests of distinct values, one more than `MOST_DISTINCT` of them at the most."""
Tally = Mapping[Key, Count]


_FILES_SHOWN = 10


class CauseCount(BaseModel):
    """Records of one file set aside for one cause, and the line of the first."""

    records: int
    first_line: int


def count_cause(counts: dict[str, CauseCount], cause: str, line: int) -> None:
    """Counts one more record of a cause or note."""
    count = counts.setdefault(cause, CauseCount(records=0, first_line=line))
    count.records += 1
    count.first_line = min(count.first_line, line)


class FileCounts(BaseModel):
    """One file's records: `read` is `used` plus all that `set_aside` holds.

    `notes` counts what is unusual about records that were read and not set aside for it: a
    timestamp that cannot be read (the post counts as one without), an author_id written otherwise
    than it was given, and by head, as `head: note`, labels that are unknown though not empty.
    """

    kind: Kind
    file: str
    read: int
    used: int
    set_aside: dict[str, CauseCount]
    notes: dict[str, CauseCount] = Field(default_factory=dict)


class SplitCounts(BaseModel):
    """One split's authors and what is known of them."""

    authors: int
    heads: dict[str, HeadCounts]


class CauseTotal(NamedTuple):
    """One cause over all files of a kind; `place` is `file:line` of the first record."""

    cause: str
    records: int
    place: str


class JoinSummary(BaseModel):
    """Everything the join counted."""

    files: list[FileCounts]
    splits: dict[str, SplitCounts]
    cuts: dict[str, Cuts] = Field(default_factory=dict)
    unknown_values: dict[str, ValueCounts] = Field(default_factory=dict)
    id_shapes: dict[Kind, dict[str, int]] = Field(default_factory=dict)

    @classmethod
    def from_tally(
        cls,
        tally: Tally,
        sources: Sequence[SourceFile],
        heads: Heads,
        cuts: Mapping[str, Cuts] = MappingProxyType({}),
    ) -> JoinSummary:
        """The summary of a tally, whose keys are those that `join` writes:

        ("read", source), ("used", source), ("set aside", source, cause), ("authors", split),
        ("known", split, head), ("value", split, head, value), ("note", source, note, head),
        ("other values", head), ("id shape", kind, shape),
        ("out of range", split, head, side, source), ("code", split, head, value).
        `cuts`: of the heads that are cut from an amount.
        """
        aside, notes = (_by_source(tally, what) for what in ("set aside", "note"))
        return cls(
            files=[
                FileCounts(
                    kind=source.kind,
                    file=source.path,
                    read=_total(tally, "read", place),
                    used=_total(tally, "used", place),
                    set_aside=aside[place],
                    notes=notes[place],
                )
                for place, source in enumerate(sources)
            ],
            splits={
                split: SplitCounts(
                    authors=_total(tally, "authors", split),
                    heads={
                        head.name: count_labels(tally, split, head.name, sources) for head in heads
                    },
                )
                for split in SPLITS
            },
            cuts=dict(cuts),
            unknown_values={head.name: count_unknown(tally, head.name) for head in heads},
            id_shapes={kind: _id_shapes(tally, kind) for kind in KINDS},
        )

    def read(self, kind: Kind) -> int:
        """Records read from all files of the kind."""
        return sum(file.read for file in self.files if file.kind == kind)

    def used(self, kind: Kind) -> int:
        """Records of the kind that training uses."""
        return sum(file.used for file in self.files if file.kind == kind)

    def causes(self, kind: Kind) -> list[CauseTotal]:
        """Causes of the kind over all its files, most frequent first."""
        return _add_up((file.file, file.set_aside) for file in self.files if file.kind == kind)

    def notes(self, kind: Kind) -> list[CauseTotal]:
        """What is unusual about records that are not set aside for it, likewise."""
        return _add_up((file.file, file.notes) for file in self.files if file.kind == kind)

    def unknown_lines(self) -> list[str]:
        """What is unknown though its field is not empty, a line for each head that has any."""
        lines = {head: counts.line() for head, counts in self.unknown_values.items()}
        return [f"{head}: {line}" for head, line in lines.items() if line]

    def faults(self, kind: Kind) -> list[CauseTotal]:
        """Those causes that are faults: all but the sound records without a counterpart."""
        return [total for total in self.causes(kind) if total.cause not in NOT_FAULTS]

    def fault_share(self, kind: Kind) -> float:
        """Share of the kind's records set aside for a fault; 0 where none was read."""
        return sum(total.records for total in self.faults(kind)) / max(self.read(kind), 1)

    @property
    def authors(self) -> int:
        """Authors in all splits."""
        return sum(split.authors for split in self.splits.values())

    def lines(self) -> list[str]:
        """The summary for people, counts only, one short line each.

        Where records of a kind came in several files, each file that lost any is named too.
        """
        posts, labels = (self._read_line(kind) for kind in KINDS)
        shares = ", ".join(f"{counts.authors:,} {name}" for name, counts in self.splits.items())
        return [
            f"{posts}; {self.authors:,} authors: {shares}",
            labels,
            *(
                f"{kind} set aside: {_list(causes)}"
                for kind in KINDS
                if (causes := self.causes(kind))
            ),
            *(
                f"{kind} with a note: {_list(notes)}"
                for kind in KINDS
                if (notes := [note for note in self.notes(kind) if note.cause in RECORD_NOTES])
            ),
            *self.unknown_lines(),
            *(line for kind in KINDS for line in self._file_lines(kind)),
        ]

    def warnings(self) -> list[str]:
        """Breaks: places after which a file could not be read at all."""
        return [
            f"{file.file}:{count.first_line}: {cause}; nothing after it was read"
            for file in self.files
            for cause, count in file.set_aside.items()
            if cause in BREAKS
        ]

    def _file_lines(self, kind: Kind) -> list[str]:
        """What each of several files lost, most first; the audit holds those not shown."""
        files = [file for file in self.files if file.kind == kind]
        if len(files) < 2:
            return []
        losing = sorted((file for file in files if file.set_aside), key=lambda f: f.used - f.read)
        shown = [_file_line(file) for file in losing[:_FILES_SHOWN]]
        more = len(losing) - len(shown)
        return shown + [f"and {more:,} more files of {kind}"] * (more > 0)

    def _read_line(self, kind: Kind) -> str:
        read = self.read(kind)
        return f"{read:,} {kind} read, {read - self.used(kind):,} set aside"


def _add_up(files: Iterable[tuple[str, Mapping[str, CauseCount]]]) -> list[CauseTotal]:
    totals: dict[str, CauseTotal] = {}
    for path, counts in files:
        for cause, count in counts.items():
            place = f"{path}:{count.first_line}"
            _, records, first_place = totals.get(cause, CauseTotal(cause, 0, place))
            totals[cause] = CauseTotal(cause, records + count.records, first_place)
    return sorted(totals.values(), key=lambda total: (-total.records, total.cause))


def _file_line(file: FileCounts) -> str:
    causes = ", ".join(f"{count.records:,} {cause}" for cause, count in file.set_aside.items())
    name = file.file.rpartition("/")[2]
    return f"{name}: {file.read:,} read, {file.read - file.used:,} set aside: {causes}"


def _list(causes: Sequence[CauseTotal]) -> str:
    return ", ".join(f"{total.records:,} {total.cause}" for total in causes)


def _by_source(tally: Tally, what: str) -> defaultdict[Any, dict[str, CauseCount]]:
    """By source, then by cause or note: records and the first one's line."""
    found: defaultdict[Any, dict[str, CauseCount]] = defaultdict(dict)
    for key in sorted((key for key in tally if key[0] == what), key=str):
        records, first_line = tally[key][:2]
        name = ": ".join(str(part) for part in reversed(key[2:]) if part)
        found[key[1]][name] = CauseCount(records=records, first_line=int(first_line or 0))
    return found


def _id_shapes(tally: Tally, kind: Kind) -> dict[str, int]:
    """What ids of the kind look like, most frequent first."""
    shapes = {str(key[2]): n[0] for key, n in tally.items() if key[:2] == ("id shape", kind)}
    return dict(sorted(shapes.items(), key=lambda shape: (-shape[1], shape[0])))


def _total(tally: Tally, *key: str | int) -> int:
    return tally[key][0] if key in tally else 0
