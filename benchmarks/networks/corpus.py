"""Authors as text, ids and targets: made up as long and as rich as a real corpus, or real ones.

Enters: how many, or a folder of real posts. Leaves in a folder: `authors.jsonl`, an author's posts
and labels a line; `graph/`, the pipeline's own transform graph of them; `corpus.npz`, token ids end
to end, lengths, targets, and the commonest pairs, that every contender reads. Labels are all known,
so that a peer needs no masks. Memory: 4.2 GB for 100,000 authors, of which token ids are some 30 kB
an author; with real posts all of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks.arrays import AUTHORS_FILE, EVAL_SHARE, VOCABULARY
from benchmarks.networks.contenders import REPOSITORY

WORDS_MEDIAN = 2_117
WORDS_LOG_DEVIATION = 1.24
"""5 % and 25 % of the authors then have 275 and 916 words; the real corpus: 465 and 920."""
WORDS_RANGE = (50, 3_000)
WORDS_A_POST = 60
RARE_SHARE = 0.65
"""Of the generator's words, which are few, so many give way to words of a language's richness. A
quarter of a batch's tokens is then distinct, as in a real corpus."""
LANGUAGE_WORDS = 50_000
ZIPF_OFFSET = 2.7
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
MAX_TOKENS = 1_500
MAXIMUM_BYTES = 6 * MAX_TOKENS
"""Read of an author: somewhat more than hold so many tokens."""
SEED = 7
HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression"},
    "income": {"kind": "classes", "classes": 10},
    "gender": {"kind": "binary"},
}


BLOCK_AUTHORS = 1_000
"""Made up at once."""

Author = dict[str, Any]
"""`posts`, a list of texts, and a label for each of `HEADS`."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which corpus is read."""
    parser.add_argument("--authors", type=int, default=1_000, help="size of a made-up corpus")
    parser.add_argument(
        "--essays",
        type=Path,
        help="a folder of real ones instead: posts.jsonl, and labels.csv with age, income, gender",
    )


def write_corpus(out: Path, authors: int, essays: Path | None = None) -> Path:
    """Makes the authors up or reads them, transforms them and returns the path of `corpus.npz`.

    What is there of an earlier call for the same is kept, unless the transform has changed since.
    """
    path = corpus_folder(out, authors, essays) / "corpus.npz"
    if not path.exists():
        # TensorFlow and Beam stay out of the process that measures.
        with ProcessPoolExecutor(1, get_context("spawn")) as maker:
            maker.submit(_make_corpus, path, authors, essays).result()
    return path


