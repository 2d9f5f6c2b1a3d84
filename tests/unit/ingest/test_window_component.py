"""A window of spans through the component, run by TFX with a real metadata store."""

import json

import pytest
from tfx import v1 as tfx

from components.heads.declared import heads_to_json, parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, audit_sources, load_summary
from components.ingest.example_gen import PostsExampleGen, select_input
from components.ingest.settings import IngestSettings
from components.ingest.spans import find_selected
from pipeline.lineage import read_last_run

HEADS = parse_heads({"age": {"kind": "regression"}})


@pytest.fixture
def folder(tmp_path):
    """Three spans: author n has a post in each, and is a year older in each."""
    for span in (1, 2, 3):
        posts = (
            json.dumps({"author_id": n, "text": f"{span}", "post_id": f"{span}-{n}"})
            for n in range(60)
        )
        (tmp_path / f"posts-{span}.jsonl").write_text("\n".join(posts), encoding="utf-8")
        rows = "".join(f"{n},{20 + n % 40 + span}\n" for n in range(60))
        (tmp_path / f"labels-{span}.csv").write_text(f"author_id,age\n{rows}", encoding="utf-8")
    return tmp_path


def ingest(folder, **window):
    """Runs the component; the artifacts, whether they were in the cache, and the audit."""
    settings = IngestSettings(window=window)
    patterns = [f"{folder}/posts-{{SPAN}}.jsonl"], [f"{folder}/labels-{{SPAN}}.csv"]
    component = PostsExampleGen(*patterns, heads_to_json(HEADS), settings.model_dump_json())
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        f"{folder}/metadata.sqlite"
    )
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="ingest",
            pipeline_root=f"{folder}/root",
            metadata_connection_config=connection,
            components=[component],
            enable_cache=True,
            beam_pipeline_args=list(LOCAL_BEAM_ARGUMENTS),
        )
    )
    run = read_last_run(connection, "ingest")
    examples = run.artifact("PostsExampleGen", "examples")
    audit = load_summary(run.artifact("PostsExampleGen", "audit").uri)
    return examples, bool(run.reused), audit


def test_a_window_is_read_as_one_and_found_in_the_cache_until_a_span_of_it_changes(folder):
    examples, reused, audit = ingest(folder, last=2)
    assert not reused
    assert examples.get_string_custom_property("spans") == "[2, 3]"
    assert examples.span == 3
    assert audit.read("posts") == audit.used("posts") == 120
    assert audit.authors == 60
    # Newer label records have taken the place of older ones, and that is no fault.
    assert [cause[:2] for cause in audit.causes("labels")] == [("superseded label", 60)]
    assert audit.fault_share("labels") == 0
    assert audit.splits["train"].heads["age"].minimum >= 23
    assert ingest(folder, last=2)[1]
    # Of a span outside the window nothing is read.
    (folder / "posts-1.jsonl").write_text("broken", encoding="utf-8")
    assert ingest(folder, last=2)[1]
    # An older span in it counts as much as the newest.
    with (folder / "posts-2.jsonl").open("a", encoding="utf-8") as file:
        file.write('\n{"author_id": 0, "text": "late"}')
    _, reused, audit = ingest(folder, last=2)
    assert not reused
    assert audit.read("posts") == 121


def test_a_span_may_be_left_out_and_an_older_one_be_the_newest(folder):
    examples, _, audit = ingest(folder, last=2, until=3, leave_out=[2])
    assert examples.get_string_custom_property("spans") == "[1, 3]"
    assert audit.read("posts") == 120
    examples, _, audit = ingest(folder, until=2)
    assert (examples.get_string_custom_property("spans"), examples.span) == ("[2]", 2)
    assert audit.read("posts") == 60


def test_what_a_submission_names_is_read_in_the_same_window(folder):
    """Kubeflow runs no driver: the executor finds the spans itself."""
    settings = IngestSettings(window={"last": 2})
    properties = {
        "posts": f"{folder}/posts-{{SPAN}}.jsonl",
        "labels": f"{folder}/labels-{{SPAN}}.csv",
        "span": -1,
        "ingest": settings.model_dump_json(),
    }
    selection = select_input(properties)
    spans, sources = find_selected(selection, settings.window)
    assert (selection.span, spans) == (3, [2, 3])
    assert [(s.kind, s.span) for s in sources] == [
        ("posts", 2),
        ("posts", 3),
        ("labels", 2),
        ("labels", 3),
    ]
    # A driver, where there is one, hands on what it found; an older span changes the fingerprint.
    driven = {**properties, "span": 3, "input_fingerprint": selection.fingerprint}
    assert find_selected(select_input(driven), settings.window) == (spans, sources)
    (folder / "posts-2.jsonl").write_text("{}")
    assert select_input(properties).fingerprint != selection.fingerprint
    assert find_selected(select_input({**properties, "span": 1}), settings.window)[0] == [1]


def test_the_audit_command_reads_the_same_window(folder):
    patterns = [f"{folder}/posts-{{SPAN}}.jsonl"], [f"{folder}/labels-{{SPAN}}.csv"]
    settings = IngestSettings(window={"since": 2})
    summary = audit_sources(*patterns, HEADS, settings, str(folder / "audit"))
    assert [file.file.rpartition("/")[2] for file in summary.files] == [
        "posts-2.jsonl",
        "posts-3.jsonl",
        "labels-2.csv",
        "labels-3.csv",
    ]
    assert summary.read("posts") == 120
