"""Whatever characters a person's path holds: it is itself where it exists, else a pattern."""

import glob
import os
import re
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.ingest.audit_sources import audit_sources
from components.ingest.rolling import available_spans, moves
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceError, find_posts, find_sources
from components.paths import (
    as_pattern,
    escape,
    fault_of_run_folder,
    is_pattern,
    loadable,
    pattern_regex,
)

NAMES = [
    "plain",
    "posts [v1]",
    "posts[1]",
    "a[",
    "a]b",
    "[!x]",
    "[a-z]",
    "all*",
    "one?",
    "# 1",
    "50%",
    "{x}",
    "{SPAN}",
    "{YYYY}{MM}{DD}",
    "(1)+$^|.",
    "back\\slash",
    "größe ю 日本",
    "quote'\"",
    "-dash",
    "~home",
    "a:b&c;d",
    "x" * 200,
]
# Each would be found too, if a name of the list above were taken for a pattern.
DECOYS = ["posts v", "posts1", "x", "allx", "onex", "7", "20260101"]
HEADS = parse_heads({"age": DEFAULT_HEADS["age"]})


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in DECOYS:
        write_records(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_records(folder):
    folder.mkdir()
    (folder / "posts.jsonl").write_text('{"author_id": "a", "text": "b"}\n')
    (folder / "labels.csv").write_text("author_id,age\na,30\n")
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ["", "/", "//."])
def test_a_folder_that_exists_is_itself(place, name, ending):
    folder = write_records(place / name)
    for pattern in ("*.jsonl", "posts.jsonl", "post?.jsonl"):
        found = [file.path for file in find_posts([f"{name}{ending}/{pattern}"])]
        assert found == [f"{folder}/posts.jsonl"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_itself(place, name):
    for decoy in DECOYS:
        (place / f"{decoy}.jsonl").touch()
    file = place / f"{name}.jsonl"
    file.touch()
    assert [source.path for source in find_posts([file.name])] == [str(file)]
    assert not is_pattern(file.name)
    assert not moves(str(file))


@pytest.mark.parametrize("name", NAMES)
def test_every_library_finds_a_name_by_its_escaped_pattern(place, name):
    import tensorflow as tf

    file = write_records(place / name) / "posts.jsonl"
    pattern = f"{escape(str(file.parent))}/*.jsonl"
    assert glob.glob(pattern) == [str(file)]
    (match,) = FileSystems.match([pattern])
    assert [found.path for found in match.metadata_list] == [str(file)]
    assert re.fullmatch(pattern_regex(pattern), str(file))
    if "\\" not in name:  # a run's folder has none, see fault_of_run_folder
        assert tf.io.gfile.glob(pattern) == [str(file)]


@pytest.mark.parametrize("name", [name for name in NAMES if "\\" not in name])
def test_spans_are_found_in_a_folder_of_any_name(place, name):
    for number in (3, 12):
        (place / name / str(number)).mkdir(parents=True, exist_ok=True)
        (place / name / str(number) / "posts.jsonl").touch()
    pattern = str(place / name / "{SPAN}" / "post*.jsonl")
    assert [span.number for span in available_spans([pattern], [])] == [3, 12]


@pytest.mark.parametrize("name", ["posts [v1]", "{SPAN}", "(1)+$^|.", "back\\slash", "größe"])
def test_a_run_takes_the_newest_span_of_a_folder_of_any_name(place, name):
    from components.ingest.spans import select_span

    folder = write_records(place / name)
    for number in (3, 12):
        (folder / f"posts-{number}.jsonl").touch()
    selection = select_span([f"{name}/posts-{{SPAN}}.jsonl"], [f"{name}/labels.csv"])
    assert selection.span == 12
    found = find_sources(selection.posts, selection.labels)
    assert [file.path for file in found] == [f"{folder}/posts-12.jsonl", f"{folder}/labels.csv"]


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("posts-[12].jsonl", ["posts-1", "posts-2"], ["posts-3"]),
        ("posts-[!12].jsonl", ["posts-3"], ["posts-1"]),
        ("posts-?.jsonl", ["posts-1"], ["posts-10"]),
        ("posts-[[]*.jsonl", ["posts-[1]"], ["posts-1"]),
    ],
)
def test_what_does_not_exist_is_a_pattern_as_ever(place, pattern, names, others):
    for name in names + others:
        (place / f"{name}.jsonl").touch()
    assert is_pattern(pattern)
    found = [file.path for file in find_posts([pattern])]
    assert found == [f"{place}/{name}.jsonl" for name in names]
    matching = re.compile(pattern_regex(f"{place}/{pattern}"))
    assert all(matching.fullmatch(f"{place}/{name}.jsonl") for name in names)
    assert not any(matching.fullmatch(f"{place}/{name}.jsonl") for name in others)


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_that_comes_back_stays_the_same(place, name):
    write_records(place / name)
    pattern = as_pattern(f"{name}/posts-{{SPAN:3}}-*.jsonl")
    assert as_pattern(pattern) == pattern
    assert pattern.startswith(f"{place}/")
    assert pattern.endswith("/posts-{SPAN:3}-*.jsonl")


