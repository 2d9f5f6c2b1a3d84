"""What the audit says of broken data, beside what the run's stages before training make of it.

The stages are those of the run: the join with its examples, TFDV's statistics and their validation
against the schema, Transform's quantiles and moments, and the skill that the training needs of each
head on `eval`. Transform's whole graph is held to the audit in `test_amounts`.
"""

from __future__ import annotations

import itertools
import json
import random

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import statistics_pb2
from tensorflow_transform.analyzers import QuantilesCombiner

from components.beam_graphs import answers_kept
from components.features.moments import ExactSums, mean_of, variance_of
from components.features.schema import build_schema
from components.features.settings import ValidationSettings
from components.features.statistics import LabelStatistics
from components.features.validation import find_anomalies
from components.heads.declared import parse_heads
from components.heads.probabilities import entropy
from components.ingest.amounts import QUANTILE_ERROR
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, load_summary
from components.ingest.checks import JoinError, check_join
from components.ingest.examples import WriteExamples
from components.ingest.join import IngestSources
from components.ingest.label_checks import learning_problem, range_problem
from components.ingest.records import SPLITS
from components.ingest.settings import IngestSettings, SplitSettings
from components.ingest.sources import find_sources
from components.training.skill import skill

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 4},
        "level": {"kind": "classes", "classes": 5, "given_as": "group"},
        "gender": {"kind": "binary"},
    }
)
SCHEMA = build_schema(HEADS, ValidationSettings())
# Records set aside for a fault stop nothing here: what is held together are verdicts on labels.
SETTINGS = IngestSettings(
    maximum_set_aside_share=1, splits=SplitSettings(train=0.4, eval=0.3, test=0.3)
)
OF_A_LABEL = ("Each known label must be in the range", "Each head needs a known label")


