r"""Asks a served model about authors: their posts in, answers as people read them out.

Enters: a model's folder, then authors with their posts in order. Leaves: for each author a mapping
of each head's name to its answer. Needs TensorFlow and none of TFX or Beam; imports it with
the first model.

    Author("a", ["I went home."])
    -> {"age": 31.2, "gender": {"female": 0.71, "male": 0.29},
        "income": {"group": 4, "probabilities": [...], "boundaries": [...]}}

Income group k holds boundaries[k-1] <= amount < boundaries[k]; boundaries are absent where the
model was trained on groups.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from components.paths import loadable
from components.serving.assets import ServedHeads, read_served_heads
from components.serving.versions import (
    MODEL_FILE,
    find_damage,
    model_versions,
    origin,
    serving_order,
)

WINDOW_AUTHORS, WINDOW_BYTES, BATCH_AUTHORS = 256, 8 * 1024 * 1024, 32
BATCHES_AT_ONCE = 2
_LONGEST_CAUSE = 300
Model = Callable[[Sequence[bytes]], Mapping[str, Any]]


class Author(NamedTuple):
    """An author and the posts in order; no id where the input was raw text."""

    author_id: str | None
    posts: Sequence[str]


class ModelError(ValueError):
    """The folder holds no model that can answer; the message holds the rule."""


class FoundModel(NamedTuple):
    """A version whose files are as they were pushed, and what it says of its answers."""

    path: Path
    served: ServedHeads


class ModelFolder:
    """The model that answers for a folder: the newest version, or the next one that is sound.

    Args:
        folder: of versions, or one version's own, in whose place there is no other.
        tell: is told of each version that was passed over, and why.

    Attributes:
        found: the version that is to answer, not loaded yet.

    Raises:
        FileNotFoundError: the folder holds no model.
        ModelError: no version of it is sound.
        OSError: the folder cannot be read.
    """

    def __init__(self, folder: Path, tell: Callable[[str], object] = lambda line: None) -> None:
        self._folder, self._tell = folder, tell
        paths = model_versions(folder)
        if not paths:
            raise FileNotFoundError(
                f"the model folder must hold {MODEL_FILE} or versions, such as "
                f"1700000000/{MODEL_FILE}; {folder} "
                f"{'holds neither' if folder.is_dir() else 'is no folder'}. Give the folder that a "
                "run pushed to."
            )
        order = serving_order(paths, functools.partial(origin, folder))
        self._candidates = iter([paths[number] for number in order])
        self._faults: list[tuple[str, str]] = []
        self.found = self._find()

    def load(self, load: Callable[[Path], Model] | None = None) -> Model:
        """Loads the model of `found`, by `load_model` unless another function is given.

        Where that fails, `found` is the next sound version.

        Raises:
            ModelError: no version of the folder is sound.
        """
        while True:
            try:
                return (load or load_model)(self.found.path)
            except ModelError as error:
                self._pass_over(self.found.path, str(error))
                self.found = self._find()

    def _find(self) -> FoundModel:
        for path in self._candidates:
            damage = find_damage(path)
            try:
                if damage:
                    raise ModelError(f"it is damaged: {damage}")
                found = FoundModel(path, read_served_heads(path))
            except ValueError as error:
                self._pass_over(path, str(error))
                continue
            for name, fault in self._faults:
                self._tell(f"version {name} skipped: {fault}.")
            self._faults = []
            return found
        faults = "; ".join(f"version {name}: {fault}" for name, fault in self._faults)
        raise ModelError(
            f"the model folder must hold a version that can answer; {self._folder} holds none: "
            f"{faults}. Push a model again, or give another folder."
        )

    def _pass_over(self, path: Path, fault: str) -> None:
        self._faults.append((path.name, fault.rstrip(".")))


def load_model(version: Path) -> Model:
    """The model's `posts` signature: posts joined by author -> {head: array [batch, width]}.

    Raises:
        ModelError: the model does not load, has no such signature, or lacks a head in it.
    """
    fault: Exception | None = None
    with _native_messages_held_back():
        import tensorflow as tf

        try:
            with loadable(version) as path:
                model = tf.saved_model.load(path)
            signature = model.signatures["posts"]
        except Exception as error:
            # A damaged file makes TensorFlow raise anything; its notices add nothing to it.
            fault = error
    if fault is not None:
        raise ModelError(
            "the model must load and have a signature 'posts'; "
            f"{version} fails with {describe_error(fault)}"
        ) from fault
    _require_heads(version, signature.structured_outputs)

    def answer(texts: Sequence[bytes]) -> Mapping[str, Any]:
        # The signature lives as long as the model does.
        _ = model
        try:
            outputs = signature(posts=tf.constant(texts))
        except tf.errors.OpError as error:
            # The error quotes the texts.
            raise ModelError(
                "the model must answer every author; its signature 'posts' fails with "
                f"{type(error).__name__}"
            ) from None
        return {name: value.numpy() for name, value in outputs.items()}

    return answer


def describe_error(error: Exception) -> str:
    """A library's error as one short sentence."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_CAUSE]


