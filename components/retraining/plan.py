"""What a decision asks of the steps behind it, as it travels through a compiled pipeline.

Enters: a `Decision`. Leaves: a `Plan` as JSON, a parameter of the ExampleGen, the Tuner and the
Trainer. It names places and spans, so the same decision gives the same text, and a platform finds
the steps of a run that was cut off in its cache. Knows nothing of TFX and TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from components.ingest.settings import IngestSettings
from components.retraining.decision import Decision
from components.strict import Strict

PLAN = "plan"


class Plan(Strict):
    """What differs from a run that was asked for; nothing by default."""

    until: int | None = Field(None, description="newest span that is read")
    leave_out: list[int] = Field(default_factory=list, description="spans that cannot be used")
    warm_start_from: str = Field("", description="folder that a warm start takes")
    hyperparameters_from: str = Field("", description="file of the last search's choice")

    @property
    def text(self) -> str:
        """As a parameter."""
        return self.model_dump_json()

    def apply(self, settings: IngestSettings) -> IngestSettings:
        """The ingest's settings with the spans of the plan."""
        if self.until is None:
            return settings
        left_out = sorted({*settings.window.leave_out, *self.leave_out})
        window = settings.window.model_copy(update={"until": self.until, "leave_out": left_out})
        return settings.model_copy(update={"window": window})


def plan_of(decision: Decision) -> Plan:
    """The plan of a decision to train."""
    return Plan(
        until=decision.spans[-1] if decision.spans else None,
        leave_out=sorted(decision.left_out),
        warm_start_from=decision.start.warm_start_from if decision.start else "",
        hyperparameters_from=decision.search.hyperparameters_from if decision.search else "",
    )


def given_plan(exec_properties: Mapping[str, Any]) -> Plan:
    """The plan among a component's properties; an empty one where none was made."""
    return Plan.model_validate_json(exec_properties.get(PLAN) or "{}")
