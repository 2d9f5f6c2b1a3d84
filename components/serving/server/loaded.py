"""A version of the model in memory: its signatures, what it says of its heads, and its answers.

Enters: a version's folder. Leaves: a `LoadedVersion` whose files are those that were pushed, that
was warmed and found sound, or `BrokenVersion` with one sentence. Uses the signatures alone, through
TensorFlow, and knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components.paths import loadable
from components.serving.answering import describe_error
from components.serving.assets import ServedHeads, read_served_heads
from components.serving.versions import MODEL_FILE, find_damage

POSTS = "posts"
Answers = Mapping[str, np.ndarray]


class BrokenVersion(Exception):
    """A version that must not serve; the message is one sentence."""


class RowFault(Exception):
    """The model cannot read one of the rows it was given, or any of several."""


class Signature(NamedTuple):
    """A question the model takes: strings under one name."""

    argument: str
    outputs: dict[str, tuple[str, tuple[int, ...]]]
    definition: Any


class LoadedVersion:
    """One version, ready to answer.

    Raises:
        BrokenVersion: it is damaged, does not load, lacks a signature, or answers what no model
            may answer.
    """

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        if damage := find_damage(folder):
            raise BrokenVersion(f"it is damaged: {damage}")
        try:
            self.served: ServedHeads = read_served_heads(folder)
            with loadable(folder) as path:
                self._model = tf.saved_model.load(path)
            definitions = _signature_definitions(folder)
        except Exception as error:
            raise BrokenVersion(f"it does not load: {describe_error(error)}") from error
        self.signatures = {
            name: signature
            for name, function in self._model.signatures.items()
            if (signature := _signature(function, definitions.get(name))) is not None
        }
        if POSTS not in self.signatures:
            raise BrokenVersion(f"it must take strings by a signature {POSTS}; it does not")
        self._warm()

    @property
    def head_names(self) -> list[str]:
        """Heads in the order of the declaration."""
        return [head.name for head in self.served.heads]

    def answer(self, signature: str, rows: Sequence[bytes]) -> Answers:
        """Arrays `[rows, ...]` by output.

        Raises:
            RowFault: a row cannot be read.
        """
        function = self._model.signatures[signature]
        argument = self.signatures[signature].argument
        try:
            outputs = function(**{argument: tf.constant(list(rows), tf.string)})
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            # The error quotes the row.
            raise RowFault(type(error).__name__) from None
        return {name: value.numpy() for name, value in outputs.items()}

    def _warm(self) -> None:
        """Asks every signature that answers the heads, at several shapes; judges the answers."""
        words = ("a", "word " * 40, "word " * 2000)
        joined = self.served.separator.join(("one", "two")).encode()
        texts = [joined, b"", *(text.encode() for text in words)]
        examples = [_example(text) for text in texts]
        for name, rows in ((POSTS, texts), ("serving_default", examples)):
            if name in self.signatures:
                for batch in (rows[:1], rows):
                    self._judge(name, self._ask(name, batch), len(batch))

    def _ask(self, name: str, rows: Sequence[bytes]) -> Answers:
        try:
            return self.answer(name, rows)
        except Exception as error:
            raise BrokenVersion(f"signature {name} fails: {describe_error(error)}") from error

    def _judge(self, name: str, answers: Answers, rows: int) -> None:
        for head in self.served.heads:
            expected = (rows, head.width)
            values = answers.get(head.name)
            if values is None or values.shape != expected or values.dtype != np.float32:
                raise BrokenVersion(
                    f"signature {name} must answer {head.name} as float32 {expected}; it does not"
                )
            if not np.isfinite(values).all():
                raise BrokenVersion(f"signature {name} answers {head.name} with no number")


def _example(text: bytes) -> bytes:
    posts = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    message = tf.train.Example(features=tf.train.Features(feature={"posts": posts}))
    return bytes(message.SerializeToString())


def _signature_definitions(folder: Path) -> dict[str, Any]:
    message = saved_model_pb2.SavedModel.FromString((folder / MODEL_FILE).read_bytes())
    # TensorFlow's own bookkeeping; TensorFlow Serving lists it, and no client calls it.
    return dict(message.meta_graphs[0].signature_def)


def _signature(function: Any, definition: Any) -> Signature | None:
    """A signature, None where it takes anything but one vector of strings."""
    arguments = function.structured_input_signature[1]
    if definition is None or len(arguments) != 1:
        return None
    ((argument, spec),) = arguments.items()
    if spec.dtype != tf.string or spec.shape.rank != 1:
        return None
    outputs = {
        name: (value.dtype.name, tuple(-1 if size is None else size for size in value.shape))
        for name, value in function.structured_outputs.items()
    }
    return Signature(argument, outputs, definition)
