"""What is fitted on `eval`, by hand; and that it reaches every answer of the served model."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Map, Pipeline
from apache_beam.io import WriteToTFRecord
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx.components.trainer.fn_args_utils import FnArgs

from components.features.schema import build_schema
from components.features.settings import TextSettings, ValidationSettings
from components.features.transform import preprocessing_fn
from components.heads.calibration import Calibration, fit_half_width, fit_temperature
from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads
from components.judging.settings import JudgingSettings
from components.serving.export import Answering, ServedModel, export, label_facts
from components.training.calibration import calibrate
from components.training.dataset import read_examples
from components.training.fitting import FitState, make_data
from components.training.heads import divide_logits
from components.training.hooks import HookSettings
from components.training.learning import Learned, Shares, held_out_of
from components.training.loading import to_rows
from components.training.model import build_model
from components.training.settings import ReferenceSettings, TrainingSettings, TunerSettings
from components.training.trainer import calibrated_model, in_memory_answers

HEADS = parse_heads(DEFAULT_HEADS | {"income": {"kind": "classes", "classes": 3}})
TEXT = TextSettings(vocabulary_size=30)
NETWORK = ReferenceSettings(embedding_width=16, first_filters=16, filters=16, dense_width=16)
TEMPERATURES = {"income": 0.5, "gender": 2.0}
SCALES = {"age": 1.0, "income": 1.0, "gender": 1.0}


def test_a_temperature_of_two_values_is_where_the_stated_share_comes_true() -> None:
    # 0.9 is stated and 3 of 4 come true: 0.75 / 0.25 = (0.9 / 0.1) ** (1 / 2).
    probabilities = np.array([[0.9]] * 40)
    labels = np.array([[1.0]] * 30 + [[0.0]] * 10)
    assert fit_temperature(probabilities, labels) == pytest.approx(2.0, abs=1e-4)


def test_a_network_that_is_too_shy_gets_a_temperature_below_1() -> None:
    # 0.6 is stated and 9 of 13 come true: 9 / 4 = (0.6 / 0.4) ** 2.
    probabilities = np.array([[0.6]] * 130)
    labels = np.array([[1.0]] * 90 + [[0.0]] * 40)
    assert fit_temperature(probabilities, labels) == pytest.approx(0.5, abs=1e-4)


def test_the_temperature_that_logits_were_multiplied_by_is_found_again() -> None:
    random = np.random.default_rng(7)
    logits = random.normal(0, 1.5, (20_000, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (random.random((20_000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    stated = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    # One part in 25 is twice the deviation that 20,000 draws leave.
    assert fit_temperature(stated, np.eye(4)[drawn]) == pytest.approx(3.0, rel=0.04)


def test_a_temperature_that_chance_may_have_made_stays_1() -> None:
    # 0.9 is stated and 15 of 20 come true: 40 * (0.6547 - 0.5623) = 3.69 is below 3.84.
    labels = np.array([[1.0]] * 15 + [[0.0]] * 5)
    assert fit_temperature(np.array([[0.9]] * 20), labels) == 1.0


def test_few_labels_leave_the_answers_as_they_are() -> None:
    labels = np.array([[1.0]] * 14 + [[0.0]] * 5)
    assert fit_temperature(np.full((19, 1), 0.9), labels) == 1.0


def test_a_network_that_is_always_right_is_not_made_certain() -> None:
    assert fit_temperature(np.array([[0.9]] * 30), np.ones((30, 1))) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(
    ("residuals", "coverage", "half_width"),
    [
        ([5, 1, 4, 2, 3, 9, 7, 8, 6], 0.8, 8),  # rank 8 of nine, in any order
        (
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            0.8,
            9,
        ),  # rank 8.8 of ten, rounded up; 8 would be 10 * 0.8
        ([1, 2, 3, 4], 0.8, 4),  # rank 4 of four
        ([1, 2, 3], 0.8, None),  # rank 4 of three
        ([], 0.8, None),
        (list(range(1, 25)), 0.28, 7),  # 25 * 0.28 is a hair above 7 in floating point
    ],
)
def test_a_half_width_is_the_residual_of_the_finite_samples_rank(
    residuals, coverage, half_width
) -> None:
    assert fit_half_width(np.array(residuals, "float64"), coverage) == half_width


def test_probabilities_are_raised_to_the_inverse_temperature_and_scaled() -> None:
    # 0.64 : 0.32 : 0.04 by square roots is 0.8 : 0.5657 : 0.2.
    three = divide_logits(tf.constant([[0.64, 0.32, 0.04]]), 2.0).numpy()
    root = math.sqrt(0.32)
    assert three[0] == pytest.approx(np.array([0.8, root, 0.2]) / (1 + root), abs=1e-6)
    # 0.9 : 0.1 by square roots is 3 : 1, and 3 : 1 by squares is 9 : 1.
    assert divide_logits(tf.constant([[0.9]]), 2.0).numpy()[0, 0] == pytest.approx(0.75, abs=1e-6)
    assert divide_logits(tf.constant([[0.75]]), 0.5).numpy()[0, 0] == pytest.approx(0.9, abs=1e-6)
    assert divide_logits(tf.constant([[1.0], [0.0]]), 0.1).numpy().tolist() == [[1.0], [0.0]]


def write_authors(split: str, authors: int) -> list[dict]:
    """Raw rows; a tenth of the labels is unknown."""
    rows = []
    for number in range(authors):
        known = number % 10 != 0
        rows.append(
            {
                "author_id": [f"{split}{number}"],
                "posts": [" ".join(f"w{(number * k) % 23}" for k in range(1, 9 + number % 40))],
                "age": [20.0 + number % 30] if known else [],
                "income": [1000.0 * (number % 50)] if known else [],
                "gender": [("male", "female")[number % 2]] if known else [],
            }
        )
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A transform graph, both splits, an untrained network, settings and hook arguments."""
    folder = tmp_path_factory.mktemp("calibration")
    metadata = dataset_metadata.DatasetMetadata(build_schema(HEADS, ValidationSettings()))
    config = {"heads": heads_to_json(HEADS), "text": TEXT.model_dump_json()}
    options = PipelineOptions(
        ["--runner=components.local_runner.LocalRunner", "--direct_running_mode=in_memory"]
    )
    with tft_beam.Context(temp_dir=f"{folder}/temporary"), Pipeline(options=options) as pipeline:
        train = (pipeline | Create(write_authors("train", 80)), metadata)
        (rows, out), graph = train | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/graph/metadata", pipeline)
        selecting = (pipeline | "eval" >> Create(write_authors("eval", 60)), metadata)
        eval_rows, _ = (selecting, graph) | tft_beam.TransformDataset()
        for split, encoded in (("train", rows), ("eval", eval_rows)):
            _ = (
                encoded
                | f"encode {split}" >> Map(tft.coders.ExampleProtoCoder(out.schema).encode)
                | f"write {split}" >> WriteToTFRecord(f"{folder}/{split}", file_name_suffix=".gz")
            )
    transform = tft.TFTransformOutput(f"{folder}/graph")
    files = {split: [f"{folder}/{split}*.gz"] for split in ("train", "eval")}
    spec = transform.transformed_feature_spec()
    rows = [to_rows(read_examples(files[split], spec), HEADS) for split in ("train", "eval")]
    data = make_data(HEADS, *rows, 16, 30)
    settings = HookSettings(
        heads=HEADS,
        text=TEXT,
        network=NETWORK,
        training=TrainingSettings(precision="float32"),
        tuner=TunerSettings(),
        judging=JudgingSettings(),
    )
    arguments = FnArgs(eval_files=files["eval"])
    model = build_model(HEADS, 30, NETWORK, links={}, seed=3)
    # Answers that a temperature moves, untrained as the network is.
    model.get_layer("income.answer").bias.assign([0.9, 0.0, -0.7])
    model.get_layer("gender.answer").bias.assign([1.1])
    return model, data, transform, settings, arguments


