"""The component under LocalDagRunner, run after run on one metadata store, and on odd baselines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads
from components.judging.blessing import VERDICT_FILE, Verdict
from components.judging.settings import JudgingSettings

HEADS = parse_heads(DEFAULT_HEADS)
Author = dict[str, Any]
Write = Callable[..., Path]
IN_MEMORY = ["--direct_running_mode=in_memory"]


def run_pipeline(root: Path, examples: Path, model: Path) -> None:
    """One run: the model, judged beside the last blessed one of the store."""
    from tfx import v1 as tfx

    from components.judging.evaluator import HeadEvaluator

    types = tfx.types.standard_artifacts
    test_examples = tfx.dsl.Importer(
        str(examples), types.Examples, properties={"split_names": '["train", "eval", "test"]'}
    ).with_id("examples")
    trained = tfx.dsl.Importer(str(model), types.Model, reimport=True).with_id("trained")
    in_service = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=types.Model),
        model_blessing=tfx.dsl.Channel(type=types.ModelBlessing),
    ).with_id("in_service")
    judged = HeadEvaluator(
        examples=test_examples.outputs["result"],
        model=trained.outputs["result"],
        baseline_model=in_service.outputs["model"],
        heads=heads_to_json(HEADS),
        settings=JudgingSettings().model_dump_json(),
    )
    in_service.add_downstream_node(judged)
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="judging",
        pipeline_root=str(root / "artifacts"),
        components=[test_examples, trained, in_service, judged],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.sqlite")
        ),
        beam_pipeline_args=IN_MEMORY,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory,
    authors: list[Author],
    write_examples: Write,
    write_model: Write,
) -> Path:
    """Three runs on one store: a good model, one that misses ages by 40 years, a good one."""
    root = tmp_path_factory.mktemp("judging")
    examples = write_examples(root / "examples", authors)
    write_examples(examples, [authors[0] | {"age": 119.0}] * 50, split="train")
    models = {
        "first": write_model(root / "first", age_error=3.0, bands=[30.0]),
        "second": write_model(root / "second", age_error=40.0),
        "third": write_model(root / "third", boundary_shift=1.0),
    }
    for model in models.values():
        run_pipeline(root, examples, model)
    return root


def artifacts(root: Path, kind: str) -> list[Any]:
    """Artifacts of a type in the store, in the order of the runs."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(root / "metadata.sqlite")
    store = MetadataStore(config)
    return sorted(store.get_artifacts_by_type(kind), key=lambda artifact: artifact.id)


def read_verdict(blessing_folder: str) -> Verdict:
    return Verdict.model_validate_json(Path(blessing_folder, VERDICT_FILE).read_bytes())


def verdicts(root: Path) -> list[Verdict]:
    """Verdicts, in the order of the runs."""
    return [read_verdict(blessing.uri) for blessing in artifacts(root, "ModelBlessing")]


def test_a_worse_model_is_blocked_and_the_head_is_named(root: Path) -> None:
    first, second, third = verdicts(root)
    assert [first.blessed, second.blessed, third.blessed] == [True, False, True]
    assert second.falling_short == ["age"]
    age = second.heads[0]
    assert "must exceed 0" in age.reason and "below that of the deployed model" in age.reason
    assert [head.blessed for head in second.heads] == [False, True, True]


def test_each_run_is_compared_with_the_last_blessed_model(root: Path) -> None:
    first, second, third = verdicts(root)
    assert first.baseline is None
    assert second.baseline is not None and second.baseline.uri == str(root / "first")
    assert third.baseline is not None and third.baseline.uri == str(root / "first")
    assert third.baseline.left_out == ""


def test_the_blessing_is_written_as_the_pusher_and_the_resolver_read_it(root: Path) -> None:
    first, second, third = artifacts(root, "ModelBlessing")
    files = [sorted(path.name for path in Path(one.uri).iterdir()) for one in (first, second)]
    assert files == [["BLESSED", "verdict.json"], ["NOT_BLESSED", "verdict.json"]]
    properties = second.custom_properties
    assert properties["blessed"].int_value == 0
    assert properties["current_model"].string_value == str(root / "second")
    assert properties["baseline_model"].string_value == str(root / "first")
    assert (
        third.custom_properties["baseline_model_id"].int_value
        == first.custom_properties["current_model_id"].int_value
        > 0
    )


