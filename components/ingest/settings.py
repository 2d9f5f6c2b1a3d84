"""What ingest can be told."""

from __future__ import annotations

import codecs
import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from components.label_values import Compared, compare_as, is_code, spell
from components.strict import Strict
from components.time_zones import find_zone

UNKNOWN = (
    *("NA", "N/A", "#N/A", "#NA", "<NA>", "NaN", "-NaN", "NaT", "null", "None", "nil"),
    *("unknown", "?", "-", "."),
)
"""How pandas, R, SQL, Excel, Stata and people write that a value is unknown; it always counts."""


class SplitSettings(Strict):
    """Shares of the authors in each split; an author's split follows from its id alone."""

    train: float = Field(0.8, gt=0, lt=1, description="share of authors that fits the network")
    eval: float = Field(0.1, gt=0, lt=1, description="share that stops training and selects")
    test: float = Field(0.1, gt=0, lt=1, description="share that only the Evaluator reads")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitSettings:
        total = self.train + self.eval + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train + eval + test must be 1; they are {total:g}")
        return self


class SpanWindow(Strict):
    """Which spans are read where a pattern has `{SPAN}` or `{YYYY}{MM}{DD}`."""

    last: int | None = Field(
        None, ge=1, description="number of spans, the newest last; by default 1, with `since` all"
    )
    since: int | datetime.date | None = Field(
        None, description="first span: its number, or a date such as 2026-11-01"
    )
    until: int | None = Field(None, ge=0, description="newest span; by default the newest there is")
    leave_out: list[int] = Field(default_factory=list, description="spans that are not read")

    @property
    def is_single(self) -> bool:
        """Whether it never holds more than one span."""
        return self.last == 1 or (self.last is None and self.since is None)


class IngestSettings(Strict):
    """How files are read, and bounds of the join."""

    maximum_set_aside_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="largest share of records set aside for a fault before the run fails",
    )
    maximum_record_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        description="longest readable record in bytes; a longer one is set aside",
    )
    maximum_posts: int = Field(
        50_000,
        ge=1,
        description="posts of an author that are used, the first in order; a guard of memory for "
        "accounts that never end: the join holds an author's posts at once",
    )
    encoding: str = Field(
        "UTF-8",
        description="encoding of text that is not UTF-8 and has no byte-order mark, such as "
        "windows-1252; files in UTF-8 are read as such beside it",
    )
    delimiter: str = Field(
        "",
        description="character between the columns of CSV files, where it is none of those that "
        "are found: comma, semicolon, tab, pipe",
    )
    unknown: list[str] = Field(
        [],
        description="further ways in which an unknown label, timestamp or post_id is given, as "
        "text in any case or a number such as -1; an empty field, null, NA, NaN, ? and the like "
        "always count; a value that a binary head declares is that value",
    )
    timezone: str = Field(
        "UTC",
        description="zone of timestamps that name none, by its name in the IANA time zone "
        "database, such as Europe/Berlin",
    )
    splits: SplitSettings = Field(default_factory=SplitSettings, description="author shares")
    window: SpanWindow = Field(default_factory=SpanWindow, description="spans that are read")

    @field_validator("unknown", mode="before")
    @classmethod
    def _codes_are_text(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        # YAML reads null without quotes as nothing.
        return ["null" if one is None else spell(one) if is_code(one) else one for one in given]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        find_zone(name)
        return name

    @cached_property
    def unknown_values(self) -> frozenset[Compared]:
        """`UNKNOWN` and what `unknown` lists, as `label_values.compare_as` gives it."""
        return frozenset(map(compare_as, (*UNKNOWN, *self.unknown)))

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of `timezone`."""
        return find_zone(self.timezone)

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        try:
            # Domain names have codecs too, which give up where another has a replacement.
            content = "a".encode(name) + bytes(range(256))
            codecs.getincrementaldecoder(name)("replace").decode(content, True)
            is_utf8 = codecs.lookup(name).name in ("utf-8", "utf-8-sig")
        except (LookupError, UnicodeError):
            raise ValueError(
                "must be an encoding of text that Python knows, such as utf-8, windows-1252 or "
                "utf-16-le"
            ) from None
        return "UTF-8" if is_utf8 else name

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, delimiter: str) -> str:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
        if len(delimiter) > 1 or delimiter in ('"', "\n", "\r", "\0", "\ufeff"):
            raise ValueError(
                "must be one character that is neither a quote nor a line end, or the word tab"
            )
        return delimiter


READ_BY_DEFAULT = IngestSettings()
"""Where nobody set anything."""
