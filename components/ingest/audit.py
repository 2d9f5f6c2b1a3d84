"""The artifact that holds what the join counted and set aside.

Its folder holds `audit.json` (see `summary`) and `set_aside-*.jsonl.gz` (see `join`). The one
module of the audit that imports TFX.
"""

from __future__ import annotations

from tfx.types.artifact import Artifact


class JoinAudit(Artifact):
    """Counts and set-aside records of one join of posts and labels."""

    TYPE_NAME = "components.JoinAudit"
