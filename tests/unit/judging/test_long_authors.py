"""Long authors are judged by the windows that the network in memory answers by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads

HEADS = parse_heads({**DEFAULT_HEADS, "income": {"kind": "classes", "classes": 4}})
WINDOW_TOKENS = 300
WORDS = [first + second for first in "abcde" for second in "wxyz"]
# Of one to four windows: a separator more for each further post of fifty words.
WORD_COUNTS = [1, 250, 310, 500, 700, 900]
Author = dict[str, Any]


def make_authors() -> list[Author]:
    """Thirty-two authors with labels, eight of each income."""
    draw = np.random.default_rng(8)
    authors = []
    for number in range(32):
        words = list(draw.choice(WORDS, WORD_COUNTS[number % len(WORD_COUNTS)]))
        authors.append(
            {
                "author_id": f"author-{number}",
                "posts": [" ".join(words[at : at + 50]) for at in range(0, len(words), 50)],
                "age": float(draw.integers(18, 70)),
                "income": 10e3 * (1 + number % 4),
                "gender": str(draw.choice(["female", "male"])),
            }
        )
    return authors


def as_features(author: Author) -> dict[str, list[Any]]:
    """An author as Transform reads one."""
    return {name: value if name == "posts" else [value] for name, value in author.items()}


def analyze(folder: Path, authors: list[Author]) -> Any:
    """The transform graph that follows from the authors."""
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from apache_beam import Create, Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions
    from tensorflow_transform.tf_metadata import dataset_metadata

    from components.features.schema import build_schema
    from components.features.settings import TextSettings, ValidationSettings
    from components.features.transform import preprocessing_fn
    from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS

    metadata = dataset_metadata.DatasetMetadata(build_schema(HEADS, ValidationSettings()))
    text = TextSettings(vocabulary_size=30)
    config = {"heads": heads_to_json(HEADS), "text": text.model_dump_json()}
    with (
        tft_beam.Context(temp_dir=str(folder / "temporary")),
        Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline,
    ):
        data = pipeline | Create([as_features(author) for author in authors]), metadata
        graph = data | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline)
    return tft.TFTransformOutput(str(folder / "graph"))


def make_network(vocabulary_size: int) -> Any:
    """A trunk of random weights."""
    from components.training.model import build_model
    from components.training.settings import ReferenceSettings

    widths = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
    settings = ReferenceSettings(window_tokens=WINDOW_TOKENS, **widths)
    network = build_model(HEADS, vocabulary_size, settings, links={})
    draw = np.random.default_rng(0)
    for weight in network.trainable_variables:
        weight.assign(draw.normal(0, 0.4, weight.shape))
    return network


def answer_by_window(network: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
    """An author's answers by hand: the trunk over each window alone, their mean, the heads."""
    import keras

    count = -(-len(ids) // WINDOW_TOKENS)
    starts = [place * (len(ids) - WINDOW_TOKENS) // max(count - 1, 1) for place in range(count)]
    windows = [ids[max(start, 0) :][:WINDOW_TOKENS] for start in starts]
    trunk = keras.Model(network.input, network.get_layer("mean_of_windows").output)
    mean = np.mean([trunk(window[None])[0] for window in windows], axis=0)[None]
    shared = network.get_layer("shared")(mean)
    return {
        head.name: np.array(network.get_layer(head.internal("answer"))(shared))[0] for head in HEADS
    }


def read_ids(author: Author, vocabulary: list[bytes]) -> np.ndarray:
    """The author's token ids by hand: words and, between posts, the separator's token."""
    places = {word.decode(): place for place, word in enumerate(vocabulary, start=2)}
    words = " <post> ".join(author["posts"]).split(" ")
    return np.array([places[word] for word in words], dtype="int32")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, write_examples: Callable[..., Path]) -> Any:
    """What judging finds of an exported network, and the network's own answers by hand."""
    import apache_beam as beam

    from components.judging.evaluation import evaluate, make_eval_config
    from components.judging.metrics import CANDIDATE
    from components.judging.results import read_evaluation
    from components.judging.settings import JudgingSettings
    from components.local_runner import LocalRunner
    from components.serving.export import Answering, ServedModel, export

    root, authors = tmp_path_factory.mktemp("windows"), make_authors()
    transform = analyze(root, authors)
    vocabulary = transform.vocabulary_by_name("tokens")
    network = make_network(len(vocabulary) + 2)
    export(ServedModel(Answering(network), transform, HEADS, [35.0]), str(root / "model"))
    examples, found = write_examples(root / "examples", authors), str(root / "found")
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        evaluate(
            pipeline,
            [str(examples / "Split-test" / "*.gz")],
            make_eval_config(HEADS, JudgingSettings()),
            {CANDIDATE: str(root / "model")},
            found,
        )
    by_author = [answer_by_window(network, read_ids(one, vocabulary)) for one in authors]
    answers = {head.name: np.array([one[head.name] for one in by_author]) for head in HEADS}
    results = read_evaluation(found, HEADS).results
    return {name: result.metrics for name, result in results.items()}, authors, answers


def test_a_number_is_judged_by_the_answers_of_the_network_in_memory(judged: Any) -> None:
    metrics, authors, answers = judged
    ages = np.array([author["age"] for author in authors])
    years = answers["age"][:, 0] * ages.std() + ages.mean()
    assert years.std() > 1
    error = years - ages
    assert metrics["age"]["mae"].value == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert metrics["age"]["rmse"].value == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)


def test_classes_are_judged_by_the_answers_of_the_network_in_memory(judged: Any) -> None:
    metrics, authors, answers = judged
    groups = np.array([int(author["income"] / 10e3) - 1 for author in authors])
    of_truth = answers["income"][np.arange(len(authors)), groups]
    loss = -np.log(of_truth).mean()
    assert metrics["income"]["cross_entropy"].value == pytest.approx(loss, rel=1e-4)


def test_two_values_are_judged_by_the_answers_of_the_network_in_memory(judged: Any) -> None:
    metrics, authors, answers = judged
    positive = np.array([author["gender"] == "female" for author in authors])
    of_truth = np.where(positive, answers["gender"][:, 0], 1 - answers["gender"][:, 0])
    loss = -np.log(of_truth).mean()
    assert metrics["gender"]["cross_entropy"].value == pytest.approx(loss, rel=1e-4)
    assert metrics["gender"]["accuracy"].value == np.mean(of_truth > 0.5)
