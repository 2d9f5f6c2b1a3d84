"""Which heads a SavedModel answers as they are declared, found out by asking it about one author.

Enters: the folder of a SavedModel and the heads. Leaves: per head, why it cannot be judged, or
nothing; and the model itself, loaded so that its failures quote no post.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Container
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components.heads.base import Head
from components.heads.declared import Heads

PREDICTION_SIGNATURE = "serving_default"
LABEL_SIGNATURE = "transform_features"
LINEAR_SIGNATURE = "linear_baseline"


class UnfitModelError(ValueError):
    """A model that does not keep the contract of the signatures; the message says where."""


class ModelFailedError(Exception):
    """A model raised on a batch of authors."""


def unanswered_heads(model_path: str, heads: Heads) -> dict[str, str]:
    """Why the model cannot be judged on a head, for each head that it cannot be judged on.

    Asks both signatures about one author of one post without any label: predictions and
    placeholder labels must be finite `[1, width]`, the mask `[1, 1]`.

    Raises:
        UnfitModelError: the model cannot be loaded, or a signature is missing or fails.
    """
    answers = _answers(model_path)
    reasons = {head.name: _fault(head, answers) for head in heads}
    return {name: reason for name, reason in reasons.items() if reason}


def mask_names(model_path: str, heads: Heads) -> dict[str, str]:
    """By head, what a model calls the mask of its labels.

    A model that an earlier release exported calls it `<head>_known`.
    """
    outputs = _outputs(model_path, LABEL_SIGNATURE)
    return {head.name: _mask_name(head, outputs) for head in heads}


def linear_heads(model_path: str, heads: Heads) -> tuple[str, ...]:
    """Heads that the linear baseline inside a model answers; empty where it has none."""
    outputs = _outputs(model_path, LINEAR_SIGNATURE)
    return tuple(head.name for head in heads if head.name in outputs)


def _outputs(model_path: str, signature: str) -> Collection[str]:
    """Names of a signature's outputs; empty where a model has no such signature."""
    with tf.io.gfile.GFile(os.path.join(model_path, "saved_model.pb"), "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    signatures = model.meta_graphs[0].signature_def
    return set(signatures[signature].outputs) if signature in signatures else set()


def _mask_name(head: Head, outputs: Container[str]) -> str:
    return head.known_name if head.known_name in outputs else f"{head.name}_known"


def declared_heads(model_path: str) -> dict[str, dict[str, Any]]:
    """Declarations of a model's heads by name, from `assets/heads.json`; empty without that."""
    try:
        with tf.io.gfile.GFile(os.path.join(model_path, "assets", "heads.json")) as file:
            return {head["name"]: head for head in json.load(file)["heads"]}
    except (tf.errors.NotFoundError, ValueError, KeyError, TypeError):
        return {}


class GuardedModel:
    """A loaded SavedModel whose failures quote no input.

    TFMA prints the serialized examples, posts and all, where a signature raises a TypeError or an
    InvalidArgumentError, and TensorFlow's own message may quote a post as well.
    """

    def __init__(self, model_path: str) -> None:
        self._model = tf.saved_model.load(model_path)  # owns what the signatures need
        self.signatures = {
            name: GuardedSignature(name, signature)
            for name, signature in self._model.signatures.items()
        }


class GuardedSignature:
    """One signature of a `GuardedModel`, as far as TFMA uses it."""

    def __init__(self, name: str, signature: Any) -> None:
        self._name = name
        self._signature = signature
        self.structured_input_signature = signature.structured_input_signature

    def __call__(self, *inputs: Any, **named_inputs: Any) -> dict[str, Any]:
        """The signature's answer. Raises ModelFailedError in place of what would be quoted."""
        try:
            return dict(self._signature(*inputs, **named_inputs))
        except (TypeError, tf.errors.InvalidArgumentError) as error:
            kind = type(error).__name__
        raise ModelFailedError(
            f"a model must answer every author of the split; its {self._name} raised {kind}. "
            "The message is withheld, as it may quote a post; call the signature by hand to see it"
        )


def _answers(model_path: str) -> dict[str, dict[str, Any]]:
    author = tf.train.Example()
    author.features.feature["author_id"].bytes_list.value.append(b"nobody")
    author.features.feature["posts"].bytes_list.value.append(b"a")
    examples = tf.constant([author.SerializeToString()])
    try:
        model = tf.saved_model.load(model_path)
        return {
            signature: model.signatures[signature](examples=examples)
            for signature in (PREDICTION_SIGNATURE, LABEL_SIGNATURE)
        }
    except KeyError as missing:
        raise UnfitModelError(
            f"a model must have the signatures {PREDICTION_SIGNATURE} and {LABEL_SIGNATURE}; "
            f"{missing} is missing"
        ) from None
    except (OSError, ValueError, TypeError, tf.errors.OpError) as error:
        raise UnfitModelError(
            f"a model must load and answer one author; {type(error).__name__} was raised: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _fault(head: Head, answers: dict[str, dict[str, Any]]) -> str:
    expected = (
        (PREDICTION_SIGNATURE, head.name, head.width),
        (LABEL_SIGNATURE, head.name, head.width),
        (LABEL_SIGNATURE, _mask_name(head, answers[LABEL_SIGNATURE]), 1),
    )
    for signature, output, width in expected:
        if output not in answers[signature]:
            return f"{signature} has no output {output}"
        values = answers[signature][output].numpy()
        if values.shape != (1, width):
            return f"{signature} answers {output} as {values.shape[1:]} values, not ({width},)"
        if not np.isfinite(values).all():
            return f"{signature} answers {output} with a value that is not finite"
    return ""
