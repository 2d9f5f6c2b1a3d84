"""The network as this project trains and serves it.

    python -m benchmarks.networks.own CORPUS reference|conv float32|bfloat16 whole|windows [STEP]

`reference` is the peers' function, reading `whole` authors or two `windows` of 300 tokens in a
step; `conv` is the default network, on top of its linear baseline, whose making `restart` tells the
seconds of. STEP is that of the length classes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.networks.arrays import (
    BATCH,
    VOCABULARY,
    Arrays,
    mean_skill,
    read_arrays,
    read_pair_keys,
    read_posts,
)
from benchmarks.networks.contenders import serve
from benchmarks.networks.corpus import HEADS, MAX_TOKENS
from benchmarks.networks.keras_start import remember_start
from benchmarks.quality.training_files import prepare, write_split
from components.features.tokens import SEPARATOR
from components.heads.declared import Heads, parse_heads
from components.linear.artifact import SELECTION, read_models
from components.serving.answering import answer_batches
from components.training import dataset
from components.training.conv import linear_model, shrunk_model
from components.training.dataset import make_batches, training_batches
from components.training.fitting import TrainingData, make_data
from components.training.model import build_model, compile_model, for_model
from components.training.settings import ConvSettings, ReferenceSettings, TrainingSettings

LONG_TEXT = 400
"""Authors whose texts together are enough for 2,000 tokens."""
WINDOW_TOKENS, WINDOWS = 300, 2
LEARNING_RATE = 1e-3
"""Of all that train the reference network."""


def open_rows(arrays: Arrays) -> tf.data.Dataset:
    """Rows as `dataset.to_row` gives them, without offsets."""
    known = {head: np.ones(len(arrays.lengths), "float32") for head in arrays.targets}
    tokens = tf.RaggedTensor.from_tensor(arrays.tokens, lengths=arrays.lengths)
    rows = tf.data.Dataset.from_tensor_slices((tokens, arrays.targets, known))
    return rows.map(lambda ids, targets, weights: ({"tokens": tf.identity(ids)}, targets, weights))


def open_with_baseline(path: str, splits: dict[str, Arrays], folder: Path, heads: Heads) -> Any:
    """The splits with table, baseline and offsets, by the pipeline's own components."""
    for name, arrays in splits.items():
        count = len(arrays.lengths)
        ids = [row[:length] for row, length in zip(arrays.tokens, arrays.lengths, strict=True)]
        known = {head: np.ones(count, "float32") for head in arrays.targets}
        authors = [f"{name}-{number:06}" for number in range(count)]
        write_split(folder / name, authors, ids, (arrays.targets, known))
    width = ConvSettings().table_width
    return prepare(folder, heads, VOCABULARY, read_pair_keys(path), width, BATCH)


