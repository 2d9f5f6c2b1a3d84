"""What training reads beside the examples: the table and the linear baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter
from tfx.utils import json_utils

from components.linear.component import LinearBaseline
from components.table.component import TermsTable
from components.training.hooks import BASELINE, TABLE
from components.wiring import Artifacts

READ_BESIDE = {
    TABLE: ChannelParameter(type=TermsTable),
    BASELINE: ChannelParameter(type=LinearBaseline),
}
"""By name in a component's inputs."""


def artifact_folders(input_dict: Artifacts) -> dict[str, str]:
    """Folders of both artifacts by name."""
    return {name: artifact_utils.get_single_uri(input_dict[name]) for name in READ_BESIDE}


def with_artifacts(input_dict: Artifacts, exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with both folders in the hook's settings, which a job is given too."""
    custom = json_utils.loads(exec_properties["custom_config"])
    custom |= artifact_folders(input_dict)
    return {**exec_properties, "custom_config": json_utils.dumps(custom)}
