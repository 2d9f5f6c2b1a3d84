"""The reference network as a user would write it: a Keras script, padded arrays, `model.fit`.

python -m benchmarks.networks.plain_keras CORPUS float32|mixed_bfloat16
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from benchmarks.networks.arrays import BATCH, UNITS, VOCABULARY, mean_skill, read_arrays, read_posts
from benchmarks.networks.contenders import serve
from benchmarks.networks.keras_start import remember_start

ADAPTED = 10_000
"""Authors at the most whose words Keras's own layer counts; it holds them all."""
LONG_TEXT = 400
"""Authors whose texts together are enough for 2,000 tokens."""
LOSSES = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
ACTIVATIONS = {"age": "linear", "income": "softmax", "gender": "sigmoid"}


def make_model(
    vocabulary: int = VOCABULARY,
    units: Mapping[str, int] = UNITS,
    activations: Mapping[str, str] = ACTIVATIONS,
    losses: Mapping[str, Any] = LOSSES,
) -> keras.Model:
    """The reference network, compiled.

    Args:
        vocabulary: token ids in all.
        units: of each head.
        activations: of its last layer, as Keras names them.
        losses: of each head.
    """
    layers = keras.layers
    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(vocabulary, 256)(tokens)
    x = layers.Conv1D(128, 5, activation="relu")(x)
    x = layers.MaxPooling1D(5)(x)
    x = layers.Conv1D(256, 5, activation="relu")(x)
    x = layers.Conv1D(256, 5, activation="relu")(x)
    x = layers.MaxPooling1D(5)(x)
    x = layers.Conv1D(256, 5, activation="relu")(x)
    x = layers.Conv1D(256, 5, activation="relu")(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dense(128, activation="relu")(x)
    outputs = {
        head: layers.Dense(width, activations[head], dtype="float32", name=head)(x)
        for head, width in units.items()
    }
    model = keras.Model(tokens, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss=dict(losses))
    return model


def make_vectorization(texts: list[str], longest: int) -> keras.layers.TextVectorization:
    """Keras's own way from text to ids, padded to the longest author, with its default settings."""
    layer = keras.layers.TextVectorization(VOCABULARY, output_sequence_length=longest)
    layer.adapt(texts, batch_size=BATCH)
    return layer


def main(path: str, policy: str) -> None:
    """Serves the benchmark's requests."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    train, selecting = read_arrays(path)
    model, place = make_model(), 0
    restart = remember_start(model)
    vectorize: Any = None

    def texts(most: int) -> list[str]:
        return [" ".join(posts) for posts in read_posts(path, most)]

    def to_ids(part: list[str]) -> Any:
        nonlocal vectorize
        if vectorize is None:
            vectorize = make_vectorization(texts(ADAPTED), train.tokens.shape[1])
        return vectorize(np.array(part, dtype=object))

    def train_steps(steps: int) -> dict[str, float]:
        nonlocal place
        authors = np.arange(place, place + steps * BATCH) % len(train.tokens)
        place += steps * BATCH
        tokens, targets = train.tokens[authors], {h: y[authors] for h, y in train.targets.items()}
        started = time.perf_counter()
        model.fit(tokens, targets, batch_size=BATCH, verbose=0)
        seconds = time.perf_counter() - started
        return {"tokens": int(train.lengths[authors].sum()), "seconds": seconds}

    def skill() -> float:
        answers = model.predict(selecting.tokens, batch_size=BATCH, verbose=0)
        return mean_skill(answers, selecting.targets)

    def answer(authors: int) -> float:
        started = time.perf_counter()
        model.predict(train.tokens[:authors], batch_size=BATCH, verbose=0)
        return time.perf_counter() - started

    def answer_one(tokens: int, times: int) -> float:
        # Valid convolutions need 269 tokens, so a shorter author is padded.
        ids: Any = np.zeros((1, max(tokens, 269)), "int32")
        whole = train.tokens.reshape(-1)
        ids[0, :tokens] = whole[whole > 0][:tokens]
        started = time.perf_counter()
        for _ in range(times):
            model.predict(ids, verbose=0)
        return (time.perf_counter() - started) / times

    def answer_texts(authors: int) -> float:
        part = texts(authors)
        to_ids(part[:1])
        started = time.perf_counter()
        model.predict(to_ids(part), batch_size=BATCH, verbose=0)
        return time.perf_counter() - started

    def answer_one_text(tokens: int, times: int) -> float:
        text = " ".join(" ".join(texts(LONG_TEXT)).split(" ", tokens)[:tokens])
        to_ids([text])
        started = time.perf_counter()
        for _ in range(times):
            model.predict(to_ids([text]), verbose=0)
        return (time.perf_counter() - started) / times

    serve(
        {
            "parameters": model.count_params,
            "restart": restart,
            "train": train_steps,
            "skill": skill,
            "answer": answer,
            "answer_one": answer_one,
            "answer_texts": answer_texts,
            "answer_one_text": answer_one_text,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
