"""Thirty daily spans: what is trained, left alone, blocked and resumed is what the rules say.

The rules: seven new spans are a reason, and so is a drift of labels above 0.25; a training reads
the last seven sound spans. Planted: on day 12 nearly everyone is a woman; the posts of day 17 are
broken; the training of day 20 is killed; on day 21 an operator rolls back. So it follows:

    day    1  first model                       12  drift          20  seven new spans, without 17
           8  seven new spans (2 to 8)          17  blocked        27  seven new spans

Each day is a call of what `authorprofile retrain` calls, in this process, since thirty imports of
TFX would take as long as all else; the one that is killed is the command itself.
"""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from command import TINY, arguments, kill_when, read_summary
from daily import write_day

from components.serving.rollback import roll_back
from components.serving.versions import newest_version
from pipeline.config import load_config
from pipeline.lineage import read_last_run, read_runs
from pipeline.store import connect_metadata

DAYS = range(1, 31)
DRIFT, BROKEN, KILLED, ROLLBACK = 12, 17, 20, 21
SETTINGS = [
    *TINY,
    "tuner={trials: 1, epochs: 1}",
    "judging={accept: [age, gender]}",
    "ingest.window.last=7",
    "retraining.minimum_new_spans=7",
    "retraining.maximum_label_drift=0.25",
    "retraining.maximum_coverage_change=0.25",
    "retraining.minimum_labels=50",
    "retraining.search_label_drift=0.25",
    "retraining.search_loss_ratio=100",
]


class Day(NamedTuple):
    """What a day's call decided and left."""

    decision: object
    outcome: object
    stages: list[str]
    said: str
    version: int | None
    verdict: dict