def test_results_equal_numpy_on_the_test_split_alone(root: Path, authors: list[Author]) -> None:
    third = verdicts(root)[2]
    labelled = [author for author in authors if "age" in author]
    told = np.array([[float(n) for n in author["posts"][-1].split()] for author in labelled])
    ages = np.array([author["age"] for author in labelled])
    age, income, gender = third.heads
    assert third.authors == 90
    assert [head.labels for head in third.heads] == [81, 81, 81]
    errors = told[:, 0] - ages
    assert age.metrics["mae"].value == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert age.constant["mae"] == pytest.approx(np.abs(ages - np.median(ages)).mean())
    assert age.skill.value == pytest.approx(1 - np.mean(errors**2) / np.var(ages), rel=1e-5)
    groups = [int((author["income"] - 1) // 10e3) for author in labelled]
    assert income.metrics["accuracy"].value == pytest.approx(
        np.mean(np.clip(groups, 0, 9) == told[:, 1])
    )
    positives = np.array([author["gender"] == "female" for author in labelled])
    right = told[positives, 2][:, None] > told[~positives, 2][None, :]
    assert gender.metrics["auc"].value == pytest.approx(right.mean(), abs=1e-3)


def test_every_estimate_lies_in_its_interval(root: Path) -> None:
    for head in verdicts(root)[1].heads:
        for estimate in (*head.metrics.values(), head.skill, head.comparison.difference):
            assert estimate is not None
            assert estimate.lower is not None and estimate.value is not None
            assert estimate.upper is not None
            assert estimate.lower <= estimate.value <= estimate.upper


def test_a_difference_is_the_gap_between_the_two_skills(root: Path) -> None:
    for head in verdicts(root)[2].heads:
        difference, before = head.comparison.difference, head.comparison.baseline_skill
        assert difference is not None and before is not None
        assert difference.value == pytest.approx(head.skill.value - before.value)


def test_the_model_in_service_has_the_scores_it_had_when_it_was_judged(root: Path) -> None:
    first, _, third = verdicts(root)
    for now, then in zip(third.heads, first.heads, strict=True):
        assert now.comparison.baseline_metrics == then.metrics
    assert first.heads[0].metrics != third.heads[0].metrics


def test_groups_cut_elsewhere_are_noted(root: Path) -> None:
    notes = [head.comparison.note for head in verdicts(root)[2].heads]
    assert notes == ["", "each model is judged on its own groups, cut at other amounts", ""]


def test_slices_are_the_candidates_and_hold_every_author_once(
    root: Path, authors: list[Author]
) -> None:
    slices = verdicts(root)[2].slices
    values = {(one.head, one.value): one.authors for one in slices}
    assert {value for head, value in values if head == "gender"} == {"female", "male", "unknown"}
    bands = {value for head, value in values if head == "age"}
    assert bands == {"from 0", "from 25", "from 35", "from 50", "unknown"}
    for head in ("age", "gender"):
        assert sum(count for (name, _), count in values.items() if name == head) == 90
    women = next(one for one in slices if one.value == "female")
    assert women.authors == sum(author.get("gender") == "female" for author in authors)
    assert women.results[2].skill.value is None
    assert women.results[0].skill.lower is not None
    nobody = next(one for one in slices if one.head == "age" and one.value == "unknown")
    assert (nobody.authors, nobody.results[0].labels) == (9, 0)


def test_the_results_load_as_any_evaluation_of_tfma(root: Path) -> None:
    import tensorflow_model_analysis as tfma

    latest = artifacts(root, "ModelEvaluation")[-1]
    result = tfma.load_eval_result(latest.uri, model_name=tfma.CANDIDATE_KEY)
    metrics = dict(result.slicing_metrics)[()]["age"][""]
    age = verdicts(root)[2].heads[0]
    assert metrics["mae"]["boundedValue"]["value"] == pytest.approx(age.metrics["mae"].value)
    assert metrics["skill"]["boundedValue"]["lowerBound"] == pytest.approx(age.skill.lower)


def judge_beside(
    root: Path,
    baseline: Path | None,
    folder: Path,
    examples: Path | None = None,
    model: Path | None = None,
    heads: tuple[Any, ...] = HEADS,
) -> Verdict:
    """Runs the executor alone: by default the good model of the first run, beside a baseline."""
    from tfx.types import standard_artifacts

    from components.heads.declared import heads_to_json
    from components.judging.evaluator import Executor

    def artifact(kind: Any, uri: Path, number: int) -> Any:
        one = kind()
        one.uri, one.id = str(uri), number
        return one

    test_examples = artifact(standard_artifacts.Examples, examples or root / "examples", 1)
    test_examples.split_names = json.dumps(["test"])
    inputs = {
        "examples": [test_examples],
        "model": [artifact(standard_artifacts.Model, model or root / "first", 2)],
    }
    if baseline:
        inputs["baseline_model"] = [artifact(standard_artifacts.Model, baseline, 3)]
    blessing = artifact(standard_artifacts.ModelBlessing, folder / "blessing", 4)
    evaluation = artifact(standard_artifacts.ModelEvaluation, folder / "evaluation", 5)
    Executor(Executor.Context(beam_pipeline_args=IN_MEMORY)).Do(
        inputs,
        {"blessing": [blessing], "evaluation": [evaluation]},
        {"heads": heads_to_json(heads), "settings": JudgingSettings().model_dump_json()},
    )
    return read_verdict(blessing.uri)


def test_a_baseline_that_fails_on_an_author_never_blocks_nor_quotes_him(
    root: Path,
    tmp_path: Path,
    authors: list[Author],
    write_model: Write,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fragile = write_model(tmp_path / "fragile", longest_post=13)
    longest = max((author["posts"][-1] for author in authors), key=len)
    assert len(longest) > 13
    with caplog.at_level(logging.INFO):
        verdict = judge_beside(root, fragile, tmp_path)
    assert verdict.blessed
    assert verdict.baseline is not None and "ModelFailedError" in verdict.baseline.left_out
    assert all("the constant baseline alone" in head.comparison.note for head in verdict.heads)
    lines = [one.message for one in caplog.records if one.name == "authorprofile.judging"]
    assert lines[-3].startswith("age: MAE ") and lines[-3].endswith(": blessed")
    assert longest not in caplog.text and longest not in "".join(capfd.readouterr())


def test_a_split_without_authors_blesses_nothing(
    root: Path, tmp_path: Path, write_examples: Write
) -> None:
    empty = write_examples(tmp_path / "examples", [])
    verdict = judge_beside(root, None, tmp_path, empty)
    assert verdict.authors == 0
    assert verdict.falling_short == ["age", "income", "gender"]


ALONE = [head.name for head in HEADS]


@pytest.mark.parametrize("name", ALONE)
def test_a_head_alone_is_judged_as_it_is_among_others(
    root: Path, tmp_path: Path, write_model: Write, name: str
) -> None:
    (head,) = (head for head in HEADS if head.name == name)
    alone = write_model(tmp_path / "alone", [name], age_error=3.0)
    verdict = judge_beside(root, None, tmp_path, model=alone, heads=(head,))
    among = {one.name: one for one in verdicts(root)[0].heads}
    assert verdict.heads == [among[name]]


@pytest.mark.parametrize(
    ("now", "before", "compared"),
    [
        *([[name], [name], [name]] for name in ALONE),
        (["age"], ALONE, ["age"]),
        (ALONE, ["gender"], ["gender"]),
        (["age", "income"], ["income", "gender"], ["income"]),
    ],
    ids=str,
)
def test_a_head_alone_is_compared_with_the_model_in_service(
    root: Path,
    tmp_path: Path,
    write_model: Write,
    now: list[str],
    before: list[str],
    compared: list[str],
) -> None:
    heads = tuple(head for head in HEADS if head.name in now)
    model = write_model(tmp_path / "now", now, age_error=3.0)
    older = write_model(tmp_path / "before", before, age_error=3.0)
    verdict = judge_beside(root, older, tmp_path, model=model, heads=heads)
    differences = {head.name: head.comparison.difference for head in verdict.heads}
    assert [name for name, difference in differences.items() if difference] == compared
    assert [differences[name].value for name in compared] == [0.0] * len(compared)
    assert verdict.blessed and verdict.baseline is not None and verdict.baseline.left_out == ""


def test_a_model_that_an_earlier_release_exported_is_compared(
    root: Path, tmp_path: Path, write_model: Write
) -> None:
    older = write_model(tmp_path / "older", age_error=3.0, separator="_")
    verdict = judge_beside(root, older, tmp_path)
    assert [head.comparison.difference.value for head in verdict.heads] == [0.0] * 3
    assert verdict.baseline is not None and verdict.baseline.left_out == ""
    slices = {(one.head, one.value): one.authors for one in verdict.slices}
    for name in ("age", "gender"):
        assert sum(count for (head, _), count in slices.items() if head == name) == 90


def test_the_linear_baseline_inside_the_model_is_judged_beside_it(
    root: Path, tmp_path: Path, authors: list[Author], write_model: Write
) -> None:
    both = write_model(tmp_path / "both", age_error=3.0, linear_error=2.0)
    verdict = judge_beside(root, None, tmp_path, model=both)
    plain = verdicts(root)[0]
    assert [head.labels for head in verdict.heads] == [81, 81, 81]
    assert [head.skill for head in verdict.heads] == [head.skill for head in plain.heads]
    assert [head.metrics for head in verdict.heads] == [head.metrics for head in plain.heads]
    age, income, gender = (head.linear_baseline for head in verdict.heads)
    labelled = [author for author in authors if "age" in author]
    told = np.array([float(author["posts"][-1].split()[0]) for author in labelled])
    ages = np.array([author["age"] for author in labelled])
    assert age.metrics["mae"].value == pytest.approx(np.abs(told + 2 - ages).mean(), rel=1e-5)
    skills = [1 - np.mean((told + off - ages) ** 2) / np.var(ages) for off in (3, 2)]
    assert age.skill.value == pytest.approx(skills[1], rel=1e-5)
    assert age.added.value == pytest.approx(skills[0] - skills[1], rel=1e-4)
    assert age.added.lower < age.added.value < age.added.upper < 0
    assert income.added.model_dump() == {"value": 0.0, "lower": 0.0, "upper": 0.0}
    auc = verdict.heads[2].metrics["auc"].value
    assert gender.metrics["auc"].value == pytest.approx(auc, abs=1e-3)
    assert gender.added.value == pytest.approx(verdict.heads[2].skill.value - gender.skill.value)
    # Nothing is asked of it: a head that it beats is blessed all the same.
    assert verdict.blessed


def test_the_deployed_model_and_the_linear_baseline_are_judged_together(
    root: Path, tmp_path: Path, write_model: Write
) -> None:
    both = write_model(tmp_path / "both", age_error=3.0, linear_error=2.0)
    older = write_model(tmp_path / "older", ["age", "gender"], age_error=4.0, linear_error=0.0)
    verdict = judge_beside(root, older, tmp_path, model=both)
    alone = judge_beside(root, None, tmp_path / "alone", model=both)
    beside = judge_beside(root, older, tmp_path / "beside")
    assert [head.comparison for head in verdict.heads] == [head.comparison for head in beside.heads]
    assert verdict.heads[0].comparison.difference is not None
    linear = [head.linear_baseline for head in verdict.heads]
    assert None not in linear
    assert linear == [head.linear_baseline for head in alone.heads]
    assert verdict.slices == alone.slices
    assert sum(one.authors for one in verdict.slices if one.head == "age") == 90


def test_a_head_alone_is_judged_beside_its_linear_baseline(
    root: Path, tmp_path: Path, write_model: Write
) -> None:
    model = write_model(tmp_path / "alone", ["age"], age_error=3.0, linear_error=6.0)
    verdict = judge_beside(root, None, tmp_path, model=model, heads=HEADS[:1])
    (age,) = verdict.heads
    assert age.linear_baseline is not None and age.linear_baseline.added.lower > 0


def test_a_model_without_a_linear_baseline_is_judged_without(root: Path) -> None:
    assert [head.linear_baseline for head in verdicts(root)[2].heads] == [None] * 3


def test_the_linear_baseline_is_asked_by_the_name_that_export_gives_it() -> None:
    from components.judging import signatures
    from components.serving import export

    assert signatures.LINEAR_SIGNATURE == export.LINEAR_SIGNATURE
