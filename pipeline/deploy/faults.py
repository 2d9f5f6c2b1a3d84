"""What is wrong with a configuration or a compiled specification. Imports nothing of a platform."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import ConfigError


class SpecificationError(ConfigError):
    """A compiled specification that cannot be run: another version's, or none, or not whole."""


@dataclass(frozen=True)
class Fault:
    """One thing that would fail later.

    Attributes:
        rule: what must hold.
        found: what was found instead.
        remedy: what to do.
    """

    rule: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.rule}; got {self.found}. {self.remedy}"
