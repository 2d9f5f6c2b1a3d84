"""The first step of a compiled pipeline, run as its container runs it, beside a history."""

import json
from datetime import UTC, datetime

import pytest
from tfx.components.example_gen import utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.ingest.audit import JoinAudit
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.retraining.decision import Decision
from components.retraining.keeper import RunKeeperExecutor
from components.retraining.plan import Plan
from components.retraining.planner import BlockedError, Executor
from components.retraining.planning import Setup
from components.retraining.record import RetrainingDecision
from components.serving.rollback import roll_back
from pipeline.config import load_config
from tests.unit.retraining.span_files import write_span


class Place:
    """Spans, served versions and their history, and what each run of the step left."""

    def __init__(self, folder):
        self.folder = folder
        self.runs = 0

    def setup(self, **retraining):
        config = load_config(
            None,
            heads=["age", "gender"],
            posts=[f"{self.folder}/posts-{{SPAN}}.jsonl"],
            labels=[f"{self.folder}/labels-{{SPAN}}.csv"],
            ingest={"window": {"last": 2}},
            retraining={"maximum_label_drift": None, "minimum_labels": 50, **retraining},
        )
        return Setup.of(config)

    def plan(self, train="when_due", span=-1, **retraining):
        """Runs the step; what it decided, whether the others run, and their plan."""
        self.runs += 1
        out = self.folder / f"step-{self.runs}"
        out.mkdir()
        setup = self.setup(**retraining)
        outputs = {"decision": RetrainingDecision()}
        outputs |= {name: standard_artifacts.String() for name in ("due", "plan")}
        for name, artifact in outputs.items():
            artifact.uri = str(out / name)
        # Without an image of workers, of which there are none, TFX packs itself for them anew.
        arguments = [*LOCAL_BEAM_ARGUMENTS, "--sdk_container_image=none"]
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=arguments, unique_id="1", tmp_dir=str(out)
        )
        properties = {
            "setup": setup.model_dump_json(),
            "posts": setup.posts[0],
            "labels": setup.labels[0],
            "span": span,
            "train": train,
            "destination": str(self.folder / "serving"),
            "history": str(self.folder / "history"),
        }
        Executor(context).Do({}, {name: [one] for name, one in outputs.items()}, properties)
        decision = Decision.model_validate_json((out / "decision/decision.json").read_text())
        assert outputs["decision"].get_string_custom_property("summary") == decision.summary
        return decision, outputs["due"].value, Plan.model_validate_json(outputs["plan"].value)

    def looked(self):
        """When each look was written."""
        looks = (self.folder / "history/looks").glob("*/look.json")
        return {path.parent.name: path.stat().st_mtime_ns for path in looks}

    def keep(self, spans, version, plan=""):
        """A run that trained on the spans and pushed the version, as `RunKeeper` keeps it."""
        (look,) = (self.folder / "history/looks").glob(f"{spans[-1]}-*")
        made = self.folder / f"made-{version}"
        (made / "network").mkdir(parents=True)
        (made / "network/weights.npz").write_bytes(b"weights")
        (made / "training.json").write_text("{}")
        (made / "best_hyperparameters.txt").write_text(f"choice {version}")
        (made / "Split-train").mkdir()
        (made / "Split-train/FeatureStats.pb").write_bytes((look / "FeatureStats.pb").read_bytes())
        (made / "audit.json").write_bytes((look / "audit.json").read_bytes())
        served = self.folder / f"serving/{version}"
        served.mkdir(parents=True)
        (served / "saved_model.pb").write_text("model")
        artifacts = {
            "examples": standard_artifacts.Examples(),
            "statistics": standard_artifacts.ExampleStatistics(),
            "audit": JoinAudit(),
            "model_run": standard_artifacts.ModelRun(),
            "pushed_model": standard_artifacts.PushedModel(),
            "hyperparameters": standard_artifacts.HyperParameters(),
        }
        for artifact in artifacts.values():
            artifact.uri = str(made)
        artifacts["statistics"].split_names = '["train"]'
        artifacts["examples"].set_string_custom_property("spans", json.dumps(spans))
        fingerprint = utils.FINGERPRINT_PROPERTY_NAME
        artifacts["examples"].set_string_custom_property(fingerprint, "files")
        artifacts["pushed_model"].set_int_custom_property("pushed", 1)
        artifacts["pushed_model"].set_string_custom_property("pushed_version", str(version))
        before = datetime.now(UTC)
        properties = {"history": str(self.folder / "history"), "plan": plan}
        keeper = RunKeeperExecutor(None)
        keeper.Do({name: [one] for name, one in artifacts.items()}, {}, properties)
        newest = max((self.folder / "history/runs").iterdir(), key=lambda path: int(path.name))
        record = json.loads((newest / "run.json").read_text())
        assert datetime.fromisoformat(record["trained"]) >= before
        return newest


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two spans; the tests of this module follow each other as the days of a schedule do."""
    folder = tmp_path_factory.mktemp("planned")
    write_span(folder, 1, women=50, known=200)
    write_span(folder, 2, women=52, known=198)
    return Place(folder)


def test_a_run_that_was_asked_for_trains_and_looks_at_nothing(place):
    decision, due, plan = place.plan("anew")
    assert (decision.summary, due, plan) == ("training: asked for", "yes", Plan())
    assert place.looked() == {}


def test_what_train_may_be_is_told(place):
    with pytest.raises(ValueError, match=r"anew, when_due, forced, search\. Received: 'weekly'"):
        place.plan("weekly")


def test_where_nothing_was_trained_yet_there_is_a_reason(place):
    decision, due, plan = place.plan(span=1)
    assert [reason.kind for reason in decision.reasons] == ["first"]
    assert (due, plan) == ("yes", Plan(until=1))
    assert decision.search.again and decision.start.warm_start_from == ""
    assert [name.partition("-")[0] for name in place.looked()] == ["1"]


def test_behind_a_training_there_is_nothing_to_do_until_a_span_comes(place):
    kept = place.keep([1], 7)
    looked = place.looked()
    decision, due, _ = place.plan(span=1)
    assert (decision.summary, due) == ("nothing to do: no new span since 1", "no")
    assert place.looked() == looked
    decision, due, plan = place.plan()
    assert due == "yes"
    assert [reason.kind for reason in decision.reasons] == ["new_spans"]
    choice = str(kept / "best_hyperparameters.txt")
    assert plan == Plan(until=2, warm_start_from=str(kept), hyperparameters_from=choice)
    assert decision.changes["gender"]["distance"] == pytest.approx(0.02, abs=0.02)
    looked = place.looked()
    assert place.plan("search")[2] == Plan(until=2, warm_start_from=str(kept))
    # What was seen of the new span stays known.
    assert place.looked() == looked


def test_a_newest_span_that_cannot_be_used_fails_the_step_and_its_decision_stays(place):
    write_span(place.folder, 3, women=50, known=200, broken=60)
    with pytest.raises(BlockedError, match=r"blocked: span 3 cannot be used: .*5 % of the posts"):
        place.plan()
    left = json.loads((place.folder / "history/decision.json").read_text())
    assert left["state"] == "blocked" and "secret" not in left["summary"]


def test_a_broken_span_that_is_not_the_newest_is_left_out_of_the_plan(place):
    write_span(place.folder, 4, women=50, known=200)
    decision, _, plan = place.plan()
    assert decision.spans == [2, 4]
    assert (plan.until, plan.leave_out) == (4, [3])


def test_weights_come_from_what_serves_and_settings_from_the_run_that_searched(place):
    first, reused = (
        sorted((place.folder / "history/runs").iterdir())[0],
        Plan(hyperparameters_from="earlier"),
    )
    second = place.keep([2, 4], 9, plan=reused.text)
    assert not (second / "best_hyperparameters.txt").exists()
    assert place.plan()[1] == "no"
    _, due, plan = place.plan("forced")
    assert due == "yes"
    assert plan.warm_start_from == str(second)
    assert plan.hyperparameters_from == str(first / "best_hyperparameters.txt")
    roll_back(place.folder / "serving")
    assert place.plan("forced")[2].warm_start_from == str(first)


def test_a_run_that_was_cut_off_while_it_was_kept_is_none(place):
    (place.folder / "history/runs/9999999999").mkdir()
    assert place.plan()[1] == "no"
