"""Joined authors to files of Examples."""

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components.heads.declared import parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.ingest.examples import WriteExamples, encode_example

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes"},
        "band": {"kind": "classes", "given_as": "group"},
        "gender": {"kind": "binary"},
    }
)


def features_of(serialized: bytes) -> dict:
    features = tf.train.Example.FromString(serialized).features.feature
    lists = {
        name: getattr(feature, feature.WhichOneof("kind")) for name, feature in features.items()
    }
    return {name: list(values.value) for name, values in lists.items()}


def test_an_example_holds_posts_in_order_and_known_labels():
    author = ("日", ("two", "one"), (41.5, 50_000.0, 0, "male"))
    example = tf.train.Example.FromString(encode_example(author, HEADS))
    kinds = {name: feature.WhichOneof("kind") for name, feature in example.features.feature.items()}
    assert kinds == {
        "author_id": "bytes_list",
        "posts": "bytes_list",
        "age": "float_list",
        "income": "float_list",
        "band": "int64_list",
        "gender": "bytes_list",
    }
    assert features_of(encode_example(author, HEADS)) == {
        "author_id": ["日".encode()],
        "posts": [b"two", b"one"],
        "age": [41.5],
        "income": [50_000.0],
        "band": [0],
        "gender": [b"male"],
    }


def test_an_unknown_label_is_no_feature():
    encoded = encode_example(("a", ("x",), (0.0, None, None, None)), HEADS)
    assert features_of(encoded) == {"author_id": [b"a"], "posts": [b"x"], "age": [0.0]}


def write(folder, authors) -> dict[str, bytes]:
    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        _ = pipeline | beam.Create(authors) | WriteExamples(f"{folder}/Split-train", 2, HEADS)
    return {path.name: path.read_bytes() for path in (folder / "Split-train").iterdir()}


def test_files_are_the_same_in_whatever_order_authors_come(tmp_path):
    authors = [(f"author-{number}", ("x",), (1.0, None, None, None)) for number in range(20)]
    written = write(tmp_path / "one", authors)
    assert sorted(written) == [
        "data_tfrecord-00000-of-00002.gz",
        "data_tfrecord-00001-of-00002.gz",
    ]
    assert write(tmp_path / "two", authors[::-1]) == written
    paths = sorted(str(path) for path in (tmp_path / "one" / "Split-train").iterdir())
    read = [features_of(record.numpy()) for record in tf.data.TFRecordDataset(paths, "GZIP")]
    read_ids = [example["author_id"][0].decode() for example in read]
    assert sorted(read_ids) == sorted(author[0] for author in authors)
    assert read_ids != [author[0] for author in authors]
