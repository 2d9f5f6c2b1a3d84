"""What judging can be told."""

from __future__ import annotations

import itertools

from pydantic import Field, field_validator

from components.strict import Strict


class JudgingSettings(Strict):
    """When a head is good enough for service."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the intervals")
    minimum_skill: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="skill on `test` that the lower end of a head's interval must exceed; "
        "0 is that of the constant baseline",
    )
    tolerated_drop: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="largest fall of a head's skill below that of the deployed model",
    )
    accept: list[str] = Field(
        default_factory=list,
        description="heads accepted even where they do not beat the constant baseline",
    )
    age_bands: list[float] = Field(
        [25.0, 35.0, 50.0],
        description="bounds of the bands that a head of numbers is sliced by, in its unit",
    )

    @field_validator("age_bands")
    @classmethod
    def _bounds_ascend(cls, bounds: list[float]) -> list[float]:
        ends = [float("-inf"), *bounds, float("inf")]
        if not all(low < high for low, high in itertools.pairwise(ends)):
            raise ValueError("must ascend")
        return bounds
