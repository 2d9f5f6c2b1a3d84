"""What the linear baseline can be told."""

from __future__ import annotations

from pydantic import Field

from components.strict import Strict


class BaselineSettings(Strict):
    """The linear model per head that every run shows beside its network, which corrects it."""

    authors: int = Field(
        1_000_000,
        ge=1,
        description="authors of `train` and `eval` that the linear models are fitted on, at the "
        "most, drawn by a hash of their id",
    )
