"""The component that keeps a decision: in the metadata store, whatever was decided.

Enters: the decision as JSON. Leaves: an artifact `RetrainingDecision` with `decision.json`.
"""

import os

from tfx import v1 as tfx
from tfx.types.artifact import Artifact

DECISION_FILE = "decision.json"


class RetrainingDecision(Artifact):
    """Whether a model was trained anew, and why."""

    TYPE_NAME = "components.RetrainingDecision"


@tfx.dsl.components.component
def DecisionRecord(  # noqa: N802 - a component is named as a class
    decision: tfx.dsl.components.Parameter[str],
    state: tfx.dsl.components.Parameter[str],
    record: tfx.dsl.components.OutputArtifact[RetrainingDecision],
) -> None:
    """Writes the decision.

    Args:
        decision: JSON of a `Decision`.
        state: of the decision, beside it so that the store can be asked for it.
        record: where it is written.
    """
    record.set_string_custom_property("state", state)
    with tfx.dsl.io.fileio.open(os.path.join(record.uri, DECISION_FILE), "w") as file:
        file.write(decision)
