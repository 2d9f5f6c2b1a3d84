"""The trained network and the transform graph as one SavedModel that needs TensorFlow alone.

| signature | enters | leaves |
|---|---|---|
| `serving_default` | `examples`: serialized tf.Examples `[batch]` | `<head>` `[batch, width]` |
| `posts` | `posts`: strings `[batch]`, an author's posts joined by the separator | the same |
| `transform_features` | `examples`, labelled | labels, masks and slices, for the Evaluator |

Answers are in natural units and calibrated (`components.training.heads`). `assets/heads.json` says
what each output means and how sure it is; the vocabulary is an asset of the transform graph. Called
by the Trainer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
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
UNKNOWN = "unknown"
_STRINGS = tf.TensorSpec([None], tf.string)


class ServedModel(tf.Module):
    """Network and transform graph side by side.

    The transform layer is a Keras 2 model and cannot join the Keras 3 graph; a `tf.Module` holds
    both (TFX guide, "Exporting the model").

    Args:
        network: token ids -> {head: output}.
        transform: of the Transform component.
        heads: what is predicted.
        band_bounds: bounds of the bands that numbers are sliced by.
        certainty: by head, what is fitted once the network is trained: of a classifier
            `temperature`, of a number `interval`, `{"coverage": 0.8, "half_width": 6.2}`; it
            joins the head's entry in `assets/heads.json`. A head not in it is answered as it is.
    """

    def __init__(
        self,
        network: keras.Model,
        transform: tft.TFTransformOutput,
        heads: Heads,
        band_bounds: list[float],
        certainty: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        super().__init__(name="authorprofile")
        self.network = network
        self.transform = transform.transform_features_layer()
        self.raw_spec = transform.raw_feature_spec()
        self.heads = heads
        self.band_bounds = band_bounds
        # A plain dict would become one of TensorFlow's own, which tracks what is in it.
        self.certainty = MappingProxyType(dict(certainty or {}))

    def answer(self, features: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Transformed features to answers in natural units, {head: float32 `[batch, width]`}."""
        outputs = answer_in_portions(
            lambda ids: self.network(ids, training=False),
            tf.RaggedTensor.from_sparse(features["tokens"]),
            {head.name: head.width for head in self.heads},
        )
        answers = {}
        for head in self.heads:
            network, certainty = network_of(head), self.certainty.get(head.name, {})
            natural = network.natural(outputs[head.name], features)
            answers[head.name] = network.calibrated(natural, certainty)
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

    def label_facts(self) -> dict[str, Any]:
        """What the training split says of labels that outputs follow from: `age.deviation`.

        A number each; a list of them where there are several.
        """
        features = self.empty_features()
        names = {name for head in self.heads for name in network_of(head).fact_names}
        found = {
            name: features[name].numpy()[0].tolist() for name in sorted(names) if name in features
        }
        return {name: fact if len(fact) > 1 else fact[0] for name, fact in found.items()}

    def empty_features(self) -> dict[str, tf.Tensor]:
        """The transformed features of an author who wrote nothing."""
        return self._transform_posts(tf.constant([""]))

    def _transform_examples(self, examples: tf.Tensor) -> dict[str, Any]:
        return dict(self.transform(tf.io.parse_example(examples, self.raw_spec)))

    def _transform_posts(self, posts: tf.Tensor) -> dict[str, Any]:
        # Without label features the transform layer would leave out what it knows of the labels.
        batch = tf.shape(posts, out_type=tf.int64)[0]
        raw: dict[str, Any] = {
            name: tf.SparseTensor(
                tf.zeros([0, 2], tf.int64),
                tf.zeros([0], spec.dtype),
                tf.stack([batch, tf.constant(0, tf.int64)]),
            )
            for name, spec in self.raw_spec.items()
        }
        raw["posts"] = tf.strings.split(posts, SEPARATOR).to_sparse()
        return dict(self.transform(raw))


def export(served: ServedModel, folder: str) -> None:
    """Writes the SavedModel with its three signatures and `assets/heads.json`."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / ASSET
        path.write_text(json.dumps(describe_heads(served)), encoding="utf-8")
        served.description = tf.saved_model.Asset(str(path))
        tf.saved_model.save(
            served,
            folder,
            signatures={
                "serving_default": served.serve_examples,
                "posts": served.serve_posts,
                "transform_features": served.transform_features,
            },
        )


def describe_heads(served: ServedModel) -> dict[str, Any]:
    """What each output means: declarations, boundaries, certainty, the separator of posts."""
    features = served.empty_features()
    heads = []
    for head in served.heads:
        found = network_of(head).description(features)
        heads.append(head.model_dump() | found | dict(served.certainty.get(head.name, {})))
    return {"separator": SEPARATOR, "heads": heads}
