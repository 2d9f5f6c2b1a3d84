"""What the pipeline's components share: one constructor, and what their executors are given."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component
from tfx.utils import path_utils

Artifacts = dict[str, list[types.Artifact]]
"""What an executor is given, by the names of its component's inputs or outputs."""


class WiredComponent(base_component.BaseComponent):
    """Takes the inputs and parameters of SPEC_CLASS by their names; makes the outputs' channels.

    Raises:
        TypeError: an argument is none of them, or a channel or value of another type.
        ValueError: one that is not optional is missing.
    """

    def __init__(self, **arguments: Any) -> None:
        # TFX checks all but this.
        if unknown := arguments.keys() - {*self.SPEC_CLASS.INPUTS, *self.SPEC_CLASS.PARAMETERS}:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        outputs = {
            name: types.Channel(type=output.type)
            for name, output in self.SPEC_CLASS.OUTPUTS.items()
        }
        spec = self.SPEC_CLASS(**arguments, **outputs)
        # Not `super`: the constructors of TFX's own components know no further parameters.
        base_component.BaseComponent.__init__(self, spec=spec)


def serving_path(model: types.Artifact) -> str:
    """The folder of the SavedModel in a `Model`."""
    return str(path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model)))