def sound_corpus(authors=40):
    """Posts and label records that a run trains on."""
    ids = [f"a{number}" for number in range(authors)]
    posts = [{"author_id": name, "text": f"post {turn}"} for name in ids for turn in range(2)]
    labels = [
        {
            "author_id": name,
            "age": 18 + number % 50,
            "income": 1000 * number,
            "level": number // 2 % 5,
            "gender": ("female", "male")[number // 3 % 2],
        }
        for number, name in enumerate(ids)
    ]
    return posts, labels


def some(field, value, share):
    """A value in place of a share of the labels; 1: of all."""

    def breakage(posts, labels, draw):
        for label in labels:
            if draw.random() < share:
                label[field] = value(draw) if callable(value) else value

    return breakage


def every_text(text):
    """The same text in each post."""

    def breakage(posts, labels, draw):
        for post in posts:
            post["text"] = text

    return breakage


def ids_like(form):
    """Other ids, in posts and labels alike."""

    def breakage(posts, labels, draw):
        for record in (*posts, *labels):
            record["author_id"] = form.format(record["author_id"])

    return breakage


def numbered_from_one(posts, labels, draw):
    for label in labels:
        label["level"] += 1


def in_months(posts, labels, draw):
    for label in labels:
        label["age"] *= 12


def few_authors(posts, labels, draw):
    del labels[draw.randrange(1, 12) :]


def records_twice(posts, labels, draw):
    labels += [dict(label) for label in draw.sample(labels, 9)]
    posts += [dict(post) for post in draw.sample(posts, 9)]


def conflicting(posts, labels, draw):
    labels.append({**labels[0], "age": 99})


def without_posts(posts, labels, draw):
    del posts[draw.randrange(len(posts)) :]


# Those that training goes on with come first.
OF_AGE = {
    "just above in float64": some("age", 120.0000001, 0.2),
    "NaN": some("age", float("nan"), 0.5),
    "nearly one age": some("age", 34.7, 0.9),
    "just above in float32": some("age", 120.00001, 0.2),
    "a code above": some("age", 999, 0.1),
    "a code below": some("age", -1, 0.2),
    "months": in_months,
    "years of birth": some("age", lambda draw: draw.randrange(1940, 2005), 1),
    "infinity": some("age", float("inf"), 0.02),
    "too large for float32": some("age", 1e39, 0.02),
    "one age": some("age", 34.7, 1),
    "age unknown": some("age", "NA", 1),
    "age hardly known": some("age", None, 0.9),
}
OF_INCOME = {
    "few incomes": some("income", lambda draw: draw.randrange(3), 1),
    "income often 0": some("income", 0, 0.5),
    "vast incomes": some("income", lambda draw: 3e38 * draw.random(), 1),
    "income mostly 0": some("income", 0, 0.9),
    "an amount below 0": some("income", -5, 0.05),
    "one income": some("income", 0, 1),
    "incomes alike in float32": some("income", lambda draw: 2**24 + draw.randrange(2), 1),
}
OF_LEVEL = {
    "a group between two": some("level", 2.5, 0.02),
    "groups from 1": numbered_from_one,
    "a group too many": some("level", 5, 0.05),
    "a group below 0": some("level", -1, 0.05),
    "one group": some("level", 3, 1),
}
OF_GENDER = {
    "a third gender": some("gender", "other", 0.1),
    "nearly one gender": some("gender", "male", 0.9),
    "one gender": some("gender", "male", 1),
    "gender in codes": some("gender", lambda draw: draw.randrange(1, 3), 1),
    "a field that is empty": some("gender", "", 1),
}
OF_RECORDS = {
    "odd ids": ids_like(" \x00{}/\n*\u202e日"),
    "unseen characters alone": every_text("\u200b\u0001"),
    "a separator alone": every_text("\x1e"),
    "one text": every_text("hi"),
    "long ids": ids_like("{}" + "x" * 5000),
    "authors without posts": without_posts,
    "few authors": few_authors,
    "records twice": records_twice,
    "conflicting labels": conflicting,
    "blank texts": every_text(" \t"),
}
KINDS = (OF_AGE, OF_INCOME, OF_LEVEL, OF_GENDER, OF_RECORDS)
BREAKAGES = {name: breakage for kind in KINDS for name, breakage in kind.items()}
# Heads are held to the stages one by one: a corpus may have a breakage of each.
TOGETHER = [tuple(filter(None, names)) for names in itertools.zip_longest(*KINDS)]


def write_corpus(folder, breakages, seed):
    posts, labels = sound_corpus()
    for name in breakages:
        BREAKAGES[name](posts, labels, random.Random(f"{name} {seed}"))
    for name, records in (("posts", posts), ("labels", labels)):
        lines = "\n".join(map(json.dumps, records))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return [f"{folder}/posts.jsonl"], [f"{folder}/labels.jsonl"]


def new_pipeline():
    return beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS)))


def run_join(folder, breakages, seed=0):
    """Examples and audit of a broken corpus, below the folder."""
    patterns = write_corpus(folder, breakages, seed)
    with new_pipeline() as pipeline:
        authors = pipeline | IngestSources(find_sources(*patterns), HEADS, SETTINGS, f"{folder}/in")
        for split in SPLITS:
            _ = authors[split] | split >> WriteExamples(f"{folder}/{split}", 1, HEADS)


def run_statistics(folders):
    """Statistics of the examples of each folder, all in one pipeline."""
    options = tfdv.StatsOptions(feature_allowlist=[head.name for head in HEADS])
    splits = [f"{folder}/{split}" for folder in folders for split in SPLITS]
    with new_pipeline() as pipeline:
        found = pipeline | LabelStatistics({split: split for split in splits}, options)
        _ = found | beam.MapTuple(write_statistics)


def write_statistics(split, statistics):
    with open(f"{split}.pb", "wb") as file:
        file.write(statistics)


def invalid_heads(folder):
    """Those that the run's validation refuses."""
    found = set()
    for split in SPLITS:
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(
            (folder / f"{split}.pb").read_bytes()
        )
        anomalies = find_anomalies(statistics, SCHEMA, [head.name for head in HEADS])
        found |= set(anomalies.anomaly_info)
        assert not anomalies.dataset_anomaly_info.reason
    return found


