"""What the report can be told: the statements of the model card that no artifact can know."""

from __future__ import annotations

from pydantic import Field

from components.strict import Strict


class CardSettings(Strict):
    """Statements of the model card; an empty one is shown as not stated."""

    title: str = Field("Author profile", description="name of the model, for people to read")
    contact: str = Field("", description="who answers for the model")
    intended_use: str = Field(
        "Statistics over many authors who agreed to it, such as the age distribution of an "
        "audience.",
        description="what the model is for",
    )
    not_for: str = Field(
        "Any decision about a single person: hiring, credit, insurance, prices, access, policing "
        "or the enforcement of age limits. Identifying anybody.",
        description="what the model must not be used for",
    )
    data_source: str = Field("", description="where posts and labels come from, and when")
    data_consent: str = Field("", description="on what ground the authors' data may be used")
    data_licence: str = Field("", description="licence of posts and labels")
    model_licence: str = Field("", description="licence of the trained model")
