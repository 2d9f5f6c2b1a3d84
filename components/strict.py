"""The base of settings and records: no key that is not known, no change once they are read."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A model without further keys, which does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