class Stages(logging.Handler):
    """Hears which stages ran and what they said."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.ran, self.lines = [], []

    def stage_started(self, stage):
        self.ran.append(stage)

    def stage_finished(self, stage, how):
        pass

    def emit(self, record):
        self.lines.append(record.getMessage())


class Month:
    """A folder of daily data, the run's folder, and what each day did."""

    def __init__(self, folder: Path):
        self.data, self.out = folder / "data", folder / "out"
        self.config = load_config(None, SETTINGS, ["age", "gender"], **self.given())
        self.days: dict[int, Day] = {}
        self.killed_state: dict = {}
        self.rolled_back = None

    def given(self):
        return {
            "posts": [f"{self.data}/{{SPAN:2}}/posts.jsonl"],
            "labels": [f"{self.data}/{{SPAN:2}}/labels.csv"],
            "out": str(self.out),
        }

    def command(self):
        given = self.given()
        words = ["--posts", *given["posts"], "--labels", *given["labels"], "--out", given["out"]]
        return arguments("retrain", *words, "--heads", "age,gender", settings=SETTINGS)

    def write(self, day):
        path = write_day(self.data, day, women=0.95 if day == DRIFT else 0.5)
        if day == BROKEN:
            text = (path / "posts.jsonl").read_text()
            (path / "posts.jsonl").write_text(text[: len(text) // 2].replace('"text"', "text"))

    def live(self, day):
        from pipeline.retraining.retrain import retrain

        self.write(day)
        if day == KILLED:
            kill_when(self.command(), self.out / "state/fit-*/state.json")
            self.killed_state = json.loads((self.out / "retraining.json").read_text())
            self.check_service(self.days[day - 1].version)
        if day == ROLLBACK:
            self.rolled_back = roll_back(self.out / "serving", self.days[1].version)
        stages = Stages()
        logger = logging.getLogger("authorprofile")
        logger.addHandler(stages)
        logger.setLevel(logging.INFO)
        try:
            decision, outcome = retrain(self.config, stages)
        finally:
            logger.removeHandler(stages)
        version = newest_version(self.out / "serving")
        verdict = outcome.verdict if outcome else {}
        said = "\n".join(stages.lines)
        self.days[day] = Day(decision, outcome, stages.ran, said, version, verdict)
        self.check_service(version)

    def check_service(self, version):
        """What serves is there, whole."""
        assert newest_version(self.out / "serving") == version
        if version is not None:
            assert (self.out / f"serving/{version}/assets/heads.json").is_file()


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """The whole month."""
    month = Month(tmp_path_factory.mktemp("month"))
    for day in DAYS:
        month.live(day)
    return month


def reasons(day):
    return [reason.kind for reason in day.decision.reasons]


def test_each_day_does_what_the_rules_say(month):
    expected = {day: ("nothing", []) for day in DAYS}
    expected[1] = ("running", ["first"])
    for day in (8, KILLED, 27):
        expected[day] = ("running", ["new_spans"])
    expected[DRIFT] = ("running", ["label_drift"])
    expected[BROKEN] = ("blocked", [])
    assert {day: (d.decision.state, reasons(d)) for day, d in month.days.items()} == expected
    for day in month.days.values():
        assert ("Trainer" in day.stages) == (day.decision.state == "running")


def test_each_training_reads_the_last_seven_sound_spans(month):
    assert {n: d.decision.spans for n, d in month.days.items() if d.decision.trains} == {
        1: [1],
        8: [2, 3, 4, 5, 6, 7, 8],
        12: [6, 7, 8, 9, 10, 11, 12],
        20: [13, 14, 15, 16, 18, 19, 20],
        27: [21, 22, 23, 24, 25, 26, 27],
    }
    connection = connect_metadata(month.config, month.out)
    trained = [
        json.loads(run.artifact("PostsExampleGen", "examples").get_string_custom_property("spans"))
        for run in read_runs(connection, month.config.name)
        if run.has("VersionedPusher", "pushed_model")
    ]
    assert trained == [
        d.decision.spans for _, d in sorted(month.days.items(), reverse=True) if d.decision.trains
    ]


def test_a_broken_span_blocks_its_day_and_is_left_out_of_the_next_training(month):
    blocked = month.days[BROKEN]
    assert blocked.decision.summary.startswith("blocked: span 17 cannot be used: At most 5 % of")
    assert blocked.outcome is None
    assert "maleish" not in blocked.decision.summary
    for day in (18, 19):
        assert "nothing to do: " in month.days[day].decision.summary
    left_out = month.days[KILLED].decision.left_out
    assert list(left_out) == [17]
    assert "span 17 is left out" not in month.days[27].said


def test_the_killed_training_goes_on_as_it_was_decided_and_trains_no_epoch_twice(month):
    day = month.days[KILLED]
    assert month.killed_state["state"] == "running"
    assert day.decision.decided.isoformat().startswith(month.killed_state["decided"][:19])
    assert "goes on with the training of" in day.said
    assert "resuming after epoch" in day.said
    assert {"PostsExampleGen", "Transform"} <= set(day.outcome.reused)
    assert json.loads((month.out / "retraining.json").read_text())["state"] == "nothing"


def test_searches_are_made_first_and_after_the_drift_and_reused_in_between(month):
    assert {n: d.decision.search.again for n, d in month.days.items() if d.decision.trains} == {
        1: True,
        8: False,
        12: True,
        20: False,
        27: False,
    }
    assert "labels of gender moved by" in month.days[DRIFT].decision.search.why
    first, reusing = month.days[1], month.days[8]
    used = reusing.outcome.training["settings"]
    assert used["dropout"] == first.outcome.hyperparameters["dropout"]
    assert "Tuner" not in reusing.stages


AGE_OUTPUTS = ("correction/kernel", "correction/bias", "logits/scale")


def test_each_training_starts_from_the_model_in_service(month):
    starts = {n: d.decision.start for n, d in month.days.items() if d.decision.trains}
    assert starts[1].why == "anew, since no model is in service"
    for day in (8, 12, 20):
        assert f"version {month.days[day - 1].version}" in starts[day].why
        carried = month.days[day].outcome.training["warm_start"]
        assert carried["source"].startswith(starts[day].warm_start_from)
        # Ages that come in whole years give more thresholds as authors come, each a new output.
        assert set(carried["anew"]) <= {f"age.{part}" for part in AGE_OUTPUTS}


def test_no_model_serves_that_is_worse_than_the_one_before(month):
    pushes = 0
    for number, day in month.days.items():
        before = month.days[number - 1].version if number > 1 else None
        if number == ROLLBACK:
            continue
        if day.outcome is None or not day.verdict["blessed"]:
            assert day.version == before
            continue
        pushes += 1
        assert day.version > (before or 0)
        for head in day.verdict["heads"]:
            difference = (head["comparison"]["difference"] or {}).get("value")
            assert difference is None or difference >= -0.02
    assert pushes >= 1
    assert month.days[1].version is not None


def test_after_a_rollback_the_next_model_is_compared_with_what_serves(month):
    assert month.days[ROLLBACK].version == month.rolled_back.version
    assert month.rolled_back.model == month.days[1].version
    assert f"version {month.days[1].version}" in month.days[27].decision.start.why
    connection = connect_metadata(month.config, month.out)
    runs = [
        run
        for run in read_runs(connection, month.config.name)
        if run.has("VersionedPusher", "pushed_model")
    ]
    first_model = runs[-1].artifact("Trainer", "model")
    assert month.days[27].verdict["baseline"]["artifact_id"] == first_model.id


def test_a_schedule_runs_the_same_and_keeps_its_last_words(month):
    """The command itself, through a schedule, on the day after."""
    retrain = month.command()
    folder = month.data.parent / "schedules"
    given = [*retrain[2:], "--folder", str(folder)]
    for words in (
        [retrain[0], "schedule", "create", "nightly", *given, "--cron", "0 3 * * *"],
        [retrain[0], "schedule", "run-now", "nightly", "--folder", str(folder)],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads((folder / "nightly.json").read_text())["last"]
    assert last["code"] == 0
    assert last["outcome"].startswith("nothing to do: 3 new spans since 27, drift of labels")
    assert last["outcome"] in done.stderr


def test_every_decision_is_in_the_store_and_the_last_report_says_why_it_trained(month):
    connection = connect_metadata(month.config, month.out)
    states = [
        run.artifact("DecisionRecord", "record").get_string_custom_property("state")
        for run in read_runs(connection, f"{month.config.name}-decisions")
    ]
    # A training is recorded as it begins and as it ends.
    assert states.count("running") == states.count("ended") == 5
    assert states.count("blocked") == 1
    assert len(states) == states.count("nothing") + 1 + 10
    assert states.count("nothing") >= 24
    last = read_last_run(connection, f"{month.config.name}-decisions")
    assert "nothing to do: 3 new spans since 27" in (
        last.path("DecisionRecord", "record") / "decision.json"
    ).read_text(encoding="utf-8")
    page = (month.out / "report.html").read_text(encoding="utf-8")
    assert "Trained because: 7 new spans (21, 22, 23, 24, 25, 26, 27)." in page
    assert read_summary(month.out)["training"]["warm_start"]["carried"]