class Own:
    """Answers of the benchmark's requests; figures are those of `plain_keras`."""

    def __init__(self, path: str, kind: str, precision: str, reading: str, step: str = ""):
        if step:
            dataset.BUCKET_GROWTH = float(step)
        self.path = path
        self.heads = parse_heads(HEADS)
        self.train_arrays, self.eval_arrays = read_arrays(path)
        self.prepared = 0.0
        self.linear: keras.Model | None = None
        make = self._make_conv if kind == "conv" else self._make_reference
        self.data, self.model, self.network = make(precision, reading == "windows")
        self.start = remember_start(self.model)
        rows, longest = self.data.train_rows, self.data.train.longest
        batches = for_model(training_batches(rows, BATCH, longest, 1, 0), self.model)
        # The same batches twice: the second time to say what was read, outside the clock.
        self.batches, self.told = iter(batches), iter(batches)
        self.model.make_train_function()
        # What a step reads of an author: two windows at the most, or all of it.
        self.most_read = WINDOW_TOKENS * WINDOWS if reading == "windows" else MAX_TOKENS
        self._posts: Any = None

    def _make_reference(
        self, precision: str, in_windows: bool
    ) -> tuple[TrainingData, keras.Model, keras.Model]:
        train, selecting = map(open_rows, (self.train_arrays, self.eval_arrays))
        data = make_data(self.heads, train, selecting, BATCH, VOCABULARY)
        network = ReferenceSettings(
            window_tokens=WINDOW_TOKENS if in_windows else None, windows=WINDOWS
        )
        model = build_model(self.heads, VOCABULARY, network, links={}, seed=1, precision=precision)
        compile_model(model, self.heads, {}, LEARNING_RATE)
        return data, model, model

    def _make_conv(
        self, precision: str, in_windows: bool
    ) -> tuple[TrainingData, keras.Model, keras.Model]:
        """With the defaults of a training; the network that answers has the baseline inside."""
        assert not in_windows, "the default network reads whole authors"
        self._files = tempfile.TemporaryDirectory()
        folder = Path(self._files.name)
        started = time.perf_counter()
        splits = {"train": self.train_arrays, "eval": self.eval_arrays}
        data = open_with_baseline(self.path, splits, folder, self.heads)
        self.prepared = time.perf_counter() - started
        settings, training = ConvSettings(), TrainingSettings()
        model = build_model(
            self.heads,
            VOCABULARY,
            settings,
            links=data.links,
            table=data.table,
            dropout=training.dropout,
            seed=1,
            precision=precision,
        )
        compile_model(
            model,
            self.heads,
            {},
            training.learning_rate,
            weight_decay=training.weight_decay,
            pull=settings.pull,
        )
        linear = read_models(str(folder / "baseline"), self.heads)[SELECTION]
        self.linear = linear_model(model, self.heads, data.links, linear)
        return data, model, shrunk_model(model, self.heads, data.links, {}, linear)

    def restart(self) -> float:
        """Sets the weights back; seconds of what was made before the first step."""
        self.start()
        return self.prepared

    def train(self, steps: int) -> dict[str, float]:
        """Trains on as many authors as that many full batches hold, and on what a batch adds."""
        total = seen = count = 0
        while seen < steps * BATCH:
            # The last batches of an epoch's length classes are smaller.
            lengths = np.count_nonzero(next(self.told)[0]["tokens"].numpy(), axis=1)
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
        for inputs, truth, _ in make_batches(self.data.eval_rows, BATCH, MAX_TOKENS):
            found = self.model({name: inputs[name] for name in self.model.input}, training=False)
            for name in answers:
                answers[name].append(found[name].numpy())
                targets[name].append(truth[name].numpy())
        joined = ({h: np.concatenate(v) for h, v in one.items()} for one in (answers, targets))
        return mean_skill(*joined)

    def padding(self) -> float:
        """Share of padding in an epoch's batches."""
        seen = held = 0
        for inputs, _, _ in make_batches(self.data.train_rows, BATCH, MAX_TOKENS, 1):
            seen += int(np.count_nonzero(inputs["tokens"].numpy()))
            held += int(tf.size(inputs["tokens"]))
        return 1 - seen / held

    def distinct(self) -> float:
        """Share of distinct tokens in a batch, the median of an epoch's."""
        shares = []
        for inputs, _, _ in make_batches(self.data.train_rows, BATCH, MAX_TOKENS, 1):
            ids = inputs["tokens"].numpy()
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
            self._exported = tempfile.TemporaryDirectory()
            self.export(self._exported.name)
            self._loaded = tf.saved_model.load(self._exported.name)
            self._posts = self._loaded.signatures["posts"]
        return self._posts

    def export(self, folder: str) -> None:
        """Writes the network, as it is, as a SavedModel that takes raw text."""
        import tensorflow_transform as tft

        from components.serving.export import Answering, ServedModel, export

        transform = tft.TFTransformOutput(str(Path(self.path).with_name("graph")))
        baseline = Answering(self.linear) if self.linear is not None else None
        export(ServedModel(Answering(self.network), transform, self.heads, [], baseline), folder)

    def _serve_ids(self) -> Any:
        if not hasattr(self, "_ids"):
            network = self.network
            by_name = isinstance(network.input, dict)

            def answer(ids: Any) -> Any:
                return network({"tokens": ids} if by_name else ids, training=False)

            spec = [tf.TensorSpec([None, None], tf.int32)]
            self._ids = tf.function(answer, input_signature=spec)
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
