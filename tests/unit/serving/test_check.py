"""The serving check on real models, in real processes, and once in a real pipeline with a push."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tfx.v1 as tfx
from tfx.orchestration import metadata

from components.serving import answer_in_isolation
from components.serving.check import (
    ServingCheck,
    check_model,
    local_model,
    read_examples,
    read_trainer_answers,
)
from components.serving.fresh_process import ask_in_fresh_process, question
from components.serving.pusher import VersionedPusher

SECRET = "the secret of an author"
# Words 5 and 3, bytes 23 and 12: see the toy model in conftest.py.
POSTS = {"a1": [SECRET.encode()], "a2": [b"I went", b"home."], "a3": [b"unasked"]}
FIRST = {"age": [23.0], "income": [0.7, 0.1, 0.1, 0.1], "gender": [0.75]}
SECOND = {"age": [25.0], "income": [0.1, 0.1, 0.1, 0.7], "gender": [5 / 6]}
ANSWERS = [{"author_id": "a2", "answers": FIRST}, {"author_id": "a1", "answers": SECOND}]


def example(author_id: str) -> bytes:
    """A raw Example as ingest writes it."""
    features = {
        "author_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[author_id.encode()])),
        "posts": tf.train.Feature(bytes_list=tf.train.BytesList(value=POSTS[author_id])),
        "age": tf.train.Feature(float_list=tf.train.FloatList(value=[40.0])),
    }
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(message.SerializeToString())


def write_examples(split: Path) -> Path:
    """Two files of raw Examples."""
    split.mkdir(parents=True)
    for number, author_ids in enumerate([["a3", "a1"], ["a2"]]):
        name = str(split / f"data_tfrecord-{number:05}-of-00002.gz")
        with tf.io.TFRecordWriter(name, "GZIP") as writer:
            for author_id in author_ids:
                writer.write(example(author_id))
    return split


def write_answers(folder: Path, answers: list[dict[str, Any]], tolerance: float = 1e-4) -> Path:
    """A Trainer's `answers.json`."""
    folder.mkdir(parents=True)
    text = json.dumps({"tolerance": tolerance, "authors": answers})
    (folder / "answers.json").write_text(text, encoding="utf-8")
    return folder


def test_examples_are_found_among_others_and_given_in_the_order_asked(tmp_path: Path) -> None:
    split = write_examples(tmp_path / "Split-eval")
    assert read_examples(str(split), ["a2", "a1"]) == [example("a2"), example("a1")]


def test_an_author_who_is_not_in_the_split_is_a_fault_of_the_pipeline(tmp_path: Path) -> None:
    split = write_examples(tmp_path / "Split-eval")
    with pytest.raises(ValueError, match="1 of 2 are not"):
        read_examples(str(split), ["a2", "a9"])


def test_missing_or_empty_answers_of_the_trainer_are_a_fault_of_the_pipeline(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=r"answers\.json is missing"):
        read_trainer_answers(str(tmp_path))
    with pytest.raises(ValueError, match="at least one author"):
        read_trainer_answers(str(write_answers(tmp_path / "run", [])))


def test_a_model_on_a_bucket_is_brought_here(tmp_path: Path) -> None:
    tf.io.gfile.makedirs("ram://bucket/model/variables")
    tf.io.gfile.GFile("ram://bucket/model/variables/data", "w").write("w")
    local = local_model("ram://bucket/model", tmp_path)
    assert (local / "variables" / "data").read_text() == "w"


def test_a_missing_signature_is_named(save_model: Callable[..., Path], tmp_path: Path) -> None:
    model = tf.saved_model.load(str(save_model(tmp_path / "model", signatures=["posts"])))
    asked = question("probes", "serving_default", "examples", [[b""]])
    with pytest.raises(answer_in_isolation.Fault, match=r"no signature serving_default; it has"):
        answer_in_isolation.ask(model, asked)


def test_a_model_that_quotes_an_author_as_it_fails_is_not_repeated(
    save_model: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def quote(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert(tf.size(texts) > 9, [texts])]):
            return {"age": tf.zeros([tf.size(texts), 1])}

    model = tf.saved_model.load(str(save_model(tmp_path / "model", quote)))
    asked = question("authors", "posts", "posts", [[SECRET.encode()]], private=True)
    capfd.readouterr()
    with pytest.raises(answer_in_isolation.Fault) as raised:
        answer_in_isolation.ask(model, asked)
    assert str(raised.value) == "signature posts fails on authors: InvalidArgumentError"
    assert SECRET not in capfd.readouterr().err


def test_what_is_no_model_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"not a graph")
    with pytest.raises(answer_in_isolation.Fault, match="the model does not load"):
        answer_in_isolation.load(str(tmp_path))


def test_a_model_without_its_description_is_not_blessed(tmp_path: Path) -> None:
    report = check_model(tmp_path, ANSWERS, [example("a2"), example("a1")], 1e-4, 60)
    assert report["blessed"] is False
    assert report["faults"] == [
        "a served model must describe its answers in assets/heads.json; the file is missing. "
        "Export the model again."
    ]


def test_a_model_that_does_not_answer_in_time_is_not_blessed(toy_model: Path) -> None:
    report = check_model(toy_model, ANSWERS, [example("a2"), example("a1")], 1e-4, 1)
    assert report["blessed"] is False
    assert report["faults"][0].startswith("the fresh process did not answer within 1 seconds")


