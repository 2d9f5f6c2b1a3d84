"""Processor seconds and memory of the table and the linear baseline, on made-up authors.

    python -m benchmarks.linear --authors 50000 --tokens 1500

Tokens are drawn by Zipf's law from a vocabulary of 50,000; a number and one of two values follow
from the words, with noise. Nothing is read or parsed: that is Transform's examples in a run.
"""

from __future__ import annotations

import argparse
import functools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from components.heads.declared import parse_heads
from components.linear.artifact import PARTS
from components.linear.crossfit import Authors, cross_fit
from components.linear.solver import Directions
from components.linear.terms import TermMatrix, count_terms, inverse_document_frequencies
from components.table.svd import truncated_svd
from components.training.pairs import FIRST_PLACE
from components.training.settings import ConvSettings

VOCABULARY, PAIRS = 50_000, 50_000
ZIPF, NOISE, EVAL_SHARE = 1.05, 0.8, 0.1
AUTHORS_A_BATCH = 128
HEADS = parse_heads({"number": {"kind": "regression"}, "value": {"kind": "binary"}})

T = TypeVar("T")


def main() -> None:
    """Prints a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=50_000)
    parser.add_argument("--tokens", type=int, default=1_500, help="of each author")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given.authors, given.tokens, Path(folder))


def measure(authors: int, tokens: int, folder: Path) -> None:
    """Makes the authors up, then does what the two components do."""
    random = np.random.default_rng(0)
    rows = timed("count", lambda: make_rows(authors, tokens, folder, random))
    terms = sum(block.nnz for block in rows.blocks())
    say(f"{terms / authors:,.0f} terms an author, {terms * 8 / 1e6:,.0f} MB on the disk")
    vectors, _ = timed("table", lambda: truncated_svd(rows, ConvSettings().table_width, seed=0))
    weights = random.normal(size=rows.terms)
    signal = np.concatenate([block @ weights for block in rows.blocks()])
    labels = signal / signal.std() + NOISE * random.normal(size=authors)
    labels = (labels - labels.mean()) / labels.std()
    known = {
        "number": labels[:, None].astype("float32"),
        "value": (labels[:, None] > 0).astype("float32"),
    }
    fitted = Authors(
        rows,
        random.integers(0, PARTS, authors),
        random.random(authors) >= EVAL_SHARE,
        known,
        {name: np.ones(authors, "bool") for name in known},
        Directions.of(rows, vectors),
        in_all=authors,
    )
    for head in HEADS:
        timed(f"baseline of a {head.name}", functools.partial(cross_fit, head, fitted))


def make_rows(authors: int, tokens: int, folder: Path, random: np.random.Generator) -> TermMatrix:
    """TF-IDF rows of authors whose tokens are drawn independently."""
    shares = np.arange(3.0, VOCABULARY + 1) ** -ZIPF
    bounds = np.cumsum(shares / shares.sum())

    def draw(count: int) -> np.ndarray:
        return np.minimum(np.searchsorted(bounds, random.random(count)), VOCABULARY - 3) + 2

    pairs = np.unique(draw(4 * PAIRS) * FIRST_PLACE + draw(4 * PAIRS))[:PAIRS]
    rows = TermMatrix(folder, VOCABULARY + len(pairs))
    users = np.zeros(rows.terms, "int64")
    for first in range(0, authors, AUTHORS_A_BATCH):
        count = min(AUTHORS_A_BATCH, authors - first)
        starts = np.arange(count + 1) * tokens
        counted = count_terms(draw(count * tokens), starts, VOCABULARY, pairs)
        users += np.bincount(counted.indices, minlength=rows.terms)
        rows.add(counted)
    rows.finish()
    rows.weigh(inverse_document_frequencies(authors, users))
    return rows


def timed(what: str, work: Callable[[], T]) -> T:
    """Does the work and prints what it took; memory is the process's most so far."""
    started = time.process_time()
    done = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{what}: {time.process_time() - started:.1f} processor seconds, {peak:,.0f} MB at most")
    return done


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
