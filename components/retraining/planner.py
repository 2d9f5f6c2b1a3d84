"""The first step of a compiled pipeline: is there a reason to train, and with what?

Enters: patterns, settings and how the run was begun (`train`), as parameters; the served versions
and the history of runs, as folders or buckets. Leaves: a `RetrainingDecision` with its figures; and
two values, which the steps behind take as parameters: `due` ("yes" or "no"), on which each of them
has its condition, and `plan` (see there). For platforms whose steps see no metadata store; on this
machine `pipeline.retraining` does the same before the pipeline is made.

| `train` | as the command | what |
|---|---|---|
| anew | `run` | all of it, whatever there is |
| when_due | `retrain` | looks first; nothing behind this step runs without a reason |
| forced | `retrain --force` | trains, from the network in service and the last search's settings |
| search | `retrain --search` | the same, and searches |

A newest span that cannot be used fails the step, so that the platform shows it and says so to those
whom it tells of failures; the decision is then in HISTORY/decision.json alone.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.ingest.spans import parse_patterns
from components.retraining.decision import Decision, Reason
from components.retraining.kept import KeptLooker, read_kept
from components.retraining.plan import PLAN, plan_of
from components.retraining.planning import Setup, make_decision
from components.retraining.record import DECISION_FILE, RetrainingDecision
from components.retraining.settings import TRAIN_ANEW, TRAIN_WHEN_DUE, TRAINS
from components.serving.bucket import served_version
from components.wiring import Artifacts, WiredComponent

DUE, YES, NO = "due", "yes", "no"
_LOG = logging.getLogger("authorprofile.retraining")


class BlockedError(ValueError):
    """The newest span cannot be used; the message says why."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Looks, decides, plans."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Decides; see the module.

        Raises:
            BlockedError: the newest span cannot be used.
            SourceError: no pattern has a span, or a pattern no file.
            ValueError: `train` is none of its values.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        outputs = {name: artifact_utils.get_single_instance(o) for name, o in output_dict.items()}
        decision = self._decide(exec_properties)
        record_decision(decision, outputs["decision"])
        _LOG.info(decision.summary)
        history = exec_properties["history"]
        io_utils.write_string_file(os.path.join(history, DECISION_FILE), decision.model_dump_json())
        if decision.state == "blocked":
            raise BlockedError(decision.summary)
        outputs[DUE].value = YES if decision.trains else NO
        outputs[PLAN].value = plan_of(decision).text

    def _decide(self, properties: dict[str, Any]) -> Decision:
        train, now = properties["train"], datetime.now(UTC)
        if train not in TRAINS:
            raise ValueError(f"train must be one of {', '.join(TRAINS)}. Received: {train!r}")
        if train == TRAIN_ANEW:
            return asked_for(now)
        setup = read_setup(properties)
        looker = KeptLooker(setup, properties["history"], self._make_beam_pipeline)
        history = read_kept(properties["history"], served_version(properties["destination"]))
        return make_decision(
            setup,
            looker,
            history,
            now,
            force=train != TRAIN_WHEN_DUE,
            search=train == "search",
        )


def asked_for(now: datetime) -> Decision:
    """The decision of a run that trains whatever there is."""
    return Decision(
        decided=now,
        state="running",
        reasons=[Reason(kind="forced", text="asked for")],
        summary="training: asked for",
        spans=[],
    )


def read_setup(properties: dict[str, Any]) -> Setup:
    """The setup with what a submission gave: patterns, and the newest span to read."""
    setup = Setup.model_validate_json(properties["setup"])
    ingest, span = setup.ingest, int(properties["span"])
    if span >= 0:
        window = ingest.window.model_copy(update={"until": span})
        ingest = ingest.model_copy(update={"window": window})
    posts, labels = (parse_patterns(properties[kind]) for kind in ("posts", "labels"))
    return setup.model_copy(update={"posts": posts, "labels": labels, "ingest": ingest})


def record_decision(decision: Decision, record: types.Artifact) -> None:
    """Writes a decision; its state and summary beside it, where a platform's page shows them."""
    record.set_string_custom_property("state", decision.state)
    record.set_string_custom_property("summary", decision.summary)
    path = os.path.join(record.uri, DECISION_FILE)
    io_utils.write_string_file(path, decision.model_dump_json(indent=1))


class RetrainingPlannerSpec(ComponentSpec):
    """Parameters and outputs of `RetrainingPlanner`."""

    # `setup` is a `Setup` as JSON, `history` the folder of the history; the others are
    # runtime parameters.
    PARAMETERS = {
        name: ExecutionParameter(type=int if name == "span" else str)
        for name in ("setup", "posts", "labels", "span", "train", "destination", "history")
    }
    INPUTS: dict[str, Any] = {}
    OUTPUTS = {
        "decision": ChannelParameter(type=RetrainingDecision),
        DUE: ChannelParameter(type=standard_artifacts.String),
        PLAN: ChannelParameter(type=standard_artifacts.String),
    }


class RetrainingPlanner(WiredComponent, base_beam_component.BaseBeamComponent):
    """Decides whether the pipeline runs; outputs `decision`, `due`, `plan`."""

    SPEC_CLASS = RetrainingPlannerSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