def learned_of(model, data, final=None, share=1.0):
    """A training that ended in these networks and keeps a share of every answer."""
    shares = {head.name: Shares(answer=share) for head in HEADS}
    held_out, constants = held_out_of(model, data), data.train.constants
    networks = (model, final or model, FitState())
    return Learned(HEADS, {}, *networks, shares, held_out, (constants, constants), 60)


def test_one_pass_over_eval_fits_every_head_on_its_known_labels(trained) -> None:
    model, data, *_ = trained
    fitted = calibrate(learned_of(model, data), SCALES | {"age": 10.0}, 0.5)
    assert [fitted[name].labels for name in ("age", "income", "gender")] == [54, 54, 54]
    told = learned_of(model, data).held_out["age"]
    residuals = np.sort(np.abs(told.answers - told.labels)[:, 0]) * 10
    # Rank ceil(55 * 0.5) = 28 of 54.
    assert fitted["age"].half_width == pytest.approx(residuals[27], rel=1e-5)
    assert fitted["age"].coverage == 0.5


@pytest.mark.parametrize(("found", "stated"), [(0.8, 1.0), (1.3, 1.3)])
def test_a_network_fitted_anew_on_eval_too_is_made_no_surer(
    trained, monkeypatch, found, stated
) -> None:
    model, data, *_ = trained
    monkeypatch.setattr("components.heads.probabilities.fit_temperature", lambda *_: found)
    assert calibrate(learned_of(model, data), SCALES, 0.8)["income"].temperature == found
    other = build_model(HEADS, 30, NETWORK, links={}, seed=4)
    refitted = calibrate(learned_of(model, data, other), SCALES, 0.8)
    assert refitted["income"].temperature == refitted["gender"].temperature == stated
    assert refitted["age"].half_width is not None


