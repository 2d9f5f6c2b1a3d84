"""The constructor that components share."""

from __future__ import annotations

import pytest
from tfx import types
from tfx.types import standard_artifacts

from components.judging.in_service import ModelInService

MODEL = types.Channel(type=standard_artifacts.Model)


def test_outputs_are_channels_of_the_declared_types():
    component = ModelInService(candidate=MODEL, destination="/serving")
    assert component.outputs["model"].type is standard_artifacts.Model
    assert component.exec_properties == {"destination": "/serving"}


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"candidate": MODEL}, ValueError, "destination"),
        ({"candidate": MODEL, "destination": 7}, TypeError, "destination"),
        ({"candidate": MODEL, "destination": "/s", "folder": "/t"}, TypeError, "folder"),
        ({"destination": "/s"}, ValueError, "candidate"),
    ],
)
def test_an_argument_that_is_missing_unknown_or_of_another_type_is_named(arguments, error, named):
    with pytest.raises(error, match=named):
        ModelInService(**arguments)
