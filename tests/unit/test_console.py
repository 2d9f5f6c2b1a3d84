"""What a person sees while a stage runs, and once it has ended."""

from __future__ import annotations

import io
import logging
import os
import pty
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.console import RunConsole, Waiting, result_table, show_outcome
from pipeline.terminal import Terminal

INGEST = logging.getLogger("authorprofile.ingest")
END = "end of the terminal's output"


def test_a_stage_under_way_shows_its_progress_and_what_it_has_written(tmp_path: Path) -> None:
    (tmp_path / "earlier").write_bytes(b"x" * 700)
    waiting = Waiting("ingest", tmp_path)
    assert "written" not in str(waiting.__rich__())
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "data.gz").write_bytes(b"x" * 2_500)
    waiting.measured -= 1
    waiting.progress = "100,000 records read of posts.jsonl"
    said, _, seconds = str(waiting.__rich__()).rpartition(", ")
    assert said == "ingest: 100,000 records read of posts.jsonl, 2.5 kB written"
    assert seconds.endswith(" s")


def test_a_stage_without_a_folder_yet_shows_no_size(tmp_path: Path) -> None:
    waiting = Waiting("ingest", tmp_path / "none")
    waiting.measured -= 1
    assert "written" not in str(waiting.__rich__())


def test_a_terminal_shows_progress_in_place_and_keeps_what_was_done(tmp_path: Path) -> None:
    INGEST.setLevel(logging.DEBUG)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        with RunConsole(terminal, tmp_path) as console:
            console.stage_started("PostsExampleGen")
            INGEST.debug("100,000 records read")
            INGEST.info("123,456 posts read")
            console.stage_finished("PostsExampleGen", "done")
        terminal.write(END)
        terminal.flush()
        seen = ""
        # The kernel hands over a terminal's output in pieces of its own choosing.
        while END not in seen:
            seen += os.read(reader, 100_000).decode()
    os.close(reader)
    assert "ingest: 100,000 records read, " in seen
    assert "ingest      \x1b[0m123,456 posts read" in seen


def test_a_log_file_keeps_every_line_with_its_stage_once(tmp_path: Path) -> None:
    INGEST.setLevel(logging.DEBUG)
    stream = io.StringIO()
    with RunConsole(stream, tmp_path) as console:
        console.stage_started("PostsExampleGen")
        INGEST.debug("100,000 records read")
        INGEST.warning("posts.jsonl:7: damaged")
        console.stage_finished("PostsExampleGen", "done")
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines[:2] == [
        "ingest      100,000 records read",
        "            posts.jsonl:7: damaged",
    ]


@pytest.mark.parametrize("how", ["done", "cached", "skipped"])
def test_a_stage_that_said_nothing_is_shown_with_how_it_ended(how: str) -> None:
    stream = io.StringIO()
    with RunConsole(stream) as console:
        console.stage_started("DecisionRecord")
        console.stage_finished("DecisionRecord", how)
    assert stream.getvalue().splitlines()[0].split() == ["decision", how]