def _require_heads(version: Path, outputs: Mapping[str, Any]) -> None:
    """Raises ModelError where a head of the description is none of the signature's answers."""
    for head in read_served_heads(version).heads:
        width, output = head.width, outputs.get(head.name)
        if output is None or not output.shape.is_compatible_with([None, width]):
            raise ModelError(
                f"the model must answer {head.name} by {width} number{'s' * (width > 1)} per "
                f"author; its signature 'posts' answers {sorted(outputs)}"
            )


@functools.lru_cache(maxsize=1)
def load_model_once(version: Path) -> Model:
    """As `load_model`; the last model stays, through one Beam pipeline after another."""
    return load_model(version)


@contextlib.contextmanager
def _native_messages_held_back() -> Iterator[None]:
    """Keeps TensorFlow's start-up notices from the terminal; shows them where the start fails."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def windows(authors: Iterable[Author]) -> Iterator[list[Author]]:
    """Authors in portions that fit in memory together, however long one alone is."""
    window: list[Author] = []
    total = 0
    for author in authors:
        size = sum(map(len, author.posts))
        if window and (len(window) == WINDOW_AUTHORS or total + size > WINDOW_BYTES):
            yield window
            window, total = [], 0
        window.append(author)
        total += size
    if window:
        yield window


def answer_window(
    model: Model, served: ServedHeads, window: Sequence[Author]
) -> list[dict[str, Any]]:
    """Answers in the window's order; batches hold texts of like length, since each is padded.

    Raises:
        ModelError: an answer is missing or is not finite.
    """
    separator = served.separator
    texts = [
        separator.join(post.replace(separator, " ") for post in author.posts).encode()
        for author in window
    ]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    answers: list[dict[str, Any]] = [{}] * len(texts)
    batches = [
        order[start : start + BATCH_AUTHORS] for start in range(0, len(order), BATCH_AUTHORS)
    ]
    outputs_of_batches = answer_batches(model, [[texts[i] for i in batch] for batch in batches])
    for indices, outputs in zip(batches, outputs_of_batches, strict=True):
        for row, index in enumerate(indices):
            answers[index] = {
                head.name: head.answer(_numbers(outputs, head.name, row)) for head in served.heads
            }
    return answers


def answer_batches(model: Model, batches: Sequence[Sequence[bytes]]) -> Iterator[Mapping[str, Any]]:
    """Each batch's outputs; one text is cut into tokens, on one core, while the network reads."""
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
        yield from pool.map(model, batches)


def _numbers(outputs: Mapping[str, Any], name: str, row: int) -> list[float]:
    """One author's numbers of a head, each as short as float32 allows: 31.2, not 31.200000763."""
    if name not in outputs:
        raise ModelError(f"the model must answer {name}; it answers {sorted(outputs)}")
    numbers = [float(str(value)) for value in outputs[name][row]]
    if not all(abs(number) < float("inf") for number in numbers):
        raise ModelError(f"the model must answer finite numbers; {name} is {numbers}")
    return numbers
