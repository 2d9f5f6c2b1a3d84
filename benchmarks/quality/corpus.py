"""Posts and labels to tokens and labels of each author, then to the ids of one fold.

Enters: patterns of posts and labels. Leaves: `Corpus`, read and joined by the pipeline's own
ExampleGen code and tokenised by its own graph; of it, `Fold`s: the authors of one fold as `test`,
an eighth of the others as `eval`, the rest as `train`, with vocabulary, scale of the numbers and
boundaries of the groups counted on `train` alone, as the Transform counts them. The ids are those
that the Transform gives, except among words of equal frequency, whose order is alphabetical here.
Called by `measure`.
"""

from __future__ import annotations

import collections
import hashlib
import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from components.disk_shuffle import disk_for
from components.features.settings import TextSettings
from components.features.tokens import tokenize_posts
from components.features.transform import FEWEST_USES, RESERVED_IDS
from components.heads.base import Head
from components.heads.declared import Heads
from components.ingest.examples import WriteExamples
from components.ingest.join import IngestSources
from components.ingest.records import SPLITS
from components.ingest.settings import IngestSettings
from components.ingest.sources import find_sources, plain_bytes
from components.local_runner import LocalRunner
from components.training.pairs import pair_keys

EVAL_SHARE = 8
AUTHORS_A_BATCH = 256
TYPES = {"number": tf.float32, "whole number": tf.int64, "text": tf.string}

Facts = dict[str, np.ndarray]
"""By head, by name of what is known of its labels."""


@dataclass(frozen=True)
class Corpus:
    """Every author that has posts and a label record.

    Attributes:
        authors: ids, in the order of their bytes.
        tokens: words of each, of what is read.
        labels: of each head by name, `[authors]`, None where unknown.
    """

    authors: list[str]
    tokens: list[list[bytes]]
    labels: dict[str, list[Any]]


@dataclass(frozen=True)
class Fold:
    """One division of a corpus.

    Attributes:
        vocabulary_size: token ids in all.
        pair_keys: of `pairs.pair_keys`.
        train, eval, test: author numbers of the corpus.
        train_ids, eval_ids, test_ids: their token ids.
        facts: what `train` says of labels, as `Head.targets` takes it.
    """

    vocabulary_size: int
    pair_keys: np.ndarray
    train: np.ndarray
    eval: np.ndarray
    test: np.ndarray
    train_ids: list[np.ndarray]
    eval_ids: list[np.ndarray]
    test_ids: list[np.ndarray]
    facts: Facts


