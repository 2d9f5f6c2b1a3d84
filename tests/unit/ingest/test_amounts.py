"""The audit's verdict on labels beside what Transform and the training make of the same ones."""

from __future__ import annotations

import json
import random
import re

import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Map, Pipeline
from apache_beam.io import WriteToTFRecord
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata

from components.features.schema import build_schema
from components.features.settings import TextSettings, ValidationSettings
from components.features.transform import preprocessing_fn
from components.heads.declared import heads_to_json, parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, audit_sources
from components.ingest.label_checks import empty_groups_note, learning_problem
from components.ingest.records import split_of
from components.ingest.settings import IngestSettings, SplitSettings
from components.training.dataset import read_examples
from components.training.fitting import make_data
from components.training.loading import to_rows

SETTINGS = IngestSettings(splits=SplitSettings(train=0.6, eval=0.2, test=0.2))
IDS = [f"a{number}" for number in range(400)]
OF_SPLIT = {author: split_of(author, SETTINGS.splits) for author in IDS}
PLACE = {
    author: place
    for split in ("train", "eval", "test")
    for place, author in enumerate(one for one in IDS if OF_SPLIT[one] == split)
}
RANDOM = random.Random(0)
# 2 ** 24 + 1 is no float32: examples hold both as 2 ** 24.
TWINS = (2**24, 2**24 + 1)
AMOUNT = {"kind": "classes", "classes": 10}
GROUP = {"kind": "classes", "classes": 4, "given_as": "group"}
WIDE = {"kind": "regression", "maximum": 1e9}


def in_eval(usual, other):
    """Labels of one kind in `eval`, of another elsewhere; each by the author's place there."""
    return lambda author, place: (other if OF_SPLIT[author] == "eval" else usual)(place)


