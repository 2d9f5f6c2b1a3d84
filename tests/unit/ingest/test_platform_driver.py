"""What a submission names is found: by Vertex AI's hook, or by the step where there is none."""

from __future__ import annotations

import json

import pytest

from components.ingest.example_gen import planned_settings, select_input
from components.ingest.platform_driver import main
from components.ingest.settings import SpanWindow
from components.ingest.sources import SourceError
from components.ingest.spans import find_selected, format_patterns, parse_patterns, select_span
from components.retraining.plan import Plan

DECLARED = {
    "posts": {"parameterType": "STRING"},
    "labels": {"parameterType": "STRING"},
    "ingest": {"parameterType": "STRING"},
    "span": {"parameterType": "NUMBER_INTEGER"},
    "plan": {"parameterType": "STRING"},
}


@pytest.fixture(name="given")
def write_spans(tmp_path):
    for name in ("posts-9.csv", "posts-10.csv", "labels.csv"):
        (tmp_path / name).write_text("author_id,text\n")
    return {
        "posts": f"{tmp_path}/posts-{{SPAN}}.csv",
        "labels": f"{tmp_path}/labels.csv",
        "ingest": "{}",
        "span": -1,
    }


def drive(given, output_file):
    invocation = {"inputs": {"parameterValues": given}, "outputs": {"outputFile": str(output_file)}}
    main(
        [
            "--json_serialized_invocation_args",
            json.dumps(invocation),
            "--json_serialized_inputs_spec_args",
            json.dumps({"parameters": DECLARED}),
            "--runner=components.local_runner.LocalRunner",
        ]
    )
    return json.loads(output_file.read_text())["parameterValues"]


def test_the_hook_fills_the_newest_span_and_a_fingerprint(given, tmp_path):
    found = drive(given, tmp_path / "task/output.json")
    assert found["posts"] == f"{tmp_path}/posts-10.csv"
    assert found["labels"] == f"{tmp_path}/labels.csv"
    assert found["span"] == 10
    (tmp_path / "labels.csv").write_text("author_id,age\n1,20\n")
    changed = drive(given, tmp_path / "task/output.json")
    assert changed["input_fingerprint"] != found["input_fingerprint"]
    assert {**changed, "input_fingerprint": ""} == {**found, "input_fingerprint": ""}


def test_the_step_takes_what_the_hook_found_even_if_a_newer_span_has_come(given, tmp_path):
    found = drive(given, tmp_path / "task/output.json")
    (tmp_path / "posts-11.csv").write_text("author_id,text\n")
    selection = select_input({**given, **found})
    assert (selection.posts, selection.span) == ([f"{tmp_path}/posts-10.csv"], 10)


def test_a_plan_settles_the_newest_span_and_which_ones_are_left_out(given, tmp_path):
    for span in (7, 11):
        (tmp_path / f"posts-{span}.csv").write_text("author_id,text\n")
    plan = Plan(until=10, leave_out=[9]).text
    given = {**given, "ingest": '{"window": {"last": 2}}', "plan": plan}
    for found in (drive(given, tmp_path / "task/output.json"), {}):
        properties = {**given, **found}
        selection = select_input(properties)
        assert selection.span == 10
        spans, files = find_selected(selection, planned_settings(properties).window)
        assert spans == [7, 10]
        assert [file.path for file in files][:2] == [
            f"{tmp_path}/posts-7.csv",
            f"{tmp_path}/posts-10.csv",
        ]
    # What the plan was made for stands, whatever was submitted.
    assert select_input({**given, "span": 11}).span == 10


def test_without_a_hook_the_step_finds_them_itself(given, tmp_path):
    selection = select_input(given)
    assert (selection.posts, selection.span) == ([f"{tmp_path}/posts-10.csv"], 10)
    assert select_input({**given, "span": 9}).posts == [f"{tmp_path}/posts-9.csv"]


def test_a_window_of_spans_is_read_up_to_what_the_hook_found(given, tmp_path):
    window = SpanWindow(last=2)
    found = drive(
        {**given, "ingest": f'{{"window": {window.model_dump_json()}}}'}, tmp_path / "o/o"
    )
    (tmp_path / "posts-11.csv").write_text("author_id,text\n")
    spans, files = find_selected(select_input({**given, **found}), window)
    assert spans == [9, 10]
    assert [file.path for file in files if file.kind == "posts"] == [
        f"{tmp_path}/posts-9.csv",
        f"{tmp_path}/posts-10.csv",
    ]


def test_a_run_on_this_machine_submits_nothing():
    assert select_input({"input_base": "/data", "input_config": "{}"}) is None


def test_a_span_that_is_not_there_is_named(given):
    with pytest.raises(SourceError, match=r"Span 8 must be there: "):
        select_input({**given, "span": 8})


def test_a_span_needs_a_pattern_that_has_one(tmp_path):
    with pytest.raises(SourceError, match=r"Span 8 needs a pattern with \{SPAN\}"):
        select_span([f"{tmp_path}/posts.csv"], [f"{tmp_path}/labels.csv"], 8)


@pytest.mark.parametrize("patterns", [["gs://a/x-{SPAN}.csv"], ["/a", "/b,c"], ["/a/[0-9].csv"]])
def test_patterns_travel_as_one_text(patterns):
    assert parse_patterns(format_patterns(patterns)) == patterns
