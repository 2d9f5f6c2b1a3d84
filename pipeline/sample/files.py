"""The folder of a sample: posts, labels, reachable scores, and a configuration that names them.

Enters: a folder, a number of authors, a seed. Leaves: four files, whole or not at all.
"""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipeline.sample.people import reachable_scores
from pipeline.sample.records import LABEL_FIELDS, SampleSummary, draw_blocks, summarise

DEFAULT_SEED = 20_231
REACHABLE = "reachable.json"
FILES = (REACHABLE, "posts.jsonl.gz", "labels.csv", "config.yaml")
"""In the order in which they are put in place; the configuration, which names the others, last."""

CONFIG = """\
# Made-up posts and labels; data/README.md says how.
posts: [posts.jsonl.gz]
labels: [labels.csv]
reachable: reachable.json
heads:
  age: {kind: regression, unit: years}
  income: {kind: classes, classes: 10, given_as: amount, unit: dollars a year}
  gender: {kind: binary, positive: female, negative: male}
text: {vocabulary_size: 8000}
tuner: {trials: 3}
card:
  title: Profile of made-up authors
  intended_use: Seeing the pipeline work. It knows nothing of people who exist.
  data_source: Made up by authorprofile sample.
  data_consent: The authors do not exist.
  data_licence: Apache-2.0
  model_licence: Apache-2.0
"""

_log = logging.getLogger("authorprofile.sample")


def write_sample(folder: Path, authors: int, seed: int = DEFAULT_SEED) -> SampleSummary:
    """Writes a sample beside the folder, then puts it in place; an earlier sample is replaced.

    Takes about 0.3 ms and writes about 0.6 kB an author; holds 512 authors at a time. The same
    arguments give the same bytes.

    Args:
        folder: absent, empty, or holding an earlier sample.
        authors: how many, faulty ones included; 1 or more.
        seed: 0 or more; another seed gives other people who speak the same language.

    Raises:
        ValueError: `authors` or `seed` is too small.
        FileExistsError: the folder holds something else than a sample.
    """
    if authors < 1 or seed < 0:
        raise ValueError(
            "a sample needs 1 author or more and a seed of 0 or more. "
            f"Received: authors={authors}, seed={seed}."
        )
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        summary = _write_files(beside, authors, seed)
        for name in FILES:
            (beside / name).replace(folder / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    _log.info(
        "wrote %d posts and %d label records of %d authors, %d of the records faulty",
        summary.post_records,
        summary.label_records,
        summary.authors,
        summary.faulty_records,
    )
    return summary


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir() and not (folder / REACHABLE).exists() and any(folder.iterdir()):
        raise FileExistsError(
            "a sample is written to a new or empty folder, or over an earlier sample. "
            f"Received: {folder}, which holds other files. Name another folder."
        )


def _write_files(folder: Path, authors: int, seed: int) -> SampleSummary:
    counts: Counter[str] = Counter()
    with (
        (folder / "posts.jsonl.gz").open("wb") as raw,
        # Without a name and a time, the same records give the same bytes.
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=5, mtime=0) as posts,
        (folder / "labels.csv").open("w", encoding="utf-8", newline="\n") as labels,
    ):
        labels.write(",".join(LABEL_FIELDS) + "\n")
        for block in draw_blocks(authors, seed):
            posts.write("".join(f"{line}\n" for line in block.posts).encode())
            labels.writelines(f"{line}\n" for line in block.labels)
            counts.update(block.counts)
    summary = replace(summarise(authors, counts), reachable=reachable_scores())
    facts = {"authors": authors, "seed": seed, "heads": summary.reachable}
    (folder / REACHABLE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return summary
