"""What the text and validation stages can be told."""

from __future__ import annotations

from pydantic import Field

from components.strict import Strict


class TextSettings(Strict):
    """How text becomes token ids."""

    maximum_bytes: int = Field(
        256 * 1024,
        ge=1,
        description="bytes of an author's posts that are read, joined, as UTF-8, from the first "
        "post on; a guard of memory: 262,144 are some 50,000 tokens of English, 200 kB as ids, and "
        "in a batch of a training 131,072 tokens, padding counted, or one author",
    )
    vocabulary_size: int = Field(
        50_000,
        ge=3,
        description="ids in all: 0 padding, 1 out of vocabulary, then by falling frequency",
    )
    pairs: int = Field(
        50_000,
        ge=0,
        description="commonest pairs of neighbouring words that the network and its linear "
        "baseline read; 0: none",
    )


class ValidationSettings(Strict):
    """Bounds that stop a run before training."""

    maximum_label_drift: float = Field(
        0.3,
        gt=0,
        le=1,
        description="largest distance of a head's labels from the last span's: Jensen-Shannon "
        "divergence for numbers, largest change of a share for values",
    )