def test_a_model_that_needs_this_programs_code_is_not_blessed(
    save_model: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def call_python(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"age": tf.py_function(lambda t: tf.zeros([len(t), 1]), [texts], tf.float32)}

    caplog.set_level(logging.DEBUG, "authorprofile.serving")
    model = save_model(tmp_path / "model", call_python)
    assert tf.saved_model.load(str(model)).signatures["posts"](tf.constant(["here it runs"]))
    report = check_model(model, ANSWERS, [example("a2"), example("a1")], 1e-4, 300)
    assert report["blessed"] is False
    assert report["faults"][0].startswith("signature posts fails on posts in one batch")
    assert SECRET not in caplog.text + json.dumps(report)


def test_the_fresh_process_answers_without_this_repository_even_where_it_is_on_the_path(
    save_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def square_root_of_length(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        lengths = tf.cast(tf.strings.length(texts), tf.float32)
        return {"age": tf.sqrt(lengths - 4.0)[:, tf.newaxis]}

    repository = str(Path(answer_in_isolation.__file__).parents[2])
    monkeypatch.setattr(
        "components.serving.fresh_process._site_packages", lambda: [repository, *sys.path]
    )
    model = save_model(tmp_path / "model", square_root_of_length)
    asked = question("one", "posts", "posts", [[b"I went"], [b"I went home", b""]])
    fault, answers = ask_in_fresh_process(model, [asked], 300)
    assert fault is None
    ages = answers["one"]["age"]
    assert ages[0] == [pytest.approx(1.4142135)]
    assert ages[1] == [pytest.approx(2.6457513)]
    assert math.isnan(ages[2][0])


def artifact(path: Path, kind: type, **properties: Any) -> Any:
    """An artifact that stands for an upstream stage's output."""
    return tfx.dsl.Importer(
        source_uri=str(path), artifact_type=kind, properties=properties
    ).with_id(path.name)


@pytest.fixture(scope="module")
def run(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline run: a sound model, and the same beside answers a thousandth off; both pushed."""
    root = tmp_path_factory.mktemp("pipeline")
    write_examples(root / "examples" / "Split-eval")
    off = json.loads(json.dumps(ANSWERS))
    off[1]["answers"]["gender"] = [5 / 6 + 1e-3]
    (root / "model").mkdir()
    (root / "model" / "Format-Serving").symlink_to(toy_model)
    kinds = tfx.types.standard_artifacts
    model = artifact(root / "model", kinds.Model)
    examples = artifact(root / "examples", kinds.Examples, split_names='["eval"]')
    nodes = [model, examples]
    for name, answers in (("sound", ANSWERS), ("off", off)):
        trained = artifact(write_answers(root / name, answers), kinds.ModelRun)
        check = ServingCheck(
            model=model.outputs["result"],
            model_run=trained.outputs["result"],
            examples=examples.outputs["result"],
            timeout_seconds=600,
        ).with_id(f"check-{name}")
        push = VersionedPusher(
            model=model.outputs["result"],
            infra_blessing=check.outputs["infra_blessing"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(
                    base_directory=str(root / f"serving-{name}")
                )
            ),
        ).with_id(f"push-{name}")
        nodes += [trained, check, push]
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(root / "metadata.sqlite")
    )
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="check-and-push",
            pipeline_root=str(root / "runs"),
            components=nodes,
            metadata_connection_config=connection,
        )
    )
    return root


def outputs(run: Path, kind: str) -> dict[str, Any]:
    """Artifacts of a type in the run's store, by the node that made them."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(run / "metadata.sqlite")
    )
    with metadata.Metadata(connection) as store:
        return {made.uri.split("/")[-3]: made for made in store.store.get_artifacts_by_type(kind)}


def test_a_sound_model_is_blessed_and_pushed_as_a_whole_version(run: Path) -> None:
    blessing = outputs(run, "InfraBlessing")["check-sound"]
    report = json.loads(Path(blessing.uri, "check.json").read_text())
    assert blessing.custom_properties["blessed"].int_value == 1
    assert (report["blessed"], report["faults"], report["authors"]) == (True, [], 2)
    assert report["largest_gaps"]["gender"] < 1e-6
    pushed = outputs(run, "PushedModel")["push-sound"].custom_properties
    (version,) = (name for name in os.listdir(run / "serving-sound") if name.isdecimal())
    assert pushed["pushed"].int_value == 1
    assert pushed["pushed_version"].string_value == version
    assert pushed["pushed_destination"].string_value == str(run / "serving-sound" / version)
    listed = Path(blessing.uri, "SHA256SUMS").read_bytes()
    assert (run / "serving-sound" / version / "assets.extra" / "SHA256SUMS").read_bytes() == listed
    digest = f"sha256:{hashlib.sha256(listed).hexdigest()}"
    assert blessing.custom_properties["model_digest"].string_value == digest
    assert report["model_digest"] == digest
    served = tf.saved_model.load(str(run / "serving-sound" / version))
    answer = served.signatures["posts"](tf.constant(["I went home."]))
    assert answer["gender"].numpy().tolist() == [[0.75]]


def test_answers_a_thousandth_off_the_trainers_block_the_push(run: Path) -> None:
    blessing = outputs(run, "InfraBlessing")["check-off"]
    report = json.loads(Path(blessing.uri, "check.json").read_text())
    assert blessing.custom_properties["blessed"].int_value == 0
    assert len(report["faults"]) == 1
    assert "differ by 0.001 for author 2 of 2" in report["faults"][0]
    assert blessing.custom_properties["reason"].string_value == report["faults"][0]
    pushed = outputs(run, "PushedModel")["push-off"].custom_properties
    assert pushed["pushed"].int_value == 0
    assert not (run / "serving-off").exists()