def heads_without_skill(folder):
    """Those whose labels do not differ in `eval`, cut and standardised as `train` asks for."""
    train, selecting = (read_labels(folder / split) for split in ("train", "eval"))
    losses = {
        head.name: constant_loss(head, train[head.name], selecting[head.name]) for head in HEADS
    }
    return {name for name, loss in losses.items() if np.isnan(skill(0.0, loss))}


def read_labels(folder):
    """By head, the labels that the examples hold."""
    files = sorted(tf.io.gfile.glob(f"{folder}/*.gz"))
    labels = {head.name: [] for head in HEADS}
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        for name, found in labels.items():
            kind = features[name].WhichOneof("kind")
            found.extend(getattr(features[name], kind).value if kind else ())
    return labels


def constant_loss(head, train, selecting):
    if head.kind == "regression":
        train, labels = np.array(train, np.float32), np.array(selecting, np.float32)
        sums = ExactSums()
        moments = sums.add_input(sums.create_accumulator(), (train,))
        deviation = max(np.float32(np.sqrt(variance_of(moments))), np.float32(1e-6))
        labels = ((labels - np.float32(mean_of(moments))) / deviation).astype(float)
        sums = head.moments(labels[:, None]).sum(axis=0)
        return head.constant_loss(len(labels), sums) if len(labels) else np.nan
    if head.kind == "classes" and head.given_as == "amount":
        quantiles = QuantilesCombiner(head.classes, QUANTILE_ERROR, np.float32)
        sketch = quantiles.add_input(quantiles.create_accumulator(), (np.array(train, np.float32),))
        (boundaries,) = quantiles.extract_output(sketch)
        selecting = np.searchsorted(boundaries, np.array(selecting, np.float32), side="right")
    counts = np.unique(selecting, return_counts=True)[1]
    return entropy(counts.tolist()) if len(counts) else np.nan


def refusal(summary):
    try:
        check_join(summary, HEADS, SETTINGS)
    except JoinError as error:
        return str(error)
    return ""


def hold_to_the_stages(folder):
    """Asserts that the audit says what the stages do."""
    refused = invalid_heads(folder) | heads_without_skill(folder)
    summary = load_summary(f"{folder}/in")
    said = refusal(summary)
    if not said:
        assert refused == set()
    elif said.startswith(OF_A_LABEL):
        told = {h.name for h in HEADS if range_problem(summary, h) or learning_problem(summary, h)}
        # The training would go on where `train` has one label, and learn a constant.
        constant = {h.name for h in HEADS if "in 'train'" in (learning_problem(summary, h) or "")}
        assert refused <= told
        assert told <= refused | constant


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A folder for each corpus of `TOGETHER`, and one of sound records."""
    folders = {names: tmp_path_factory.mktemp("corpus") for names in ((), *TOGETHER)}
    with answers_kept():
        for names, folder in folders.items():
            run_join(folder, names)
        run_statistics(folders.values())
    return folders


@pytest.mark.parametrize("breakages", [(), *TOGETHER], ids=", ".join)
def test_breakages_are_refused_by_the_audit_where_a_stage_would(corpora, breakages):
    hold_to_the_stages(corpora[breakages])


def test_the_audit_passes_sound_data_and_refuses_most_of_the_broken_data(corpora):
    """Else the tests beside it would hold little."""
    said = [refusal(load_summary(f"{folder}/in")) for folder in corpora.values()]
    assert said[:2] == ["", ""]
    assert sum(text.startswith(OF_A_LABEL) for text in said) > len(said) / 2


DRAWN = st.tuples(*(st.none() | st.sampled_from(sorted(kind)) for kind in KINDS))


@given(st.lists(st.tuples(DRAWN, st.integers(0, 1000)), min_size=5, max_size=5, unique=True))
# One example is five corpora: their statistics take one pipeline.
@settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
def test_drawn_breakages_are_refused_by_the_audit_where_a_stage_would(tmp_path_factory, drawn):
    folders = {tmp_path_factory.mktemp("corpus"): one for one in drawn}
    with answers_kept():
        for folder, (breakages, seed) in folders.items():
            run_join(folder, filter(None, breakages), seed)
        run_statistics(folders)
    for folder in folders:
        hold_to_the_stages(folder)
