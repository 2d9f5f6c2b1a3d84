"""One shard of authors: its posts on disk in, a file of answers out.

Enters: the files that `spread` wrote for the shard. Leaves: `WORK/answers/00017.jsonl`, which
appears by one rename, when it is whole. Its first line counts, the others answer, in the order of
each author's first post. Imports Beam, not TFX.

    {"authors": 1, "used": {"0": 2}, "set_aside": [[0, 9, "duplicate post"]]}
    [0, 1, {"author_id": "a", "age": 31.2}]
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from components.serving.assets import ServedHeads
from components.serving.bulk.spread import POSTS_FOLDER, read_shard, shard_file
from components.serving.bulk.transform import ANSWERS, SET_ASIDE, USED, PredictAuthors
from components.serving.bulk.work import put_in_place

ANSWERS_FOLDER = "answers"


class PredictShard(beam.PTransform):
    """Reads one shard's posts, answers its authors and writes its file.

    Out: the number of the shard, once its file is there.
    """

    def __init__(self, work: Path, shard: int, version: Path, served: ServedHeads) -> None:
        super().__init__()
        self._work = work
        self._shard = shard
        self._version = version
        self._served = served

    def expand(self, pipeline: beam.Pipeline) -> PCollection:
        folders = sorted((self._work / POSTS_FOLDER).iterdir())
        files = [file for f in folders if (file := shard_file(f, self._shard)).is_file()]
        outcome = (
            pipeline
            | "Shard" >> beam.Create([files])
            | "ReadPosts" >> beam.FlatMap(read_shard)
            | "Predict" >> PredictAuthors(self._version, self._served)
        )
        # Begins from an element of its own, so that a shard without posts gets its file too.
        everything = {
            name: records | f"Key{name}" >> beam.Map(lambda record: (0, record))
            for name, records in outcome.items()
        }
        everything["shard"] = pipeline | "Number" >> beam.Create([(0, self._shard)])
        return everything | "Collect" >> beam.CoGroupByKey() | "Write" >> beam.Map(self._write)

    def _write(self, element: tuple[int, Mapping[str, Iterable[Any]]]) -> int:
        _, outcome = element
        answers = sorted(outcome[ANSWERS], key=lambda answer: answer[:2])
        used: Counter[int] = Counter()
        for source, posts in outcome[USED]:
            used[source] += posts
        set_aside = sorted(outcome[SET_ASIDE])
        counts = {"authors": len(answers), "used": used, "set_aside": set_aside}
        write_whole(answers_file(self._work, self._shard), [counts, *answers])
        return self._shard


def answers_file(work: Path, shard: int) -> Path:
    """Where a shard's answers lie."""
    return work / ANSWERS_FOLDER / f"{shard:05d}.jsonl"


def write_whole(path: Path, records: Sequence[Any]) -> None:
    """Writes JSON Lines that appear under their name at once, or not at all."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record, allow_nan=False) + "\n" for record in records)
    put_in_place(partial, path)


def read_counts(path: Path) -> dict[str, Any]:
    """What a shard's file counts."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        counts: dict[str, Any] = json.loads(next(lines))
    return counts


def read_answers(path: Path) -> Iterator[list[Any]]:
    """A shard's answers: source and line of the author's first post, and the answer."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        next(lines)
        for line in lines:
            yield json.loads(line)
