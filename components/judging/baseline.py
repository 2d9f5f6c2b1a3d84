"""Finds the model that a candidate is judged against: the one last blessed before it.

TFX's own LatestBlessedModelStrategy takes the candidate itself once it is blessed, so that an
unchanged second run would judge a model against itself, and never find its work in the cache.
Called by `pipeline.pipeline` as the strategy of a Resolver.
"""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.common import resolver
from tfx.types import artifact_utils


class ModelBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the latest blessed one that is older than `candidate`.

    Input keys: `candidate` (one Model), `model` (all of them), `model_blessing` (all of them).
    Filters in Python: the metadata store of this release has no query language.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        candidate = artifact_utils.get_single_instance(input_dict["candidate"])
        blessings = {
            blessing.get_int_custom_property("current_model_id"): blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property("blessed") == 1
        }
        earlier = [
            model
            for model in input_dict["model"]
            if model.id < candidate.id and model.id in blessings
        ]
        latest = max(earlier, key=lambda model: model.id, default=None)
        return {
            "candidate": [candidate],
            "model": [latest] if latest else [],
            "model_blessing": [blessings[latest.id]] if latest else [],
        }
