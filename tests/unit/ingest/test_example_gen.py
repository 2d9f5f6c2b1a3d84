"""The component, run by TFX with a real metadata store."""

import gzip
import json
import os
from pathlib import Path

import pytest
import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.orchestration import metadata
from tfx.types import artifact_utils

from components.heads.declared import heads_to_json, parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, load_summary
from components.ingest.checks import JoinError
from components.ingest.example_gen import PostsExampleGen
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceError
from components.ingest.spans import make_input_config, patterns_of, select_span

HEADS = parse_heads({"age": {"kind": "regression"}})


class Runs:
    """Runs the component over files in one folder, with one metadata store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            f"{folder}/metadata.sqlite"
        )

    def write_posts(self, name: str, authors: int) -> None:
        lines = (json.dumps({"author_id": n, "text": f"post of {n}"}) for n in range(authors))
        (self.folder / name).write_text("\n".join(lines), encoding="utf-8")

    def write_labels(self, authors: int) -> None:
        rows = "".join(f"{number},{20 + number % 40}\n" for number in range(authors))
        (self.folder / "labels.csv").write_text("author_id,age\n" + rows, encoding="utf-8")

    def run(self, posts: str, **settings) -> None:
        component = PostsExampleGen(
            posts=[f"{self.folder}/{posts}"],
            labels=[f"{self.folder}/labels.csv"],
            heads=heads_to_json(HEADS),
            ingest=IngestSettings(**settings).model_dump_json(),
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="ingest",
                pipeline_root=f"{self.folder}/root",
                metadata_connection_config=self.connection,
                components=[component],
                enable_cache=True,
                beam_pipeline_args=list(LOCAL_BEAM_ARGUMENTS),
            )
        )

    def artifacts(self, type_name: str) -> list:
        """The artifacts of a type in the store, oldest first."""
        with metadata.Metadata(self.connection) as handle:
            artifact_type = handle.store.get_artifact_type(type_name)
            found = sorted(
                handle.store.get_artifacts_by_type(type_name), key=lambda artifact: artifact.id
            )
        return [artifact_utils.deserialize_artifact(artifact_type, item) for item in found]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs over unchanged files, changed labels, a newer span, and labels that fail the bound."""
    runs = Runs(tmp_path_factory.mktemp("component"))
    runs.write_posts("posts-01.jsonl", 60)
    runs.write_labels(100)
    runs.run("posts-{SPAN:2}.jsonl")
    return runs


def read_examples(uri: str, split: str) -> list[tf.train.Example]:
    files = sorted(tf.io.gfile.glob(f"{uri}/Split-{split}/*"))
    return [
        tf.train.Example.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(files, "GZIP")
    ]


def test_examples_and_audit_are_published(runs):
    (examples,) = runs.artifacts("Examples")
    (audit,) = runs.artifacts("components.JoinAudit")
    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval", "test"]
    assert examples.get_int_custom_property("span") == 1
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert examples.get_string_custom_property("file_format") == "tfrecords_gzip"
    summary = load_summary(audit.uri)
    counts = {split: len(read_examples(examples.uri, split)) for split in summary.splits}
    assert counts == {split: item.authors for split, item in summary.splits.items()}
    assert sum(counts.values()) == 60
    example = read_examples(examples.uri, "train")[0].features.feature
    number = int(example["author_id"].bytes_list.value[0])
    assert list(example["posts"].bytes_list.value) == [f"post of {number}".encode()]
    assert list(example["age"].float_list.value) == [20.0 + number % 40]


def test_an_unchanged_file_is_cached_and_a_changed_one_is_read_again(runs):
    runs.run("posts-{SPAN:2}.jsonl")
    assert len(runs.artifacts("Examples")) == 1
    runs.write_labels(70)
    runs.run("posts-{SPAN:2}.jsonl")
    assert [
        load_summary(audit.uri).read("labels") for audit in runs.artifacts("components.JoinAudit")
    ] == [
        100,
        70,
    ]


def test_the_newest_span_is_read_beside_labels_without_spans(runs):
    runs.write_posts("posts-02.jsonl", 65)
    runs.run("posts-{SPAN:2}.jsonl")
    examples, audit = runs.artifacts("Examples")[-1], runs.artifacts("components.JoinAudit")[-1]
    assert examples.get_int_custom_property("span") == 2
    assert load_summary(audit.uri).read("posts") == 65


def test_a_failed_join_publishes_nothing_and_keeps_its_audit(runs):
    published = len(runs.artifacts("components.JoinAudit"))
    (runs.folder / "bad.jsonl").write_text("secret\n" * 9, encoding="utf-8")
    with pytest.raises(JoinError) as raised:
        runs.run("bad.jsonl")
    kept = str(raised.value).rpartition("kept in ")[2]
    assert kept.endswith("-failed")
    assert load_summary(kept).causes("posts")[0][:2] == ("not valid JSON", 9)
    (set_aside,) = Path(kept).glob("set_aside-*.jsonl.gz")
    assert len(gzip.decompress(set_aside.read_bytes()).splitlines()) == 9 + 70
    assert len(runs.artifacts("components.JoinAudit")) == published


@pytest.mark.parametrize("pattern", ["gone.jsonl", "gone-{SPAN}.jsonl"])
def test_a_pattern_without_a_file_is_named(runs, pattern):
    with pytest.raises(SourceError, match="gone"):
        runs.run(pattern)


def test_it_is_a_file_based_example_gen():
    assert issubclass(PostsExampleGen, FileBasedExampleGen)


def test_patterns_become_input_splits_under_their_common_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base, config = make_input_config(["a/{SPAN}/*.jsonl", "b/x.csv"], ["/labels.parquet"])
    assert base == "/"
    assert [(split.name, split.pattern) for split in config.splits] == [
        ("posts-0", f"{tmp_path}/a/{{SPAN}}/*.jsonl"[1:]),
        ("posts-1", f"{tmp_path}/b/x.csv"[1:]),
        ("labels-0", "labels.parquet"),
    ]
    base, config = make_input_config(["gs://a/posts.csv"], ["gs://b/labels.csv"])
    assert patterns_of(base, config.splits) == (["gs://a/posts.csv"], ["gs://b/labels.csv"])
    base, config = make_input_config(["a/{SPAN}/*.jsonl"], ["a/labels.parquet"])
    assert base == os.path.join(tmp_path, "a")
    assert [split.pattern for split in config.splits] == ["{SPAN}/*.jsonl", "labels.parquet"]


def test_spans_are_filled_with_the_newest_version_of_the_newest_span(tmp_path):
    for name in ("posts-9-1.csv", "posts-10-1.csv", "posts-10-2.csv", "labels.csv"):
        (tmp_path / name).touch()
    patterns = [f"{tmp_path}/posts-{{SPAN}}-{{VERSION}}.csv"], [f"{tmp_path}/labels.csv"]
    posts, labels, *_ = select_span(*patterns)
    assert (posts, labels) == ([f"{tmp_path}/posts-10-2.csv"], [f"{tmp_path}/labels.csv"])
