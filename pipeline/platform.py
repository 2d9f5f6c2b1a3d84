"""What a cloud platform brings to the pipeline that this machine has otherwise.

Enters: made by `pipeline.deploy.compiler` from the section `deploy`. Leaves: the few choices that
`create_pipeline` asks for; everything else is wired alike. Knows nothing of TFX's components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Platform:
    """Choices of a platform; the defaults are those of a run on this machine.

    Attributes:
        parameters: TFX's runtime parameters by name (`posts`, `labels`, `span`, `trials`, `push`,
            `train`), which a submission may give another value.
        history: folder or bucket where earlier runs are looked up; empty: the metadata store is
            asked, by resolvers, which Kubeflow does not run and Vertex AI runs of TFX alone.
        beam_arguments: in place of the configuration's; None: those.
        search_job: TFX's custom config of the search as a job of its own; empty: in its container.
        training_job: the same of the fit.
        endpoint: TFX's custom config of a Vertex AI endpoint to push to as well; empty: to none.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    history: str = ""
    beam_arguments: list[str] | None = None
    search_job: Mapping[str, Any] = field(default_factory=dict)
    training_job: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)

    def submitted(self, *names: str) -> dict[str, Any]:
        """The runtime parameters of these names; none on this machine."""
        return {name: self.parameters[name] for name in names if name in self.parameters}


THIS_MACHINE = Platform()
