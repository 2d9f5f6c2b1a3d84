"""Rows grouped on disk: the same groups as Beam's own grouping, without holding them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.coders import StrUtf8Coder, TupleCoder, VarIntCoder
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from components import disk_shuffle
from components.disk_shuffle import Disk, GroupRows, disk_for
from components.heads.declared import parse_heads
from components.ingest import crowds
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.ingest.examples import WriteExamples
from components.ingest.join import IngestSources
from components.ingest.matching import match_author
from components.ingest.reading import LABEL_CODER, POST_CODER
from components.ingest.records import SPLITS
from components.ingest.settings import IngestSettings
from components.ingest.sources import find_sources
from pipeline.beam import BeamSettings, beam_arguments

CODERS = {"posts": POST_CODER, "labels": LABEL_CODER}

texts = st.text(max_size=8)
numbers = st.integers(0, 2**40)
posts = st.tuples(
    numbers,
    numbers,
    st.none() | st.integers(-(10**17), 10**18),
    st.none() | texts,
    st.text(min_size=1, max_size=30),
)
values = st.tuples(
    st.none() | st.floats(width=32, allow_nan=False), st.none() | st.integers(), st.none() | texts
)
keys = st.sampled_from(["a", "b", "ü", "日", ""])


def describe(key, of):
    return json.dumps([key, {tag: sorted(map(repr, of[tag])) for tag in of}])


def group(rows, disk, out):
    """The groups, each as a line of JSON, by key."""
    with direct() as pipeline:
        keyed = {tag: pipeline | tag >> beam.Create(rows[tag]) for tag in CODERS}
        groups = keyed | GroupRows(disk, CODERS) | beam.MapTuple(describe)
        _ = groups | beam.io.WriteToText(str(out), shard_name_template="")
    return sorted(out.read_text().splitlines())


# Without shrinking: each example is two pipelines.
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(
    st.fixed_dictionaries(
        {
            "posts": st.lists(st.tuples(keys, posts), max_size=40),
            "labels": st.lists(st.tuples(keys, st.tuples(numbers, numbers, values)), max_size=6),
        }
    ),
    st.integers(1, 4),
    st.sampled_from([1, 200, 2**20]),
)
def test_groups_are_those_of_beam(tmp_path_factory, rows, parts, held):
    folder = tmp_path_factory.mktemp("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_shuffle, "HELD_BYTES", held)
        on_disk = group(rows, Disk(str(folder / "disk"), parts), folder / "on_disk")
    assert on_disk == group(rows, None, folder / "plain")
    assert len(on_disk) == len({key for of in rows.values() for key, _ in of})
    assert not [path for path in (folder / "disk").rglob("*") if path.is_file()]


def test_of_no_rows_there_are_no_groups(tmp_path):
    assert group({"posts": [], "labels": []}, Disk(str(tmp_path / "d"), 3), tmp_path / "o") == []


def test_processes_side_by_side_make_the_same_audit_and_examples(tmp_path):
    records = [{"author_id": f"a{n % 40}", "text": f"post {n}"} for n in range(900)]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records) + "{\n")
    labels = "".join(f"a{n},{20 + n}\n" for n in range(30))
    (tmp_path / "labels.csv").write_text(f"author_id,age\n{labels}")
    heads = parse_heads({"age": {"kind": "regression"}})
    sources = find_sources([f"{tmp_path}/posts.jsonl"], [f"{tmp_path}/labels.csv"])
    written = {}
    for name, processes, on_disk in (("memory", 1, False), ("disk", 1, True), ("two", 2, True)):
        out = tmp_path / name
        options = PipelineOptions(beam_arguments(BeamSettings(parallelism=processes)))
        pipeline = beam.Pipeline(options=options)
        with disk_for(pipeline, str(out), 100 * 2**20) as disk, pipeline:
            disk = disk if on_disk else None
            authors = pipeline | IngestSources(sources, heads, IngestSettings(), str(out), disk)
            for split in SPLITS:
                _ = authors[split] | split >> WriteExamples(f"{out}/{split}", 3, heads, disk)
        files = list(out.rglob("data_*.gz"))
        written[name] = {str(path.relative_to(out)): path.read_bytes() for path in files}
        written[name]["audit"] = (out / "audit.json").read_bytes()
        assert not list(out.glob(".*"))
    assert len(written["memory"]) > 6
    assert written["memory"] == written["disk"] == written["two"]


@given(keys, posts)
def test_a_post_comes_back_from_disk_as_it_was(key, row):
    assert repr(POST_CODER.decode(POST_CODER.encode((key, row)))) == repr((key, row))


@given(keys, st.tuples(numbers, numbers, values))
def test_a_label_comes_back_from_disk_as_it_was(key, row):
    assert repr(LABEL_CODER.decode(LABEL_CODER.encode((key, row)))) == repr((key, row))


def test_nothing_is_pickled_on_its_way():
    with pytest.raises((TypeError, AttributeError)):
        POST_CODER.encode(("a", (0, 1, None, None, object())))
    with pytest.raises(TypeError, match="not JSON serializable"):
        LABEL_CODER.encode(("a", (0, 1, (object(),))))


@pytest.mark.parametrize("most", [1, 3, 50])
def test_a_crowded_author_keeps_the_texts_that_are_read_and_every_place(most):
    crowd = [(0, n, 100 - n, str(n % 30), f"text {n}") for n in range(40)]
    few = [(1, n, None, None, f"text {n}") for n in range(3)]
    rows = [("crowd", row) for row in crowd] + [("few", row) for row in few]
    light = list(crowds.drop_unread(lambda: iter(rows), most))
    assert [(author, row[:4]) for author, row in light] == [(a, row[:4]) for a, row in rows]
    labels = [(2, 1, (40.0,))]
    for author, plain in (("crowd", crowd), ("few", few)):
        found = [row for name, row in light if name == author]
        assert match_author(found, labels, (), most) == match_author(plain, labels, (), most)
    texts_left = Counter(author for author, row in light if row[4] != crowds.NO_TEXT)
    assert texts_left == {"crowd": min(most, 40), "few": min(most, 3)}


class Thin:
    """Adds one to each row, and to a file's length each time that all rows are asked for."""

    def __init__(self, asked):
        self.asked = asked

    def __call__(self, rows):
        with open(self.asked, "a") as file:
            file.write("." * sum(1 for _ in rows()))
        return ((key, row + 1) for key, row in rows())


