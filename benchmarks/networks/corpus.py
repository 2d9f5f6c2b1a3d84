"""Authors of the sample's generator at the lengths of a real corpus, as text, ids and targets.

Enters: how many. Leaves in a folder: `graph/`, the pipeline's own transform graph of them;
`texts.json`; `corpus.npz`, token ids end to end, lengths and targets, which every contender reads.
Labels are all known, so that a peer needs no masks. Called by `benchmarks.training` and
`benchmarks.inference`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

WORDS_MEDIAN = 2_117
WORDS_LOG_DEVIATION = 1.24
"""5 % and 25 % of the authors then have 275 and 916 words; the real corpus: 465 and 920."""
WORDS_RANGE = (50, 3_000)
WORDS_A_POST = 60
MAX_TOKENS = 1_500
VOCABULARY = 50_000
SEED = 7
HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression"},
    "income": {"kind": "classes", "classes": 10},
    "gender": {"kind": "binary"},
}


def write_corpus(folder: Path, authors: int) -> Path:
    """Makes the authors up, transforms them and returns the path of `corpus.npz`.

    What is there of an earlier call for as many authors is kept.
    """
    path = folder / "corpus.npz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    posts, labels = _draw_authors(authors)
    rows = _transform(folder, posts, labels)
    texts = json.dumps(posts, ensure_ascii=False)
    (folder / "texts.json").write_text(texts, encoding="utf-8")
    lengths = [len(row["tokens"]) for row in rows]
    arrays: dict[str, Any] = {
        head: np.stack([row[head] for row in rows]).astype("float32") for head in HEADS
    }
    arrays["tokens"] = np.concatenate([row["tokens"] for row in rows]).astype("int32")
    np.savez(folder / "corpus.partial.npz", lengths=np.array(lengths), **arrays)
    return (folder / "corpus.partial.npz").rename(path)


def _draw_authors(authors: int) -> tuple[list[list[str]], list[dict[str, list[Any]]]]:
    from pipeline.sample.people import draw_labels, draw_traits
    from pipeline.sample.texts import draw_posts, draw_scripts

    random = np.random.default_rng(SEED)
    logs = math.log(WORDS_MEDIAN) + WORDS_LOG_DEVIATION * random.standard_normal(authors)
    words = np.clip(np.rint(np.exp(logs)), *WORDS_RANGE).astype("int64")
    traits = draw_traits(random, authors)
    labels = draw_labels(random, traits)
    counts = np.maximum(words // WORDS_A_POST, 1)
    posts = draw_posts(random, traits, draw_scripts(random, authors), words, counts)
    return posts, [
        {
            "age": [float(labels.age[number])],
            "income": [float(labels.income[number])],
            "gender": [b"female" if labels.female[number] else b"male"],
        }
        for number in range(authors)
    ]


def _transform(
    folder: Path, posts: list[list[str]], labels: list[dict[str, list[Any]]]
) -> list[dict[str, np.ndarray]]:
    """The transformed rows in their authors' order; the graph goes to `folder/graph`."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata

    from components.features.schema import build_schema
    from components.features.settings import TextSettings, ValidationSettings
    from components.features.transform import preprocessing_fn
    from components.heads import heads_to_json, parse_heads

    heads = parse_heads(HEADS)
    metadata = dataset_metadata.DatasetMetadata(build_schema(heads, ValidationSettings()))
    text = TextSettings(max_tokens=MAX_TOKENS, vocabulary_size=VOCABULARY, pairs=0)
    config = {"heads": heads_to_json(heads), "text": text.model_dump_json()}
    inputs = [
        {"author_id": [f"{number:07}"], "posts": posts[number], **known}
        for number, known in enumerate(labels)
    ]
    with (
        tft_beam.Context(temp_dir=str(folder / "temporary")),
        beam.Pipeline(runner="DirectRunner", argv=["--direct_running_mode=in_memory"]) as pipeline,
    ):
        data = (pipeline | beam.Create(inputs), metadata)
        (out, out_metadata), graph = data | tft_beam.AnalyzeAndTransformDataset(
            lambda features: preprocessing_fn(features, config)
        )
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline)
        encode = tft.coders.ExampleProtoCoder(out_metadata.schema).encode
        _ = out | beam.Map(encode) | beam.io.WriteToTFRecord(str(folder / "rows"))
    spec = tft.TFTransformOutput(str(folder / "graph")).transformed_feature_spec()
    found = {}
    for record in tf.data.TFRecordDataset(tf.io.gfile.glob(str(folder / "rows*"))):
        row = tf.io.parse_single_example(record, spec)
        tokens = row["tokens"].values.numpy()
        found[row["author_id"].numpy()[0]] = {
            "tokens": tokens,
            **{head: row[head].numpy() for head in HEADS},
        }
    return [found[author] for author in sorted(found)]
