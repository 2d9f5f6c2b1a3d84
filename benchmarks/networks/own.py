"""The network as this project trains and serves it.

    python -m benchmarks.networks.own CORPUS reference|words float32|bfloat16 whole|windows [STEP]

`whole` reads each author as one sequence, which is the peers' function; `windows` is what the
reference network does by default. `words` is the linear model of the words alone, without the pairs
and the steps of the pipeline's default. STEP is that of the length classes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.networks.arrays import (
    BATCH,
    VOCABULARY,
    Arrays,
    mean_skill,
    read_arrays,
    read_posts,
)
from benchmarks.networks.contenders import serve
from benchmarks.networks.corpus import HEADS, MAX_TOKENS
from benchmarks.networks.keras_start import remember_start
from components.features.tokens import SEPARATOR
from components.heads.declared import parse_heads
from components.serving.answering import answer_batches
from components.training import dataset
from components.training.dataset import make_batches, summarise, training_batches
from components.training.model import build_model, compile_model, for_outputs
from components.training.settings import NetworkSettings
from components.training.words import WordFacts

LONG_TEXT = 400
"""Authors whose texts together are enough for 2,000 tokens."""


def open_rows(arrays: Arrays) -> tf.data.Dataset:
    """Rows as `dataset.to_row` gives them."""
    known = {head: np.ones(len(arrays.lengths), "float32") for head in arrays.targets}
    tokens = tf.RaggedTensor.from_tensor(arrays.tokens, lengths=arrays.lengths)
    rows = tf.data.Dataset.from_tensor_slices((tokens, arrays.targets, known))
    return rows.map(lambda ids, targets, weights: (tf.identity(ids), targets, weights))


class Own:
    """Answers of the benchmark's requests; figures are those of `plain_keras`."""

    def __init__(self, path: str, kind: str, precision: str, reading: str, step: str = ""):
        if step:
            dataset.BUCKET_GROWTH = float(step)
        self.path = path
        self.heads = parse_heads(HEADS)
        self.train_arrays, self.eval_arrays = read_arrays(path)
        rows = open_rows(self.train_arrays)
        whole = {"window_tokens": MAX_TOKENS} if reading == "whole" else {}
        words = None
        if kind == "words":
            counted = summarise(rows, self.heads, VOCABULARY, BATCH)
            words = WordFacts(counted.authors, counted.document_frequencies)
        network = NetworkSettings(kind=kind, **whole)
        self.model = build_model(
            self.heads, VOCABULARY, network, words=words, seed=1, precision=precision
        )
        compile_model(self.model, self.heads, {}, 1e-3)
        self.restart = remember_start(self.model)
        batches = for_outputs(training_batches(rows, BATCH, MAX_TOKENS, 1, 0), self.model)
        # The same batches twice: the second time to say what was read, outside the clock.
        self.batches, self.told = iter(batches), iter(batches)
        self.model.make_train_function()
        # What a step reads of an author: two windows at the most, or all of it.
        self.most_read = MAX_TOKENS if reading == "whole" or kind == "words" else 600
        self._posts: Any = None

    def train(self, steps: int) -> dict[str, float]:
        """Trains on as many authors as that many full batches hold, and on what a batch adds."""
        total = seen = count = 0
        while seen < steps * BATCH:
            # The last batches of an epoch's length classes are smaller.
            lengths = np.count_nonzero(next(self.told)[0].numpy(), axis=1)
            seen += len(lengths)
            count += 1
            total += int(np.minimum(lengths, self.most_read).sum())
        started = time.perf_counter()
        for _ in range(count):
            # What `fit` calls: one graph for batches of every length.
            logs = self.model.train_function(self.batches)
        float(logs["loss"])
        return {"tokens": total, "seconds": time.perf_counter() - started}

    def skill(self) -> float:
        """Mean skill on `eval`."""
        answers: dict[str, list[Any]] = {head.name: [] for head in self.heads}
        targets: dict[str, list[Any]] = {head.name: [] for head in self.heads}
        for tokens, truth, _ in make_batches(open_rows(self.eval_arrays), BATCH, MAX_TOKENS):
            for name, values in self.model(tokens, training=False).items():
                answers[name].append(values.numpy())
                targets[name].append(truth[name].numpy())
        joined = ({h: np.concatenate(v) for h, v in one.items()} for one in (answers, targets))
        return mean_skill(*joined)

    def padding(self) -> float:
        """Share of padding in an epoch's batches."""
        rows, seen, held = open_rows(self.train_arrays), 0, 0
        for tokens, _, _ in make_batches(rows, BATCH, MAX_TOKENS, 1):
            seen += int(np.count_nonzero(tokens.numpy()))
            held += int(tf.size(tokens))
        return 1 - seen / held

    def distinct(self) -> float:
        """Share of distinct tokens in a batch, the median of an epoch's."""
        shares = []
        for tokens, _, _ in make_batches(open_rows(self.train_arrays), BATCH, MAX_TOKENS, 1):
            ids = tokens.numpy()
            shares.append(len(np.unique(ids)) / np.count_nonzero(ids))
        return float(np.median(shares))

    def answer(self, authors: int) -> float:
        """Seconds for authors' raw texts, answered as `authorprofile predict` does."""
        posts = self._serve()
        texts = sorted((text.encode() for text in self._texts(authors)), key=len)
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        started = time.perf_counter()
        for _ in answer_batches(lambda batch: posts(posts=tf.constant(batch)), batches):
            pass
        return time.perf_counter() - started

    def answer_ids(self, authors: int) -> float:
        """Seconds for authors' ids through the network alone, in batches of like length."""
        ids = self.train_arrays.tokens[:authors]
        lengths = self.train_arrays.lengths[:authors]
        order = np.argsort(lengths, kind="stable")
        call = self._serve_ids()
        started = time.perf_counter()
        for start in range(0, authors, BATCH):
            part = order[start : start + BATCH]
            call(tf.constant(ids[part, : lengths[part].max()]))
        return time.perf_counter() - started

    def answer_one(self, tokens: int, times: int) -> float:
        """Mean seconds for one author's raw text of so many tokens."""
        posts = self._serve()
        text = tf.constant([" ".join(" ".join(self._texts(LONG_TEXT)).split(" ")[:tokens])])
        started = time.perf_counter()
        for _ in range(times):
            posts(text)
        return (time.perf_counter() - started) / times

    def _texts(self, authors: int) -> list[str]:
        return [SEPARATOR.join(posts) for posts in read_posts(self.path, authors)]

    def _serve(self) -> Any:
        """The signature `posts` of the exported and loaded model."""
        if self._posts is None:
            import tensorflow_transform as tft

            from components.serving.export import ServedModel, export

            transform = tft.TFTransformOutput(str(Path(self.path).with_name("graph")))
            served = ServedModel(self.model, transform, self.heads, [])
            self._exported = tempfile.TemporaryDirectory()
            export(served, self._exported.name)
            self._loaded = tf.saved_model.load(self._exported.name)
            self._posts = self._loaded.signatures["posts"]
        return self._posts

    def _serve_ids(self) -> Any:
        if not hasattr(self, "_ids"):
            model = self.model
            spec = [tf.TensorSpec([None, None], tf.int32)]
            self._ids = tf.function(lambda ids: model(ids, training=False), input_signature=spec)
        return self._ids


def main(*arguments: str) -> None:
    """Serves the benchmark's requests."""
    own = Own(*arguments)
    names = (
        "restart",
        "train",
        "skill",
        "padding",
        "distinct",
        "answer",
        "answer_ids",
        "answer_one",
    )
    handlers = {name: getattr(own, name) for name in names}
    serve({**handlers, "parameters": own.model.count_params})


if __name__ == "__main__":
    main(*sys.argv[1:])
