"""The trained network and the transform graph as one SavedModel that needs TensorFlow alone.

| signature | enters | leaves |
|---|---|---|
| `serving_default` | `examples`: serialized tf.Examples `[batch]` | `<head>` `[batch, width]` |
| `posts` | `posts`: strings `[batch]`, an author's posts joined by the separator | the same |
| `linear_baseline` | as `serving_default` | the same, of the linear baseline inside alone |
| `transform_features` | `examples`, labelled | labels, masks and slices, for the Evaluator |

Answers are in natural units and calibrated (`components.training.heads`). `assets/heads.json` says
what each output means and how sure it is; the vocabulary is an asset of the transform graph. Called
by the Trainer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from components.features.tokens import SEPARATOR
from components.heads.declared import Heads
from components.serving.portions import answer_in_portions
from components.training.heads import network_of

ASSET = "heads.json"
LINEAR_SIGNATURE = "linear_baseline"
UNKNOWN = "unknown"
_STRINGS = tf.TensorSpec([None], tf.string)


@dataclass(frozen=True)
class Answering:
    """A network that answers.

    Attributes:
        network: token ids -> {head: output}.
        certainty: by head, what is fitted once it is trained: of a classifier `temperature`, of a
            number `interval`, `{"coverage": 0.8, "half_width": 6.2}`. A head not in it is answered
            as it is.
    """

    network: keras.Model
    certainty: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class ServedModel(tf.Module):
    """Network and transform graph side by side.

    The transform layer is a Keras 2 model and cannot join the Keras 3 graph; a `tf.Module` holds
    both (TFX guide, "Exporting the model").

    Args:
        answering: the network; what is fitted for it joins a head's entry in `assets/heads.json`.
        transform: of the Transform component.
        heads: what is predicted.
        band_bounds: bounds of the bands that numbers are sliced by.
        baseline: the linear baseline inside; None of a network without one.
    """

    def __init__(
        self,
        answering: Answering,
        transform: tft.TFTransformOutput,
        heads: Heads,
        band_bounds: list[float],
        baseline: Answering | None = None,
    ):
        super().__init__(name="authorprofile")
        self.network = answering.network
        self.linear = baseline.network if baseline else None
        self.transform = transform.transform_features_layer()
        self.raw_spec = transform.raw_feature_spec()
        self.heads = heads
        self.band_bounds = band_bounds
        # A plain dict would become one of TensorFlow's own, which tracks what is in it.
        self.certainty = MappingProxyType(dict(answering.certainty))
        self.linear_certainty = MappingProxyType(dict(baseline.certainty if baseline else {}))

    def answer(self, features: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Transformed features to answers in natural units, {head: float32 `[batch, width]`}."""
        return self._natural(self.network, self.certainty, features)

    def _natural(
        self,
        network: keras.Model,
        certainty: Mapping[str, Mapping[str, Any]],
        features: dict[str, Any],
    ) -> dict[str, tf.Tensor]:
        outputs = answer_in_portions(
            lambda ids: network(_as_input(network, ids), training=False),
            tf.RaggedTensor.from_sparse(features["tokens"]),
            {head.name: head.width for head in self.heads},
        )
        answers = {}
        for head in self.heads:
            of_kind = network_of(head)
            natural = of_kind.natural(outputs[head.name], features)
            answers[head.name] = of_kind.calibrated(natural, certainty.get(head.name, {}))
        return answers

    @tf.function(input_signature=[_STRINGS], autograph=False)
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """`serving_default`."""
        return self.answer(self._transform_examples(examples))

    @tf.function(input_signature=[_STRINGS], autograph=False)
    def serve_posts(self, posts: tf.Tensor) -> dict[str, tf.Tensor]:
        """`posts`."""
        return self.answer(self._transform_posts(posts))

    @tf.function(input_signature=[_STRINGS], autograph=False)
    def serve_baseline(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """`linear_baseline`."""
        # Saving traces it of a model without one too, which has no such signature.
        network = self.network if self.linear is None else self.linear
        return self._natural(network, self.linear_certainty, self._transform_examples(examples))

    @tf.function(input_signature=[_STRINGS], autograph=False)
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Labels in natural units, masks and slices."""
        features = self._transform_examples(examples)
        labels: dict[str, tf.Tensor] = {}
        for head in self.heads:
            network, known = network_of(head), features[head.known_name]
            natural = network.natural(features[head.name], features)
            labels |= {head.known_name: known, head.name: natural}
            if head.sliced:
                slices = network.slices(natural, self.band_bounds)
                labels[head.slice_name] = tf.where(known > 0, slices, UNKNOWN)
        return labels

    def empty_features(self) -> dict[str, tf.Tensor]:
        """The transformed features of an author who wrote nothing."""
        return self._transform_posts(tf.constant([""]))

    def _transform_examples(self, examples: tf.Tensor) -> dict[str, Any]:
        return dict(self.transform(tf.io.parse_example(examples, self.raw_spec)))

    def _transform_posts(self, posts: tf.Tensor) -> dict[str, Any]:
        return transform_posts(self.transform, self.raw_spec, posts)


def transform_posts(layer: Any, raw_spec: Mapping[str, Any], posts: tf.Tensor) -> dict[str, Any]:
    """Joined posts, strings `[batch]`, to transformed features without a known label.

    Args:
        layer: of `tft.TFTransformOutput.transform_features_layer`.
        raw_spec: of the raw examples.
        posts: each author's, joined by the separator.
    """
    # Without label features the transform layer would leave out what it knows of the labels.
    batch = tf.shape(posts, out_type=tf.int64)[0]
    raw: dict[str, Any] = {
        name: tf.SparseTensor(
            tf.zeros([0, 2], tf.int64),
            tf.zeros([0], spec.dtype),
            tf.stack([batch, tf.constant(0, tf.int64)]),
        )
        for name, spec in raw_spec.items()
    }
    raw["posts"] = tf.strings.split(posts, SEPARATOR).to_sparse()
    return dict(layer(raw))


def _as_input(network: keras.Model, tokens: tf.Tensor) -> Any:
    """Tokens as the network takes them, alone or by name."""
    return {"tokens": tokens} if isinstance(network.input, dict) else tokens


def label_facts(transform: tft.TFTransformOutput, heads: Heads) -> dict[str, Any]:
    """What the training split says of labels that outputs follow from: `age.deviation`.

    A number each; a list of them where there are several.
    """
    layer, spec = transform.transform_features_layer(), transform.raw_feature_spec()
    features = transform_posts(layer, spec, tf.constant([""]))
    names = {name for head in heads for name in network_of(head).fact_names}
    found = {name: features[name].numpy()[0].tolist() for name in sorted(names) if name in features}
    return {name: fact if len(fact) > 1 else fact[0] for name, fact in found.items()}


def export(served: ServedModel, folder: str) -> None:
    """Writes the SavedModel with its signatures and `assets/heads.json`."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / ASSET
        path.write_text(json.dumps(describe_heads(served)), encoding="utf-8")
        served.description = tf.saved_model.Asset(str(path))
        signatures = {
            "serving_default": served.serve_examples,
            "posts": served.serve_posts,
            "transform_features": served.transform_features,
        }
        if served.linear is not None:
            signatures[LINEAR_SIGNATURE] = served.serve_baseline
        tf.saved_model.save(served, folder, signatures=signatures)


def describe_heads(served: ServedModel) -> dict[str, Any]:
    """What each output means: declarations, boundaries, certainty, the separator of posts."""
    features = served.empty_features()
    heads = []
    for head in served.heads:
        found = network_of(head).description(features)
        heads.append(head.model_dump() | found | dict(served.certainty.get(head.name, {})))
    return {"separator": SEPARATOR, "heads": heads}