def _make_corpus(path: Path, authors: int, essays: Path | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = path.with_name(AUTHORS_FILE)
    with stored.open("w", encoding="utf-8") as file:
        for author in read_essays(essays) if essays else draw_authors(authors):
            file.write(json.dumps(author, ensure_ascii=False) + "\n")
    _transform(path.parent, stored)
    beside = path.with_name("corpus.partial.npz")
    np.savez(beside, **_gather_rows(path.parent))
    beside.rename(path)


def corpus_folder(out: Path, authors: int, essays: Path | None = None) -> Path:
    """Where the corpus is kept, by what it is made of and the source that makes it."""
    features = REPOSITORY / "components" / "features"
    sources = (features / "tokens.py", features / "transform.py", Path(__file__))
    made_by = zlib.crc32(b"".join(source.read_bytes() for source in sources))
    return out / f"corpus-{essays.name if essays else authors}-{made_by:08x}"


def count_training_authors(path: Path) -> int:
    """Authors of a corpus that are not in `eval`."""
    with np.load(path, allow_pickle=False) as stored:
        authors = len(stored["lengths"])
    return authors - math.ceil(authors / EVAL_SHARE)


def read_essays(folder: Path) -> Iterator[Author]:
    """The authors whose gender is one of the two that most have, by their ids."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        known = {row["author_id"]: row for row in csv.DictReader(lines) if all(row.values())}
    posts = defaultdict(list)
    with (folder / "posts.jsonl").open(encoding="utf-8") as records:
        for record in map(json.loads, records):
            posts[record["author_id"]].append(record["text"])
    genders = Counter(row["gender"] for row in known.values()).most_common(2)
    names = {genders[0][0]: "female", genders[1][0]: "male"}
    for author in sorted(a for a in posts if a in known and known[a]["gender"] in names):
        yield {
            "posts": posts[author],
            "age": float(known[author]["age"]),
            "income": float(known[author]["income"]),
            "gender": names[known[author]["gender"]],
        }


def draw_authors(authors: int) -> Iterator[Author]:
    """Made-up authors; lengths, words and labels are the same in every call."""
    random = np.random.default_rng(SEED)
    for start in range(0, authors, BLOCK_AUTHORS):
        yield from _draw_block(random, min(BLOCK_AUTHORS, authors - start))


def _draw_block(random: np.random.Generator, authors: int) -> Iterator[Author]:
    from pipeline.sample.people import draw_crossed, draw_labels, draw_traits
    from pipeline.sample.texts import draw_posts, draw_scripts

    logs = math.log(WORDS_MEDIAN) + WORDS_LOG_DEVIATION * random.standard_normal(authors)
    words = np.clip(np.rint(np.exp(logs)), *WORDS_RANGE).astype("int64")
    traits = draw_traits(random, authors)
    labels = draw_labels(random, traits)
    counts = np.maximum(words // WORDS_A_POST, 1)
    is_crossed, scripts = draw_crossed(random, labels), draw_scripts(random, authors)
    posts = draw_posts(random, traits, is_crossed, scripts, words, counts)
    for number, of_author in enumerate(posts):
        yield {
            "posts": [_enrich(random, post) for post in of_author],
            "age": float(labels.age[number]),
            "income": float(labels.income[number]),
            "gender": "female" if labels.female[number] else "male",
        }


def _enrich(random: np.random.Generator, post: str) -> str:
    """The post, a share of its words replaced by others that follow Zipf's law."""
    words = post.split(" ")
    # The inverse of a distribution in which rank r has a share of about 1 / (r + 2.7).
    places = random.random(len(words))
    reach = (LANGUAGE_WORDS + ZIPF_OFFSET) / ZIPF_OFFSET
    ranks = (ZIPF_OFFSET * (reach**places - 1)).astype("int64").tolist()
    is_replaced = random.random(len(words)) < RARE_SHARE
    return " ".join(
        _spell(rank) if replaced and word.isalpha() else word
        for word, rank, replaced in zip(words, ranks, is_replaced.tolist(), strict=True)
    )


def _spell(number: int) -> str:
    """A number as a word of syllables: the more common, the shorter.

    >>> _spell(0), _spell(69), _spell(70)
    ('ba', 'zu', 'beba')
    """
    word = SYLLABLES[number % len(SYLLABLES)]
    while number := number // len(SYLLABLES):
        word = SYLLABLES[number % len(SYLLABLES)] + word
    return word


def _transform(folder: Path, stored: Path) -> None:
    """Writes the graph to `folder/graph` and the transformed rows to `folder/rows*`."""
    import apache_beam as beam
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata

    from components.features.schema import build_schema
    from components.features.settings import TextSettings, ValidationSettings
    from components.features.transform import preprocessing_fn
    from components.heads.declared import heads_to_json, parse_heads
    from components.local_runner import LocalRunner

    heads = parse_heads(HEADS)
    metadata = dataset_metadata.DatasetMetadata(build_schema(heads, ValidationSettings()))
    text = TextSettings(maximum_bytes=MAXIMUM_BYTES, vocabulary_size=VOCABULARY)
    config = {"heads": heads_to_json(heads), "text": text.model_dump_json()}
    with (
        tft_beam.Context(temp_dir=str(folder / "temporary")),
        beam.Pipeline(runner=LocalRunner()) as pipeline,
    ):
        # Read twice: the runner would hold what analysis and transformation had in common.
        analyzed, transformed = (
            pipeline | what >> beam.Create([str(stored)]) | f"Read {what}" >> beam.FlatMap(_read)
            for what in ("Analyzed", "Transformed")
        )
        graph = (analyzed, metadata) | tft_beam.AnalyzeDataset(
            lambda features: preprocessing_fn(features, config)
        )
        out, out_metadata = ((transformed, metadata), graph) | tft_beam.TransformDataset()
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline)
        encode = tft.coders.ExampleProtoCoder(out_metadata.schema).encode
        _ = out | beam.Map(encode) | beam.io.WriteToTFRecord(str(folder / "rows"))


def _read(stored: str) -> Iterator[dict[str, Any]]:
    with open(stored, encoding="utf-8") as lines:
        for number, author in enumerate(map(json.loads, lines)):
            labels = {head: [author[head]] for head in ("age", "income")}
            labels["gender"] = [author["gender"].encode()]
            yield {"author_id": [f"{number:09}"], "posts": author["posts"], **labels}


def _gather_rows(folder: Path) -> dict[str, Any]:
    """The arrays of `corpus.npz`, in the authors' order."""
    import tensorflow as tf
    import tensorflow_transform as tft

    from components.table.component import read_terms

    transform = tft.TFTransformOutput(str(folder / "graph"))
    spec = transform.transformed_feature_spec()
    found = {}
    for record in tf.data.TFRecordDataset(tf.io.gfile.glob(str(folder / "rows*"))):
        row = tf.io.parse_single_example(record, spec)
        tokens = row["tokens"].values.numpy()[:MAX_TOKENS].astype("int32")
        found[row["author_id"].numpy()[0]] = tokens, {head: row[head].numpy() for head in HEADS}
    rows = [found[author] for author in sorted(found)]
    return {
        "tokens": np.concatenate([tokens for tokens, _ in rows]),
        "lengths": np.array([len(tokens) for tokens, _ in rows]),
        "pair_keys": read_terms(transform)[1],
        **{
            head: np.stack([targets[head] for _, targets in rows]).astype("float32")
            for head in HEADS
        },
    }