@pytest.mark.parametrize(("crowded", "kept", "asked"), [(10**6, [1, 2], ""), (0, [2, 3], "..")])
def test_only_a_crowded_part_is_made_light(tmp_path, monkeypatch, crowded, kept, asked):
    monkeypatch.setattr(disk_shuffle, "CROWDED_BYTES", crowded)
    (tmp_path / "asked").write_text("")
    coders = {"numbers": TupleCoder((StrUtf8Coder(), VarIntCoder()))}
    disk, thin = Disk(str(tmp_path / "disk"), 1), Thin(str(tmp_path / "asked"))
    with direct() as pipeline:
        rows = {"numbers": pipeline | beam.Create([("a", 1), ("a", 2)])}
        groups = rows | GroupRows(disk, coders, {"numbers": thin}) | beam.MapTuple(describe)
        _ = groups | beam.io.WriteToText(str(tmp_path / "out"), shard_name_template="")
    assert json.loads((tmp_path / "out").read_text()) == ["a", {"numbers": list(map(repr, kept))}]
    assert (tmp_path / "asked").read_text() == asked


def direct():
    return beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS)))


def test_the_place_is_beside_the_results_while_it_lasts(tmp_path):
    home = tmp_path / "audit"
    with disk_for(direct(), str(home), 100 * 2**20) as disk:
        assert Path(disk.folder).parent == home
        assert disk.parts == 3
        Path(disk.folder, "left").write_text("x")
    assert not list(home.iterdir())
    with pytest.raises(KeyboardInterrupt), disk_for(direct(), str(home), 0) as disk:
        assert disk.parts == 1
        raise KeyboardInterrupt
    assert not list(home.iterdir())


def test_results_in_a_bucket_have_their_rows_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with disk_for(direct(), "gs://bucket/audit", 0) as disk:
        assert Path(disk.folder).parent == tmp_path


def test_a_runner_with_a_shuffle_of_its_own_keeps_it(tmp_path):
    with disk_for(beam.Pipeline(runner=FlinkRunner()), str(tmp_path), math.inf) as disk:
        assert disk is None
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_to_be_full_and_where(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_shuffle._Spill, "_path", lambda *_: Path("/dev/full"))
    rows = {"posts": [("a", (0, 1, None, None, "text"))], "labels": [("a", (1, 1, (1.0,)))]}
    with pytest.raises(
        RuntimeError, match=r"as many bytes as the posts have; free some.*is .*rows"
    ):
        group(rows, Disk(str(tmp_path / "rows"), 1), tmp_path / "out")


GROW = """
import json, sys
import apache_beam as beam
from apache_beam.coders import StrUtf8Coder, TupleCoder
from apache_beam.options.pipeline_options import PipelineOptions
from benchmarks.machine import peak_megabytes
from components.disk_shuffle import Disk, GroupRows
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS

def rows(start):
    return ((str(n % 5000), f"{n:01000}") for n in range(start, start + 10_000))

disk = Disk(sys.argv[1], 40) if sys.argv[1] else None
coders = {"rows": TupleCoder((StrUtf8Coder(), StrUtf8Coder()))}
before = peak_megabytes()
with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
    made = pipeline | beam.Create(range(0, 100_000, 10_000)) | beam.FlatMap(rows)
    grouped = {"rows": made} | GroupRows(disk, coders)
    total = grouped | beam.MapTuple(lambda _, of: len(of["rows"])) | beam.CombineGlobally(sum)
    _ = total | beam.io.WriteToText(sys.argv[2], shard_name_template="")
json.dump(peak_megabytes() - before, sys.stdout)
"""


def test_what_is_grouped_on_disk_is_not_held(tmp_path):
    grown = {}
    for folder in ("", str(tmp_path)):
        command = [sys.executable, "-c", GROW, folder, str(tmp_path / "total")]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        grown[folder] = json.loads(child.stdout)
        assert (tmp_path / "total").read_text() == "100000\n"
    # 100 MB of rows: the runner holds them more than once, the disk's way a buffer and a part.
    assert grown[""] > 200
    assert grown[str(tmp_path)] < 100
