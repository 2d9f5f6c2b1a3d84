"""The stages of the pipeline, a folder each.

Kubeflow and Vertex AI know an artifact by `<module>.<Class>` with one dot and import that in every
step, so the pipeline's own artifacts are reachable from here; nothing is imported before.
"""

from __future__ import annotations

import importlib
from typing import Any

ARTIFACTS = {
    "Comparison": "components.comparison.component",
    "JoinAudit": "components.ingest.audit",
    "LinearBaseline": "components.linear.component",
    "Profile": "components.report.profiles",
    "Report": "components.report.run_report",
    "RetrainingDecision": "components.retraining.record",
    "SpanFacts": "components.retraining.look",
    "TermsTable": "components.table.component",
}


def __getattr__(name: str) -> Any:
    if name in ARTIFACTS:
        return getattr(importlib.import_module(ARTIFACTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
