"""The uneven data that the data path is measured on is as uneven as its names say."""

from __future__ import annotations

import json
from collections import Counter

from benchmarks.hot_spots import many_files, many_words, measure, one_author
from components.features.settings import TextSettings
from components.ingest.audit_sources import load_summary


def posts_in(folder):
    lines = (line for file in sorted(folder.iterdir()) for line in file.read_text().splitlines())
    return [json.loads(line) for line in lines]


def test_each_of_many_files_holds_a_post(tmp_path):
    many_files(tmp_path, 12)
    assert len(list(tmp_path.iterdir())) == len(posts_in(tmp_path)) == 12


def test_one_author_has_almost_all_posts(tmp_path):
    one_author(tmp_path, 9000)
    counts = Counter(post["author_id"] for post in posts_in(tmp_path)).most_common(2)
    assert counts[0] == ("author0", 9005)
    assert counts[1][1] == 5


def test_many_words_come_once_each_and_no_author_has_more_than_are_read(tmp_path):
    many_words(tmp_path, 10_000)
    posts = posts_in(tmp_path)
    words = Counter(word for post in posts for word in post["text"].split())
    assert sum(word.startswith("word") and count == 1 for word, count in words.items()) == 10_000
    of_authors = Counter()
    for post in posts:
        of_authors[post["author_id"]] += len(post["text"].encode()) + 1
    assert len(of_authors) == 10
    assert max(of_authors.values()) < TextSettings().maximum_bytes


def test_one_file_is_as_large_as_it_says_and_each_of_its_posts_is_used(tmp_path):
    told = measure("bytes of one file", 0.001, tmp_path)
    assert [file.name for file in tmp_path.glob("posts.*")] == ["posts.jsonl"]
    size = (tmp_path / "posts.jsonl").stat().st_size
    assert 10_000_000 <= size < 25_000_000
    lines = (tmp_path / "posts.jsonl").read_text().count("\n")
    (audit,) = tmp_path.glob("run/**/audit.json")
    summary = load_summary(str(audit.parent))
    assert summary.read("posts") == summary.used("posts") == lines
    assert {"PostsExampleGen", "Transform"} <= set(told["processor_seconds"])
