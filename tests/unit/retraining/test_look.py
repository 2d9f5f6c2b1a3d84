"""Looks at spans through the real pipeline and store, and the distance between two of them."""

import pytest
from tfx import v1 as tfx

from components.ingest.rolling import Span
from components.retraining.drift import compare
from pipeline.config import load_config
from pipeline.lineage import read_last_run
from pipeline.retraining.looks import Looker
from tests.unit.retraining.span_files import write_span


class Silent:
    """Hears of stages and says nothing."""

    def __init__(self):
        self.ran = []

    def stage_started(self, stage):
        self.ran.append(stage)

    def stage_finished(self, stage, how):
        pass


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Five spans, each looked at, the second twice."""
    folder = tmp_path_factory.mktemp("looks")
    write_span(folder, 1, women=50, known=200)
    write_span(folder, 2, women=52, known=198)
    write_span(folder, 3, women=90, known=100)
    write_span(folder, 4, women=50, known=200, broken=60)
    write_span(folder, 5, women=50, known=200, first_age=430)
    config = load_config(
        None,
        heads=["age", "gender"],
        posts=[f"{folder}/posts-{{SPAN}}.jsonl"],
        labels=[f"{folder}/labels-{{SPAN}}.csv"],
        out=str(folder / "out"),
    )
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        f"{folder}/metadata.sqlite"
    )
    looker = Looker(config, folder / "out", connection, Silent())
    views = looker.look([Span(number, None) for number in (1, 2, 3, 4, 5)])
    looker.look([Span(2, None)])
    return config, looker, connection, views


def test_a_sound_span_is_told_from_a_broken_one_without_its_text(looked):
    *_, views = looked
    assert [view.fault for view in views.values()][:3] == ["", "", ""]
    assert "At most 5 % of the posts may be set aside for a fault" in views[4].fault
    assert "30 % of 200 posts" in views[4].fault
    assert "secret" not in views[4].fault


def test_a_span_with_a_label_out_of_range_cannot_be_used(looked):
    config, *_, views = looked
    assert views[5].fault.startswith("Each known label must be in the range of its head.")
    place = config.labels[0].replace("{SPAN}", "5")
    assert f"1 of 200 labels is above, first at {place}:2." in views[5].fault


def test_an_unchanged_span_is_not_read_again(looked):
    config, _, connection, _ = looked
    run = read_last_run(connection, f"{config.name}-looks")
    assert run.reused == ["SpanLook-2"]


def test_labels_are_compared_by_tfdv_and_shares_by_the_join(looked):
    config, _, _, views = looked
    near = compare(config.head_list, views[2].facts, views[1].facts, minimum_labels=50)
    far = compare(config.head_list, views[3].facts, views[1].facts, minimum_labels=50)
    assert near["gender"].distance < 0.05
    assert near["age"].distance < 0.05
    # 50 % women, then 90 %: the largest change of a share, on about 160 training authors.
    assert far["gender"].distance == pytest.approx(0.4, abs=0.06)
    assert far["age"].coverage_then == 1.0
    assert far["age"].coverage_now == pytest.approx(0.5, abs=0.08)
    assert near["age"].coverage_now == pytest.approx(0.99, abs=0.01)


def test_too_few_labels_are_not_compared(looked):
    config, _, _, views = looked
    few = compare(config.head_list, views[3].facts, views[1].facts, minimum_labels=120)
    assert few["age"].distance is None
    assert few["gender"].distance is not None


def test_a_decision_is_kept_in_the_store_with_its_state(looked):
    config, looker, connection, _ = looked
    looker.record('{"summary": "nothing to do"}', "nothing")
    run = read_last_run(connection, f"{config.name}-decisions")
    record = run.artifact("DecisionRecord", "record")
    assert record.get_string_custom_property("state") == "nothing"
    assert "nothing to do" in (run.path("DecisionRecord", "record") / "decision.json").read_text()