# A head's declaration, a label by author and place in its split, groups that stay empty, and
# whether training can measure a skill.
CASES = {
    "skewed": (AMOUNT, lambda author, place: RANDOM.lognormvariate(9, 1), 0, True),
    "seven_of_eight_are_zero": (
        AMOUNT,
        lambda author, place: place if place % 8 == 4 else 0,
        8,
        True,
    ),
    "nearly_all_are_zero": (AMOUNT, lambda author, place: 5 if place % 25 == 24 else 0, 9, False),
    "few_distinct": (AMOUNT, lambda author, place: place % 4, 6, True),
    "median_is_the_smallest": ({**AMOUNT, "classes": 2}, lambda author, place: place % 2, 1, False),
    "fewer_than_groups": (
        AMOUNT,
        lambda author, place: 100 * place if place < 4 else None,
        6,
        True,
    ),
    "one_amount_in_eval": (AMOUNT, in_eval(lambda p: p, lambda p: 7), 0, False),
    "above_all_others": (AMOUNT, in_eval(lambda p: p, lambda p: 10_000 + p), 0, False),
    "alike_as_float32": (AMOUNT, in_eval(lambda p: p, lambda p: TWINS[p % 2]), 0, False),
    "many_groups": ({**AMOUNT, "classes": 300}, lambda author, place: place, 53, True),
    "one_number_in_eval": (WIDE, in_eval(lambda p: p, lambda p: 7), 0, False),
    "numbers_alike_as_float32": (
        WIDE,
        in_eval(lambda p: 2**24 + 2 * p, lambda p: TWINS[p % 2]),
        0,
        False,
    ),
    "one_group_in_eval": (GROUP, in_eval(lambda p: p % 4, lambda p: 2), 0, False),
    "one_value_in_eval": (
        {"kind": "binary"},
        in_eval(lambda p: ("female", "male")[p % 2], lambda p: "male"),
        0,
        False,
    ),
}
HEADS = parse_heads({name: case[0] for name, case in CASES.items()})
LABELS = {
    author: {name: case[1](author, PLACE[author]) for name, case in CASES.items()} for author in IDS
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    posts = [{"author_id": author, "text": "a b"} for author in IDS]
    labels = [{"author_id": author, **LABELS[author]} for author in IDS]
    for name, records in (("posts", posts), ("labels", labels)):
        lines = "\n".join(map(json.dumps, records))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    patterns = [f"{folder}/posts.jsonl"], [f"{folder}/labels.jsonl"]
    return audit_sources(*patterns, HEADS, SETTINGS, f"{folder}/out")


def as_raw(author):
    """The author as Transform reads it."""
    labels = {name: [] if v is None else [v] for name, v in LABELS[author].items()}
    return {"author_id": [author], "posts": ["a b"], **labels}


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    """Transform's output folder, analysed on `train`, and the transformed rows of both splits."""
    folder = tmp_path_factory.mktemp("transformed")
    metadata = dataset_metadata.DatasetMetadata(build_schema(HEADS, ValidationSettings()))
    config = {
        "heads": heads_to_json(HEADS),
        "text": TextSettings(pairs=0).model_dump_json(),
    }
    with (
        tft_beam.Context(temp_dir=f"{folder}/temporary"),
        Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline,
    ):
        rows = {
            split: pipeline | split >> Create([as_raw(a) for a in IDS if OF_SPLIT[a] == split])
            for split in ("train", "eval")
        }
        graph = (rows["train"], metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        for split, raw in rows.items():
            out, out_metadata = ((raw, metadata), graph) | f"to {split}" >> (
                tft_beam.TransformDataset()
            )
            coder = tft.coders.ExampleProtoCoder(out_metadata.schema)
            encoded = out | f"encode {split}" >> Map(coder.encode)
            _ = encoded | f"write {split}" >> WriteToTFRecord(
                f"{folder}/{split}", file_name_suffix=".gz"
            )
    return folder, tft.TFTransformOutput(f"{folder}/graph")


def test_the_boundaries_are_those_of_the_transform_graph(audited, transformed):
    folder, graph = transformed
    (file,) = tf.io.gfile.glob(f"{folder}/train*")
    record = next(tf.data.TFRecordDataset(file, "GZIP").as_numpy_iterator())
    row = tf.io.parse_single_example(record, graph.transformed_feature_spec())
    cut = {head.name: row.get(head.internal("boundaries")) for head in HEADS}
    found = {name: values.numpy().tolist() for name, values in cut.items() if values is not None}
    assert found == {name: cuts.boundaries for name, cuts in audited.cuts.items()}
    amounts = [name for name, case in CASES.items() if "given_as" not in case[0]]
    assert list(found) == [name for name in amounts if "classes" in CASES[name][0]]


def test_the_audit_refuses_exactly_the_heads_whose_skill_the_training_cannot_measure(
    audited, transformed
):
    folder, graph = transformed
    spec = graph.transformed_feature_spec()
    rows = (
        to_rows(read_examples([f"{folder}/{split}*"], spec), HEADS) for split in ("train", "eval")
    )
    with pytest.raises(ValueError, match="Skill needs") as raised:
        make_data(HEADS, *rows, batch_size=32, vocabulary_size=10)
    (refused,) = re.findall(r"Received none for (.*?)\.", str(raised.value))
    told = [head.name for head in HEADS if learning_problem(audited, head)]
    assert refused.split(", ") == told == [name for name, case in CASES.items() if not case[3]]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0] is not WIDE])
def test_groups_that_nobody_is_in_are_counted_and_told(audited, name):
    (head,) = (head for head in HEADS if head.name == name)
    empty = CASES[name][2]
    note = empty_groups_note(audited, head)
    if not empty:
        assert note is None
        return
    assert note.startswith(f"head {name!r} (field {name!r}): only {head.classes - empty} of ")


@pytest.mark.parametrize(
    ("name", "fitting"),
    [("few_distinct", 3), ("nearly_all_are_zero", 0), ("many_groups", 247), ("skewed", 10)],
)
def test_the_most_groups_that_would_all_be_filled_are_told(audited, name, fitting):
    assert audited.cuts[name].fitting_classes == fitting
