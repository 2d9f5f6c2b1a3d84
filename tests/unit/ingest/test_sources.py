"""Patterns to files."""

import pytest

from components.ingest.sources import (
    SourceError,
    SourceFile,
    common_folder,
    count_shards,
    find_sources,
    format_of,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("posts-2.jsonl", "posts-1.jsonl.gz", "labels.csv"):
        (tmp_path / name).write_bytes(b"1234")
    return tmp_path


def test_sources_are_sorted_and_each_once(folder):
    sources = find_sources(
        [f"{folder}/posts-*", f"{folder}/posts-2.jsonl"], [f"{folder}/labels.csv"]
    )
    assert sources == (
        SourceFile("posts", f"{folder}/posts-1.jsonl.gz", 4),
        SourceFile("posts", f"{folder}/posts-2.jsonl", 4),
        SourceFile("labels", f"{folder}/labels.csv", 4),
    )


@pytest.mark.parametrize(
    ("name", "is_numbered"),
    [
        ("lables.csv", False),
        ("lables*.csv", False),
        ("{YYYY}.csv", False),
        ("l-{SPAN}.csv", True),
        ("{SPAN:3}/{VERSION}.csv", True),
        ("v{VERSION}.csv", True),
    ],
)
def test_a_pattern_without_a_file_is_named_with_what_it_may_lack(folder, name, is_numbered):
    widths = "; numbers with leading zeros need their width in the pattern, as in {SPAN:3}"
    with pytest.raises(SourceError) as raised:
        find_sources([f"{folder}/posts-*"], [f"{folder}/{name}"])
    assert str(raised.value) == (
        f"labels: no file matches {folder}/{name}. Check the path{widths * is_numbered}."
    )


def test_no_pattern_is_an_error(folder):
    with pytest.raises(SourceError, match="labels need at least one path"):
        find_sources([f"{folder}/posts-*"], [])


def test_a_file_cannot_hold_posts_and_labels(folder):
    with pytest.raises(SourceError, match=r"labels\.csv is named as both"):
        find_sources([f"{folder}/*"], [f"{folder}/labels.csv"])


def test_an_unknown_ending_lists_those_known(folder):
    (folder / "posts.xlsx").touch()
    with pytest.raises(SourceError, match=r"\.jsonl, .*\.csv.*\.gz.*\.parquet.*posts\.xlsx"):
        find_sources([f"{folder}/posts.xlsx"], [f"{folder}/labels.csv"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jsonl", ("json_lines", "")),
        ("A.NDJSON.GZ", ("json_lines", ".gz")),
        ("a.b.json.bz2", ("json_lines", ".bz2")),
        ("gs://bucket/a.csv.xz", ("csv", ".xz")),
        ("a.tsv", ("tsv", "")),
        ("a.parquet", ("parquet", "")),
        ("a.pq", ("parquet", "")),
        ("a.parquet.gz", ("parquet", ".gz")),
        ("a.csv.zst", ("csv", ".zst")),
    ],
)
def test_the_ending_names_format_and_compression(path, expected):
    assert format_of(path) == expected


@pytest.mark.parametrize(
    ("path", "compression"),
    [("a", ""), ("a.gz", ".gz"), ("a.jsonl.zip", ""), ("folder.csv/a", ""), ("a.txt.zst", ".zst")],
)
def test_other_endings_name_no_format(path, compression):
    assert format_of(path) == (None, compression)


@pytest.mark.parametrize(
    ("patterns", "folder"),
    [
        (["/data/posts-*.jsonl", "/data/labels.csv"], "/data"),
        (["/data/{SPAN}/posts.csv", "/data/labels/all.csv"], "/data"),
        (["/data/{SPAN}/posts.csv", "/data/{SPAN}/labels.csv"], "/data"),
        (["/data/2024-?/a.csv", "/data/2024-1/b.csv"], "/data"),
        (["/data/posts.csv"], "/data"),
        (["/a/posts.csv", "/b/labels.csv"], "/"),
        (["gs://bucket/a/posts.csv", "gs://bucket/b/labels.csv"], "gs://bucket"),
        (["gs://one/posts.csv", "gs://two/labels.csv"], "gs://"),
    ],
)
def test_the_common_folder_has_no_wildcard(patterns, folder):
    assert common_folder(patterns) == folder


def test_posts_and_labels_lie_on_one_storage():
    with pytest.raises(SourceError, match="one storage"):
        common_folder(["gs://bucket/posts.csv", "/data/labels.csv"])


def test_shards_follow_from_the_size():
    mebibyte = 1024 * 1024
    plain = SourceFile("posts", "a.csv", 256 * mebibyte)
    packed = SourceFile("posts", "a.csv.gz", 128 * mebibyte)
    assert count_shards([SourceFile("posts", "a.csv", 10)]) == 1
    assert count_shards([plain]) == 2
    assert count_shards([plain, packed]) == 5
    assert count_shards([plain, packed], share=0.1) == 1