def test_the_interval_is_in_the_heads_own_unit(trained) -> None:
    model, data, transform, settings, _ = trained
    other = build_model(HEADS, 30, NETWORK, links={}, seed=4)
    served, fitted = calibrated_model(learned_of(model, data, other), transform, settings)
    # What was fitted on the answers of the network that `eval` has not taught.
    ids = {"tokens": np.array([[2, 3, 4]], "int32")}
    np.testing.assert_allclose(served.network(ids)["age"], other(ids)["age"], rtol=1e-5)
    deviation = label_facts(transform, HEADS)["age.deviation"]
    assert deviation == pytest.approx(8.222, abs=0.001)
    standardised = calibrate(learned_of(model, data), SCALES, 0.8)["age"].half_width
    assert fitted["age"].half_width == pytest.approx(standardised * deviation, rel=1e-5)
    assert served.certainty["age"] == {
        "interval": {"coverage": 0.8, "half_width": fitted["age"].half_width}
    }


def test_what_is_calibrated_is_the_shrunk_answer(trained) -> None:
    model, data, *_ = trained
    whole, constant = (calibrate(learned_of(model, data, share=s), SCALES, 0.8) for s in (1.0, 0.0))
    ages = [float(t["age"][0]) for _, t, w in data.eval_rows.as_numpy_iterator() if w["age"]]
    residuals = sorted(abs(age - data.train.constants["age"][0]) for age in ages)
    # Rank ceil(55 * 0.8) = 44 of 54.
    assert constant["age"].half_width == pytest.approx(residuals[43], rel=1e-4)
    assert whole["age"].half_width != pytest.approx(residuals[43], rel=1e-4)


@pytest.fixture(scope="module")
def both_models(trained, tmp_path_factory):
    """The model as it is, the one with temperatures, and the latter exported and loaded."""
    model, _, transform, *_ = trained
    plain = ServedModel(Answering(model), transform, HEADS, [25.0])
    certainty = {name: Calibration(54, value).description() for name, value in TEMPERATURES.items()}
    certainty["age"] = Calibration(54, coverage=0.8, half_width=6.2).description()
    certain = ServedModel(Answering(model, certainty), transform, HEADS, [25.0])
    folder = tmp_path_factory.mktemp("export") / "model"
    export(certain, str(folder))
    return plain, certain, tf.saved_model.load(str(folder)), folder


def by_hand(answers: dict) -> dict:
    """The plain model's answers with temperatures applied, in float64."""
    income = answers["income"].numpy().astype("float64") ** (1 / TEMPERATURES["income"])
    gender = answers["gender"].numpy().astype("float64")
    root, other = np.sqrt(gender), np.sqrt(1 - gender)
    return {
        "age": answers["age"].numpy(),
        "income": income / income.sum(axis=1, keepdims=True),
        "gender": root / (root + other),
    }


def test_every_signature_answers_with_its_temperature(both_models) -> None:
    plain, _, loaded, _ = both_models
    texts = ["w1 w2 w3", "w7 w7 w19 w4"]
    expected = by_hand(plain.serve_posts(tf.constant(texts)))
    examples = []
    for text in texts:
        example = tf.train.Example()
        example.features.feature["author_id"].bytes_list.value.append(b"a")
        example.features.feature["posts"].bytes_list.value.append(text.encode())
        examples.append(example.SerializeToString())
    asked = {
        "posts": {"posts": tf.constant(texts)},
        "serving_default": {"examples": tf.constant(examples)},
    }
    for signature, question in asked.items():
        answers = loaded.signatures[signature](**question)
        for name, values in expected.items():
            assert answers[name].numpy() == pytest.approx(values, abs=1e-5), (signature, name)
    assert not np.allclose(
        expected["income"], plain.serve_posts(tf.constant(texts))["income"], atol=1e-4
    )


def test_answers_for_the_serving_check_are_those_of_the_exported_model(
    trained, both_models
) -> None:
    _, _, transform, settings, arguments = trained
    plain, certain, _, _ = both_models
    noted = in_memory_answers(certain, arguments, transform, settings.training)["authors"]
    examples = read_examples(arguments.eval_files, transform.transformed_feature_spec())
    for author, example in zip(noted, examples.batch(1).take(3), strict=False):
        expected = by_hand(plain.answer(example))
        for name, values in expected.items():
            assert author["answers"][name] == pytest.approx(values[0].tolist(), abs=1e-5)


def test_the_asset_says_how_sure_each_head_is(both_models) -> None:
    folder = both_models[3]
    age, income, gender = json.loads((folder / "assets" / "heads.json").read_text())["heads"]
    assert age["interval"] == {"coverage": 0.8, "half_width": 6.2}
    assert "temperature" not in age
    assert (income["temperature"], gender["temperature"]) == (0.5, 2.0)
    assert "interval" not in income