def judged_head(name: str, kind: str, metrics: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A head of `verdict.json`, blessed unless changed."""
    skill = {"value": 0.5, "lower": 0.4, "upper": 0.6}
    head = {"name": name, "kind": kind, "metrics": metrics, "constant": {}, "skill": skill}
    return {**head, "blessed": True, "accepted": False, "reason": "", **changes}


AGE = judged_head(
    "age",
    "regression",
    {
        "mae": {"value": 4.1, "lower": 3.8, "upper": 4.5},
        "rmse": {"value": 5.25, "lower": None, "upper": None},
    },
    constant={"mae": 8.2, "rmse": 10.1},
)
GENDER = judged_head(
    "gender",
    "binary",
    {"auc": {"value": None}, "accuracy": {"value": 0.51, "lower": 0.4, "upper": 0.62}},
    constant={"auc": 0.5, "accuracy": 0.52},
    blessed=False,
    reason="falls short by 0.026: the lower end is -0.026",
)


def shown(heads: list[dict[str, Any]], reachable: dict[str, Any], **changes: Any) -> list[str]:
    """Lines of the outcome as a person sees them, table cells parted by single blanks."""
    verdict = {"confidence": 0.9, "authors": 43, "split": "test", "heads": heads}
    outcome = {"verdict": verdict, "hyperparameters": {}, "check": {}, "pushed": False}
    outcome |= {"report": "report.html", "training": {}}
    stream = io.StringIO()
    show_outcome(Terminal(file=stream, width=120), SimpleNamespace(**outcome | changes), reachable)
    bare = stream.getvalue().translate(str.maketrans("│┃", "  "))
    return [" ".join(line.split()) for line in bare.splitlines()]


def test_a_model_in_service_is_shown_with_its_scores_and_how_to_use_it() -> None:
    lines = shown(
        [AGE],
        {"age": {"mae": 3.5, "skill": 0.81}},
        pushed=True,
        serving_path="runs/mine/serving/1700000000",
        hyperparameters={
            "loss_weight/income": 0.71623,
            "dropout": 0.4,
            "tuner/epochs": 2,
            "tuner/trial_id": "0003",
        },
    )
    assert "constant best" in lines and "score baseline reachable" in lines
    assert "age: blessed" in lines
    assert "MAE 4.10 [3.80, 4.50] 8.20 3.50" in lines
    assert "RMSE 5.25 10.10" in lines
    assert "skill 0.500 [0.400, 0.600] 0.000 0.810" in lines
    assert any(line.startswith("On 43 authors of `test`") and "at 90%" in line for line in lines)
    assert "Chosen by the search: dropout 0.4, weight of income 0.716." in lines
    assert lines[-3:-1] == [
        "In service: runs/mine/serving/1700000000",
        "Use it: echo 'a post' | authorprofile predict --model runs/mine/serving",
    ]


def test_a_head_that_blocked_is_named_with_how_much_it_falls_short() -> None:
    lines = shown([AGE, GENDER], {}, check={"faults": ["the model does not load"]})
    assert "score baseline" in lines
    assert "gender: not blessed" in lines
    assert "AUC unknown 0.500" in lines
    assert "skill 0.500 [0.400, 0.600] 0.000" in lines
    assert lines[-4:-1] == [
        "gender blocked: it falls short by 0.026: the lower end is -0.026.",
        "check failed: the model does not load",
        "Not pushed; what was in service stays there.",
    ]


def estimate(value: float, gap: float) -> dict[str, float]:
    return {"value": value, "lower": value - gap, "upper": value + gap}


def beside(head: dict[str, Any], added: dict[str, float]) -> dict[str, Any]:
    """The head with a linear baseline and a deployed model of the same scores."""
    told = {name: estimate(4.4, 0.1) for name in head["metrics"]}
    linear = {"metrics": told, "skill": estimate(0.47, 0.1), "added": added}
    compared = {"baseline_metrics": told, "baseline_skill": estimate(0.48, 0.1)}
    return {**head, "linear_baseline": linear, "comparison": compared}


TRAINING = {"network": {"kind": "conv"}, "parameters": 10_095_217, "learned_from": 531}


def test_every_contender_stands_in_a_column_and_what_the_network_adds_is_said() -> None:
    heads = [beside(AGE, estimate(0.025, 0.007)), beside(GENDER, estimate(0.0, 0.0))]
    lines = shown(heads, {"age": {"mae": 3.5}}, training=TRAINING)
    assert "linear constant deployed best" in lines
    assert "score baseline baseline model reachable" in lines
    assert "MAE 4.10 [3.80, 4.50] 4.40 8.20 4.40 3.50" in lines
    assert "skill 0.500 [0.400, 0.600] 0.470 0.000 0.480" in lines
    added = "age: the shared network adds 0.025 [0.018, 0.032] of skill to the linear baseline."
    assert added in lines
    assert "531 authors are too few for the shared network to add to gender." in lines
    assert "Network: multi-head Conv1D network, 10,095,217 parameters" in lines[-4:]


def test_a_model_without_a_linear_baseline_has_no_column_of_it() -> None:
    lines = shown([AGE], {}, training={"parameters": 7})
    assert not any("linear" in line or "shared network" in line for line in lines)
    assert "Network: 7 parameters" in lines


def test_all_contenders_stand_in_eighty_columns() -> None:
    income = judged_head(
        "income",
        "classes",
        {"accuracy": estimate(0.2, 0.05), "within_one_group": estimate(0.55, 0.05)},
        constant={"accuracy": 0.1, "within_one_group": 0.3},
    )
    heads = [beside(head, estimate(-0.02, 0.01)) for head in (AGE, income, GENDER)]
    stream = io.StringIO()
    table = result_table({"heads": heads}, {"age": {"skill": 0.8}})
    Terminal(file=stream, width=80).print(table)
    assert (
        "  within one group  0.550 [0.500, 0.600]     4.40    0.300     4.40" in stream.getvalue()
    )


def test_a_head_accepted_by_the_settings_is_not_called_blessed() -> None:
    lines = shown([{**GENDER, "blessed": True, "accepted": True}], {}, pushed=True, serving_path="")
    assert "gender: accepted" in lines
    assert not any("blocked" in line for line in lines)


def test_the_last_line_says_where_the_report_is_whether_pushed_or_not(tmp_path: Path) -> None:
    report = str(tmp_path / "a folder with a long name" / "of a run" / "report.html")
    verdict = {"confidence": 0.95, "authors": 43, "split": "test", "heads": []}
    for pushed in (True, False):
        stream = io.StringIO()
        outcome = SimpleNamespace(
            verdict=verdict,
            hyperparameters={},
            check={},
            pushed=pushed,
            serving_path="/s/1",
            report=report,
            training={},
        )
        show_outcome(Terminal(file=stream, width=60), outcome, {})
        assert stream.getvalue().splitlines()[-1] == f"Report:     {report}"