def test_an_object_stores_pattern_stays_as_it_is():
    assert as_pattern("gs://bucket/a[1]/{SPAN}/*.csv") == "gs://bucket/a[1]/{SPAN}/*.csv"


def test_a_pattern_without_a_file_is_told_as_it_was_given(place):
    with pytest.raises(SourceError, match=re.escape(" gone [x]/*.jsonl. ")):
        find_posts(["gone [x]/*.jsonl"])


def test_a_name_that_is_no_text_is_refused(place):
    (place / os.fsdecode(b"posts-\xff.jsonl")).touch()
    with pytest.raises(SourceError, match=r"must be UTF-8.*udcff.*Rename it") as refused:
        find_posts(["posts-*"])
    str(refused.value).encode()


@pytest.mark.parametrize(
    "name", ["plain", "# 1 50% {x}{SPAN}", "(1)+$^|. größe 日本 a]", "x" * 200]
)
def test_an_audit_deletes_and_replaces_what_is_its_own_alone(place, name):
    folder = place / name
    (folder / "partial-left").mkdir(parents=True)
    (folder / "partial-left" / "half").touch()
    (folder / "set_aside-00007-of-00008.jsonl.gz").touch()
    kept = [folder / "partial-notes.txt", folder / "set_aside.txt", place / "x" / "partial-left"]
    kept[2].mkdir()
    for path in (*kept[:2], kept[2] / "half"):
        path.write_text("mine")
    source = place / "allx"
    summary = audit_sources(
        [f"{source}/posts.jsonl"],
        [f"{source}/labels.csv"],
        HEADS,
        IngestSettings(),
        f"{name}/",
    )
    assert summary.read("posts") == 1
    assert {path.name for path in folder.iterdir()} == {
        "audit.json",
        "set_aside-00000-of-00001.jsonl.gz",
        *("partial-notes.txt", "set_aside.txt"),
    }
    assert [path.read_text() for path in (*kept[:2], kept[2] / "half")] == ["mine"] * 3


@pytest.mark.parametrize("character", ["[", "*", "?", "\\"])
@pytest.mark.parametrize("path", ["runs {}x", "{}above/runs"])
def test_a_run_folder_that_beam_cannot_write_to_is_refused_with_the_reason(character, path, place):
    fault = fault_of_run_folder(path.format(character))
    assert f"its path has {character}," in fault
    assert f"the whole path is {place}/{path.format(character)}" in fault


@pytest.mark.parametrize("name", ["# 1", "50%", "{x}", "{SPAN}", "größe 日本", "a]", "x" * 200])
def test_any_other_run_folder_is_taken(name):
    assert fault_of_run_folder(name) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_model_loads_from_a_folder_of_any_name(place, name):
    import tensorflow as tf

    model = tf.Module()
    model.weight = tf.Variable(2.0)
    tf.saved_model.save(model, str(place / "plain model"))
    (place / "plain model").rename(place / name)
    with loadable(place / name) as path:
        loaded = tf.saved_model.load(path)
    assert loaded.weight.numpy() == 2


# Functions that take a folder's name for a pattern; of them each file named here uses a folder of a
# run, which fault_of_run_folder has let through, or escapes what it is given.
MATCHING = re.compile(
    r"FileSystems\.match|fileio\.glob|gfile\.glob|glob\.i?glob|list_files\(list|Dataset\.list_files"
    r"|all_files_pattern|WriteToText|WriteToTFRecord|ReadFromT|saved_model\.load|file_pattern="
)
IN_A_RUNS_FOLDER = {
    "components/comparison/component.py",
    "components/features/statistics.py",
    "components/ingest/join.py",
    "components/judging/evaluation.py",
    "components/judging/evaluator.py",
    "components/judging/signatures.py",
    "components/report/counting.py",
    "components/report/profiles.py",
    "components/serving/answer_in_isolation.py",
    "components/serving/check.py",
    "components/training/dataset.py",
}
ESCAPED = {
    "components/linear/artifact.py",
    "components/ingest/sources.py",
    "components/serving/answering.py",
    "components/serving/server/loaded.py",
}


def test_no_other_module_matches_names():
    root = Path(__file__).parents[2]
    files = [path for top in ("components", "pipeline") for path in (root / top).rglob("*.py")]
    users = {str(path.relative_to(root)) for path in files if MATCHING.search(path.read_text())}
    assert users - {"components/paths.py"} == IN_A_RUNS_FOLDER | ESCAPED