def read_corpus(
    posts: Sequence[str], labels: Sequence[str], heads: Heads, maximum_bytes: int, work: Path
) -> Corpus:
    """Reads, joins and tokenises; `work` gets the examples and the audit of the join."""
    sources = find_sources(posts, labels)
    pipeline, audit = beam.Pipeline(runner=LocalRunner()), str(work / "audit")
    with disk_for(pipeline, audit, plain_bytes(sources)) as disk, pipeline:
        joined = pipeline | IngestSources(sources, heads, IngestSettings(), audit, disk)
        for split in SPLITS:
            folder = str(work / "examples" / split)
            _ = joined[split] | f"Write {split}" >> WriteExamples(folder, 1, heads, disk)
    spec: dict[str, Any] = {
        "author_id": tf.io.FixedLenFeature([], tf.string),
        "posts": tf.io.RaggedFeature(tf.string),
    }
    for head in heads:
        spec[head.name] = tf.io.RaggedFeature(TYPES[head.stored_as])
    files = sorted(str(path) for path in (work / "examples").glob("*/data_tfrecord-*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(AUTHORS_A_BATCH)
    rows: list[tuple[str, list[bytes], list[Any]]] = []
    # Authors share their words: each is held once.
    words: dict[bytes, bytes] = {}
    for batch in records:
        parsed = tf.io.parse_example(batch, spec)
        found = [
            [words.setdefault(word, word) for word in author]
            for author in tokenize_posts(parsed["posts"], maximum_bytes).to_list()
        ]
        values = [parsed[head.name].to_list() for head in heads]
        for number, author in enumerate(parsed["author_id"].numpy()):
            known = [_label(column[number]) for column in values]
            rows.append((author.decode("utf-8"), found[number], known))
    rows.sort(key=lambda row: row[0])
    return Corpus(
        [row[0] for row in rows],
        [row[1] for row in rows],
        {head.name: [row[2][place] for row in rows] for place, head in enumerate(heads)},
    )


def _label(stored: list[Any]) -> Any:
    if not stored:
        return None
    return stored[0].decode("utf-8") if isinstance(stored[0], bytes) else stored[0]


def place_of(author: str, purpose: str, places: int) -> int:
    """An author's place among so many, from a hash of the id; purposes are drawn apart."""
    digest = hashlib.blake2b(author.encode(), digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest, "big") % places


def without_labels(corpus: Corpus, head: str, numbers: np.ndarray) -> Corpus:
    """The corpus with a head's labels of these authors unknown."""
    hidden = set(numbers.tolist())
    labels = [None if i in hidden else value for i, value in enumerate(corpus.labels[head])]
    return Corpus(corpus.authors, corpus.tokens, {**corpus.labels, head: labels})


def without_authors(corpus: Corpus, numbers: np.ndarray, fold: int, folds: int) -> Corpus:
    """The corpus without these authors, save those of the fold that judges."""
    gone = {i for i in numbers.tolist() if place_of(corpus.authors[i], "fold", folds) != fold}
    kept = [i for i in range(len(corpus.authors)) if i not in gone]
    return Corpus(
        [corpus.authors[i] for i in kept],
        [corpus.tokens[i] for i in kept],
        {name: [values[i] for i in kept] for name, values in corpus.labels.items()},
    )


def beyond(corpus: Corpus, kept: int, fold: int, folds: int) -> np.ndarray:
    """Numbers of the authors outside the fold that judges, but for so many, drawn by their ids."""
    others = [i for i, a in enumerate(corpus.authors) if place_of(a, "fold", folds) != fold]
    others.sort(key=lambda i: place_of(corpus.authors[i], "fewer", 2**32))
    return np.array(others[kept:], dtype=int)


def make_fold(
    corpus: Corpus,
    heads: Heads,
    text: TextSettings,
    fold: int,
    folds: int,
) -> Fold:
    """Divides by author and makes ids and targets of what `train` says."""
    places = np.array([place_of(author, "fold", folds) for author in corpus.authors])
    selects = np.array([place_of(author, "eval", EVAL_SHARE) == 0 for author in corpus.authors])
    train = np.flatnonzero((places != fold) & ~selects)
    evaluate = np.flatnonzero((places != fold) & selects)
    test = np.flatnonzero(places == fold)
    counts: collections.Counter[bytes] = collections.Counter()
    for number in train:
        counts.update(corpus.tokens[number])
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    ids = {word: i + RESERVED_IDS for i, word in enumerate(ranked[: text.vocabulary_size - 2])}
    pairs = count_pairs((corpus.tokens[number] for number in train), text.pairs)
    by_text = {word.decode("utf-8"): i for word, i in ids.items()}
    keys = pair_keys((pair.decode("utf-8") for pair in pairs), by_text)
    facts: Facts = {}
    for head in heads:
        facts |= facts_of(head, [corpus.labels[head.name][i] for i in train])

    def encode(numbers: np.ndarray) -> list[np.ndarray]:
        return [np.array([ids.get(w, 1) for w in corpus.tokens[i]], "int32") for i in numbers]

    size = len(ids) + RESERVED_IDS
    train_ids, eval_ids, test_ids = map(encode, (train, evaluate, test))
    return Fold(size, keys, train, evaluate, test, train_ids, eval_ids, test_ids, facts)


def count_pairs(authors: Iterable[list[bytes]], most: int) -> list[bytes]:
    """The commonest pairs of neighbouring words, as the Transform counts them."""
    counts: collections.Counter[bytes] = collections.Counter()
    for words in authors:
        counts.update(b" ".join(pair) for pair in itertools.pairwise(words))
    used = [pair for pair, count in counts.items() if count >= FEWEST_USES]
    # Equal ones in falling order of their bytes, as tf.Transform ranks them.
    return heapq.nlargest(most, used, key=lambda pair: (counts[pair], pair))


def facts_of(head: Head, labels: Sequence[Any]) -> dict[str, np.ndarray]:
    """What the Transform counts of the labels of `train`, None among them where unknown."""
    if head.stored_as == "text":
        return {}
    known = np.array([label for label in labels if label is not None])
    facts = head.facts_of(known)
    if groups := head.cut_into:
        shares = np.arange(1, groups) / groups
        facts["boundaries"] = np.quantile(known, shares, method="inverted_cdf")
    return {head.internal(name): fact for name, fact in facts.items()}


def targets_of(
    corpus: Corpus, heads: Heads, numbers: np.ndarray, facts: Facts
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Targets {head: float32 `[authors, width]`} and masks {head: float32 `[authors]`}."""
    targets, known = {}, {}
    for head in heads:
        labels = [corpus.labels[head.name][i] for i in numbers]
        mask = np.array([label is not None for label in labels])
        target = np.zeros((len(labels), head.width), "float32")
        if mask.any():
            told = [label for label in labels if label is not None]
            target[mask] = head.targets(told, facts)
        known[head.name], targets[head.name] = mask.astype("float32"), target
    return targets, known
